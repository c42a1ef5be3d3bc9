"""Features from Feast for the worked example of a downstream model: of labelled shots, and of any shots online.

Legend: N shots, F features in named blocks: ``embedding`` (the vector), ``probes`` (log odds from other probes),
``facts`` (length, brightness, blank, first transition). The label's own probe is left out: it was fitted on the
answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_repo.names import embedding_view, probe_view
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.features import historical_features, online_features, served_features
from ops.features.store import list_scored_probes
from ops.probes.fit import LEAST
from ops.probes.folds import Groups, ShotPlace, group_shots
from ops.probes.labels import list_labels, read_annotations, resolve_labels

Matrix = NDArray[np.float64]

BLOCKS = ("embedding", "probes", "facts")
FACTS = ("seconds, logarithm", "brightness", "is blank", "begins with a cut")
_FACT_FEATURES = ("start_s", "end_s", "mean_luma", "is_blank", "transition")
_FACTS_VIEW = "shot_metadata"


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Labelled shots with their features as known at each row's time; ``notes`` report what was left out."""

    label: str
    encoder_id: str
    shot_ids: list[str]
    truths: NDArray[np.bool_]
    groups: Groups
    held_out_by: str
    blocks: dict[str, Matrix]
    probes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def steps(self) -> list[tuple[str, ...]]:
        """Return one block, two blocks, and so on up to all; blocks without a feature are left out."""
        present = [name for name in BLOCKS if self.blocks[name].shape[1]]
        return [tuple(present[:count]) for count in range(1, len(present) + 1)]

    def single_features(self) -> dict[str, Matrix]:
        """Return each probe and each fact as a block (N, 1) of its own, by its name."""
        names = {"probes": [f"probe {probe}" for probe in self.probes], "facts": list(FACTS)}
        return {
            name: self.blocks[block][:, [column]] for block, each in names.items() for column, name in enumerate(each)
        }

    def columns(self, blocks: Sequence[str]) -> Matrix:
        """Return the features (N, F) of some blocks, side by side."""
        return np.concatenate([self.blocks[name] for name in blocks], axis=1)


def load_training_set(settings: Settings, encoder_id: str, label: str, at: datetime | None) -> TrainingSet:
    """Read the features of every labelled shot from Feast, as known ``at`` a time; ``None``: when it was labelled.

    Raises ``UsageError``, with advice, if there are too few to fit on.
    """
    shots = _read_labelled(settings, label, at)
    probes = tuple(probe for probe in list_scored_probes(settings) if probe != label)
    service = "shot_classifier_v2" if list_scored_probes(settings) else "shot_classifier_v1"
    frame = historical_features(settings, shots, service, full_names=True)
    notes, when = [], f"as of {at.isoformat(timespec='minutes')}" if at else "when they were labelled"
    has_vector = frame[f"{embedding_view(encoder_id)}__embedding"].notna()
    if not has_vector.all():
        notes.append(f"{plural(int((~has_vector).sum()), 'labelled shot')} had no vector {when}, and are left out")
    frame = frame[has_vector].reset_index(drop=True)
    for probe in [probe for probe in probes if frame[f"{probe_view(probe)}__score"].isna().all()]:
        notes.append(f"the probe {probe} had scored none of these shots {when}, and is left out")
        probes = tuple(name for name in probes if name != probe)
    truths = frame["answer"].to_numpy(bool)
    if min(truths.sum(), (~truths).sum()) < LEAST:
        raise UsageError(
            f"{label}: {truths.sum()} yes and {(~truths).sum()} no with features {when}; a model needs {LEAST} "
            f"of each: `needle label {label} SHOT --value yes|no`{'' if at else ', or features as known now'}"
        )
    rows: list[Any] = frame.to_dict("records")
    places = [_parse_place(row) for row in rows]
    groups, by = group_shots(places, truths)
    return TrainingSet(
        label=label,
        encoder_id=encoder_id,
        shot_ids=frame["shot_id"].tolist(),
        truths=truths,
        groups=groups,
        held_out_by=by,
        blocks=_compute_blocks(rows, encoder_id, probes),
        probes=probes,
        notes=tuple(notes),
    )


