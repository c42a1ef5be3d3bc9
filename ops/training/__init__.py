"""Fitting what Needle ships and measuring what it finds."""
