"""Collections: trays with a name that people keep on the server, and share."""
