"""Answers of the service as models: most routes build them, and OpenAPI describes them."""

from ops.serve.answers.access import Alive, Health, Readiness, SessionAnswer
from ops.serve.answers.collections import CollectionAnswer, CollectionsAnswer
from ops.serve.answers.details import ShotAnswer
from ops.serve.answers.feeds import FeedsAnswer
from ops.serve.answers.films import CorrectedAnswer, CorrectionsAnswer, FilmAnswer
from ops.serve.answers.labels import JudgedAnswer, LabelAnswer, LabelsAnswer
from ops.serve.answers.people import FacesLikeAnswer, PeopleAnswer, PersonAnswer
from ops.serve.answers.probes import ProbeAnswer, ProbesAnswer
from ops.serve.answers.samples import SampleQuery, SamplesAnswer
from ops.serve.answers.saved_searches import SavedSearchesAnswer
from ops.serve.answers.search import ExportFormatsAnswer, ExportProgressAnswer, ImageAnswer, SearchAnswer
from ops.serve.answers.shows import ShowsAnswer
from ops.serve.answers.videos import ShowPostersAnswer, TranscriptAnswer, VideosAnswer

__all__ = [
    "Alive",
    "CollectionAnswer",
    "CollectionsAnswer",
    "CorrectedAnswer",
    "CorrectionsAnswer",
    "ExportFormatsAnswer",
    "ExportProgressAnswer",
    "FacesLikeAnswer",
    "FeedsAnswer",
    "FilmAnswer",
    "Health",
    "ImageAnswer",
    "JudgedAnswer",
    "LabelAnswer",
    "LabelsAnswer",
    "PeopleAnswer",
    "PersonAnswer",
    "ProbeAnswer",
    "ProbesAnswer",
    "Readiness",
    "SampleQuery",
    "SamplesAnswer",
    "SavedSearchesAnswer",
    "SearchAnswer",
    "SessionAnswer",
    "ShotAnswer",
    "ShowPostersAnswer",
    "ShowsAnswer",
    "TranscriptAnswer",
    "VideosAnswer",
]
