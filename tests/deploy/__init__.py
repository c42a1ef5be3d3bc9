"""``deploy/``: its files checked by their own tools, and the commands of its compose file run as processes."""
