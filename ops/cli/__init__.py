"""The command line: the one door that may also start Dagster."""
