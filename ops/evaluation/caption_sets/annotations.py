"""Captions of the test videos of public sets, read from the files as their authors, or the usual splits, publish them.

All content is foreign: it is checked for its form, and a file of another form raises ``UsageError`` with its path.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.evaluation.cut_sets.pickled_scenes import check_references
from ops.evaluation.set_files import is_plain, read_text

MOST_BYTES = 256 << 20
"""The largest annotation of these sets, VATEX's with Chinese captions, has less than 50 MiB."""
MOST_CAPTIONS = 1_000_000
"""The largest test part, VATEX's, has 60,000."""
MSVD_TEST = range(1301, 1971)
"""Numbers of MSVD's test videos in ``youtube_mapping.txt`` (Venugopalan et al. 2015, arXiv:1412.4729)."""


@dataclass(frozen=True, kw_only=True)
class CaptionedVideos:
    """The captions of each test video by its name, without an ending. ``form`` names the files that were read."""

    form: str
    captions: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = field(default=())


def read_msrvtt(folder: Path) -> CaptionedVideos:
    """1k-A: the 1,000 pairs of Yu et al. (2018), a table or a list of ``{"video", "caption"}``."""
    if path := _find(folder, "MSRVTT_JSFUSION_test.csv"):
        rows = _read_table(path, ("video_id", "sentence"))
        pairs = [(row["video_id"], row["sentence"]) for row in rows]
    elif path := _find(folder, "msrvtt_test_1k.json", "msrvtt_ret_test1k.json"):
        with _name_file(path):
            pairs = [(_stem(row["video"]), str(row["caption"])) for row in _parse_json(path)]
    else:
        raise _missing(folder, "MSRVTT_JSFUSION_test.csv or msrvtt_test_1k.json")
    return _collect(path.name, pairs)


def read_msvd(folder: Path) -> CaptionedVideos:
    """The 670 test videos with all their English captions."""
    listing = _find(folder, "test_list.txt")
    mapping = _find(folder, "youtube_mapping.txt")
    if listing is not None:
        names = _read_names(listing)
    elif mapping is not None:
        names = _read_mapping(mapping)
    else:
        raise _missing(folder, "test_list.txt or youtube_mapping.txt, which name the test videos")
    if path := _find(folder, "raw-captions.pkl"):
        captions = _read_pickled_captions(path)
    elif path := _find(folder, "AllVideoDescriptions.txt"):
        captions = _read_descriptions(path)
    else:
        raise _missing(folder, "raw-captions.pkl or AllVideoDescriptions.txt")
    return _select(f"{path.name}, {(listing or mapping or path).name}", captions, names)


def read_didemo(folder: Path) -> CaptionedVideos:
    """Paragraphs: all descriptions of a test video, joined in the order of the file."""
    path = _find(folder, "test_data.json")
    if path is None:
        raise _missing(folder, "test_data.json")
    parts: dict[str, list[str]] = {}
    with _name_file(path):
        for row in _parse_json(path):
            parts.setdefault(_stem(row["video"]), []).append(_clean(str(row["description"])))
    captions = {name: [" ".join(texts)] for name, texts in parts.items()}
    listing = _find(folder, "test_list.txt")
    if listing is None:
        return _select(path.name, captions, list(captions))
    return _select(f"{path.name}, {listing.name}", captions, [_stem(name) for name in _read_names(listing)])


