"""``needle benchmark`` on generated folders of captioned videos of each published form, and what may be wrong."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.cli.benchmark import CAPTION_SETS, format_retrieval
from ops.cli.main import main
from ops.core.errors import UsageError
from ops.core.types import SilentProgress
from ops.evaluation.caption_sets.layouts import SETS, load_caption_set
from ops.evaluation.caption_sets.published import PUBLISHED
from ops.training.retrieval_benchmark import RetrievalBenchmark, run_caption_set
from tests.builders.colours import COLOURS, ColourEncoder
from tests.builders.films import encode_source

HOSTILE = "../../\x1b[31m<b>secret\u202e"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {
        colour: encode_source(folder, f"{colour}.mp4", source=f"color=c={name}:s=64x64:r=25", frames=30)
        for colour, name in zip(COLOURS, ("red", "lime", "blue"), strict=True)
    }


def put(films: Mapping[str, Path], folder: Path, names: Mapping[str, str]) -> None:
    """Copy the film of a colour to each path below the folder."""
    for name, colour in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(films[colour], path)


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([columns, *rows])


def measure(name: str, folder: Path, frames: int = 4) -> RetrievalBenchmark:
    return run_caption_set(name, folder, ColourEncoder(), SilentProgress(), frames=frames)


def test_every_set_has_a_reader_and_a_place_for_published_figures() -> None:
    assert tuple(SETS) == tuple(PUBLISHED) == CAPTION_SETS
    for figures in PUBLISHED.values():
        for each in figures:
            assert each.recalls == tuple(sorted(each.recalls)) and "arXiv" in each.source


@pytest.mark.parametrize("form", ["table", "list"])
def test_msrvtt(tmp_path: Path, films: dict[str, Path], form: str) -> None:
    put(films, tmp_path, {"videos/video7010.mp4": "red", "videos/video7011.mp4": "green", "video7012.webm": "blue"})
    pairs = [("video7010", "a green door"), ("video7011", "a green  field"), ("video7012", 'the "blue" sea, blue')]
    if form == "table":
        rows = [(f"ret{at}", f"msr{name[5:]}", name, text) for at, (name, text) in enumerate(pairs)]
        write_table(tmp_path / "MSRVTT_JSFUSION_test.csv", ("key", "vid_key", "video_id", "sentence"), rows)
    else:
        text = json.dumps([{"video": f"{name}.mp4", "caption": text} for name, text in pairs])
        (tmp_path / "msrvtt_test_1k.json").write_text(text)
    document = measure("msrvtt", tmp_path)
    # Its own caption is about another colour, so the red film is second or third for it.
    assert document["text_to_video"]["r@1"] == pytest.approx(200 / 3)
    assert document["videos"] == document["captions"] == 3 and not document["comparable"]
    assert any("3 videos were searched, the published figures are of 1,000" in note for note in document["notes"])
    assert "one caption of each video" in document["protocol"] and "4 frames" in document["protocol"]
    lines = list(format_retrieval(document))
    assert max(map(len, lines)) <= 100
    assert any("31.2  53.7  64.2   4  CLIP ViT-B/32" in line for line in lines)


@pytest.mark.parametrize("captions", ["raw-captions.pkl", "AllVideoDescriptions.txt"])
@pytest.mark.parametrize("listing", ["test_list.txt", "youtube_mapping.txt"])
def test_msvd_in_each_of_its_forms(tmp_path: Path, films: dict[str, Path], captions: str, listing: str) -> None:
    names = {"-4wsuPCjDBc_5_15": "red", "_7KMZQEsJW4_205_208": "green", "8y1Q0rA3n8_108_115": "blue"}
    put(films, tmp_path, {f"YouTubeClips/{name}.avi": colour for name, colour in names.items()})
    texts = {name: [f"a {colour} wall", f"something {colour}"] for name, colour in names.items()}
    texts["training_0_1"] = ["a red herring"]
    if captions.endswith(".pkl"):
        document = {name: [text.split() for text in own] for name, own in texts.items()}
        (tmp_path / captions).write_bytes(pickle.dumps(document, protocol=2))
    else:
        lines = [f"{name} {text}" for name, own in texts.items() for text in own]
        (tmp_path / captions).write_text("\n".join(["# MSVD", "", *lines]))
    if listing == "test_list.txt":
        (tmp_path / listing).write_text("\n".join(names) + "\n")
    else:
        numbers = [*zip(names, (1301, 1500, 1970), strict=True), ("training_0_1", 7)]
        (tmp_path / listing).write_text("".join(f"{name} vid{number}\n" for name, number in numbers))
    measured = measure("msvd", tmp_path)
    assert measured["videos"] == 3 and measured["captions"] == 6
    assert measured["text_to_video"]["r@1"] == measured["video_to_text"]["r@1"] == 100
    assert captions in measured["form"] and listing in measured["form"]


def test_didemo_joins_descriptions_and_uses_the_first_half_minute(tmp_path: Path, films: dict[str, Path]) -> None:
    parts = "color=c=blue:s=64x64:r=2:d=30[a];color=c=red:s=64x64:r=2:d=40[b];[a][b]concat=n=2:v=1"
    encode_source(tmp_path, "12@N02_1_a.mov", source=parts, frames=140)
    put(films, tmp_path, {"13@N02_2_b.mov.mp4": "red", "14@N02_3_c.mp4": "green"})
    rows: list[dict[str, Any]] = [
        {"video": "12@N02_1_a.mov", "description": "something blue", "times": [[0, 0]]},
        {"video": "12@N02_1_a.mov", "description": "it stays blue", "times": [[1, 1]]},
        {"video": "13@N02_2_b.mov", "description": "red", "times": [[0, 0]]},
        {"video": "14@N02_3_c.mpg", "description": "green", "times": [[0, 0]]},
        {"video": "15@N02_4_d.mov", "description": "not in the list", "times": [[0, 0]]},
    ]
    (tmp_path / "test_data.json").write_text(json.dumps(rows))
    (tmp_path / "test_list.txt").write_text("12@N02_1_a.mov\n13@N02_2_b.mov\n14@N02_3_c.mpg\n")
    data = load_caption_set("didemo", tmp_path)
    assert data.videos[0].captions == ("something blue it stays blue",)
    document = measure("didemo", tmp_path)
    assert document["videos"] == 3 and document["text_to_video"]["r@1"] == 100
    assert "first 30 seconds" in document["protocol"]


def test_vatex_with_and_without_the_list_of_its_test_part(tmp_path: Path, films: dict[str, Path]) -> None:
    names = {"-a_000010_000020": "red", "b_000001_000011": "green", "c_1_2": "blue"}
    put(films, tmp_path, {f"{name}.mp4": colour for name, colour in names.items()})
    rows = [
        {"videoID": name, "enCap": [f"{colour} {at}" for at in range(10)], "chCap": ["红"]}
        for name, colour in names.items()
    ]
    (tmp_path / "vatex_validation_v1.0.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    document = measure("vatex", tmp_path)
    assert document["captions"] == 30 and document["text_to_video"]["r@1"] == 100
    assert any("all 3 videos of the file are searched" in note for note in document["notes"])
    np.save(tmp_path / "tst_names.npy", np.array(list(names)[:2]))
    document = measure("vatex", tmp_path)
    assert document["videos"] == 2 and "tst_names.npy" in document["form"]
    np.save(tmp_path / "tst_names.npy", np.array(list(names)[:2], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"tst_names\.npy has another form"):
        measure("vatex", tmp_path)


def test_condensed_movies_leaves_out_descriptions_of_several_clips(tmp_path: Path, films: dict[str, Path]) -> None:
    clips = {
        "clipA": ("tt1", "Red, they said."),
        "clipB": ("tt1", "Green."),
        "clipC": ("tt2", "blue"),
        "clipD": ("tt3", "x"),
    }
    clips |= {"clipE": ("tt2", "The same text."), "clipF": ("tt2", "The same  text.")}
    put(films, tmp_path, {"videos/2011/clipA.mkv": "red", "videos/clipC.mp4": "blue"})
    metadata = tmp_path / "metadata"
    write_table(metadata / "split.csv", ("imdbid", "split"), [("tt1", "test"), ("tt2", "test"), ("tt3", "train")])
    write_table(
        metadata / "clips.csv",
        ("videoid", "year", "title", "imdbid"),
        [(name, "2012.0", "A, b", film) for name, (film, _) in clips.items()],
    )
    write_table(
        metadata / "descriptions.csv", ("videoid", "description"), [(name, text) for name, (_, text) in clips.items()]
    )
    document = measure("condensed-movies", tmp_path)
    assert document["videos"] == 2 and document["annotated"] == 3 and document["comparable"]
    assert [each["clip"] for each in document["set_aside"]] == ["clipB"]
    assert any("2 clips without a description of its own" in note for note in document["notes"])
    assert any("no published figure" in line for line in format_retrieval(document))


def test_videos_that_are_missing_damaged_or_double_are_named(tmp_path: Path, films: dict[str, Path]) -> None:
    names = {"video1.mp4": "red", "video2.mp4": "green", "copies/video3.mp4": "blue", "video3.avi": "blue"}
    put(films, tmp_path, names)
    (tmp_path / "video4.mp4").write_bytes(b"no film")
    (tmp_path / "._video1.mp4").write_bytes(b"of a Macintosh")
    rows = [("k", "m", f"video{at}", text) for at, text in enumerate(("red", "green", "blue", "grey", "gone", " "), 1)]
    write_table(
        tmp_path / "MSRVTT_JSFUSION_test.csv",
        ("key", "vid_key", "video_id", "sentence"),
        [*rows, ("k", "m", HOSTILE, "secret"), ("k", "m", str(tmp_path / "video1.mp4"), "red")],
    )
    document = measure("msrvtt", tmp_path)
    assert document["videos"] == 2 and document["text_to_video"]["r@1"] == 100
    reasons = {each["clip"]: each["reason"] for each in document["set_aside"]}
    assert set(reasons) == {"video3", "video4", "video5", HOSTILE, str(tmp_path / "video1.mp4")}
    assert "2 videos could be its" in reasons["video3"] and "not in the folder" in reasons["video5"]
    assert any("video6" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("msrvtt", {}, "MSRVTT_JSFUSION_test.csv or msrvtt_test_1k.json"),
        ("msrvtt", {"MSRVTT_JSFUSION_test.csv": "key,sentence\n1,a\n"}, "no column video_id"),
        ("msrvtt", {"MSRVTT_JSFUSION_test.csv": "video_id,sentence\nvideo1\n"}, "line 2 has too few columns"),
        ("msrvtt", {"MSRVTT_JSFUSION_test.csv": "video_id,sentence\n"}, "no video has a caption"),
        ("msrvtt", {"msrvtt_test_1k.json": '{"video": 3}'}, "another form"),
        ("msrvtt", {"msrvtt_test_1k.json": "[" * 100_000}, "another form"),
        ("msvd", {"raw-captions.pkl": ""}, "test_list.txt or youtube_mapping.txt"),
        ("msvd", {"test_list.txt": "a\n"}, "raw-captions.pkl or AllVideoDescriptions.txt"),
        ("msvd", {"youtube_mapping.txt": "a b c\n", "raw-captions.pkl": ""}, "line 1"),
        ("didemo", {"test_data.json": '[{"video": "a.mov"}]'}, "description"),
        ("vatex", {"vatex_validation_v1.0.json": "[]"}, "no video has a caption"),
        ("condensed-movies", {"metadata/split.csv": "imdbid,split\n"}, "clips.csv"),
    ],
)
def test_annotations_of_another_form_are_refused(
    tmp_path: Path, name: str, files: dict[str, str], message: str
) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    with pytest.raises(UsageError, match=message):
        load_caption_set(name, tmp_path)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("called",)


@pytest.mark.parametrize("document", [Harmful(), {"a": [Harmful()]}, {"a": 5}, [1], {"a": [["x"] * 30_000_000]}])
def test_no_code_of_a_pickle_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: Any) -> None:
    (tmp_path / "test_list.txt").write_text("a\n")
    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps(document))
    with pytest.raises(UsageError, match=r"raw-captions\.pkl"):
        load_caption_set("msvd", tmp_path)
    assert capsys.readouterr().out == ""


def test_the_command_measures_with_the_encoder_of_the_home(
    tmp_path: Path, films: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    put(films, tmp_path, {"video1.mp4": "red", "video2.mp4": "blue"})
    write_table(
        tmp_path / "MSRVTT_JSFUSION_test.csv", ("video_id", "sentence"), [("video1", "red"), ("video3", "blue")]
    )
    for arguments, status, message in (
        (["msrvtt", "--data", str(tmp_path)], 2, "1 of the 2 videos"),
        (["msrvtt", "--data", str(tmp_path), "--report", "x.html"], 2, "leave out --report"),
        (["bbc", "--data", str(tmp_path), "--frames", "3"], 2, "leave out --frames"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["benchmark", *arguments, "--home", str(tmp_path / "home")])
        assert (message in capsys.readouterr().err, ended.value.code) == (True, status)
    write_table(
        tmp_path / "MSRVTT_JSFUSION_test.csv",
        ("video_id", "sentence"),
        [("video1", "a red wall"), ("video2", "the blue sky"), ("video3", "gone")],
    )
    with pytest.raises(SystemExit) as ended:
        main(["benchmark", "msrvtt", "--data", str(tmp_path), "--json", "--home", str(tmp_path / "home")])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert ended.value.code == 3 and "video3" in err
    assert document["videos"] == 2 and document["encoder_id"].startswith("starter")
    assert document["text_to_video"]["r@5"] == 100
