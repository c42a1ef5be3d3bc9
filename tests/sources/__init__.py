"""Sources of many kinds, generated with known facts: one module for each area, each with a list ``KINDS``."""
