"""Large catalogues in little time: one ingested film, and many that differ from it by name and bytes only.

Every row is as an ingest would have written it, so nothing is due. The copies' media files hold nothing but their
number, and their proxies and posters nothing at all: who decodes them finds out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ops.core.rows import LakeShot
from ops.core.schemas import find_schema
from ops.core.settings import Settings
from ops.core.types import SilentProgress, make_video_id
from ops.dialogue.build import hash_inputs as hash_dialogue_inputs
from ops.dialogue.timing import PLAIN
from ops.embeddings.build import hash_inputs as hash_vector_inputs
from ops.features import build_features
from ops.index.build import build_index
from ops.people.build import TABLES as PEOPLE_TABLES
from ops.people.build import build_recipe as build_face_recipe
from ops.screen_text.build import TABLES as TEXT_TABLES
from ops.screen_text.build import build_recipe as build_text_recipe
from ops.shots.looking import hash_shot_inputs
from ops.sound.build import TABLES as SOUND_TABLES
from ops.sound.build import build_recipe as build_sound_recipe

SHOW_SIZE = 10


@dataclass(frozen=True)
class Template:
    """The rows of the ingested film, by table, and its id."""

    video_id: str
    rows: dict[str, list[dict[str, Any]]]


def multiply_film(
    settings: Settings, encoder_id: str, library: Path, films: int, *, report: Callable[[str], None] = lambda _: None
) -> None:
    """Add copies of the one film in the catalogue until it has ``films`` of them, with features and index."""
    template = _read_template(settings)
    copies = [_copy_film(settings, template, library, number) for number in range(1, films)]
    report(f"{films} films in the lake")
    build_features(settings, encoder_id, [template.video_id, *copies], SilentProgress())
    report("features are online")
    build_index(settings, encoder_id, SilentProgress())
    report("the index is published")


def _read_template(settings: Settings) -> Template:
    (video,) = settings.lake.read("videos").to_pylist()
    assert settings.partitions == "video", "copies are written as a file each"
    rows = {table: settings.lake.read(table).to_pylist() for table in settings.lake.list_tables()}
    return Template(video_id=video["video_id"], rows=rows)


def _copy_film(settings: Settings, template: Template, library: Path, number: int) -> str:
    """Write the media file, the rows and the objects of one copy; return its id."""
    content = b"film %d" % number
    show = f"show {number // SHOW_SIZE:05d}"
    path = library / show / f"{number:06d}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    video_id = make_video_id(digest)
    tables = {
        table: [_rename(row, template.video_id, video_id) | ({"show": show} if "show" in row else {}) for row in rows]
        for table, rows in template.rows.items()
    }
    for row in tables["videos"]:
        row |= {"path": str(path), "title": path.stem, "content_hash": digest, "bytes": len(content)}
    shots = cast(list[LakeShot], tables["shots"])
    _renew_hashes(settings, tables, shots)
    for table, rows in tables.items():
        target = Path(settings.store.path(f"lake/{table}/{video_id}.parquet"))
        pq.write_table(pa.Table.from_pylist(rows, find_schema(table)), target, compression="zstd")
    for shot in shots:
        for folder, suffix in (("proxies", "mp4"), ("posters", "jpg")):
            key = f"{folder}/{video_id}/{shot['start_frame']}-{shot['end_frame']}.{suffix}"
            target = Path(settings.store.path(key))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    return video_id


def _rename(row: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    def rename(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(old, new)
        return (
            [rename(each) for each in value]
            if isinstance(value, list) and value and isinstance(value[0], str)
            else value
        )

    return {name: rename(value) for name, value in row.items()}


def _renew_hashes(settings: Settings, tables: dict[str, list[dict[str, Any]]], shots: Sequence[LakeShot]) -> None:
    """Give rows the hashes of their inputs, in which the ids of shots are."""
    vector_inputs = {shot["shot_id"]: hash_vector_inputs(shot, settings.frames_per_shot) for shot in shots}
    text_recipe, face_recipe = build_text_recipe(settings.screen_text), build_face_recipe(settings)
    text_inputs = {shot["shot_id"]: hash_shot_inputs(shot, text_recipe) for shot in shots}
    face_inputs = {shot["shot_id"]: hash_shot_inputs(shot, face_recipe) for shot in shots}
    sound_inputs = {shot["shot_id"]: hash_shot_inputs(shot, build_sound_recipe(settings.sound)) for shot in shots}
    dialogue_inputs = hash_dialogue_inputs(shots, [], PLAIN)
    for table, rows in tables.items():
        for row in rows:
            if table == "shot_dialogue":
                row["input_hash"] = dialogue_inputs
            elif table in TEXT_TABLES:
                row["input_hash"] = text_inputs[row["shot_id"]]
            elif table in SOUND_TABLES:
                row["input_hash"] = sound_inputs[row["shot_id"]]
            elif table in PEOPLE_TABLES:
                row["input_hash"] = face_inputs[row["shot_id"]]
            elif "input_hash" in row:
                row["input_hash"] = vector_inputs[row["shot_id"]]
