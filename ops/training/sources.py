"""Where captioned pictures come from: annotated films, parquet of images or of shot ids, WebDataset shards.

A folder gives what lies in it; of files that name their split, ``*_train`` is learned from, ``*_dev`` and
``*_val`` are validated on, and ``*_test`` is never opened.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore, local_path_of
from ops.training.pairs import CaptionPair, Gathered, image_pair, shot_pair
from ops.videos import catalogue
from ops.videos.forgotten import forgotten_ids

CAPTIONS = ".captions.jsonl"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
LEAST_OVERLAP = 0.5
"""An annotated range is a shot's where they share at least this much of what either covers."""

_SPLIT = re.compile(r"_(train|dev|val|validation|test)$")
_NUMBER = re.compile(r"[-_]?\d+$")
_SPECIAL = ("test",)


def gather(settings: Settings, paths: Sequence[Path]) -> Gathered:
    """Pairs of files and folders. Raises ``UsageError`` for a path that holds nothing of a known form."""
    gathered = Gathered()
    for path in paths:
        files = _files(Path(local_path_of(str(path))))
        if not files:
            raise UsageError(
                f"{path} holds no captioned data: a parquet (image or shot_id, and captions), a WebDataset .tar, "
                f"or films with <film>{CAPTIONS}"
            )
        for file in files:
            split = _split_of(file)
            into = gathered.validate if split in ("dev", "val", "validation") else gathered.learn
            one = Gathered(refused=gathered.refused)
            _read(settings, file, one)
            into.extend(one.learn)
    gathered.learn = _once(gathered.learn, gathered.refused)
    return gathered


def captions_beside(path: str) -> list[dict[str, Any]] | str | None:
    """Rows of ``<film>.captions.jsonl`` beside a film (a path or an ``s3://`` address); a text says why not."""
    rows = annotations_beside(path, CAPTIONS)
    return f"its captions cannot be read: {rows}" if isinstance(rows, str) else rows


def annotations_beside(path: str, ending: str) -> list[dict[str, Any]] | str | None:
    """Objects of the ``.jsonl`` beside a film, a line each; a text says why it cannot be read, ``None`` that it is
    not there."""
    folder, name = os.path.split(path)
    try:
        text = ObjectStore(folder).read_bytes(name + ending).decode("utf-8")
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is no object")
    except FileNotFoundError:
        return None
    except (StorageError, ValueError) as error:
        return str(error)
    return rows


def shots_by_number(settings: Settings, video: dict[str, Any]) -> dict[int, str]:
    """The catalogue's shot id for each annotated ``shot`` number of a film's captions that has one."""
    rows = captions_beside(video["path"])
    shots = _shots_of(settings, video)
    found = {}
    for row in rows if isinstance(rows, list) else ():
        try:
            number, best = int(row["shot"]), _matching(shots, int(row["start_frame"]), int(row["end_frame"]))
        except (KeyError, TypeError, ValueError):
            continue
        if best is not None:
            found[number] = str(best["shot_id"])
    return found


def shot_pairs(
    settings: Settings, video: dict[str, Any], rows: list[dict[str, Any]] | str | None, into: Gathered
) -> None:
    """Tie annotated frame ranges of a film to the shots of the catalogue that overlap them most."""
    if isinstance(rows, str):
        into.refused[video["path"]] = rows
        return
    shots = _shots_of(settings, video)
    for number, row in enumerate(rows or ()):
        thing = f"{video['path']}{CAPTIONS} line {number + 1}"
        try:
            start, end = int(row["start_frame"]), int(row["end_frame"])
        except (KeyError, TypeError, ValueError) as error:
            into.refused[thing] = f"names no frames ({type(error).__name__}: {error})"
            continue
        best = _matching(shots, start, end)
        if best is None:
            into.refused[thing] = f"frames {start} to {end} are no shot of the catalogue"
            continue
        _take(shot_pair(best, row.get("captions") or (), video["path"]), thing, into)


def _shots_of(settings: Settings, video: dict[str, Any]) -> list[dict[str, Any]]:
    rows = settings.lake.read("shots", [settings.partition_of(video["video_id"])]).to_pylist()
    return [shot for shot in rows if shot["video_id"] == video["video_id"]]


def _matching(shots: Sequence[dict[str, Any]], start: int, end: int) -> dict[str, Any] | None:
    """The shot that an annotated range is of, if there is one."""
    best = max(shots, key=lambda shot: _overlap(shot, start, end), default=None)
    return best if best is not None and _overlap(best, start, end) >= LEAST_OVERLAP else None


def _overlap(shot: dict[str, Any], start: int, end: int) -> float:
    shared = min(end, shot["end_frame"]) - max(start, shot["start_frame"])
    either = max(end, shot["end_frame"]) - min(start, shot["start_frame"])
    return shared / either if either > 0 else 0.0


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = [file for file in sorted(path.iterdir()) if _is_known(file) and _split_of(file) not in _SPECIAL]
        return found
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    film_captions = path.with_name(path.name + CAPTIONS)
    if not _is_known(path):
        return [film_captions] if film_captions.exists() else []
    return [path]