def read_vatex(folder: Path) -> CaptionedVideos:
    """All English captions of the videos of a list, or of the public test part."""
    captions: dict[str, list[str]] = {}
    paths = [
        path
        for path in (
            _find(folder, "vatex_public_test_english_v1.1.json"),
            _find(folder, "vatex_validation_v1.0.json"),
            _find(folder, "ref_captions.json"),
        )
        if path is not None
    ]
    if not paths:
        raise _missing(folder, "vatex_public_test_english_v1.1.json, vatex_validation_v1.0.json or ref_captions.json")
    listing = _find(folder, "tst_names.npy", "test_list.txt")
    for path in paths if listing else paths[:1]:
        with _name_file(path):
            captions |= _read_vatex_file(path)
    if listing is not None:
        names = _read_array(listing) if listing.suffix == ".npy" else _read_names(listing)
        return _select(f"{', '.join(path.name for path in paths)}, {listing.name}", captions, names)
    whole = _select(paths[0].name, captions, list(captions))
    note = (
        f"without tst_names.npy or test_list.txt all {len(captions):,} videos of the file are searched; the published "
        "figures are of 1,500 videos of the validation part (Chen et al. 2020, arXiv:2003.00392)"
    )
    return CaptionedVideos(form=whole.form, captions=whole.captions, notes=(note, *whole.notes))


def read_condensed_movies(folder: Path) -> CaptionedVideos:
    """The description of each clip of a test film; a description of several clips counts for none of them."""
    paths = [_find(folder, name) for name in ("split.csv", "clips.csv", "descriptions.csv")]
    if any(path is None for path in paths):
        raise _missing(folder, "metadata/split.csv, clips.csv and descriptions.csv")
    split, clips, descriptions = (path for path in paths if path is not None)
    films = {row["imdbid"] for row in _read_table(split, ("imdbid", "split")) if row["split"].strip() == "test"}
    names = [row["videoid"] for row in _read_table(clips, ("videoid", "imdbid")) if row["imdbid"] in films]
    texts = [
        (row["videoid"], _clean(row["description"])) for row in _read_table(descriptions, ("videoid", "description"))
    ]
    times_used = Counter(text for _, text in texts)
    captions = {name: [text] for name, text in texts if text and times_used[text] == 1}
    described_names = [name for name in dict.fromkeys(names) if name in captions]
    without = len(set(names)) - len(described_names)
    data = _select("split.csv, clips.csv, descriptions.csv", captions, described_names)
    note = f"{plural(without, 'clip')} without a description of its own: left out, as the authors do"
    return CaptionedVideos(form=data.form, captions=data.captions, notes=(*((note,) if without else ()), *data.notes))


def _find(folder: Path, *names: str) -> Path | None:
    for name in names:
        if paths := sorted(path for path in folder.rglob(name) if is_plain(path)):
            return paths[0]
    return None


def _missing(folder: Path, expectation: str) -> UsageError:
    return UsageError(f"{folder} holds no annotation of this set: {expectation}")


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Put the path of an annotation before the errors of one in another form."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (AttributeError, KeyError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} has another form than the published one: {type(error).__name__}: {error}") from error


def _parse_json(path: Path) -> Any:
    return json.loads(read_text(path, MOST_BYTES))


def _read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a table with a header. Raises ``UsageError`` if a column is missing, or a row is shorter."""
    with _name_file(path):
        reader = csv.DictReader(io.StringIO(read_text(path, MOST_BYTES), newline=""))
        if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
            raise UsageError(f"it has no column {missing[0]}")
        rows = []
        try:
            for row in reader:
                if any(row[name] is None for name in columns):
                    raise UsageError(f"line {reader.line_num} has too few columns")
                rows.append({name: row[name] for name in columns})
        except csv.Error as error:
            raise UsageError(f"line {reader.line_num}: {error}") from error
        return rows


def _read_names(path: Path) -> list[str]:
    with _name_file(path):
        return [line.strip() for line in read_text(path, MOST_BYTES).splitlines() if line.strip()]


def _read_array(path: Path) -> list[str]:
    with _name_file(path):
        try:
            names = np.load(path, allow_pickle=False)
        except OSError as error:
            raise UsageError(f"it cannot be read: {error.strerror or error}") from error
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise UsageError(f"it is an array of {names.dtype} with {names.ndim} dimensions, not a list of names")
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _read_mapping(path: Path) -> list[str]:
    """The test videos of lines ``<name> vid<number>``."""
    names = []
    with _name_file(path):
        for number, line in enumerate(read_text(path, MOST_BYTES).splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or not words[1].removeprefix("vid").isdecimal():
                raise UsageError(f"line {number}: {line[:60]!r} is not '<name> vid<number>'")
            if int(words[1].removeprefix("vid")) in MSVD_TEST:
                names.append(words[0])
    return names


def _read_descriptions(path: Path) -> dict[str, list[str]]:
    """Lines ``<name> caption``; lines that begin with # are comments."""
    captions: dict[str, list[str]] = {}
    with _name_file(path):
        for line in read_text(path, MOST_BYTES).splitlines():
            name, _, text = line.strip().partition(" ")
            if text and not name.startswith("#"):
                captions.setdefault(name, []).append(text)
    return captions


