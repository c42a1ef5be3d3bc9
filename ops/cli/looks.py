"""What is due: the steps' own answers, remembered for as long as nothing that decided them has changed.

A step is asked about a partition only if one of the files of its tables, an object of its folders, a setting or the
code has changed since it last said that nothing is due. A stamp stands for the content of a file: time of change, size
and number on a disk, ETag in a store. All stamps come from one listing, which also shows what other homes wrote, what
was changed by hand, and what a killed run left behind. So there is no log that could disagree with the data.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.core.code_stamp import describe_code
from ops.core.errors import DamagedTableError
from ops.core.known_rows import LEAST_KEPT
from ops.core.schemas import TABLES
from ops.core.settings import Settings
from ops.core.steps import Step, never_due
from ops.dialogue.speech import explain_speech_problem
from ops.embeddings.set_aside import describe_set_aside, set_aside_table
from ops.features.store_state import describe_online_store
from ops.index.index import read_current_version
from ops.index.lines import SCREEN_TEXT, read_current_line_version
from ops.people.choice import describe_model, explain_setting
from ops.pipeline import list_steps
from ops.probes.definitions import load_definitions
from ops.videos import catalogue
from ops.videos.forgotten import read_forgotten_ids
from ops.videos.hashes import compute_text_hash
from ops.videos.library import Scan
from ops.videos.subtitles import describe_subtitle_folders

NO_INPUTS = (
    "home", "storage", "library", "encoder", "workers", "engine", "cut_engine", "ray_address", "qdrant_api_key",
    "public_url", "failure_webhook", "searchable_within", "tokens", "rate_limit", "open_seconds", "log", "metrics_push",
)  # fmt: skip
"""Settings that decide no row of the lake; home, storage and encoder are named otherwise."""
_SWITCHED = {"sound": "sound", "screen_text": "screen_text", "dialogue": "speech"}
"""Steps that delete their results if a setting is off, with the setting's name; faces are deleted at once."""
_SWITCHES = "switched off"
SAMPLE = 1
"""Videos whose objects in a remote store are listed in each look: there, a folder has no stamp."""


@dataclass(frozen=True, kw_only=True)
class LakeState:
    """The stamps of one listing: of each table's files by partition, and of the folders of videos by video id."""

    files: Mapping[str, Mapping[str, str]]
    folders: Mapping[str, Mapping[str, str]]

    @property
    def digest(self) -> str:
        """Hash of all stamps."""
        texts = (f"{name} {key} {stamp}\n" for part in (self.files, self.folders) for name, stamps in part.items()
                 for key, stamp in stamps.items())  # fmt: skip
        return compute_text_hash(texts)


def read_lake_state(settings: Settings) -> LakeState:
    """Return the stamps of everything that steps compute; a remote store needs one request for 1,000 files."""
    files: dict[str, dict[str, str]] = {}
    for key, stat in settings.store.stats("lake").items():
        table, _, name = key[5:].rpartition("/")
        files.setdefault(table, {})[name.removesuffix(".parquet")] = stat.stamp
    folders = sorted({folder for step in list_steps() for folder in step.folders})
    is_local = settings.store.is_local
    return LakeState(
        files=files, folders={folder: settings.store.stat_folders(folder) for folder in folders} if is_local else {}
    )


def find_due_partitions(
    settings: Settings, encoder_id: str, video_ids: Iterable[str], *, least: int = LEAST_KEPT
) -> set[str]:
    """Return partitions of those of the videos for which a step of the pipeline is due.

    If other homes may have the same store, steps whose results are in the home are asked about all videos. Answers are
    remembered if there are at least ``least`` new ones.
    """
    steps = [step for step in list_steps() if step.is_due is not never_due]
    due = _find_due(settings, encoder_id, frozenset(video_ids), steps, least)
    if settings.storage:
        ready = {row["video_id"] for row in catalogue.read_videos(settings.lake) if row["state"] == "ready"}
        due |= _find_due(settings, encoder_id, ready, [step for step in steps if step.in_home], least)
    return due


def find_switched_off(settings: Settings, encoder_id: str) -> set[str]:
    """Return the partitions with results of a setting that was set to off, also of videos that are elsewhere now.

    They are looked for once after that. A setting that is off because it is not set concerns the videos of an ingest
    only: a shell without it must not cost the results of a whole catalogue.
    """
    names = _list_switched_off(settings)
    if not names or settings.lake_memory.read_checks(_SWITCHES).get("") == " ".join(names):
        return set()
    ready = {row["video_id"] for row in catalogue.read_videos(settings.lake) if row["state"] == "ready"}
    return _find_due(settings, encoder_id, ready, [step for step in list_steps() if step.name in names], LEAST_KEPT)


def remember_switches(settings: Settings) -> None:
    """Note that no result of a setting that is off is left."""
    names = " ".join(_list_switched_off(settings))
    if settings.lake_memory.read_checks(_SWITCHES).get("", "") != names:
        settings.lake_memory.put_checks(_SWITCHES, {"": names})


