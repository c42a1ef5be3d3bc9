"""Encoders that put text and shots into one space, and the embedding of shots read from their proxies."""
