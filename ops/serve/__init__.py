"""The web door: the search service and its page, for people and for programs."""
