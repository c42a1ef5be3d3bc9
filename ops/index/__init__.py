"""The nearest-neighbour index over shot vectors: the only room that talks to Qdrant."""
