"""Fit encoders on captioned data, and evaluate encoders and detectors."""
