"""Plain Python: how Needle does what it does. Dagster may not enter (there are no ``@op`` here)."""