def _list_switched_off(settings: Settings) -> list[str]:
    explicit = settings.model_fields_set
    return [step for step, name in _SWITCHED.items() if name in explicit and getattr(settings, name) == "off"]


def _find_due(
    settings: Settings, encoder_id: str, names: Collection[str], steps: Sequence[Step], least: int
) -> set[str]:
    by_partition: dict[str, list[str]] = {}
    for video_id in sorted(names):
        by_partition.setdefault(settings.resolve_partition(video_id), []).append(video_id)
    # The listing comes first: a file that is replaced while steps read it has a new stamp in the next one.
    state = read_lake_state(settings)
    samples = 0 if settings.store.is_local else min(SAMPLE, len(by_partition))
    sample = set(random.sample(sorted(by_partition), samples))
    due = set[str]()
    for step in steps:
        if not step.decided_by:
            due |= step.is_due(settings, encoder_id, names)
            continue
        inputs = _describe_inputs(settings, encoder_id, step, state, by_partition)
        known_checks = settings.lake_memory.read_checks(step.name)
        unknown = [
            partition
            for partition, text in inputs.items()
            if text is None or known_checks.get(partition) != text or (step.folders and partition in sample)
        ]
        members = [video_id for partition in unknown for video_id in by_partition[partition]]
        due_now = step.is_due(settings, encoder_id, members) if members else set[str]()
        due |= due_now
        fresh = {
            name: text
            for name in unknown
            if name not in due_now and (text := inputs[name]) is not None and known_checks.get(name) != text
        }
        if len(fresh) >= max(least, 1):
            settings.lake_memory.put_checks(step.name, fresh)
    return due


def _describe_inputs(
    settings: Settings,
    encoder_id: str,
    step: Step,
    state: LakeState,
    by_partition: Mapping[str, Sequence[str]],
) -> dict[str, str | None]:
    """Return a hash of everything that decides if a step is due, for each partition; ``None`` if it has no hash."""
    video_ids = [video_id for members in by_partition.values() for video_id in members]
    outside = step.describe_outside(settings, encoder_id, video_ids) if step.describe_outside else {}
    tables = [state.files.get(TABLES[name].name_for_encoder(encoder_id), {}) for name in step.decided_by]
    folders = [state.folders.get(folder, {}) for folder in step.folders]
    common = f"{describe_code()} {describe_settings(settings)} {settings.storage_uri} {encoder_id}"
    inputs: dict[str, str | None] = {}
    for partition, members in by_partition.items():
        more = outside.get(partition, "")
        stamps = [files.get(partition, "") for files in tables]
        objects = [folder.get(video_id, "") for folder in folders for video_id in members]
        inputs[partition] = None if more is None else compute_text_hash([common, *members, *stamps, *objects, more])
    return inputs


def describe_settings(settings: Settings) -> str:
    """Return the settings that decide what the lake holds."""
    return settings.model_dump_json(exclude=set(NO_INPUTS))


def describe_look(settings: Settings, encoder_id: str, library_scan: Scan) -> str:
    """Return a hash of everything that decides if an ingest of a scan has anything to do.

    That is the scan, the subtitles beside it, everything stored, the published indexes, the online features, settings
    and code. Empty if an object or a table is missing or damaged.
    """
    state, store = read_lake_state(settings), settings.store
    try:
        if not store.is_local and not _is_sample_whole(settings, encoder_id, library_scan):
            return ""
        has_skipped = bool(state.files.get(set_aside_table(encoder_id)))
        skipped_videos = describe_set_aside(settings, encoder_id, None) if has_skipped else {}
    except DamagedTableError:
        return ""
    line_versions = (read_current_line_version(settings), read_current_line_version(settings, SCREEN_TEXT))
    versions = (read_current_version(settings, encoder_id), *line_versions)
    objects = {folder: store.stats(folder) for folder in ("probes", "saved_matches")}
    return compute_text_hash(
        [
            f"{describe_code()} {describe_settings(settings)} {settings.storage_uri} {settings.library} {encoder_id}",
            repr((library_scan.set_aside, library_scan.duplicates, library_scan.unsettled, library_scan.left_out)),
            *(
                repr((file.path, file.show, file.title, file.season, file.episode, file.content_hash))
                for file in library_scan.files
            ),
            *describe_subtitle_folders((file.path for file in library_scan.files), library_scan.listings),
            state.digest,
            repr((sorted(read_forgotten_ids(store)), objects, skipped_videos, versions)),
            repr((load_definitions(settings), explain_speech_problem(settings.speech), _list_switched_off(settings))),
            repr((explain_setting(settings), describe_model(settings) if settings.people == "on" else "")),
            describe_online_store(settings),
        ]
    )


def _is_sample_whole(settings: Settings, encoder_id: str, library_scan: Scan) -> bool:
    """Whether some videos of the scan, which differ from look to look, have all their objects in a remote store."""
    ids = sorted(source.video_id for source in library_scan.files)
    sample = random.sample(ids, min(SAMPLE, len(ids)))
    return not any(step.is_due(settings, encoder_id, sample) for step in list_steps() if step.folders)
