"""One kind of encoder a module, which ends in ``KIND = <an EncoderKind>``; ``ops/embeddings/encoder.py`` finds it."""
