"""The nearest-neighbour index over shot vectors: the only package that uses Qdrant."""