def _read_vatex_file(path: Path) -> dict[str, list[str]]:
    document = _parse_json(path)
    if isinstance(document, dict):  # {name: [caption]}
        return {str(name): [str(text) for text in texts] for name, texts in document.items()}
    return {str(row["videoID"]): [str(text) for text in row["enCap"]] for row in document}


class _BuiltinsOnly(pickle.Unpickler):
    """Resolves no name, so that no code can be called: only numbers, texts and containers can be in the file."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which is not a text")


def _read_pickled_captions(path: Path) -> dict[str, list[str]]:
    """``{name: [[word]]}`` as MSVD's captions are published by Collaborative Experts and CLIP4Clip."""
    with _name_file(path):
        try:
            if path.stat().st_size > MOST_BYTES:
                raise UsageError(f"it has more than {MOST_BYTES >> 20} MiB: this is not an annotation")
            data = path.read_bytes()
            check_references(data)
            document = _BuiltinsOnly(io.BytesIO(data), encoding="latin-1").load()
        except OSError as error:
            raise UsageError(f"it cannot be read: {error.strerror or error}") from error
        except (pickle.UnpicklingError, ArithmeticError, EOFError, MemoryError) as error:
            raise UsageError(
                f"it is not a pickle of texts alone ({error}): use AllVideoDescriptions.txt instead"
            ) from error
        captions: dict[str, list[str]] = {}
        words = 0
        for name, sentences in document.items():
            for sentence in sentences:
                words += len(sentence)
                if words > 20 * MOST_CAPTIONS:  # few bytes can name one list a million times
                    raise UsageError("it has too many words for MSVD's captions")
                text = sentence if isinstance(sentence, str) else " ".join(map(str, sentence))
                captions.setdefault(str(name), []).append(text)
        return captions


def _stem(name: object) -> str:
    """The name of a video in an annotation without the ending of a video file."""
    text = str(name)
    return text.rsplit(".", 1)[0] if "." in text[-5:] else text


def _clean(text: str) -> str:
    return " ".join(text.split())


def _collect(form: str, pairs: Iterable[tuple[str, str]]) -> CaptionedVideos:
    captions: dict[str, list[str]] = {}
    for name, text in pairs:
        captions.setdefault(name, []).append(text)
    return _select(form, captions, list(captions))


def _select(form: str, captions: Mapping[str, list[str]], names: Iterable[str]) -> CaptionedVideos:
    """The captions of these videos that are not empty; videos without any are named in a note."""
    captions_kept: dict[str, tuple[str, ...]] = {}
    without = []
    for name in dict.fromkeys(names):
        texts = tuple(text for text in map(_clean, captions.get(name, [])) if text)
        if texts:
            captions_kept[name] = texts
        else:
            without.append(name)
    if sum(map(len, captions_kept.values())) > MOST_CAPTIONS:
        raise UsageError(f"{form}: it has more than {MOST_CAPTIONS:,} captions")
    if not captions_kept:
        raise UsageError(f"{form}: no video has a caption")
    first = f"{', '.join(without[:3])}{f' and {len(without) - 3} more' if len(without) > 3 else ''}"
    notes = (f"videos without a caption are left out: {first}",) if without else ()
    return CaptionedVideos(form=form, captions=captions_kept, notes=notes)


Reader = Callable[[Path], CaptionedVideos]
