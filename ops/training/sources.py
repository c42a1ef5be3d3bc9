"""Readers of captioned data: annotated videos, parquet of images or of shot ids, WebDataset shards.

A folder stands for the files in it. Of files that name their split, ``*_train`` is for training, ``*_dev`` and
``*_val`` are for validation, and ``*_test`` is never opened.
"""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.core.storage import ObjectStore, resolve_local_path
from ops.core.types import JsonObject, make_video_id
from ops.training.pairs import (
    CaptionPair,
    PairCollection,
    build_image_pair,
    build_shot_pair,
    clean_captions,
    merge_pairs,
)
from ops.training.shard_members import LeftOut, read_members
from ops.training.shards import (
    CLIPS,
    COMPRESSED,
    COMPRESSED_REASON,
    IMAGES,
    expand_braces,
    is_remote,
    limit_member,
    name_show,
    parse_texts,
    read_split,
    require_plain,
)
from ops.videos import catalogue
from ops.videos.forgotten import read_forgotten_ids
from ops.videos.hashes import compute_hash

CAPTIONS = ".captions.jsonl"
LEAST_OVERLAP = 0.5
"""An annotated range belongs to a shot if they share at least this part of their union."""

_SPECIAL = ("test",)


def collect_pairs(settings: Settings, paths: Sequence[str | Path]) -> PairCollection:
    """Collect the pairs of files and folders, each shot and image once a file.

    Raises ``UsageError`` if a path has no file of a known form.
    """
    collection = PairCollection()
    for path in expand_braces(list(map(str, paths))):
        if is_remote(path):
            raise UsageError(f"{path} is not local: only WebDataset shards of --data can be in an object store")
        require_plain(path)
        folder = Path(resolve_local_path(path))
        files = _list_files(folder)
        compressed = sorted(file for file in folder.glob("*") if file.name.endswith(COMPRESSED))
        collection.skipped |= {str(file): COMPRESSED_REASON for file in compressed}
        if not files:
            first = f"; {compressed[0]} {COMPRESSED_REASON}" if compressed else ""
            raise UsageError(
                f"{path} holds no captioned data: a parquet (image or shot_id, and captions), a WebDataset .tar, "
                f"or videos with <film>{CAPTIONS}{first}"
            )
        for file in files:
            split = read_split(str(file))
            into = collection.validate if split in ("dev", "val", "validation") else collection.learn
            pairs = PairCollection(skipped=collection.skipped)
            _read(settings, file, pairs)
            into.extend(merge_pairs(pairs.learn))
    return collection


@dataclass(kw_only=True)
class AnnotationLines:
    """The lines of a ``.jsonl`` beside a video, by their numbers from 1: objects, and reasons why others have none."""

    rows: dict[int, JsonObject] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def read_captions(path: str) -> AnnotationLines | str:
    """Read ``film.mp4.captions.jsonl`` beside its video (path or ``s3://`` address); a text says why it failed."""
    lines = read_annotations(path, CAPTIONS)
    return f"its captions cannot be read: {lines}" if isinstance(lines, str) else lines


def read_annotations(path: str, ending: str) -> AnnotationLines | str:
    """Read the ``.jsonl`` beside a video, one object a line; no lines if it does not exist.

    A line that is not an object is a fault of that line. Returns a text with the reason if the file cannot be read.
    """
    folder, name = os.path.split(path)
    lines = AnnotationLines()
    try:
        data = ObjectStore(folder).read_bytes(name + ending)
    except FileNotFoundError:
        return lines
    except StorageError as error:
        return f"{name}{ending}: {error}"
    # Not splitlines: a caption may have a line separator of Unicode.
    for number, line in enumerate(data.removeprefix(BOM_UTF8).split(b"\n"), start=1):
        if line.strip():
            row = _parse_line(line)
            if isinstance(row, str):
                lines.faults[number] = row
            else:
                lines.rows[number] = row
    return lines


