"""One export format a module; each has a ``FORMAT``."""
