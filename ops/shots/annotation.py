"""The cuts of a corrected video as an annotation, ``<video>.shots.json``, for ``needle evaluate --footage``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ops.core.errors import UsageError
from ops.core.storage import write_atomically
from ops.shots.correcting import CutState

SUFFIX = ".shots.json"


def make_annotation(state: CutState) -> dict[str, Any]:
    """The annotation of a video: boundaries after all corrections, including those that wait for an ingest.

    A gradual transition is the one frame in its middle, because its length is unknown. ``corrected`` lists the
    boundaries that a person checked; the others are the detector's.
    """
    inner = state.planned[1:]
    return {
        "file": str(state.video["path"]).rsplit("/", 1)[-1],
        "frames_annotated": state.frames,
        "hard_cuts": [each.start_frame for each in inner if each.transition != "gradual"],
        "gradual": [[each.start_frame, each.start_frame, "gradual"] for each in inner if each.transition == "gradual"],
        "shot_starts": [each.start_frame for each in state.planned],
        "content_hash": state.video["content_hash"],
        "detector": state.rows[0]["detector"].partition("+")[0],
        "corrected": [
            {"frame": each.frame, "action": each.action, "author": each.author, "note": each.note}
            for each in state.current
        ],
    }


def write_annotation(state: CutState, path: Path) -> None:
    """Write the annotation to a file whose name ends in ``.shots.json``. Raises ``UsageError`` for another name."""
    if not path.name.endswith(SUFFIX):
        raise UsageError(
            f"{path.name!r}: end the name in {SUFFIX}, as `needle evaluate --footage` expects it next to a film"
        )
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(make_annotation(state), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
