"""Labels with their counts."""

from __future__ import annotations

from pydantic import Field

from ops.serve.answers.shots import Answer
from ops.serve.answers.votes import Judged, JudgedShot


class LabelCounts(Answer):
    """How one label stands: shots by their latest judgement, those of which people differ, and those that are gone."""

    label: str
    yes: int
    no: int
    conflicts: int
    gone: int


class LabelsAnswer(Answer):
    """Every label that anybody gave."""

    labels: list[LabelCounts]


class Refused(Answer):
    """A shot whose label was not taken."""

    shot_id: str
    reason: str


class LabelAnswer(LabelCounts):
    """What was written, and how the label stands now."""

    written: int
    unchanged: int
    set_aside: list[Refused]
    shots: list[Judged] = Field(description="those that were named and taken")


class JudgedAnswer(LabelCounts):
    """A page of the shots that were judged, the newest judgement first; or the shots that were asked for."""

    total: int
    shots: list[JudgedShot]
