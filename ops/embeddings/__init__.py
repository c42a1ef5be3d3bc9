"""Encoders that map text and shots to one vector space, and the embedding of shots read from their proxies."""
