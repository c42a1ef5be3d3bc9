"""Any open_clip model through its own loading code, with a small model whose weights are made here."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import EncoderError
from ops.core.settings import load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.bfloat16_tower import EXPORT_FROM, LEAST_COSINE, TowerSource, load_bfloat16_tower
from ops.embeddings.embed import ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoder import Encoder, load_encoder, resolve_encoder
from ops.embeddings.encoders.open_clip import OpenClipEncoder, build_resizing

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one shape and one of another, as checkpoint files; both shapes are known to open_clip."""
    import open_clip
    import torch

    folder = tmp_path_factory.mktemp("checkpoints")
    wide = TINY | {"embed_dim": 48}
    for name, shape in (("needle-tiny", TINY), ("needle-wide", wide)):
        (folder / f"{name}.json").write_text(json.dumps(shape))
        open_clip.add_model_config(folder / f"{name}.json")
    for file, name, seed in (("one.pt", "needle-tiny", 1), ("two.pt", "needle-tiny", 2), ("wide.pt", "needle-wide", 1)):
        torch.manual_seed(seed)
        torch.save(open_clip.create_model(name).state_dict(), folder / file)
    return folder


@pytest.fixture(scope="session")
def tiny(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", tmp_path_factory.mktemp("home"), device="cpu")


def test_vectors_have_unit_length_and_the_models_dimension(tiny: Encoder) -> None:
    texts = tiny.encode_text(["a dog", "a cat on a table"] * 40)
    frames = tiny.encode_frames(np.random.default_rng(0).integers(0, 256, (11, 40, 60, 3), dtype=np.uint8))
    assert tiny.dim == 32 and texts.shape == (80, 32) and frames.shape == (11, 32)
    for vectors in (texts, frames):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(frames[0], frames[1], atol=1e-4)
    assert tiny.encode_text([]).shape == (0, 32)
    assert tiny.encode_frames(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, 32)
    with pytest.raises(EncoderError, match="not a text"):
        tiny.encode_text([3])  # type: ignore[list-item]


def test_it_is_what_open_clip_itself_computes(tiny: Encoder, checkpoints: Path) -> None:
    import open_clip
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms("needle-tiny", pretrained=str(checkpoints / "one.pt"))
    frame = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    with torch.inference_mode():
        image = model.eval().encode_image(transform(Image.fromarray(frame))[None], normalize=True).numpy()
        text = model.encode_text(open_clip.get_tokenizer("needle-tiny")(["a dog"]), normalize=True).numpy()
    assert float(tiny.encode_frames(frame[None])[0] @ image[0]) > 0.9999  # resized by torch, not by Pillow
    np.testing.assert_allclose(tiny.encode_text(["a dog"]), text, atol=1e-5)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("height", "width"), [(36, 64), (91, 40), (32, 32), (33, 37), (20, 30), (300, 8)])
def test_frames_are_resized_as_by_open_clips_transform(mode: str, interpolation: str, height: int, width: int) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    configuration = {"size": 32, "mean": (0.0,) * 3, "std": (1.0,) * 3, "resize_mode": mode}
    configuration |= {"interpolation": interpolation}
    resize = build_resizing(configuration)
    assert resize is not None
    coarse = np.random.default_rng(height).integers(0, 256, (3, 5, 6, 3), dtype=np.uint8)
    frames = np.stack([np.asarray(Image.fromarray(each).resize((width, height))) for each in coarse])
    transform = image_transform_v2(PreprocessCfg(**configuration), is_train=False)
    expected = np.stack([transform(Image.fromarray(frame)).numpy() * 255 for frame in frames]).round()
    resized = resize(frames)
    assert resized.dtype == np.uint8 and resized.shape == expected.shape == (3, 3, 32, 32)
    assert np.abs(resized - expected).max() <= 2
    assert np.abs(resized - expected).mean() < 0.2


@pytest.mark.parametrize("change", [{"resize_mode": "longest"}, {"size": (32, 48)}, {"interpolation": "random"}])
def test_an_unusual_transform_is_left_to_open_clip(checkpoints: Path, change: dict[str, object]) -> None:
    encoder = OpenClipEncoder(f"needle-tiny/{checkpoints}/one.pt")
    usual = dict(encoder._model.visual.preprocess_cfg)
    assert build_resizing(usual) is not None and build_resizing({**usual, **change}) is None
    frames = np.random.default_rng(2).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    other = OpenClipEncoder(f"needle-tiny/{checkpoints}/one.pt", preprocessing={**usual, **change, "size": 32})
    assert encoder.prepare(frames).dtype == np.uint8
    if "size" not in change:
        assert other.prepare(frames).dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(other.encode_frames(frames), axis=1), 1, atol=1e-5)


