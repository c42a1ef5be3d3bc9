"""The steps of an ingest one by one over three films, so that something can happen between two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ops.cli.catalogue_status import build_status
from ops.core.settings import load_settings
from ops.core.types import SilentProgress, StepReport
from ops.dialogue.build import build_dialogue, retry_dialogue
from ops.embeddings.build import build_embeddings
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.set_aside import retry_shots
from ops.features import build_features, publish_scores
from ops.index.build import build_index, check_index
from ops.index.dialogue import build_lines, check_lines
from ops.index.screen_text import build_texts
from ops.people.build import build_faces
from ops.probes.build import build_probe
from ops.probes.definitions import define
from ops.probes.scores import build_scores
from ops.screen_text.build import build_screen_text
from ops.shots.build import build_shots
from ops.sound.build import build_sound
from ops.videos.catalogue import retry_set_aside
from ops.videos.damaged_tables import retry_past_damage
from ops.videos.describe import describe_videos
from ops.videos.library import HashCache, scan
from ops.videos.register import register
from tests.builders.films import Film, make_film

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBE = "closeup"

T = TypeVar("T")


def make_three(folder: Path) -> dict[str, Film]:
    """Three films of three shots each, with what is said in each."""
    folder.mkdir()
    films = {}
    for seed, name in enumerate("abc"):
        path = folder / f"{name}.mp4"
        films[name] = make_film(path, cuts=(20, 40), frames=60, seed=seed, width=192, height=108)
        path.with_suffix(".en.srt").write_text(f"1\n00:00:00,500 --> 00:00:01,500\nspoken in {name}\n")
    return films


class Notes(SilentProgress):
    """Progress that keeps what it is given to report."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.refused.append((thing, reason))

    def note(self, stage: str, text: str) -> None:
        self.notes.append(text)


class Steps:
    """The steps of an ingest one by one, as the assets run them, so that something can happen between two."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder / "films"
        self.films = make_three(self.folder)
        self.settings = load_settings(home=str(folder / "home"), encoder="starter", frames_per_shot=2)
        (self.settings.home / "cache").mkdir(parents=True)
        (self.settings.home / "cache" / "encoders").symlink_to(cache)
        self.encoder_id = resolve_encoder(self.settings).encoder_id
        self.ids: dict[str, str] = {}
        self.progress = Notes()
        define(self.settings, PROBE, "", (), "")

    def run(self, between: Callable[[str], None] | None = None) -> int:
        """Scan, register and run every step; ``between`` is called with the name of the step that comes next.

        Returns how much the steps changed.
        """
        found = scan([str(self.folder)], hashes=HashCache(self.settings.home / "cache" / "hashes.db"))
        self._contain(lambda: register(self.settings, found, NOW))
        self.ids |= {Path(source.path).stem: source.video_id for source in found.files}
        partitions = sorted(self.ids.values())
        steps: dict[str, Callable[[], StepReport]] = {
            "videos": lambda: describe_videos(self.settings, partitions, NOW, SilentProgress()),
            "shots": lambda: build_shots(self.settings, partitions, NOW, SilentProgress()),
            "embeddings": lambda: build_embeddings(self.settings, self.encoder_id, partitions, NOW, SilentProgress()),
            "dialogue": lambda: build_dialogue(self.settings, partitions, NOW, SilentProgress()),
            "screen_text": lambda: build_screen_text(self.settings, partitions, NOW, SilentProgress()),
            "sound": lambda: build_sound(self.settings, partitions, NOW, SilentProgress()),
            "faces": lambda: build_faces(self.settings, partitions, NOW, SilentProgress()),
            "features": lambda: build_features(self.settings, self.encoder_id, partitions, SilentProgress()),
            "index": lambda: build_index(self.settings, self.encoder_id, SilentProgress()),
            "lines": lambda: build_lines(self.settings, SilentProgress()),
            "texts": lambda: build_texts(self.settings, SilentProgress()),
            "probe": lambda: build_probe(self.settings, self.encoder_id, PROBE, NOW, SilentProgress(), self._encode),
            "scores": lambda: build_scores(self.settings, PROBE, NOW, SilentProgress()),
        }
        changed = 0
        for name, step in steps.items():
            if between:
                between(name)
            report = self._contain(step)
            changed += report.changed
            assert all(check.passed for check in report.checks), name
        self._contain(lambda: publish_scores(self.settings, self.encoder_id, PROBE))
        assert check_index(self.settings, self.encoder_id).passed and check_lines(self.settings).passed
        return changed

    def _contain(self, step: Callable[[], T]) -> T:
        return retry_past_damage(self.settings, self.encoder_id, self.progress, step, now=NOW)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Any direction: what matters here is that there are scores."""
        vectors = self.settings.lake.read(f"shot_embeddings/{self.encoder_id}", columns=["embedding"])["embedding"]
        return np.tile(np.asarray(vectors[0].as_py(), np.float32), (len(texts), 1))

    def retry(self) -> None:
        """What ``needle ingest --retry`` does before the run."""
        retry_set_aside(self.settings, self.ids.values(), NOW)
        retry_shots(self.settings, self.encoder_id, self.ids.values())
        retry_dialogue(self.settings, self.ids.values())

    def table(self, name: str) -> str:
        """The lake's name of a table, of which ``vectors`` and ``scores`` are short for the longer ones."""
        return {"vectors": f"shot_embeddings/{self.encoder_id}", "scores": f"probe_scores/{PROBE}"}.get(name, name)

    def video(self, name: str) -> dict[str, Any]:
        videos = build_status(self.settings, self.encoder_id)["videos"]
        (found,) = [video for video in videos if Path(video["path"]).stem == name and video["state"] != "removed"]
        return dict(found)
