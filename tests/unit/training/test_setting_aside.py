"""Pairs that cannot be read, or no longer: a fit goes on without them and reports each one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import NeedleError, TrainingError
from ops.core.locks import lock_if_free
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import load_encoder
from ops.shots.segment import make_proxy_key
from ops.training.evaluate_images import evaluate_captions
from ops.training.recipes import build_recipe
from ops.training.train import TrainedEncoder, train
from tests.builders.lakes import video_id
from tests.builders.training import NOW, fill_captioned, jpeg, shot_id

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")

PROXIES = [make_proxy_key(video_id(0), 24 * shot, 24 * shot + 24) for shot in range(5)]


class Telling(SilentProgress):
    """Notes what is set aside, and calls ``at_step`` after each step of the fit."""

    def __init__(self, at_step: Any = None) -> None:
        self.skipped: dict[str, str] = {}
        self.steps, self.at_step = 0, at_step

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.skipped[thing] = reason

    def advance(self, stage: str, amount: float = 1) -> None:
        self.steps += stage == "training"
        if stage == "training" and self.at_step:
            self.at_step(self.steps)


def fitted(settings: Settings, base: str, data: Path, name: str, told: Telling, **changes: Any) -> TrainedEncoder:
    recipe = build_recipe("debug", **{"base": base, "pooling": "mean", "learning_rate": 0.01, **changes})
    return train(settings, recipe, [data], NOW, told, name=name, threads=1)


def pictures(path: Path, seed: int, count: int, *more: bytes) -> Path:
    colours = np.random.default_rng(seed).integers(0, 256, (count, 3)).tolist()
    images = [*(jpeg(tuple(colour)) for colour in colours), *more]
    rows = [{"image": data, "captions": [f"{path.stem} {n}", f"more of {n}"]} for n, data in enumerate(images)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_what_was_set_aside_is_told_by_every_fit_and_tried_again(
    settings: Settings, tmp_path: Path, tiny_clip: str
) -> None:
    data, proxy = tmp_path / "film0.mp4", settings.store.read_bytes(PROXIES[4])
    settings.store.delete(PROXIES[4])
    reason = f"the proxy of shot {shot_id(0, 4)} is missing"
    for name in ("first", "second"):  # features computed, and read
        told = Telling()
        made = fitted(settings, tiny_clip, data, name, told, image="locked")
        assert made.lineage["pairs"] == 4 and made.lineage["set_aside"] == told.skipped, name
        assert told.skipped == {f"{data} {shot_id(0, 4)}": reason}
    settings.store.write_bytes(PROXIES[4], proxy)
    told = Telling()
    assert not fitted(settings, tiny_clip, data, "second", told, image="locked").is_new
    assert told.skipped == {f"{data} {shot_id(0, 4)}": f"{reason} (when it was fitted; another --name fits again)"}
    again = fitted(settings, tiny_clip, data, "third", Telling(), image="locked")
    assert again.lineage["pairs"] == 5 and not again.lineage["set_aside"]


def test_proxies_that_vanish_are_left_out_and_footage_can_be_forgotten_meanwhile(
    settings: Settings, tmp_path: Path, tiny_clip: str
) -> None:
    def forgetting(step: int) -> None:
        with lock_if_free(settings.work_lock) as is_free:
            assert is_free, "a fit does not keep others from forgetting"
            for key in PROXIES[:2]:
                settings.store.delete(key)

    told = Telling(forgetting)
    made = fitted(settings, tiny_clip, tmp_path, "mine", told, image="last", epochs=5)
    assert told.steps == made.lineage["steps"] == 10 and made.lineage["pairs"] == 8
    assert set(told.skipped) == {f"{tmp_path}/film0.mp4 {shot_id(0, shot)}" for shot in (0, 1)}
    assert made.lineage["set_aside"] == told.skipped


def test_a_stopped_fit_goes_on_exactly_and_remembers_what_it_could_not_read(
    settings: Settings, tmp_path: Path, tiny_clip: str
) -> None:
    def stopping(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    def vanishing(step: int) -> None:
        for key in PROXIES if step == 3 else ():
            settings.store.delete(key)

    data, proxies = tmp_path / "film0.mp4", {key: settings.store.read_bytes(key) for key in PROXIES}
    settings.store.delete(PROXIES[0])
    changes = {"image": "last", "epochs": 6, "batch": 5}
    whole = fitted(settings, tiny_clip, data, "whole", Telling(), **changes)
    with pytest.raises(KeyboardInterrupt):
        fitted(settings, tiny_clip, data, "half", Telling(stopping), **changes)
    half = fitted(settings, tiny_clip, data, "half", Telling(), **changes)
    assert half.encoder_id == whole.encoder_id and list(half.lineage["set_aside"]) == [f"{data} {shot_id(0, 0)}"]

    with pytest.raises(TrainingError, match=r"fewer than two of the 5 pairs of step \d of 6 can be read .*\.pt, of"):
        fitted(settings, tiny_clip, data, "gone", Telling(vanishing), **changes)
    for key in PROXIES[1:]:
        settings.store.write_bytes(key, proxies[key])
    assert fitted(settings, tiny_clip, data, "gone", Telling(), **changes).encoder_id == whole.encoder_id


def test_validation_is_what_evaluate_measures_on_what_can_be_read(
    settings: Settings, tmp_path: Path, tiny_clip: str
) -> None:
    data, fair = tmp_path / "data", tmp_path / "fair"
    data.mkdir()
    fair.mkdir()
    pictures(data / "a_train.parquet", 0, 6)
    learned = pq.read_table(data / "a_train.parquet")["image"][2].as_py()
    pictures(data / "b_dev.parquet", 1, 12, b"no picture", learned)
    pictures(data / "c_dev.parquet", 2, 5)
    pictures(data / "alone_dev.parquet", 3, 1)  # always first, so not asked
    told = Telling()
    made = fitted(settings, tiny_clip, data, "mine", told, image="locked")
    assert sorted(told.skipped) == [f"{data}/b_dev.parquet 12", f"{data}/b_dev.parquet 13 for validation"]
    assert "cannot be decoded" in told.skipped[f"{data}/b_dev.parquet 12"] and made.lineage["pairs"] == 6
    validation = made.lineage["validation"]
    assert validation["pairs"] == 17 and validation["shows"] == ["b", "c"]

    shows = [pictures(fair / "b_dev.parquet", 1, 12), pictures(fair / "c_dev.parquet", 2, 5)]
    for who, encoder_id in (("encoder", made.encoder_id), ("base", tiny_clip)):
        encoder = load_encoder(encoder_id, settings.home)
        found = [evaluate_captions(show, encoder) for show in shows]
        for ours, theirs in (("text_to_video", "text_to_image"), ("video_to_text", "image_to_text")):
            parts = [each[theirs] for each in found]
            for metric in ("r@1", "r@5", "ndcg@10"):
                wanted = sum(part[metric] * part["queries"] for part in parts) / sum(part["queries"] for part in parts)
                assert validation[who][ours][metric] == pytest.approx(wanted), (who, ours, metric)
    gain, low, high = validation["gain"]["text_to_video"]["r@5"]
    figures = [validation[who]["text_to_video"]["r@5"] for who in ("encoder", "base")]
    assert low <= gain <= high and gain == pytest.approx(figures[0] - figures[1])


def test_pictures_are_nobodys_footage_and_validation_on_what_was_learned_is_none(
    settings: Settings, tmp_path: Path, tiny_clip: str
) -> None:
    free, notes = [], []

    class Looking(Telling):
        def advance(self, stage: str, amount: float = 1) -> None:
            if stage == "training_features":
                with lock_if_free(settings.work_lock) as is_free:
                    free.append(is_free)

        def note(self, stage: str, text: str) -> None:
            notes.append(text)

    data = tmp_path / "data"
    data.mkdir()
    pictures(data / "a_train.parquet", 0, 6)
    pictures(data / "a_dev.parquet", 0, 4)
    made = fitted(settings, tiny_clip, data, "mine", Looking(), image="locked")
    assert made.lineage["validation"] == {} and free == [True] * 6
    assert len(notes) == 2 and "4 pairs for validation are too similar to the training data" in notes[0]
    assert "forgets is not measured" in notes[1]


def test_only_what_was_asked_for_decides_the_exit_status_and_errors_speak_for_themselves(
    settings: Settings, tmp_path: Path, tiny_clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    (tmp_path / "film0.mp4.captions.jsonl").write_text('{"captions": ["of no frames"]}\n')
    pictures(tmp_path / "fine.parquet", 0, 6)

    def command(name: str, *more: str) -> Any:
        given = ["train", "--recipe", "debug", "--pooling", "mean", "--threads", "1", "--home", str(settings.home)]
        return CliRunner().invoke(cli, [*given, "--name", name, *more], standalone_mode=False)

    given = ("--data", str(tmp_path / "fine.parquet"))
    done = command("mine", *given, "--base", tiny_clip)
    assert done.exception is None and done.return_value is None and "film0" not in done.stderr
    (tmp_path / "text.pt").write_text("no weights")
    failed = command("other", *given, "--base", f"open_clip:needle-trained/{tmp_path}/text.pt").exception
    assert isinstance(failed, NeedleError) and "text.pt" in str(failed) and "the run" not in str(failed)