def load_online_matrix(
    settings: Settings, encoder_id: str, probes: Sequence[str], shot_ids: Sequence[str], address: str = ""
) -> Matrix:
    """Read features (N, F) of shots as a service does: scalars online, present vectors from the lake.

    Scalars come from the online store, or over HTTP from ``feast serve`` at ``address``. Vectors are not online in
    Feast; a service that has the index reads them there. Raises ``FeatureStoreError``.
    """
    features = [f"{_FACTS_VIEW}:{name}" for name in _FACT_FEATURES]
    features += [f"{probe_view(probe)}:score" for probe in probes]
    if address:
        rows = served_features(address, shot_ids, features, full_names=True)
    else:
        rows = online_features(settings, shot_ids, features, full_names=True)
    view = embedding_view(encoder_id)
    moments = pd.DataFrame({"shot_id": list(shot_ids), "event_timestamp": pd.Timestamp(datetime.now(UTC))})
    vectors = historical_features(settings, moments, [f"{view}:embedding"], full_names=True)[f"{view}__embedding"]
    together = [row | {f"{view}__embedding": vector} for row, vector in zip(rows, vectors, strict=True)]
    return np.concatenate(list(_compute_blocks(together, encoder_id, probes).values()), axis=1)


def list_fittable_labels(settings: Settings) -> list[str]:
    """Return the labels with enough labelled shots for a fit, largest first."""
    counts = {}
    for label in list_labels(settings):
        answers = [each.value for each in resolve_labels(settings, [label]) if not each.missing_reason]
        if min(sum(answers), len(answers) - sum(answers)) >= LEAST:
            counts[label] = len(answers)
    return sorted(counts, key=lambda label: (-counts[label], label))


def _read_labelled(settings: Settings, label: str, at: datetime | None) -> pd.DataFrame:
    """Return ``shot_id``, ``event_timestamp``, ``answer`` of every labelled shot in the catalogue."""
    read_annotations(settings, [label])  # raises, naming the labels that exist
    latest = [each.latest for each in resolve_labels(settings, [label]) if not each.missing_reason]
    if not latest:
        raise UsageError(f"{label}: none of its labelled shots is in the catalogue any more")
    return pd.DataFrame(
        {
            "shot_id": [each.shot_id for each in latest],
            "event_timestamp": pd.to_datetime([at or each.created_at for each in latest], utc=True).as_unit("us"),
            "answer": [each.value for each in latest],
        }
    )


def _compute_blocks(rows: Sequence[Mapping[str, Any]], encoder_id: str, probes: Sequence[str]) -> dict[str, Matrix]:
    """Compute the blocks from offline or online rows by the same code: training and serving agree."""
    vector, size = f"{embedding_view(encoder_id)}__embedding", len(rows)
    scores = np.array(
        [[_parse_number(row[f"{probe_view(probe)}__score"]) for probe in probes] for row in rows], np.float64
    )
    likely = np.clip(scores.reshape(size, len(probes)), 1e-3, 1 - 1e-3)
    return {
        "embedding": np.array([row[vector] for row in rows], np.float64),
        "probes": np.log(likely / (1 - likely)),
        "facts": np.array([_compute_facts(row) for row in rows], np.float64),
    }


def _compute_facts(row: Mapping[str, Any]) -> list[float]:
    start, end, luma, blank, transition = (row[f"{_FACTS_VIEW}__{name}"] for name in _FACT_FEATURES)
    begins = np.nan if pd.isna(transition) else float(transition == "cut")
    return [
        float(np.log(max(_parse_number(end) - _parse_number(start), 0.01))),
        _parse_number(luma),
        _parse_number(blank),
        begins,
    ]


def _parse_number(value: Any) -> float:
    return np.nan if pd.isna(value) else float(value)


def _parse_place(row: Mapping[str, Any]) -> ShotPlace:
    names = ("show", "video_id", "start_frame")
    show, video_id, start = (row[f"{_FACTS_VIEW}__{name}"] for name in names)
    return ShotPlace(show=str(show), video_id=str(video_id), start_frame=int(start))
