"""Implementations of :class:`ops.people.face_model.FaceModel`, one a module."""
