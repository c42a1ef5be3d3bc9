"""Dagster assets, their partitions, checks and automation. Nothing is computed here."""