def _parse_line(line: bytes) -> JsonObject | str:
    """Return the object of a line, or the reason why it is not one."""
    try:
        row = json.loads(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        return f"is not JSON: {error.msg} at character {error.colno}"
    except UnicodeDecodeError:
        return "is not UTF-8"
    except RecursionError:
        return "is nested too deeply"
    return row if isinstance(row, dict) else "is not an object"


def join_captions(rows: Sequence[JsonObject]) -> list[JsonObject]:
    """Return one row a frame range, with the captions of all rows that name it, in the order of the first ones.

    Raises ``KeyError`` if a row names no frames or no captions.
    """
    by_range: dict[tuple[int, int], JsonObject] = {}
    for row in rows:
        frames = (int(row["start_frame"]), int(row["end_frame"]))
        first = by_range.setdefault(frames, {**row, "captions": ()})
        first["captions"] = tuple(dict.fromkeys((*first["captions"], *clean_captions(row["captions"]))))
    return list(by_range.values())


def map_shot_numbers(settings: Settings, video: LakeVideo) -> dict[int, str]:
    """Map each annotated ``shot`` number of a video's captions to a shot id of the catalogue, if it has one."""
    lines = read_captions(video["path"])
    shots = _load_shots(settings, video)
    shot_ids = {}
    for row in () if isinstance(lines, str) else lines.rows.values():
        try:
            number, best = int(row["shot"]), _find_shot(shots, int(row["start_frame"]), int(row["end_frame"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if best is not None:
            shot_ids[number] = str(best["shot_id"])
    return shot_ids


def add_shot_pairs(settings: Settings, video: LakeVideo, film: str, into: PairCollection) -> None:
    """Add the pairs of the captions beside ``film``, a file of this video, each with the shot that overlaps it most.

    A line that cannot be used is skipped, and the rest of the file is used.
    """
    lines = read_captions(film)
    if isinstance(lines, str):
        into.skipped[film] = lines
        return
    into.skipped |= {f"{film}{CAPTIONS} line {number}": reason for number, reason in lines.faults.items()}
    shots = _load_shots(settings, video) if lines.rows else []
    for number, row in lines.rows.items():
        _take(_build_row_pair(row, shots, film), f"{film}{CAPTIONS} line {number}", into)


def _build_row_pair(row: JsonObject, shots: Sequence[LakeShot], film: str) -> CaptionPair | str:
    """Return the pair of an annotated frame range, or the reason why it cannot be used."""
    try:
        start, end = int(row["start_frame"]), int(row["end_frame"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return f"names no frames ({type(error).__name__}: {error})"
    captions = row.get("captions") or ()
    if not isinstance(captions, str | list | tuple):
        return "its captions are not a list of texts"
    best = _find_shot(shots, start, end)
    if best is None:
        return f"frames {start} to {end} are not a shot of the catalogue"
    return build_shot_pair(best, captions, film)


def _load_shots(settings: Settings, video: LakeVideo) -> list[LakeShot]:
    rows = settings.lake.read("shots", [settings.resolve_partition(video["video_id"])]).to_pylist()
    return [shot for shot in rows if shot["video_id"] == video["video_id"]]


def _find_shot(shots: Sequence[LakeShot], start: int, end: int) -> LakeShot | None:
    """Return the shot of an annotated range, or ``None``."""
    best = max(shots, key=lambda shot: _measure_overlap(shot, start, end), default=None)
    return best if best is not None and _measure_overlap(best, start, end) >= LEAST_OVERLAP else None


def _measure_overlap(shot: LakeShot, start: int, end: int) -> float:
    overlap = min(end, shot["end_frame"]) - max(start, shot["start_frame"])
    either = max(end, shot["end_frame"]) - min(start, shot["start_frame"])
    return overlap / either if either > 0 else 0.0


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted({*path.iterdir(), *_find_captions(path)})
        return [file for file in files if _is_known(file) and read_split(str(file)) not in _SPECIAL]
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    film_captions = path.with_name(path.name + CAPTIONS)
    if not _is_known(path):
        return [film_captions] if film_captions.exists() else []
    return [path]


def _find_captions(folder: Path) -> Iterator[Path]:
    """Yield captions of films at any depth, as a library has a folder for each show; nothing that is hidden."""
    for path in folder.rglob(f"*{CAPTIONS}"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _is_known(file: Path) -> bool:
    return file.is_file() and (file.suffix in (".parquet", ".tar") or file.name.endswith(CAPTIONS))


def _read(settings: Settings, file: Path, into: PairCollection) -> None:
    if file.suffix == ".tar":
        return _read_shard(file, into)
    if file.suffix == ".parquet":
        return _read_parquet(settings, file, into)
    film = str(file).removesuffix(CAPTIONS)
    video = _find_video(settings, film)
    if isinstance(video, str):
        into.skipped[str(file)] = video
        return None
    if video["video_id"] in read_forgotten_ids(settings.store) or video["state"] != "ready":
        into.skipped[str(file)] = f"its video is {video['state'] if video['state'] != 'ready' else 'forgotten'}"
        return None
    return add_shot_pairs(settings, video, film, into)


def _find_video(settings: Settings, film: str) -> LakeVideo | str:
    """Return the row of a film, by its path or else by its content: the library may have another copy of it.

    Returns a text with the reason if the catalogue does not have it.
    """
    try:
        return catalogue.find_video(settings.lake, film)
    except NotFoundError:
        pass
    try:
        with open(film, "rb") as stream:
            video_id = make_video_id(compute_hash(stream))
    except OSError as error:
        reason = f"is not beside it ({error.strerror or error})"
        return f"its video is not in the catalogue and {reason}: put {film} there, then `needle ingest {film}`"
    if video_id in read_forgotten_ids(settings.store):
        return "its video is forgotten"
    try:
        return catalogue.find_video(settings.lake, video_id)
    except NotFoundError:
        return f"its video is not in the catalogue: `needle ingest {film}`"


def _read_parquet(settings: Settings, file: Path, into: PairCollection) -> None:
    try:
        table = pq.ParquetFile(file)
        columns = set(table.schema_arrow.names)
        if "captions" not in columns or not columns & {"image", "shot_id"}:
            raise TypeError(f"it has the columns {', '.join(sorted(columns))}")
        present = [name for name in ("image", "shot_id", "captions", "show") if name in columns]
        rows = (row for batch in table.iter_batches(batch_size=256, columns=present) for row in batch.to_pylist())
        shots_by_id = _read_shots_by_id(settings) if "shot_id" in columns else {}
        for number, row in enumerate(rows):
            _take(_parse_parquet_pair(file, number, row, shots_by_id), f"{file} row {number}", into)
    except (OSError, pa.ArrowException, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} cannot be used: it needs the columns captions (list of strings) and image (encoded bytes) or "
            f"shot_id: {error}"
        ) from error


class ParquetRow(TypedDict, total=False):
    """A row of a captioned parquet: an encoded image, or the id of a shot."""

    image: bytes | None
    shot_id: str | None
    captions: list[str]
    show: str | None


def _parse_parquet_pair(
    file: Path, number: int, row: ParquetRow, shots_by_id: dict[str, LakeShot]
) -> CaptionPair | str:
    if shot_id := row.get("shot_id"):
        shot = shots_by_id.get(shot_id)
        return build_shot_pair(shot, row["captions"], str(file)) if shot else f"shot {shot_id} is not in the catalogue"
    show = str(row.get("show") or name_show(str(file)))
    return build_image_pair(str(file), str(number), show, row.get("image") or b"", row["captions"])


def _read_shots_by_id(settings: Settings) -> dict[str, LakeShot]:
    forgotten_ids = read_forgotten_ids(settings.store)
    rows = settings.lake.read("shots").to_pylist()
    return {row["shot_id"]: row for row in rows if row["video_id"] not in forgotten_ids}


def _read_shard(file: Path, into: PairCollection) -> None:
    """Add the images of a shard. Members are named in full, as the reader of images looks for them by name."""
    faults: dict[str, str] = {}
    count_before = len(into.learn) + len(into.skipped)
    try:
        with file.open("rb") as stream:
            members = read_members(stream, file.stat().st_size, str(file), faults.__setitem__, limit_member)
            for key, sample in _group_members(members):
                pair, fault = _parse_shard_pair(file, sample)
                _take(pair, f"{file} sample {key}", into)
                into.skipped |= {f"{file} sample {key}": fault} if fault else {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read as a WebDataset shard: {error}") from error
    if faults and len(into.learn) + len(into.skipped) == count_before:
        raise UsageError(f"{file} cannot be read as a WebDataset shard: it {next(iter(faults.values()))}")
    into.skipped |= faults


def _parse_shard_pair(file: Path, sample: Mapping[str, bytes | LeftOut]) -> tuple[CaptionPair | str, str]:
    """Return the pair of a sample, or the reason why it cannot be used; and the fault of one of its files."""
    texts = parse_texts(sample)
    image = next((name for name in sample if name.lower().endswith(IMAGES)), "")
    data = sample.get(image, b"")
    if isinstance(data, LeftOut):
        return f"its image {data.reason}", ""
    pair = build_image_pair(str(file), image, texts.show or name_show(str(file)), data, texts.captions)
    if pair == "has no image" and any(name.lower().endswith(CLIPS) for name in sample):
        return "is a clip, and only shards of --data that are streamed can hold clips", ""
    return pair, texts.fault


def _group_members(members: Iterable[tuple[str, bytes | LeftOut]]) -> Iterator[tuple[str, dict[str, bytes | LeftOut]]]:
    """Yield members by name, grouped as by WebDataset: consecutive names that are equal up to the first dot."""
    key, sample = "", dict[str, bytes | LeftOut]()
    for name, data in members:
        folder, base = os.path.split(name)
        own_key = os.path.join(folder, base.split(".")[0])
        if own_key != key and sample:
            yield key, sample
            sample = {}
        key, sample[name] = own_key, data
    if sample:
        yield key, sample


def _take(pair: CaptionPair | str, thing: str, into: PairCollection) -> None:
    if isinstance(pair, str):
        into.skipped[thing] = pair
    else:
        into.learn.append(pair)
