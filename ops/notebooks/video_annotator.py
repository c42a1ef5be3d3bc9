"""The data that Netflix publishes with Video Annotator (arXiv:2402.06560), and Needle's probes measured on it.

Format as in https://github.com/Netflix/videoannotator (README.md, videoannotator/data.py, data-exploration.ipynb, read
in November 2026). ``shot-data.csv`` has a row for each shot (``key``, ``yt_id``, ...), ``embeddings.h5`` a data set
``embeddings`` with a vector for each of these rows in the same order, ``agg/<label>.json`` the votes of three editors
(``{"data": [{"key", "agg", "pos_cnt", ...}]}``). Optional: ``cmp/<label>.json`` (``{"random": [{"key", "value"}],
"zero_shot": [...]}``) with the labels of the baselines, and ``text-embeddings.json`` with a vector for each label.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.classification import Interval, compute_average_precision, estimate_intervals
from ops.probes.fit import LEAST
from ops.probes.linear import fit_linear

Vector = NDArray[np.float32]

PACKAGES = ("h5py", "mmh3")
INSTALL = "install them with `pip install 'needle[annotator]'`"
NEEDED = ("embeddings.h5", "shot-data.csv", "agg")
_WAY_OUT = "unpack the data file of github.com/Netflix/videoannotator (section Data of its README) again"
# Both from the abstract: labels of the data set, and the median gain in average precision over the strongest
# baseline, in points of a hundred.
PAPER_LABELS, PAPER_GAIN = 56, 6.8
# As in their config.py and data.py: a fifth of the keys is held out, by a hash of the key with seed 0.
_ONE_IN = 5
# As in their exp1.ipynb: gains are measured at a thousand labels, half of the baseline's random, half by text score.
BASELINE_LABELS = 1000
_ROWS_A_BLOCK = 65_536


@dataclass(frozen=True, kw_only=True)
class LabelResult:
    """One label: average precision on the held-out fifth of the editors' votes, with its 95 % interval.

    ``words`` and ``baseline`` are the values of the text vector alone and of a probe on the baseline's labels, on the
    same shots; ``None`` if the folder has no data for them. ``yes`` and ``no`` count votes for shots with a vector,
    ``without_vector`` the others, which are not used. ``skipped`` is the reason for a missing figure.
    """

    label: str
    yes: int = 0
    no: int = 0
    without_vector: int = 0
    held_out: int = 0
    ap: Interval | None = None
    words: float | None = None
    baseline: float | None = None
    skipped: str = ""

    @property
    def gain(self) -> float | None:
        """Percentage points by which Needle's probe on the editors' labels is above the baseline's."""
        return None if self.ap is None or self.baseline is None else 100 * (self.ap.value - self.baseline)


