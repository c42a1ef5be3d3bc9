"""Labels with their probes, and the quality of these."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.serve.answers.labels import LabelCounts
from ops.serve.answers.shots import Answer


class Person(Answer):
    """The current answer of one person."""

    annotator: str
    yes: int
    no: int


class Labelled(LabelCounts):
    since: int = Field(description="shots whose label the version that scores has not learnt as it is now")
    since_fit: int = Field(description="the same for the last fit, whether its version scores or was refused")
    people: list[Person]


class Figure(Answer):
    """With its 95 % interval."""

    value: float
    low: float
    high: float


class FitState(Answer):
    """A fit that was started here: `off` (this service starts none), `idle`, `running`, or `failed`."""

    state: Literal["off", "idle", "running", "failed"]
    since: str | None
    told: str = Field(description="the message of a failed fit; else empty")


class ProbeAnswer(Answer):
    """A label, the probe that was made of it, and how good that is."""

    label: str
    description: str
    queries: list[str]
    policy: str = Field(description="`f1`, `precision>=0.9` or a number; empty where the probe is not defined")
    promoted: str = Field(description="the version that scores the catalogue; empty if there is none")
    latest: str = Field(description="the last fit")
    kind: str = Field(description="`logistic`, `zero_shot` (the words alone), or empty")
    fitted_at: str | None
    yes: int = Field(description="labels that the version learnt from")
    no: int
    threshold: float | None = Field(description="the least score that means yes")
    metrics: dict[str, Figure]
    notes: list[str]
    refused: str = Field(description="why the last fit does not score the catalogue; else empty")
    redefined: bool = Field(description="queries or threshold are not those of the last fit")
    labels: Labelled
    scored: int = Field(description="shots that have a score: more than none can be searched by it")
    scored_by: str = Field(description="the version of all these scores; empty while they are being computed")
    at_least: list[int] = Field(description="shots that score at least 0.00, 0.01, and so on to 1.00; or nothing")
    fit: FitState


class ProbesAnswer(Answer):
    """Every label that is defined, given by anybody, or fitted."""

    probes: list[ProbeAnswer]
