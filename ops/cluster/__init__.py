"""The only package that imports Ray: sessions, batches over actors, workers of one fit."""