def test_the_id_changes_with_weights_and_architecture(tmp_path: Path, checkpoints: Path) -> None:
    specs = [
        f"open_clip:{model}/{checkpoints}/{file}"
        for model, file in (("needle-tiny", "one.pt"), ("needle-tiny", "two.pt"), ("needle-wide", "one.pt"))
    ]
    ids = [resolve_encoder(load_settings(home=tmp_path, encoder=spec)).encoder_id for spec in specs]
    assert len(set(ids)) == 3 and all(found.startswith("open_clip_needle_") for found in ids)
    encoder = load_encoder(ids[1], tmp_path, device="cpu", part="text")
    assert encoder.encoder_id == ids[1]
    with pytest.raises(EncoderError, match="part='both'"):
        encoder.encode_frames(np.zeros((1, 32, 32, 3), np.uint8))


def test_shots_are_embedded_with_it(tiny: Encoder, proxy_store: ObjectStore, shots: list[ShotToEmbed]) -> None:
    found = [result for result in embed_shots(shots, proxy_store, tiny) if isinstance(result, ShotVector)]
    assert [vector.shot_id for vector in found] == [shot.shot_id for shot in shots]


class Evil:
    """Unpickling it runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, checkpoints: Path) -> None:
    import torch

    torch.save({"state_dict": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "ran"), protocol=2))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(EncoderError, match=r"evil\.p"):
            load_encoder(f"open_clip:needle-tiny/{tmp_path}/{name}", tmp_path, device="cpu")
    assert not (tmp_path / "ran").exists()


def test_other_bad_weights_are_refused_by_name(tmp_path: Path, checkpoints: Path) -> None:
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "half.pt").write_bytes((checkpoints / "one.pt").read_bytes()[:5000])
    for path in (tmp_path / "text.pt", tmp_path / "empty.pt", tmp_path / "half.pt", checkpoints / "wide.pt"):
        with pytest.raises(EncoderError, match=path.name):
            load_encoder(f"open_clip:needle-tiny/{path}", tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("no-such-model/laion2b", "has no model 'no-such-model'"),
        ("ViT-B-32/no_such_tag", "neither a file nor a pretrained tag of ViT-B-32 .*laion2b_s34b_b79k"),
        ("ViT-B-32", "names no weights"),
        ("ViT-B-32/", "names no weights"),
    ],
)
def test_a_name_that_open_clip_does_not_know_is_refused(tmp_path: Path, rest: str, reason: str) -> None:
    with pytest.raises(EncoderError, match=reason):
        resolve_encoder(load_settings(home=tmp_path, encoder=f"open_clip:{rest}"))


def test_a_tag_that_cannot_be_downloaded_says_what_to_do(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from ops.core.errors import EncoderError
from ops.embeddings.encoder import load_encoder
try:
    load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k", Path({str(tmp_path)!r}))
except EncoderError as error:
    print(error)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert "cannot be downloaded" in done.stdout and "NEEDLE_ENCODER=starter" in done.stdout


def test_a_tokenizer_beside_the_checkpoint_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of SigLIP 2, whose tokenizer is not part of open_clip."""
    import huggingface_hub.constants
    import open_clip
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    text = {**TINY["text_cfg"], "vocab_size": 8, "hf_tokenizer_name": "nobody/nothing"}  # type: ignore[dict-item]
    (tmp_path / "needle-hub-tokenizer.json").write_text(json.dumps(TINY | {"text_cfg": text}))
    open_clip.add_model_config(tmp_path / "needle-hub-tokenizer.json")
    torch.save(open_clip.create_model("needle-hub-tokenizer").state_dict(), tmp_path / "weights.pt")
    spec = f"open_clip:needle-hub-tokenizer/{tmp_path}/weights.pt"
    with pytest.raises(EncoderError, match=r"nobody/nothing, cannot be loaded .* put its tokenizer\.json"):
        load_encoder(spec, tmp_path / "home")
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "a", "dog", "cat"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    encoder = load_encoder(spec, tmp_path / "home")
    texts = encoder.encode_text(["a dog", "a cat"])
    assert not np.allclose(texts[0], texts[1], atol=1e-4)
    tokenizer.post_processor = None
    Tokenizer(models.WordLevel(dict(reversed(words.items())), unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    assert load_encoder(spec, tmp_path / "home2").encoder_id != encoder.encoder_id, "another tokenizer, other vectors"


def has_bfloat16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def export_home(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which an ingest of many frames has loaded the encoder."""
    home = tmp_path_factory.mktemp("export-home")
    load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", home, device="cpu", frames=EXPORT_FROM)
    return home


def list_exports(home: Path) -> list[Path]:
    return sorted((home / "cache" / "encoders").glob("*/*"))


def test_a_cpu_with_bfloat16_runs_the_image_tower_in_it(tiny: Encoder, checkpoints: Path, export_home: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in list_exports(export_home)}
    assert len(files) == (3 if has_bfloat16() else 0)
    encoder = load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", export_home, device="cpu", threads=2)
    assert {path: path.stat().st_mtime_ns for path in list_exports(export_home)} == files
    assert isinstance(encoder, OpenClipEncoder) and (encoder._run_tower is not None) == has_bfloat16()
    frames = np.random.default_rng(3).integers(0, 256, (9, 40, 60, 3), dtype=np.uint8)
    vectors = encoder.encode_frames(frames)
    assert encoder.encoder_id == tiny.encoder_id
    assert (vectors * tiny.encode_frames(frames)).sum(axis=1).min() >= LEAST_COSINE
    alone = np.concatenate([encoder.encode_frames(frame[None]) for frame in frames])
    # In torch the rounding of a row depends on the number of rows.
    assert np.abs(alone - vectors).max() <= (0 if has_bfloat16() else 1e-5), "a vector depends on its neighbours"
    assert encoder.encode_frames(frames[:0]).shape == (0, 32)
    np.testing.assert_array_equal(encoder.encode_text(["a dog"]), tiny.encode_text(["a dog"]))


def test_few_frames_are_not_worth_an_export(checkpoints: Path, tmp_path: Path) -> None:
    load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", tmp_path, device="cpu", frames=EXPORT_FROM - 1)
    assert not list_exports(tmp_path)


@pytest.mark.skipif(not has_bfloat16(), reason="the CPU has no bfloat16")
def test_vectors_that_would_differ_come_from_torch(
    tiny: Encoder, checkpoints: Path, export_home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(export_home / "cache", tmp_path / "cache")
    (agreement,) = (tmp_path / "cache" / "encoders").glob("*/agreement.json")
    assert json.loads(agreement.read_text())["smallest_cosine"] >= LEAST_COSINE
    agreement.write_text(json.dumps({"smallest_cosine": 0.9}))
    frames = np.random.default_rng(3).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    with caplog.at_level("INFO"):
        encoder = load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", tmp_path, device="cpu")
    assert "the cosine of a test image is only 0.9000" in caplog.text
    np.testing.assert_array_equal(encoder.encode_frames(frames), tiny.encode_frames(frames))


@pytest.mark.skipif(not has_bfloat16(), reason="the CPU has no bfloat16")
def test_a_damaged_export_is_deleted_and_the_tower_stays_in_torch(
    checkpoints: Path, export_home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(export_home / "cache", tmp_path / "cache")
    (agreement,) = (tmp_path / "cache" / "encoders").glob("*/agreement.json")
    agreement.write_text("")
    with caplog.at_level("WARNING"):
        encoder = load_encoder(f"open_clip:needle-tiny/{checkpoints}/one.pt", tmp_path, device="cpu")
    assert isinstance(encoder, OpenClipEncoder) and encoder._run_tower is None
    assert "is damaged" in caplog.text and not agreement.parent.exists()


@pytest.mark.skipif(not has_bfloat16(), reason="the CPU has no bfloat16")
def test_an_export_that_fails_leaves_the_tower_in_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    preprocessing = {"size": 224, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    source = TowerSource(key="none", model="ViT-B-32", tag="/nowhere.pt", architecture={}, preprocessing=preprocessing)
    with caplog.at_level("WARNING"):
        assert load_bfloat16_tower(source, tmp_path / "cache", threads=1, frames=EXPORT_FROM) is None
    assert "cannot be exported to OpenVINO" in caplog.text and "/nowhere.pt" in caplog.text
    assert not list((tmp_path / "cache").glob("*/"))
