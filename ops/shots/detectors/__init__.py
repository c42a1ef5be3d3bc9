"""Implementations of :class:`ops.shots.detector.Detector`, one class per file."""
