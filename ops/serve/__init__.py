"""The web service: the search API and its page, for users and for programs."""
