"""Speech that was recognised earlier: whether it is still the one that the settings ask for, its lines, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ops.core.history import forget_versions
from ops.core.rows import LakeLine, LakeSubtitle, LakeVideo
from ops.core.settings import Settings
from ops.core.speech_language import find_speech_language
from ops.dialogue.lines import DialogueLine
from ops.dialogue.sources import SPEECH, SubtitleSource
from ops.dialogue.speech import OFF, name_recognition


def has_other_speech(settings: Settings, video: LakeVideo, sources: Sequence[LakeSubtitle], *, hears: bool) -> bool:
    """Return whether the video's speech is to be recognised by the model of the settings, or to be deleted.

    The first if it has sound and no subtitles, and that model did not process it yet.
    """
    if settings.speech == OFF:
        return any(row["source"] == SPEECH for row in sources)
    if not hears:
        return False
    name = _name_recognition(settings, video)
    is_recognised = any(row["source"] == "asr" and row["content_hash"] == name for row in sources)
    return (
        bool(video["has_audio"])
        and not is_recognised
        and not any(row["lines"] for row in sources if row["source"] != "asr")
    )


def _name_recognition(settings: Settings, video: LakeVideo) -> str:
    return name_recognition(settings.speech, find_speech_language(settings.speech_language, video["show"]))


def find_earlier_speech(settings: Settings, video: LakeVideo, *, any_model: bool = False) -> SubtitleSource | None:
    """Return the speech that the same model, or any, recognised in this video before.

    New shots need no second recognition.
    """
    partition = settings.resolve_partition(video["video_id"])
    rows = group_by_video(settings, "subtitles", partition).get(video["video_id"], [])
    row = next((row for row in rows if row["source"] == "asr"), None)
    if row is None or row["reason"] or settings.speech == OFF:
        return None
    if settings.speech and not any_model and row["content_hash"] != _name_recognition(settings, video):
        return None
    stored_lines = group_by_video(settings, "dialogue", partition).get(video["video_id"], [])
    lines = [read_line(line) for line in stored_lines if line["source"] == "asr"]
    return SubtitleSource(
        path=row["path"],
        source="asr",
        language=row["language"],
        content_hash=row["content_hash"],
        lines=lines,
        notes=list(row["notes"]),
    )


def read_line(row: LakeLine) -> DialogueLine:
    """Return the line of a row of ``dialogue``; rows of earlier versions have the tag as their language."""
    language = row["language_tag"] or row["language"]
    return DialogueLine(
        start_s=row["start_s"],
        end_s=row["end_s"],
        text=row["text"],
        language=language,
        source=row["source"],
        certainty=row["certainty"],
    )


def forget_speech(settings: Settings, video: LakeVideo) -> None:
    """Delete earlier versions of a video with recognised lines. After a kill in between this is done again."""
    partition, video_id = settings.resolve_partition(video["video_id"]), video["video_id"]
    rows = group_by_video(settings, "subtitles", partition).get(video_id, [])
    if any(row["source"] == SPEECH for row in rows):
        settings.lake.update("shot_dialogue", partition, video_id, [])
        forget_versions(settings.store, {video_id: partition}, "shot_dialogue")


def group_by_video(settings: Settings, table: str, partition: str) -> dict[str, list[Any]]:
    """Return the rows of a table by video."""
    rows: dict[str, list[Any]] = {}
    for row in settings.lake.read(table, [partition]).to_pylist():
        rows.setdefault(row["video_id"], []).append(row)
    return rows
