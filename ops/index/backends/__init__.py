"""The engines that can hold an index: Qdrant inside the process, and a Qdrant server."""
