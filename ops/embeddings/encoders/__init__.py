"""One encoder a file; each keeps the protocol of ``ops.embeddings.encoder``."""
