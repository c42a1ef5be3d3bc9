"""What a home knows of its encoders: which spec each id stands for, and what ``auto`` was decided to be.

Stands alone because every process of an installation must mean the same encoder, and must find that out
in milliseconds: one small JSON file, ``<home>/encoder.json``, replaced atomically under a lock.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ops.core.errors import EncoderError
from ops.core.locks import exclusive
from ops.core.storage import atomic_path
from ops.embeddings.weights import fingerprint_of


class EncoderPins:
    """The file ``encoder.json`` of one home."""

    def __init__(self, home: Path) -> None:
        self.path = home / "encoder.json"

    def auto(self) -> tuple[str, str] | None:
        """``(spec, reason)`` that ``auto`` was pinned to, or ``None`` before the first use."""
        pinned = self._read()["auto"]
        return (pinned["spec"], pinned["reason"]) if pinned else None

    def pin_auto(self, spec: str, reason: str) -> tuple[str, str]:
        """Pin ``auto``; where another process was first, its choice stands and is returned."""
        with exclusive(self.path.with_suffix(".lock")):
            content = self._read()
            if not content["auto"]:
                content["auto"] = {"spec": spec, "reason": reason}
                self._write(content)
            return content["auto"]["spec"], content["auto"]["reason"]

    def ids(self) -> list[str]:
        """All encoders that this home has seen."""
        return sorted(self._read()["encoders"])

    def spec_of(self, encoder_id: str) -> str | None:
        """The spec that an id stood for when it was last seen here."""
        known = self._read()["encoders"].get(encoder_id)
        return known["spec"] if known else None

    def id_of(self, spec: str) -> str | None:
        """The id of a spec whose weights files are unchanged since it was recorded."""
        for encoder_id, known in self._read()["encoders"].items():
            if known["spec"] == spec and _is_unchanged(known["files"]):
                return str(encoder_id)
        return None

    def record(self, encoder_id: str, spec: str, files: list[Path]) -> None:
        """Remember what ``encoder_id`` stands for."""
        entry = {"spec": spec, "files": fingerprint_of(files)}
        with exclusive(self.path.with_suffix(".lock")):
            content = self._read()
            if content["encoders"].get(encoder_id) != entry:
                content["encoders"][encoder_id] = entry
                self._write(content)

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text())
            return {"auto": content["auto"], "encoders": dict(content["encoders"])}
        except FileNotFoundError:
            return {"auto": None, "encoders": {}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(
                f"{self.path} cannot be read ({error}): delete it, and the encoder is chosen anew"
            ) from error

    def _write(self, content: dict[str, Any]) -> None:
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _is_unchanged(marks: list[list[object]]) -> bool:
    try:
        return fingerprint_of([Path(str(mark[0])) for mark in marks]) == marks
    except EncoderError:
        return False