class AnnotatorData:
    """The unpacked folder. Raises ``UsageError`` naming missing packages, and missing and invalid files."""

    def __init__(self, folder: Path) -> None:
        if packages := [name for name in PACKAGES if find_spec(name) is None]:
            raise UsageError(f"this benchmark needs {' and '.join(packages)}: {INSTALL}")
        missing = [name for name in NEEDED if not (folder / name).exists()]
        if missing:
            raise UsageError(f"{folder} has no {', '.join(missing)}: {_WAY_OUT}, and name the folder")
        self._folder = folder
        self._rows, self._films = _read_shots(folder / "shot-data.csv")
        self.labels = sorted(path.stem for path in (folder / "agg").glob("*.json"))
        texts = folder / "text-embeddings.json"
        self._texts = _read_json(texts) if texts.exists() else {}
        if not isinstance(self._texts, dict):
            raise UsageError(f"{texts}: expected an object with a vector for each label")

    def read_votes(self, label: str) -> dict[str, bool]:
        """Return the answers that the editors agreed on, by key."""
        path = self._folder / "agg" / f"{label}.json"
        return _parse_answers(_read_json(path), "data", "agg", path)

    def read_baseline(self, label: str) -> dict[str, bool]:
        """Return labels of the strongest baseline: half by text score, half random; empty without ``cmp``."""
        path = self._folder / "cmp" / f"{label}.json"
        if not path.exists():
            return {}
        content, half = _read_json(path), BASELINE_LABELS // 2
        parts = (
            dict(list(_parse_answers(content, name, "value", path).items())[:half]) for name in ("zero_shot", "random")
        )
        return {key: value for part in parts for key, value in part.items()}

    def read_text_vector(self, label: str, size: int) -> Vector | None:
        """Return the label's unit text vector (D,) of ``size`` numbers, as the shots' vectors; ``None`` if missing."""
        if label not in self._texts:
            return None
        try:
            vector = np.asarray(self._texts[label], np.float32)
        except (TypeError, ValueError):
            vector = np.zeros(0, np.float32)
        if vector.shape != (size,) or not np.isfinite(vector).all():
            raise UsageError(f"{self._folder / 'text-embeddings.json'}: {label} is not a vector of {size} numbers")
        return vector / max(float(np.linalg.norm(vector)), 1e-9)

    def read_vectors(self, keys: Iterable[str]) -> dict[str, Vector]:
        """Return unit vectors (D,) by key; reads the file in blocks, and keeps only these rows.

        Keys that are not in ``shot-data.csv`` and vectors of length zero are left out.
        """
        import h5py

        keys_by_row = {self._rows[key]: key for key in keys if key in self._rows}
        path = self._folder / "embeddings.h5"
        try:
            with h5py.File(path, "r") as file:
                dataset = file.get("embeddings")
                if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 2 or len(dataset) != len(self._rows):
                    raise UsageError(
                        f"{path}: expected a data set `embeddings` with one vector for each of the {len(self._rows)} "
                        f"keys of shot-data.csv: {_WAY_OUT}"
                    )
                return _read_unit_rows(dataset, keys_by_row)
        except (OSError, RuntimeError) as error:  # h5py raises these for damaged files and parts of files
            raise UsageError(f"{path} cannot be read ({error}): it is damaged or incomplete, {_WAY_OUT}") from error

    def find_clip(self, key: str) -> str:
        """Return the clip of a shot; shots of one clip are held out together in a fit."""
        return self._films[key]


def is_held_out(key: str) -> bool:
    """Whether the paper's split holds a shot out: by MurmurHash3 of its key, a fifth of all."""
    import mmh3

    return mmh3.hash(key, 0) % _ONE_IN == 0


def run_benchmark(data: AnnotatorData) -> Iterator[LabelResult]:
    """Yield every label's result; the labelled shots' vectors are read once (2 KB a shot).

    A label whose files cannot be read is skipped with the reason. Raises ``UsageError`` if vectors cannot be read.
    """
    answers: dict[str, tuple[dict[str, bool], dict[str, bool]]] = {}
    unread: dict[str, str] = {}
    for label in data.labels:
        try:
            answers[label] = data.read_votes(label), data.read_baseline(label)
        except UsageError as error:
            unread[label] = str(error)
    vectors = data.read_vectors({key for pair in answers.values() for part in pair for key in part})
    for label in data.labels:
        if label in unread:
            yield LabelResult(label=label, skipped=unread[label])
        else:
            yield _measure(data, label, *answers[label], vectors)


