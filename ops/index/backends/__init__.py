"""Engines of an index: Qdrant inside the process, and a Qdrant server."""
