"""The starter encoder: same input, same vector, alone or in company, with or without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import EncoderError
from ops.embeddings.encoder import Encoder, load_encoder
from ops.embeddings.encoders.starter import StarterEncoder, compute_starter_id
from ops.embeddings.starter import image_tower
from ops.embeddings.starter.head import SHIPPED_HEAD, compute_class_probabilities, load_head
from ops.embeddings.starter.torch_tower import name_export

TEXTS = ["a dog", "two dogs run through deep snow", "a dog", "", "word " * 500]


def pictures(count: int, height: int = 36, width: int = 64) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, height // 4, width // 4, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def test_vectors_have_unit_length_and_the_encoders_dimension(starter: StarterEncoder) -> None:
    encoder: Encoder = starter
    for vectors, count in ((encoder.encode_text(TEXTS), 5), (encoder.encode_frames(pictures(3)), 3)):
        assert vectors.shape == (count, encoder.dim) and vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    assert encoder.encode_frames(pictures(0)).shape == (0, encoder.dim)


def test_a_text_and_a_frame_have_the_same_vector_alone_and_in_company(starter: StarterEncoder) -> None:
    together = starter.encode_text(TEXTS)
    alone = np.concatenate([starter.encode_text([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    frames = pictures(7)
    prepared = starter.prepare(frames)
    one_by_one = np.concatenate([starter.encode_prepared(prepared[row : row + 1]) for row in range(7)])
    assert np.array_equal(starter.encode_frames(frames), one_by_one)


def test_different_things_have_different_vectors(starter: StarterEncoder) -> None:
    texts = starter.encode_text(["a snowy mountain", "a man on a bicycle"])
    assert texts[0] @ texts[1] < 0.8
    frames = starter.encode_frames(pictures(2))
    assert frames[0] @ frames[1] < 0.9999


def test_the_whole_picture_is_seen_whatever_its_aspect(starter: StarterEncoder) -> None:
    for height, width in ((40, 400), (400, 40), (1, 1), (260, 260)):
        assert starter.prepare(pictures(2, max(height, 4), max(width, 4))).shape == (2, 260, 260, 3)
    edges = np.zeros((1, 90, 320, 3), np.uint8)
    edges[:, :, -20:] = 255
    assert starter.prepare(edges)[0, :, -10:].mean() > 200


def test_torch_and_the_exported_tower_agree(
    starter: StarterEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_tower, "SHIPPED_FOLDER", tmp_path / "nothing")
    prepared = starter.prepare(pictures(5))
    exported = image_tower.ImageTower(tmp_path, "cpu", 2)
    assert exported.engine == "openvino"
    assert [path.name for path in tmp_path.glob("*.onnx")] == [name_export()]
    fallback = image_tower._load_torch_runner("cpu")
    ours, theirs = (load_head().embed_images(*run(prepared)) for run in (exported, fallback))
    assert (ours * theirs).sum(axis=1).min() > 0.98, "bfloat16 on a CPU that has it"


def test_where_the_tower_cannot_be_exported_torch_takes_over(
    starter: StarterEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(image_tower, "SHIPPED_FOLDER", tmp_path / "nothing")
    tower = image_tower.ImageTower(tmp_path, "cpu", 1)
    assert tower.engine == "torch" and "cannot be exported" in caplog.text
    assert not list(tmp_path.glob("*.onnx")) and not list(tmp_path.glob(".tmp-*"))
    prepared = starter.prepare(pictures(2))
    slow = starter._head.embed_images(*tower(prepared))
    assert (slow * starter.encode_prepared(prepared)).sum(axis=1).min() > 0.98


def test_a_text_query_loads_no_torch(encoder_home: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from ops.core.settings import load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
home = Path({str(encoder_home)!r})
found = resolve_encoder(load_settings(home=home, encoder="starter"))
encoder = load_encoder(found.encoder_id, home, part="text")
assert encoder.encode_text(["a dog"]).shape == (1, encoder.dim)
heavy = {{"torch", "timm", "transformers", "open_clip", "sentence_transformers"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_frames_load_no_torch_once_the_tower_is_exported(starter: StarterEncoder, encoder_home: Path) -> None:
    starter.encode_frames(pictures(1))
    program = f"""
import sys
from pathlib import Path
import numpy as np
from ops.embeddings.encoder import load_encoder
encoder = load_encoder("starter", Path({str(encoder_home)!r}), device="cpu")
encoder.encode_frames(np.zeros((1, 36, 64, 3), np.uint8))
assert not {{"torch", "timm"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_an_encoder_for_text_refuses_frames(encoder_home: Path) -> None:
    encoder = load_encoder("starter", encoder_home, part="text")
    with pytest.raises(EncoderError, match="part='both'"):
        encoder.encode_frames(pictures(1))


def test_what_is_no_text_is_refused(starter: StarterEncoder) -> None:
    with pytest.raises(EncoderError, match="not a text"):
        starter.encode_text([b"a dog"])  # type: ignore[list-item]


def test_a_head_survives_saving_with_the_same_bytes_and_changes_the_id(tmp_path: Path) -> None:
    head = load_head()
    head.save(tmp_path / "copy.npz")
    load_head(tmp_path / "copy.npz").save(tmp_path / "again.npz")
    assert (tmp_path / "copy.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    replace(head, conse_weight=0.5).save(tmp_path / "other.npz")
    ids = {compute_starter_id(path) for path in (tmp_path / "copy.npz", tmp_path / "again.npz", tmp_path / "other.npz")}
    assert len(ids) == 2 and compute_starter_id() == compute_starter_id(SHIPPED_HEAD)


def test_a_bad_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no head")
    np.savez(tmp_path / "foreign.npz", weight=np.zeros(3))
    nan = load_head()
    replace(nan, text_mean_H=np.full_like(nan.text_mean_H, np.nan)).save(tmp_path / "nan.npz")
    for name in ("text", "foreign", "nan", "missing"):
        with pytest.raises(EncoderError, match=r"\.npz .*fit it again"):
            load_head(tmp_path / f"{name}.npz")


def test_the_shipped_head_is_small_and_comes_with_its_card() -> None:
    assert SHIPPED_HEAD.stat().st_size < 3_000_000
    card = SHIPPED_HEAD.with_name("MODEL_CARD.md").read_text()
    for word in ("Flickr8k", "research", "night", "animation", "open_clip"):
        assert word in card


def test_class_probabilities_are_the_largest_of_a_softmax() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    found = compute_class_probabilities(logits, temperature=2.0, top=5)
    softmax = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    for row in range(3):
        kept = np.argsort(-softmax[row])[:5]
        np.testing.assert_allclose(found[row, kept], softmax[row, kept], rtol=1e-5)
        assert np.count_nonzero(found[row]) == 5