def _measure(
    data: AnnotatorData, label: str, votes: dict[str, bool], baseline: dict[str, bool], vectors: dict[str, Vector]
) -> LabelResult:
    """Fit on four fifths of the editors' votes, and on the baseline's labels; rank the last fifth."""
    known_votes = {key: value for key, value in votes.items() if key in vectors}
    test = sorted(key for key in known_votes if is_held_out(key))
    train = {key: value for key, value in known_votes.items() if not is_held_out(key)}
    other = {key: value for key, value in baseline.items() if key not in set(test) and key in vectors}
    truths = np.array([known_votes[key] for key in test], bool)
    yes, missing = sum(known_votes.values()), len(votes) - len(known_votes)
    result = LabelResult(label=label, yes=yes, no=len(known_votes) - yes, without_vector=missing, held_out=len(test))
    if not _can_fit(train) or len(set(truths.tolist())) < 2:
        reason = f"a fit needs {LEAST} of each answer, and both among the held-out votes"
        return replace(result, skipped=reason)
    test_ND = np.stack([vectors[key] for key in test])
    try:
        text = data.read_text_vector(label, test_ND.shape[1])
    except UsageError as error:
        return replace(result, skipped=str(error))
    scores = _fit(data, train, vectors, text, test_ND)
    films = np.unique([data.find_clip(key) for key in test], return_inverse=True)[1]
    metrics = {"ap": compute_average_precision}
    return replace(
        result,
        ap=estimate_intervals(metrics, scores, truths, films, seed=0)["ap"],
        words=None if text is None else compute_average_precision((test_ND @ text).astype(np.float64), truths),
        baseline=compute_average_precision(_fit(data, other, vectors, text, test_ND), truths)
        if _can_fit(other)
        else None,
    )


def _can_fit(answers: Mapping[str, bool]) -> bool:
    return min(sum(answers.values()), len(answers) - sum(answers.values())) >= LEAST


def _fit(
    data: AnnotatorData,
    answers: Mapping[str, bool],
    vectors: Mapping[str, Vector],
    text: Vector | None,
    test_ND: Vector,
) -> NDArray[np.float64]:
    """Return log odds of the test rows from a probe on these answers; shots of one clip are held out together."""
    keys = sorted(answers)
    rows = np.stack([vectors[key] for key in keys])
    truths = np.array([answers[key] for key in keys], bool)
    films = np.unique([data.find_clip(key) for key in keys], return_inverse=True)[1].astype(np.int64)
    return fit_linear(rows, truths, films, np.zeros(rows.shape[1], np.float32) if text is None else text).margins(
        test_ND
    )


def _read_unit_rows(dataset: Any, keys_by_row: Mapping[int, str]) -> dict[str, Vector]:
    """Return rows of a data set as unit vectors (D,), by their keys."""
    numbers = np.array(sorted(keys_by_row), np.int64)
    vectors: dict[str, Vector] = {}
    for start in range(0, len(dataset), _ROWS_A_BLOCK):
        inside = numbers[(numbers >= start) & (numbers < start + _ROWS_A_BLOCK)]
        if not len(inside):
            continue
        block = np.asarray(dataset[start : start + _ROWS_A_BLOCK], np.float32)[inside - start]
        lengths = np.linalg.norm(block, axis=1)
        for number, row, length in zip(inside, block, lengths, strict=True):
            if np.isfinite(length) and length > 0:
                vectors[keys_by_row[int(number)]] = row / length
    return vectors


def _read_shots(path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Return row number and clip of each key."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"key", "yt_id"} - set(reader.fieldnames or ()):
                raise UsageError(f"{path} has no column {', '.join(sorted(missing))}: {_WAY_OUT}")
            pairs = [(row["key"], row["yt_id"]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV ({error}): {_WAY_OUT}") from error
    return {key: number for number, (key, _) in enumerate(pairs)}, dict(pairs)


def _parse_answers(content: Any, part: str, value: str, path: Path) -> dict[str, bool]:
    """Return yes and no by key; rows without an answer (null) are left out."""
    try:
        rows = {row["key"]: row[value] for row in content[part]}
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: expected {part!r} with rows of 'key' and {value!r}") from error
    if strange := [each for each in rows.values() if each not in (True, False, None)]:
        raise UsageError(f"{path}: expected true or false as {value!r}, not {strange[0]!r}")
    return {key: bool(each) for key, each in rows.items() if each is not None}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}): {_WAY_OUT}") from error
