"""The face model of the settings: dlib, or OpenCV's models from files of the user."""

from __future__ import annotations

from ops.core.errors import MediaError
from ops.core.settings import Settings
from ops.people.face_model import FaceModel


def explain_setting(settings: Settings) -> str:
    """Return why no face can be found under NEEDLE_PEOPLE and NEEDLE_FACE_MODELS; empty if it is off or usable."""
    if settings.people == "off":
        return ""
    if settings.face_models:
        from ops.people.face_models.opencv_faces import explain_problem
    else:
        from ops.people.face_models.dlib_faces import explain_problem
    return explain_problem(settings.face_models)


def describe_model(settings: Settings) -> str:
    """Return the ``model_id`` of the configured model without loading it."""
    if settings.face_models:
        from ops.people.face_models.opencv_faces import describe_files
    else:
        from ops.people.face_models.dlib_faces import describe_files
    return describe_files(settings.face_models)


def load_model(settings: Settings) -> FaceModel:
    """Return the configured model. Raises ``MediaError`` if a package or a file is missing or damaged."""
    if problem := explain_setting(settings):
        raise MediaError(problem)
    if settings.face_models:
        from ops.people.face_models.opencv_faces import OpenCvFaceModel

        return OpenCvFaceModel(settings.face_models)
    from ops.people.face_models.dlib_faces import DlibFaceModel

    return DlibFaceModel()
