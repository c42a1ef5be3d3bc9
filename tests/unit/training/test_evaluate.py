"""Evaluation on photographs and films made here, through the real encoder and detectors."""

from __future__ import annotations

import io
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ops.core.errors import UsageError
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.frames import sample_positions
from ops.embeddings.pooling import pool_mean
from ops.training.evaluate import evaluate_clips, evaluate_footage
from ops.training.evaluate_images import evaluate_captions
from tests.builders.films import make_film


def list_items(value: Any) -> list[Any]:
    """The items of a list in a JSON document."""
    return list(value)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> StarterEncoder:
    return StarterEncoder(tmp_path_factory.mktemp("home"))


def jpeg(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "JPEG")
    return data.getvalue()


def photographs(path: Path, rows: list[dict[str, object]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


ROWS = [
    {"image": jpeg((20, 90, 200)), "captions": ["the blue sea", "deep blue water"]},
    {"image": jpeg((200, 30, 30)), "captions": ["a red wall"]},
    {"image": jpeg((20, 160, 30)), "captions": ["green grass", "a lawn", "a meadow"]},
]


def test_captions_are_ranked_against_every_image_and_back(tmp_path: Path, encoder: StarterEncoder) -> None:
    found = evaluate_captions(photographs(tmp_path / "p.parquet", ROWS), encoder)
    texts = encoder.encode_text([text for row in ROWS for text in row["captions"]])  # type: ignore[attr-defined]
    pixels = [np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")) for row in ROWS]  # type: ignore[arg-type]
    scores = texts @ encoder.encode_frames(np.stack(pixels)).T
    own = [0, 0, 1, 2, 2, 2]
    ranks = [1 + sum(scores[q][i] > scores[q][own[q]] for i in range(3)) for q in range(6)]
    assert found["text_to_image"]["r@1"] == pytest.approx(100 * sum(rank == 1 for rank in ranks) / 6)
    assert found["text_to_image"]["median_rank"] == np.median(ranks)
    assert found["text_to_image"]["r@5"] == found["text_to_image"]["r@10"] == 100
    assert (found["text_to_image"]["queries"], found["text_to_image"]["images"]) == (6, 3)
    assert (found["image_to_text"]["queries"], found["image_to_text"]["images"]) == (3, 3)
    assert found["encoder_id"] == encoder.encoder_id
    json.dumps(found)


def test_images_are_measured_as_shots_of_one_frame(
    tmp_path: Path, encoder: StarterEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporal head moves the vector of a shot of one frame as well; here it is the opposite of the frame's."""
    parquet = photographs(tmp_path / "p.parquet", ROWS)
    plain = evaluate_captions(parquet, encoder)
    monkeypatch.setattr(encoder, "pool", lambda vectors: -vectors.mean(axis=0))
    moved = evaluate_captions(parquet, encoder)
    assert moved["text_to_image"]["median_rank"] > plain["text_to_image"]["median_rank"]


@pytest.mark.parametrize(
    "rows",
    [
        [{"picture": b"", "captions": ["a"]}],
        [{"image": b"no picture", "captions": ["a"]}],
        [{"image": None, "captions": ["a"]}],
        [{"image": jpeg((0, 0, 0)), "captions": []}],
        [{"image": jpeg((0, 0, 0)), "captions": None}],
    ],
)
def test_a_parquet_of_another_form_is_refused_by_name(
    tmp_path: Path, encoder: StarterEncoder, rows: list[dict[str, object]]
) -> None:
    with pytest.raises(UsageError, match=r"p\.parquet"):
        evaluate_captions(photographs(tmp_path / "p.parquet", rows), encoder)


def test_what_is_no_parquet_is_refused_by_name(tmp_path: Path, encoder: StarterEncoder) -> None:
    (tmp_path / "text.parquet").write_text("no parquet")
    for name in ("text.parquet", "none.parquet"):
        with pytest.raises(UsageError, match=name):
            evaluate_captions(tmp_path / name, encoder)


@pytest.fixture(scope="session")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of three shots with its annotations, a film with cuts only, and a film with nothing beside it."""
    folder = tmp_path_factory.mktemp("annotated")
    for number, cuts in enumerate([(30, 60), (25,), (20,)]):
        make_film(folder / f"{number}.mp4", cuts=cuts, frames=90, fps=Fraction(24), seed=number)
    (folder / "0.mp4.shots.json").write_text(
        json.dumps({"file": "0.mp4", "frames_annotated": 90, "hard_cuts": [30, 60], "gradual": []}, indent=1)
    )
    (folder / "1.mp4.shots.json").write_text(
        json.dumps({"file": "1.mp4", "frames_annotated": 90, "hard_cuts": [25, 70], "gradual": [[40, 50, "fade"]]})
    )
    spans = [(0, 30), (30, 60), (60, 90)]
    captions = [
        {"shot": number, "start_frame": start, "end_frame": end, "captions": [f"shot {number}", f"part {number}"]}
        for number, (start, end) in enumerate(spans)
    ]
    (folder / "0.mp4.captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in captions))
    queries = [{"query": "the first", "relevant": {"0": 2, "2": 1}}, {"query": "the last", "relevant": {"2": 2}}]
    (folder / "0.mp4.queries.jsonl").write_text("\n".join(json.dumps(row) for row in queries) + "\n")
    return folder


def test_films_are_scored_by_what_lies_beside_them(annotated: Path, encoder: StarterEncoder) -> None:
    found = evaluate_footage(annotated, encoder, detector="content")
    assert list(found["films"]) == ["0.mp4", "1.mp4"]
    assert (found["cuts_right"], found["cuts_false"], found["cuts_missed"]) == (3, 0, 1)
    assert found["shot_f1"] == pytest.approx(6 / 7)
    assert found["films"]["0.mp4"]["shot_f1"] == 1.0
    assert found["captions"] == 6 and found["queries"] == 2
    assert found["r@5"] == found["r@10"] == 100
    assert 0 < found["ndcg@10"] <= 1
    low, high = found["ndcg@10_interval"]
    assert low <= found["ndcg@10"] <= high
    assert "r@1" not in found["films"]["1.mp4"]
    assert found["shot_f1_interval"] is None and "fewer than 5 clips" in found["cut_intervals"]
    faults = [(own["clip"], own["kind"], own["transition"], own["frame"]) for own in list_items(found["faults"])]
    assert faults == [("1.mp4", "missed", "gradual", 40), ("1.mp4", "missed", "cut", 70)]
    assert [own["time_s"] for own in list_items(found["faults"])] == [round(40 / 24, 4), round(70 / 24, 4)]
    json.dumps(found)


def test_clips_that_cannot_be_used_are_named_and_the_rest_is_measured(annotated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(annotated, folder)
    (folder / "noise.mp4").write_bytes(b"no film at all")
    (folder / "noise.mp4.shots.json").write_text((annotated / "0.mp4.shots.json").read_text())
    (folder / "gone.mp4.shots.json").write_text((annotated / "0.mp4.shots.json").read_text())
    broken = {"form": "[1", "kind": '{"hard_cuts": [1.5], "gradual": [], "frames_annotated": 9}', "deep": "[" * 100_000}
    for name, text in broken.items():
        shutil.copy(annotated / "2.mp4", folder / f"{name}.mp4")
        (folder / f"{name}.mp4.shots.json").write_text(text)
    shutil.copy(annotated / "2.mp4", folder / "dangling.mp4")
    (folder / "dangling.mp4.shots.json").symlink_to(folder / "nowhere")
    (folder / ".shots.json").write_text("{}")
    (folder / "._0.mp4.shots.json").write_text("{}")
    found = evaluate_clips(folder, [], detector="content")
    assert [clip.name for clip in found.cuts.clips] == ["0.mp4", "1.mp4"]
    skipped = {own["clip"]: own["reason"] for own in list_items(found.document["set_aside"])}
    assert set(skipped) == {f"{name}.mp4" for name in ("noise", "gone", "form", "kind", "deep", "dangling")}
    assert "annotation is there, the clip is not" in skipped["gone.mp4"] and "broken" in skipped["kind.mp4"]
    assert found.document["films"]["1.mp4"]["cuts_missed"] == 1 and "retrieval" not in found.document


def caption(film: Path, rows: list[tuple[int, int, int, str]]) -> None:
    names = ("shot", "start_frame", "end_frame", "captions")
    lines = [json.dumps(dict(zip(names, (*row[:3], [row[3]]), strict=True))) for row in rows]
    film.with_name(film.name + ".captions.jsonl").write_text("\n".join(lines))


def test_clips_of_a_show_compete_and_one_shot_alone_is_refused(
    annotated: Path, encoder: StarterEncoder, tmp_path: Path
) -> None:
    """Two clips of one span each, with captions that say nothing: before, each was first among one."""
    shows = [tmp_path / name for name in ("quiz", "other")]
    for number, show in ((0, shows[0]), (1, shows[0]), (2, shows[1])):
        show.mkdir(exist_ok=True)
        shutil.copy(annotated / f"{number}.mp4", show)
        caption(show / f"{number}.mp4", [(0, 0, 20, "xyzzy plugh"), (0, 0, 20, "frobnicate")])
    found = evaluate_footage(tmp_path, encoder)
    assert found["gallery"] == {
        "kind": "show",
        "competing": "the captioned shots of the same show",
        "smallest": 2,
        "largest": 2,
    }
    assert found["r@1"] == 50.0 and found["captions"] == 4, "equal captions cannot find two different shots"
    assert [own["clip"] for own in list_items(found["set_aside"])] == ["other/2.mp4"]
    assert "always be first" in found["set_aside"][0]["reason"]
    assert evaluate_footage(tmp_path, encoder, gallery="all")["gallery"]["largest"] == 3
    with pytest.raises(UsageError, match="always be first"):
        evaluate_footage(tmp_path, encoder, gallery="video")


def test_a_query_may_name_any_line_of_a_shot_and_must_name_one(
    annotated: Path, encoder: StarterEncoder, tmp_path: Path
) -> None:
    shutil.copy(annotated / "0.mp4", tmp_path)
    caption(tmp_path / "0.mp4", [(0, 0, 30, "a"), (1, 30, 60, "b"), (2, 0, 30, "c")])
    queries = tmp_path / "0.mp4.queries.jsonl"
    queries.write_text(json.dumps({"query": "the first", "relevant": {"2": 1}}))
    found = evaluate_footage(tmp_path, encoder)
    assert (found["captions"], found["queries"], found["gallery"]["largest"]) == (3, 1, 2)
    queries.write_text(json.dumps({"query": "the first", "relevant": {"1": 0}}))
    with pytest.raises(UsageError, match="'the first' has no relevant shot"):
        evaluate_footage(tmp_path, encoder)


def test_shots_are_pooled_as_ingest_pools_them(annotated: Path, encoder: StarterEncoder) -> None:
    from ops.training.evaluate import _decode_clip
    from ops.videos.reader import DecodedFrame, read_media

    wanted = [30 + position for position in sample_positions(30, 4)]
    frames = [
        item.frame.to_ndarray(format="rgb24")
        for item in read_media(annotated / "0.mp4")
        if isinstance(item, DecodedFrame) and item.index in wanted
    ]
    vectors = _decode_clip(annotated / "0.mp4", [encoder], None, [(30, 60)], 4).vectors
    np.testing.assert_allclose(vectors[0][0], pool_mean(encoder.encode_frames(np.stack(frames))), atol=1e-5)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".captions.jsonl", "{not json}\n"),
        (".captions.jsonl", '{"shot": 0, "captions": ["no frames"]}\n'),
        (".captions.jsonl", '{"shot": 0, "start_frame": 500, "end_frame": 510, "captions": ["beyond the end"]}\n'),
        (".shots.json", '{"hard_cuts": [3]}'),
        (".shots.json", "[1, 2]"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, encoder: StarterEncoder, ending: str, text: str) -> None:
    make_film(tmp_path / "film.mp4", cuts=(), frames=20)
    (tmp_path / f"film.mp4{ending}").write_text(text)
    with pytest.raises(UsageError, match=r"film\.mp4"):
        evaluate_footage(tmp_path, encoder, detector="content")


def test_a_folder_without_annotations_is_refused(tmp_path: Path, encoder: StarterEncoder) -> None:
    make_film(tmp_path / "film.mp4", cuts=(), frames=20)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="has no film"):
            evaluate_footage(folder, encoder)