def _is_known(file: Path) -> bool:
    return file.is_file() and (file.suffix in (".parquet", ".tar") or file.name.endswith(CAPTIONS))


def _split_of(file: Path) -> str:
    match = _SPLIT.search(file.stem)
    return match[1] if match else ""


def _read(settings: Settings, file: Path, into: Gathered) -> None:
    if file.suffix == ".tar":
        return _read_shard(file, into)
    if file.suffix == ".parquet":
        return _read_parquet(settings, file, into)
    film = str(file).removesuffix(CAPTIONS)
    try:
        video = catalogue.find_video(settings.lake, film)
    except NotFoundError:
        into.refused[str(file)] = f"its film is not in the catalogue: `needle ingest {film}`"
        return None
    if video["video_id"] in forgotten_ids(settings.store) or video["state"] != "ready":
        into.refused[str(file)] = f"its film is {video['state'] if video['state'] != 'ready' else 'forgotten'}"
        return None
    return shot_pairs(settings, video, captions_beside(film), into)


def _read_parquet(settings: Settings, file: Path, into: Gathered) -> None:
    try:
        table = pq.ParquetFile(file)
        columns = set(table.schema_arrow.names)
        if "captions" not in columns or not columns & {"image", "shot_id"}:
            raise TypeError(f"it has the columns {', '.join(sorted(columns))}")
        wanted = [name for name in ("image", "shot_id", "captions", "show") if name in columns]
        rows = (row for batch in table.iter_batches(batch_size=256, columns=wanted) for row in batch.to_pylist())
        known = _shots_by_id(settings) if "shot_id" in columns else {}
        for number, row in enumerate(rows):
            _take(_parquet_pair(file, number, row, known), f"{file} row {number}", into)
    except (OSError, pa.ArrowException, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} cannot be used: it needs the columns captions (list of strings) and image (encoded bytes) or "
            f"shot_id: {error}"
        ) from error


def _parquet_pair(file: Path, number: int, row: dict[str, Any], known: dict[str, dict[str, Any]]) -> CaptionPair | str:
    if row.get("shot_id"):
        shot = known.get(row["shot_id"])
        return shot_pair(shot, row["captions"], str(file)) if shot else f"shot {row['shot_id']} is not in the catalogue"
    show = str(row.get("show") or _SPLIT.sub("", file.stem))
    return image_pair(str(file), str(number), show, row.get("image") or b"", row["captions"])


def _shots_by_id(settings: Settings) -> dict[str, dict[str, Any]]:
    gone = forgotten_ids(settings.store)
    rows = settings.lake.read("shots").to_pylist()
    return {row["shot_id"]: row for row in rows if row["video_id"] not in gone}


def _read_shard(file: Path, into: Gathered) -> None:
    show = _NUMBER.sub("", _SPLIT.sub("", file.stem)) or file.stem
    try:
        for key, members in _samples(file):
            picture = next((name for name in members if name.endswith(PICTURES)), "")
            told = _told(members)
            own = str(told.get("show") or show)
            data = members.get(picture, b"")
            _take(image_pair(str(file), picture, own, data, told["captions"]), f"{file} sample {key}", into)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UsageError(f"{file} cannot be read as a WebDataset shard: {error}") from error


def _samples(file: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Members by name, grouped as WebDataset groups them: one after the other, alike up to the first dot."""
    key, members = "", dict[str, bytes]()
    with tarfile.open(file) as archive:
        for member in archive:
            if not member.isfile():
                continue
            folder, name = os.path.split(member.name)
            own = os.path.join(folder, name.split(".")[0])
            if own != key and members:
                yield key, members
                members = {}
            handle = archive.extractfile(member)
            key, members[member.name] = own, handle.read() if handle else b""
    if members:
        yield key, members


def _told(members: dict[str, bytes]) -> dict[str, Any]:
    """Captions of a sample: each line of its ``.txt``, and ``caption`` or ``captions`` of its ``.json``."""
    captions: list[Any] = []
    told: dict[str, Any] = {}
    for name, data in members.items():
        if name.endswith(".txt"):
            captions += io.StringIO(data.decode("utf-8", errors="replace")).readlines()
        if name.endswith(".json"):
            try:
                found = json.loads(data)
            except ValueError:
                continue
            told = found if isinstance(found, dict) else {}
            more = told.get("captions", told.get("caption", []))
            captions += [more] if isinstance(more, str) else list(more or ())
    return {**told, "captions": captions}


def _take(pair: CaptionPair | str, thing: str, into: Gathered) -> None:
    if isinstance(pair, str):
        into.refused[thing] = pair
    else:
        into.learn.append(pair)


def _once(pairs: Sequence[CaptionPair], refused: dict[str, str]) -> list[CaptionPair]:
    """Each shot or picture once: two of one in a batch would be each other's negatives."""
    seen: dict[str, CaptionPair] = {}
    for pair in pairs:
        if pair.pair_id in seen:
            refused[pair.thing] = "is there twice"
        seen.setdefault(pair.pair_id, pair)
    return list(seen.values())
