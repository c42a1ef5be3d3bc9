"""The whole way: from captioned footage to an encoder of the home, and what must not be overwritten."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import EncoderError, TrainingError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.embeddings.encoders.starter import compute_starter_id
from ops.embeddings.starter.head import load_head
from ops.training.bases import identify_base, settle_learning_rate
from ops.training.fit_data import collect_fit_data
from ops.training.model import build_clip_model
from ops.training.pair_table import store_pairs
from ops.training.pairs import CaptionPair
from ops.training.recipes import RECIPES, build_recipe
from ops.training.sources import collect_pairs
from ops.training.train import TrainedEncoder, choose_default_name, train
from ops.training.validate import sample_pairs
from tests.builders.training import fill_captioned, jpeg

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def trained(
    settings: Settings, data: list[Path], name: str = "", forgetting: list[Path] | None = None, **changes: Any
) -> TrainedEncoder:
    recipe = build_recipe("debug", **changes)
    return train(settings, recipe, data, NOW, SilentProgress(), name=name, threads=1, forgetting=forgetting or [])


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pooling", ["mean", "temporal"])
def test_a_fine_tuned_starter_is_an_encoder_of_the_home(settings: Settings, tmp_path: Path, pooling: str) -> None:
    made = trained(settings, [tmp_path], "mine", pooling=pooling, hold_out=0.5, learning_rate=0.01)
    found = resolve_encoder(load_settings(home=settings.home, encoder="finetuned:mine"))
    encoder = load_encoder(found.encoder_id, settings.home)
    base = load_encoder("starter", settings.home)
    assert made.is_new and made.encoder_id == found.encoder_id == encoder.encoder_id != base.encoder_id
    frames = encoder.encode_frames(np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8))
    text = encoder.encode_text(["shot 1"])
    for vectors in (frames, text, encoder.pool(frames)[None]):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(text, base.encode_text(["shot 1"]), atol=1e-4)
    told = json.loads((made.folder / "encoder.json").read_text())
    assert told["pairs"] == 5 and told["recipe"]["pooling"] == pooling and told["base_id"] == base.encoder_id
    assert told["validation"]["pairs"] == 5 and set(told["shows"]).isdisjoint(told["validation"]["shows"])
    assert set(told["validation"]["encoder"]["text_to_video"]) >= {"r@1", "r@10_interval", "median_rank", "ndcg@10"}
    assert (made.folder / "temporal.npz").exists() == (pooling == "temporal")
    assert not (settings.home / "training" / "mine").exists(), "what a fit leaves behind is the encoder"


def test_the_same_again_is_there_already_and_another_is_not_overwritten(settings: Settings, tmp_path: Path) -> None:
    made = trained(settings, [tmp_path])
    before = files_of(made.folder)
    again = trained(settings, [tmp_path])
    assert again.name == made.name and not again.is_new
    with pytest.raises(UsageError, match="holds another encoder"):
        trained(settings, [tmp_path], made.name, seed=1)
    assert files_of(made.folder) == before
    (made.folder / "head.npz").unlink()
    other = trained(settings, [tmp_path], "second")
    assert files_of(other.folder)["head.npz"] == before["head.npz"], "the same recipe gives the same bytes"


def test_a_stopped_fit_goes_on_and_a_broken_checkpoint_is_left_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(SilentProgress):
        steps = 0

        def advance(self, stage: str, amount: float = 1) -> None:
            self.steps += stage == "training"
            if self.steps == 3:
                raise KeyboardInterrupt

    whole = trained(settings, [tmp_path], "whole")
    with pytest.raises(KeyboardInterrupt):
        train(settings, build_recipe("debug"), [tmp_path], NOW, Stopping(), name="half", threads=1)
    checkpoint = settings.home / "training" / "half" / "checkpoint.pt"
    assert checkpoint.exists() and not (settings.home / "encoders" / "half").exists()
    with pytest.raises(TrainingError, match="another recipe, base or data"):
        trained(settings, [tmp_path], "half", seed=1)
    monkeypatch.setattr("ops.training.train.time", SimpleNamespace(monotonic=iter([0.0, 3600.0]).__next__))
    notes: list[str] = []

    class Reports(SilentProgress):
        def note(self, stage: str, text: str) -> None:
            notes.append(text)

    half = train(settings, build_recipe("debug"), [tmp_path], NOW, Reports(), name="half", threads=1)
    assert half.encoder_id == whole.encoder_id
    assert notes[0] == "the fit goes on after step 3 of 4, from the checkpoint of an earlier run"
    assert half.lineage["trained_at"] == (NOW + timedelta(hours=1)).isoformat(), "when the fit ended"


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "locked"},
        {"image": "last", "last_blocks": 1, "pooling": "mean"},
        {"image": "all", "text": "locked", "micro_batch": 2},
        {"image": "locked", "text": "locked"},
    ],
)
def test_any_open_clip_model_learns_what_is_not_locked(
    settings: Settings, tmp_path: Path, tiny_clip: str, changes: dict[str, Any]
) -> None:
    made = trained(settings, [tmp_path], "clip", base=tiny_clip, learning_rate=0.01, **changes)
    encoder = load_encoder(made.encoder_id, settings.home)
    base = load_encoder(tiny_clip, settings.home)
    frame = np.random.default_rng(0).integers(0, 256, (1, 40, 60, 3), dtype=np.uint8)
    image_moved = not np.allclose(encoder.encode_frames(frame), base.encode_frames(frame), atol=1e-4)
    text_moved = not np.allclose(encoder.encode_text(["shot 1"]), base.encode_text(["shot 1"]), atol=1e-4)
    assert image_moved == (changes["image"] != "locked") and text_moved == (changes.get("text") != "locked")
    assert made.encoder_id.startswith("finetuned_needle_trained") and encoder.dim == 32


def test_the_command_trains_and_tells_what_it_set_aside(settings: Settings, tmp_path: Path) -> None:
    rows = [{"image": jpeg((9 * n, 40, 0)), "captions": [f"colour {n}"]} for n in range(6)]
    rows += [{"image": b"no picture", "captions": ["broken"]}, {"image": jpeg((0, 0, 0)), "captions": []}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    arguments = ["train", "--recipe", "debug", "--data", str(tmp_path / "data.parquet"), "--name", "mine", "--json"]
    done = CliRunner().invoke(cli, [*arguments, "--home", str(settings.home)], standalone_mode=False)
    assert done.return_value == 3 and "cannot be decoded" in done.stderr and "has no caption" in done.stderr
    told = json.loads(done.stdout)
    assert told["name"] == "mine" and told["encoder_id"] and told["recipe"]["name"] == "debug"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch": 500}, "larger than the data"),
        ({"epochs": 0}, "epochs = 0: must be at least 1"),
        ({"learning_rate": -1.0}, r"learning_rate = -1\.0: must be above 0"),
        ({"learning_rate": 1e39}, r"= 1e\+39: must .* at most 100"),
        ({"learning_rate": float("nan")}, "= nan: must be above 0"),
        ({"base": "open_clip:"}, "base 'open_clip:'"),
        ({"base": "open_clip:nonsense/tag"}, "--base open_clip:nonsense/tag: open_clip has no model 'nonsense'"),
        ({"base": "open_clip:RN50/tag"}, "'tag' is neither a file nor a pretrained tag of RN50"),
        ({"base": "open_clip:coca_ViT-B-32/laion2b_s13b_b90k"}, "--base .* is a CoCa model.* cannot be fine-tuned"),
        ({"base": "finetuned:none"}, "--base finetuned:none: no fine-tuned encoder 'none'"),
        ({"batch": 1}, "batch = 1: must be at least 2"),
        ({"hold_out": 1.5}, r"hold_out = 1\.5: must be from 0 to below 1"),
        ({"pooling": "sum"}, "pooling = 'sum': must be one of mean, temporal"),
        ({"base": "open_clip:x/y", "space": "joint", "pooling": "mean"}, "for the starter encoder"),
        ({"image": "locked", "text": "locked", "pooling": "mean"}, "nothing learns"),
    ],
)
def test_what_makes_no_sense_is_refused(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        trained(settings, [tmp_path], "mine", **changes)
    assert not (settings.home / "encoders").exists()


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--batch", "1", "x>=2"),
        ("--epochs", "0", "x>=1"),
        ("--micro-batch", "-1", "x>=0"),
        ("--threads", "0", "x>=1"),
        ("--seed", "-1", "0<=x<="),
        ("--precision", "fp17", "'auto', 'fp32', 'bf16', 'fp16'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_option_and_what_is_allowed(option: str, value: str, allowed: str) -> None:
    with pytest.raises(click.UsageError) as refusal:
        cli.main(["train", "--recipe", "debug", option, value], standalone_mode=False)
    assert option in refusal.value.format_message() and allowed in refusal.value.format_message()


def test_half_precision_of_gpus_is_refused_on_a_cpu_before_anything_is_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.training.train.has_cuda", lambda: False)
    with pytest.raises(UsageError, match=r"--precision fp16 needs a CUDA device, .*: choose fp32, bf16, or auto"):
        trained(settings, [tmp_path / "missing"], "mine", precision="fp16")


def test_other_base_weights_make_another_fit(settings: Settings, tmp_path: Path, tiny_clip: str) -> None:
    weights = tmp_path / "base.pt"
    state = torch.load(tiny_clip.partition("/")[2])
    changes = {"base": f"open_clip:needle-trained/{weights}", "image": "locked", "pooling": "mean"}
    torch.save(state, weights)
    recipe = build_recipe("debug", **changes)
    made, name = (
        trained(settings, [tmp_path], "mine", **changes),
        choose_default_name(settings, recipe, [tmp_path], NOW),
    )
    state["visual.proj"] += 0.1
    torch.save(state, weights)
    assert choose_default_name(settings, recipe, [tmp_path], NOW) != name
    with pytest.raises(UsageError, match=r"other recipe, base, data or code"):
        trained(settings, [tmp_path], "mine", **changes)
    other = trained(settings, [tmp_path], "other", **changes)
    assert made.lineage["base_id"] != other.lineage["base_id"]


def test_a_fresh_head_starts_from_the_towers_alone(settings: Settings) -> None:
    assert identify_base(build_recipe("starter_head"), settings).startswith("starter_towers_w")
    assert identify_base(build_recipe("debug"), settings) == compute_starter_id()


def test_weights_that_cannot_be_read_are_refused(settings: Settings, tmp_path: Path, tiny_clip: str) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(EncoderError, match=r"text\.pt"):
        trained(settings, [tmp_path], "mine", base=f"open_clip:needle-trained/{tmp_path}/text.pt")
    made = trained(settings, [tmp_path], "clip", base=tiny_clip, image="locked")
    (made.folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"model\.safetensors"):
        load_encoder("finetuned:clip", settings.home)
    (made.folder / "encoder.json").write_text("[]")
    with pytest.raises(EncoderError, match=r"encoder\.json"):
        load_encoder("finetuned:clip", settings.home)


@pytest.mark.parametrize(
    ("films", "hold_out", "note"),
    [(2, 0.0, "nothing was held out"), (1, 0.5, "all pairs are of one show"), (2, 0.5, "")],
)
def test_a_fit_that_is_not_validated_says_so_and_goes_on(
    settings: Settings, tmp_path: Path, films: int, hold_out: float, note: str
) -> None:
    class Noting(SilentProgress):
        notes: ClassVar[list[str]] = []

        def note(self, stage: str, text: str) -> None:
            self.notes.append(text)

    told, Noting.notes = Noting(), []
    data = [tmp_path / f"film{number}.mp4" for number in range(films)]
    made = train(settings, build_recipe("debug", hold_out=hold_out), data, NOW, told, name="mine", threads=1)
    assert made.is_new and bool(made.lineage["validation"]) == (not note)
    notes = [text for text in told.notes if "forgets is not measured" not in text]
    assert [note in text for text in notes] == ([True] if note else [])


def test_a_broken_head_is_told_without_advice_to_read_it_unsafely(settings: Settings, tmp_path: Path) -> None:
    made = trained(settings, [tmp_path], "mine")
    for name in ("temporal.npz", "head.npz"):
        (made.folder / name).write_bytes(b"no arrays")
        with pytest.raises(EncoderError, match=name) as told:
            load_encoder("finetuned:mine", settings.home)
        assert "unsafely" not in str(told.value)


def test_a_name_is_no_path(settings: Settings, tmp_path: Path) -> None:
    for name in ("../up", "A B", ".hidden"):
        with pytest.raises(UsageError, match="--name"):
            trained(settings, [tmp_path], name)


def test_without_data_the_catalogue_is_learned_from_and_no_captions_are_said(
    settings: Settings, tmp_path: Path
) -> None:
    rows = [{"image": jpeg((9 * n, 40, 0)), "captions": [f"colour {n}"]} for n in range(3)]
    photos = tmp_path / "photos.parquet"
    pq.write_table(pa.Table.from_pylist(rows), photos)
    notes: list[str] = []

    class Reports(SilentProgress):
        def note(self, stage: str, text: str) -> None:
            notes.append(text)

    pairs = collect_fit_data(settings, build_recipe("debug"), [], NOW, Reports()).learn
    assert notes == ["without --data all captions of the catalogue are used: 10 pairs (10 shots of 2 videos)"]
    store_pairs(settings, collect_pairs(settings, [photos]).learn, NOW)
    pairs = collect_fit_data(settings, build_recipe("debug"), [], NOW, Reports()).learn
    assert len(pairs) == 13 and notes[1] == (
        "without --data all captions of the catalogue are used, also images that earlier fits read: 13 pairs "
        f"(10 shots of 2 videos, 3 images of {photos})"
    )
    assert trained(settings, []).lineage["pairs"] == 13
    settings.lake.delete_table("caption_pairs")
    for number in (0, 1):
        (tmp_path / f"film{number}.mp4.captions.jsonl").unlink()
    with pytest.raises(UsageError, match="no captioned pairs"):
        trained(settings, [])


def test_half_of_the_way_is_the_mean_of_base_and_fit(settings: Settings, tmp_path: Path) -> None:
    changes = {"pooling": "mean", "learning_rate": 0.01, "hold_out": 0.5}
    whole, half = (
        trained(settings, [tmp_path], name, blend=share, **changes) for name, share in (("a", 1.0), ("b", 0.5))
    )
    weights = [load_head(made.folder / "head.npz").text_weight_HJ for made in (whole, half)]
    np.testing.assert_allclose(weights[1], (weights[0] + load_head().text_weight_HJ) / 2, atol=1e-4)
    assert "fitted" not in whole.lineage["validation"]
    told = half.lineage["validation"]
    assert told["fitted"] == whole.lineage["validation"]["encoder"] != told["encoder"]
    assert set(told["overall"]) >= {"difference", "low", "high", "margin"}


@pytest.mark.parametrize("kind", ["open_clip", "starter"])
def test_a_fine_tuned_encoder_is_a_base(settings: Settings, tmp_path: Path, tiny_clip: str, kind: str) -> None:
    first = {"base": tiny_clip} if kind == "open_clip" else {}
    before = trained(settings, [tmp_path / "film0.mp4"], "one", learning_rate=0.01, **first)
    with pytest.raises(UsageError, match="has a temporal head: keep it with --pooling temporal"):
        trained(settings, [tmp_path / "film1.mp4"], "two", base="finetuned:one", pooling="mean")
    after = trained(settings, [tmp_path / "film1.mp4"], "two", base="finetuned:one", learning_rate=1e-9)
    assert after.lineage["base_id"] == before.encoder_id and after.lineage["shows"] == ["show 0", "show 1"]
    encoders = [load_encoder(f"finetuned:{name}", settings.home) for name in ("one", "two")]
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    vectors = [each.pool(each.encode_frames(frames)) for each in encoders]
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-4)
    assert not np.allclose(vectors[0], load_encoder("starter", settings.home).encode_text(["a"])[0][: encoders[0].dim])


def test_the_rate_is_that_of_the_kind_of_base(settings: Settings, tmp_path: Path, tiny_clip: str) -> None:
    def rate(**changes: Any) -> float:
        return settle_learning_rate(build_recipe("adapt", **changes), settings).learning_rate

    assert (rate(), rate(base=tiny_clip), rate(base=tiny_clip, learning_rate=0.5)) == (1e-3, 1e-5, 0.5)
    trained(settings, [tmp_path], "clip", base=tiny_clip, pooling="mean")
    trained(settings, [tmp_path], "head", pooling="mean")
    assert (rate(base="finetuned:clip"), rate(base="finetuned:head")) == (1e-5, 1e-3)


def test_what_a_fit_forgets_is_measured_on_what_it_did_not_use(settings: Settings, tmp_path: Path) -> None:
    rows = [{"image": jpeg((9 * n, 40, 0)), "captions": [f"colour {n}"]} for n in range(12)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "photos.parquet")
    film = [tmp_path / "film0.mp4"]
    told = trained(settings, film, "named", forgetting=[tmp_path / "photos.parquet", tmp_path / "film1.mp4", *film])
    forgetting = told.lineage["forgetting"]
    assert forgetting["photographs"]["pairs"] == 12 and forgetting["other footage"]["shows"] == ["show 1"]
    trained(settings, [tmp_path / "photos.parquet"], "photos", batch=4)
    told = trained(settings, film, "by_itself")
    assert told.lineage["forgetting"]["photographs"]["pairs"] == 12, "the table holds them since"


@pytest.mark.parametrize("is_requested", [False, True])
def test_unreadable_pictures_that_were_not_requested_are_a_note(
    settings: Settings, tmp_path: Path, is_requested: bool
) -> None:
    rows = [{"image": jpeg((9 * n, 40, 0)), "captions": [f"colour {n}"]} for n in range(4)]
    rows.append({"image": b"no picture", "captions": ["?"]})
    photos = tmp_path / "photos.parquet"
    pq.write_table(pa.Table.from_pylist(rows), photos)
    store_pairs(settings, collect_pairs(settings, [photos]).learn, NOW)

    class Reports(SilentProgress):
        def __init__(self) -> None:
            self.notes: list[str] = []
            self.things: list[str] = []

        def note(self, stage: str, text: str) -> None:
            self.notes.append(text)

        def set_aside(self, stage: str, thing: str, reason: str) -> None:
            self.things.append(thing)

    reports = Reports()
    forgetting = [photos] if is_requested else []
    recipe = build_recipe("debug", pooling="mean")
    fit = train(settings, recipe, [tmp_path / "film0.mp4"], NOW, reports, name="mine", threads=1, forgetting=forgetting)
    assert fit.lineage["forgetting"]["photographs"]["pairs"] == 4
    assert reports.things == ([f"{photos} 4"] if is_requested else [])
    notes = [note for note in reports.notes if f"some cannot be read: {photos} 4: the image 4 of" in note]
    assert len(notes) == (not is_requested)


def test_wrong_data_for_forgetting_are_refused_before_the_fit(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        trained(settings, [tmp_path / "film0.mp4"], "mine", forgetting=[tmp_path / "nowhere"])
    assert not (settings.home / "training" / "mine" / "checkpoint.pt").exists()


def test_models_that_cannot_learn_are_named(tmp_path: Path) -> None:
    import open_clip
    from open_clip.model import CLIP

    with pytest.raises(UsageError, match="a object model cannot be fine-tuned, because its text tower is not separate"):
        build_clip_model(build_recipe("adapt", base="open_clip:coca/x"), object(), 4)
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
    resnet = CLIP(32, open_clip.CLIPVisionCfg(**vision), open_clip.CLIPTextCfg(**text))
    with pytest.raises(UsageError, match=r"image tower cannot learn with image = 'last' .*: choose image = 'all'"):
        build_clip_model(build_recipe("adapt", base="open_clip:rn/x", image="last"), resnet, 32)
    assert len(build_clip_model(build_recipe("adapt", base="open_clip:rn/x"), resnet, 32).list_batch_norms()) > 10


def test_a_sample_is_spread_over_all_pairs_and_does_not_depend_on_their_order() -> None:
    pairs = [
        CaptionPair(pair_id=str(n), kind="image", show=str(n // 100), captions=("a",), input_hash="")
        for n in range(400)
    ]
    drawn = sample_pairs(pairs, 100)
    assert len(drawn) == 100 and {pair.show for pair in drawn} == {"0", "1", "2", "3"}
    assert set(sample_pairs(pairs[::-1], 100)) == set(drawn) and sample_pairs(pairs, 999) == pairs


def test_every_recipe_is_frozen_and_makes_sense() -> None:
    for name, build in RECIPES.items():
        assert build().name == name and build() == build()
        assert replace(build(), seed=5).digest() != build().digest()
    with pytest.raises(UsageError, match="no recipe 'x'"):
        build_recipe("x")
