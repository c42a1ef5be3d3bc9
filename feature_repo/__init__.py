"""Feast definitions of the features that Needle serves, and nothing else.

Definitions are functions of (lake, encoder id, dim), so importing this package creates none. ``ops/features/`` applies
them and is the only Feast client. For ``feast apply`` and ``feast serve`` in this folder see ``catalogue.py``.
"""
