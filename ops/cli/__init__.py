"""The command line: the only package besides assets that may start Dagster."""
