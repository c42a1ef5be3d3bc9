"""Public test sets of text-video retrieval: their captions, their protocol, and published figures.

``annotations`` reads the captions as published; ``layouts`` finds them and their videos in a folder; ``published``
holds figures with their source. :mod:`ops.training.retrieval_benchmark` measures.
"""
