"""One kind of encoder per module, which ends in ``KIND = <an EncoderKind>``; ``ops/embeddings/encoder.py`` finds it."""
