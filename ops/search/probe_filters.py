"""Scores of probes by shot, from the lake's ``probe_scores/<probe>``: for filters, and to name a hit's probes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.errors import NotFoundError
from ops.core.schemas import SCORES
from ops.core.settings import Settings
from ops.probes.annotations import resolve_annotations
from ops.probes.labels import list_labels, read_annotations
from ops.probes.scores import kept_scores_table
from ops.probes.state import read_promoted_version
from ops.probes.versions import ProbeVersion
from ops.search.schema import ProbeFilter, parse_filter

# Probes are scored while the service runs, without a new version of the index.
REREAD_AFTER_S = 10.0

# Threshold of a probe without a version of its own (scores from another program): the label applies from here.
YES = 0.5


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """One probe's scores by shot id, read at ``read_at``, and the threshold from which the label applies.

    ``versions`` are the versions of the scores: more than one while the catalogue is being rescored.
    """

    read_at: float
    scores: dict[str, float]
    threshold: float
    versions: frozenset[str]


class ProbeScores:
    """Scores of probes by shot; read on first use, and again after ten seconds.

    ``encoder_id`` returns the id of the encoder of the search (default: the live one). Its probes answer, also in the
    moments when another encoder becomes live.
    """

    def __init__(self, settings: Settings, encoder_id: Callable[[], str] = str) -> None:
        self._settings = settings
        self._encoder_id = encoder_id
        self._lock = Lock()
        self._by_name: dict[str, _Scored] = {}
        self._names: list[str] = []
        self._list_again_at = 0.0

    def list_names(self) -> list[str]:
        """Return the names of the probes that have scored shots, sorted."""
        with self._lock:
            return list(self._list_names())

    def _list_names(self) -> list[str]:
        if time.monotonic() >= self._list_again_at:
            self._names = self._settings.lake.list_tables_below(SCORES)
            self._list_again_at = time.monotonic() + REREAD_AFTER_S
        return self._names

    def forget(self) -> None:
        """Read everything again from now on."""
        with self._lock:
            self._by_name.clear()
            self._list_again_at = 0.0

    def read(self, probe: str) -> dict[str, float]:
        """Return scores, 0 to 1, by shot id.

        Raises ``NotFoundError``, which names the existing probes, if there is none of this name.
        """
        return self._compute(probe).scores

    def read_versions(self, probe: str) -> frozenset[str]:
        """Return the versions of the probe's scores. Raises as :meth:`read`."""
        return self._compute(probe).versions

    def _compute(self, probe: str) -> _Scored:
        with self._lock:
            before = self._by_name.get(probe)
            if before and before.scores and time.monotonic() - before.read_at < REREAD_AFTER_S:
                return before
            names = self._list_names()
            if probe not in names:
                raise _report_unknown_probe(probe, names)
            version = read_promoted_version(self._settings, probe, self._encoder_id())
            table = self._read_table(probe, version)
            self._by_name[probe] = _Scored(
                read_at=time.monotonic(),
                scores=dict(zip(table["shot_id"].to_pylist(), table["score"].to_pylist(), strict=True)),
                threshold=version.threshold if version else YES,
                versions=frozenset(table["probe_version"].unique().to_pylist()),
            )
            return self._by_name[probe]

    def _read_table(self, probe: str, version: ProbeVersion | None) -> pa.Table:
        """Return the scores of ``version`` or, if they are not computed yet, the existing ones."""
        lake, columns = self._settings.lake, ("shot_id", "score", "probe_version")
        rows = lake.read(f"{SCORES}/{probe}", columns=columns)
        if version is None or set(pc.unique(rows["probe_version"]).to_pylist()) <= {version.version}:
            return rows
        table = lake.read(kept_scores_table(self._encoder_id(), probe), columns=columns)
        return table if set(pc.unique(table["probe_version"]).to_pylist()) == {version.version} else rows

    def find_matching(self, shot_ids: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
        """Return the probes that score each of the shots at or above their threshold, best first."""
        probes: dict[str, list[tuple[str, float]]] = {}
        for name in self.list_names():
            probe_scores = self._compute(name)
            for shot_id in shot_ids:
                score = probe_scores.scores.get(shot_id)
                if score is not None and score >= probe_scores.threshold:
                    probes.setdefault(shot_id, []).append((name, score))
        return {shot_id: sorted(pairs, key=lambda pair: (-pair[1], pair[0])) for shot_id, pairs in probes.items()}

    def find_labelled(self, condition: str) -> set[str]:
        """Return shots with a label: those that people labelled yes, and those that its probe scores high enough.

        ``condition`` is the label's name, or one on its probe such as ``closeup>=0.7``. What people labelled outweighs
        the probe. Raises ``NotFoundError``, which names the existing labels, for an unknown one.
        """
        if re.search(r"[<>=]", condition):
            return self.find_fulfilling([parse_filter(condition)])
        has_labels = condition in list_labels(self._settings)
        if not has_labels and condition not in self.list_names():
            raise _no_label(condition, sorted({*self.list_names(), *list_labels(self._settings)}))
        shots: set[str] = set()
        if condition in self.list_names():
            probe_scores = self._compute(condition)
            shots = {shot_id for shot_id, score in probe_scores.scores.items() if score >= probe_scores.threshold}
        answers = resolve_annotations(read_annotations(self._settings, [condition])) if has_labels else {}
        for (_, shot_id), answer in answers.items():
            (shots.add if answer.value else shots.discard)(shot_id)
        return shots

    def find_fulfilling(self, filters: Sequence[ProbeFilter]) -> set[str]:
        """Return shots that fulfil every filter (at least one is given); a shot without a score fulfils none."""
        fulfilling = [
            {shot_id for shot_id, score in self.read(each.probe).items() if each.accept(score)} for each in filters
        ]
        return set.intersection(*fulfilling)


def _no_label(label: str, names: Sequence[str]) -> NotFoundError:
    if not names:
        return NotFoundError(f"no label {label!r}: this catalogue has none yet; `needle label` gives one to a shot")
    near = get_close_matches(label, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return NotFoundError(f"no label {label!r}: {hint}there are {', '.join(names)}")


def _report_unknown_probe(probe: str, names: Sequence[str]) -> NotFoundError:
    if not names:
        return NotFoundError(f"no probe {probe!r}: this catalogue has none yet")
    near = get_close_matches(probe, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return NotFoundError(f"no probe {probe!r}: {hint}there are {', '.join(names)}")
