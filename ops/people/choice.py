"""The choice of the settings: people or none, and the face model: dlib, or OpenCV's models from files of the user."""

from __future__ import annotations

from ops.core.errors import MediaError, SettingsError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.people.catalogue import read_people
from ops.people.face_model import FaceModel


def require_decision(settings: Settings) -> None:
    """Raise ``SettingsError`` if people have names, and NEEDLE_PEOPLE is off only because it is not set.

    Names are people's work: an ingest from a shell without the setting must not delete them.
    """
    if settings.people == "on" or "people" in settings.model_fields_set:
        return
    if names := sum(bool(row["name"]) for row in read_people(settings)):
        raise SettingsError(
            f"NEEDLE_PEOPLE is not set, and this home has {plural(names, 'named person', 'named people')}: set it to "
            "on (in needle.toml, to keep it so), or to off to delete all faces and names"
        )


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
