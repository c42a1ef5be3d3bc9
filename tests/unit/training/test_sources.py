"""Pairs from films, parquet and WebDataset shards, the table they lie in, and what is wrong with some of them."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.training.pair_reader import PairReader
from ops.training.pair_table import TABLE, build_pairs, load_pairs, store_pairs
from ops.training.pairs import (
    CaptionPair,
    build_image_pair,
    describe_pairs,
    digest_pairs,
    drop_similar,
    merge_pairs,
    require_pairs,
    split_by_show,
)
from ops.training.shards import find_shards
from ops.training.sources import collect_pairs, read_captions
from ops.videos.catalogue import find_video
from ops.videos.forgotten import write_tombstone
from tests.builders.lakes import video_id
from tests.builders.training import fill_captioned, jpeg, shot_id, write_captions

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BOTH = [video_id(0), video_id(1)]


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_annotated_films_become_rows_and_a_second_run_writes_nothing(settings: Settings) -> None:
    report = build_pairs(settings, BOTH, NOW, SilentProgress())
    assert report.details["pairs"] == 10 and report.details["captions"] == 20
    assert report.details["shows"] == ["show 0", "show 1"] and report.checks[0].passed
    again = build_pairs(settings, BOTH, datetime.now(UTC), SilentProgress())
    assert again.changed == 0 and again.data_version == report.data_version
    pairs = {pair.shot_id: pair for pair in load_pairs(settings)}
    assert pairs[shot_id(1, 3)].captions == ("shot 3", "part 3 of it")
    with PairReader(settings, list(pairs.values()), 4) as reader:
        frames = reader.read(pairs[shot_id(1, 3)])
    assert len(frames) == 4 and frames[0].shape[2] == 3


def test_a_path_may_go_by_way_of_other_folders(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    found = collect_pairs(settings, [tmp_path / "other" / ".." / "film0.mp4"])
    assert len(found.learn) == 5 and not found.skipped
    assert find_video(settings.lake, str(tmp_path / "other" / ".." / "film1.mp4"))["video_id"] == video_id(1)


def test_a_film_without_captions_any_more_loses_its_pairs(settings: Settings, tmp_path: Path) -> None:
    build_pairs(settings, BOTH, NOW, SilentProgress())
    (tmp_path / "film0.mp4.captions.jsonl").unlink()
    build_pairs(settings, BOTH, NOW, SilentProgress())
    assert {pair.video_id for pair in load_pairs(settings)} == {video_id(1)}


def test_ranges_are_tied_to_the_shot_that_covers_them_and_others_are_named(settings: Settings, tmp_path: Path) -> None:
    rows = [
        {"start_frame": 2, "end_frame": 24, "captions": ["nearly shot 0"]},
        {"start_frame": 36, "end_frame": 60, "captions": ["half of two"]},
        {"start_frame": 72, "end_frame": 96, "captions": ["", " "]},
        {"start_frame": 72, "end_frame": 96},
        {"captions": ["no frames"]},
    ]
    film = tmp_path / "film0.mp4"
    (tmp_path / "film0.mp4.captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = collect_pairs(settings, [film])
    assert [(pair.shot_id, pair.captions) for pair in found.learn] == [(shot_id(0, 0), ("nearly shot 0",))]
    reasons = list(found.skipped.values())
    assert "36 to 60 are not a shot" in reasons[0] and reasons[1] == reasons[2] == "has no caption"
    assert "names no frames" in reasons[3] and all("line" in thing for thing in found.skipped)


def test_parquet_of_images_and_of_shots(settings: Settings, tmp_path: Path) -> None:
    images = [{"image": jpeg((9 * n, 0, 0)), "captions": [f"red {n}", ""], "show": f"s{n % 2}"} for n in range(4)]
    images += [{"image": jpeg((0, 9, 0)), "captions": [], "show": ""}, {"image": b"", "captions": ["a"], "show": ""}]
    shots = [
        {"shot_id": shot_id(1, 0), "captions": ["the first"]},
        {"shot_id": "feedfeedfeedfeed:0", "captions": ["?"]},
    ]
    found = collect_pairs(settings, [parquet(tmp_path / "i.parquet", images), parquet(tmp_path / "s.parquet", shots)])
    assert [pair.captions for pair in found.learn] == [*((f"red {n}",) for n in range(4)), ("the first",)]
    assert [pair.show for pair in found.learn] == ["s0", "s1", "s0", "s1", "show 1"]
    assert sorted(found.skipped.values()) == [
        "has no caption",
        "has no image",
        "shot feedfeedfeedfeed:0 is not in the catalogue",
    ]
    assert store_pairs(settings, found.learn, NOW)
    assert not store_pairs(settings, found.learn, datetime.now(UTC)), "the same rows write nothing"
    assert len(settings.lake.read(TABLE)) == 4
    with PairReader(settings, found.learn, 2) as reader:
        assert abs(int(reader.read(found.learn[3])[0][0, 0, 0]) - 27) < 6


def test_a_caption_a_line_is_one_pair_with_all_captions(settings: Settings, tmp_path: Path) -> None:
    film = tmp_path / "film0.mp4"
    rows = [
        {"start_frame": 24 * shot, "end_frame": 24 * shot + 24, "captions": [text]}
        for text in ("first", "second", "first")
        for shot in range(5)
    ]
    (tmp_path / "film0.mp4.captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    report = build_pairs(settings, BOTH, NOW, SilentProgress())
    assert report.details["pairs"] == 10
    assert {pair.captions for pair in load_pairs(settings) if pair.show == "show 0"} == {("first", "second")}
    found = collect_pairs(settings, [film])
    assert [pair.captions for pair in found.learn] == [("first", "second")] * 5 and not found.skipped
    again = collect_pairs(settings, [film, film])
    assert digest_pairs(merge_pairs(again.learn)) == digest_pairs(found.learn), "the same data twice are the same data"


def test_an_image_in_several_rows_and_files_is_one_pair(settings: Settings, tmp_path: Path) -> None:
    red, blue = jpeg((200, 0, 0)), jpeg((0, 0, 200))
    rows = [{"image": red, "captions": [f"red {n}"]} for n in range(3)] + [{"image": blue, "captions": ["blue"]}]
    files = [
        parquet(tmp_path / "a.parquet", rows),
        shard(tmp_path / "b.tar", {"x.jpg": red, "x.txt": b"scarlet", "y.jpg": blue, "y.txt": b"blue"}),
    ]
    found = collect_pairs(settings, [*files, files[0]])
    assert [len(pair.captions) for pair in found.learn] == [3, 1, 1, 1, 3, 1]
    assert store_pairs(settings, found.learn, NOW)
    both = merge_pairs(found.learn)
    assert [pair.captions for pair in both] == [("red 0", "red 1", "red 2", "scarlet"), ("blue",)]
    stored = [pair for pair in load_pairs(settings) if pair.kind == "image"]
    assert sorted(len(pair.captions) for pair in stored) == [1, 4]


def test_webdataset_shards(settings: Settings, tmp_path: Path) -> None:
    members = {
        "a.jpg": jpeg((200, 0, 0)),
        "a.txt": b"red\n\nvery red\n",
        "b.png": jpeg((0, 200, 0)),
        "b.json": b'{"caption": "green", "show": "meadows"}',
        "c.jpg": jpeg((0, 0, 200)),
        "d.txt": b"no picture",
    }
    found = collect_pairs(settings, [shard(tmp_path / "web-00001.tar", members)])
    assert [(pair.show, pair.captions) for pair in found.learn] == [
        ("web", ("red", "very red")),
        ("meadows", ("green",)),
    ]
    assert sorted(found.skipped.values()) == ["has no caption", "has no image"]
    with PairReader(settings, found.learn, 2) as reader:
        assert reader.read(found.learn[1])[0][0, 0, 1] > 150


def test_compressed_shards_are_named_with_the_reason(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "b.tar.gz").write_bytes(b"\x1f\x8b")
    for path, name in ((folder / "b.tar.gz", "b.tar.gz is compressed"), (folder, "; .*b.tar.gz is compressed")):
        with pytest.raises(UsageError, match=f"{name}, .* unpack it to a plain .tar"):
            collect_pairs(settings, [path])
    with pytest.raises(UsageError, match=r"a\.tgz is compressed"):
        find_shards(["s3://bucket/a.tgz"], 0.0)
    shard(folder / "a.tar", {"x.jpg": jpeg((200, 0, 0)), "x.txt": b"red"})
    collected = collect_pairs(settings, [folder])
    assert len(collected.learn) == 1 and list(collected.skipped) == [str(folder / "b.tar.gz")]
    shard(folder / "c.tar", {"y.mp4": b"a clip", "y.txt": b"blue"})
    shards = find_shards([str(folder)], 0.0)
    assert shards and len(shards.learn) == 2 and list(shards.skipped) == [str(folder / "b.tar.gz")]


def test_a_folder_keeps_its_test_split_closed(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for split, colour in (("train", 10), ("dev", 90)):
        parquet(folder / f"set_{split}.parquet", [{"image": jpeg((colour, 0, 0)), "captions": [split]}])
    (folder / "set_test.parquet").write_text("would fail if it were opened")
    found = collect_pairs(settings, [folder])
    assert [pair.captions[0] for pair in found.learn] == ["train"]
    assert [pair.captions[0] for pair in found.validate] == ["dev"]


def test_films_that_are_not_there_any_more_are_named(settings: Settings, tmp_path: Path) -> None:
    write_captions(tmp_path / "unknown.mp4", 2)
    write_tombstone(settings, video_id(1), NOW)
    found = collect_pairs(settings, [tmp_path])
    assert {pair.video_id for pair in found.learn} == {video_id(0)}
    reasons = sorted(found.skipped.values())
    assert "needle ingest" in reasons[1] and reasons[0] == "its video is forgotten"
    table = parquet(tmp_path / "s.parquet", [{"shot_id": shot_id(1, 0), "captions": ["forgotten"]}])
    assert "not in the catalogue" in next(iter(collect_pairs(settings, [table]).skipped.values()))


def test_a_copy_of_a_film_elsewhere_is_known_by_its_content(settings: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "renamed.mp4"
    copy.parent.mkdir()
    copy.write_bytes(b"0")  # the content of film 0: see tests/builders/lakes.py
    write_captions(copy, 5)
    collected = collect_pairs(settings, [copy.parent])
    assert [pair.video_id for pair in collected.learn] == [video_id(0)] * 5 and not collected.skipped
    copy.write_bytes(b"another content")
    assert f"`needle ingest {copy}`" in next(iter(collect_pairs(settings, [copy.parent]).skipped.values()))
    copy.unlink()
    reason = next(iter(collect_pairs(settings, [copy.parent]).skipped.values()))
    assert "is not beside it (No such file or directory)" in reason
    copy.write_bytes(b"0")
    write_tombstone(settings, video_id(0), NOW)
    assert list(collect_pairs(settings, [copy.parent]).skipped.values()) == ["its video is forgotten"]


def test_films_in_folders_of_shows_are_read_but_no_table_or_hidden_file_there(
    settings: Settings, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    for name in ("show 0", ".hidden"):
        (library / name).mkdir(parents=True)
        write_captions(library / name / "unknown.mp4", 2)
    (library / "show 0" / "text.parquet").write_text("would fail if it were opened")
    collected = collect_pairs(settings, [library])
    assert list(collected.skipped) == [str(library / "show 0" / "unknown.mp4.captions.jsonl")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"start_frame": 0, ', "is not JSON: Expecting property name enclosed in double quotes at character 20"),
        (b"[1, 2]", "is not an object"),
        (b'{"captions": ["caf\xe9"]}', "is not UTF-8"),
        (b'{"a": ' * 100_000, "is nested too deeply"),
        (b'{"start_frame": 24, "end_frame": 48, "captions": 5}', "its captions are not a list of texts"),
        (b'{"start_frame": 1e999, "end_frame": 48, "captions": ["a"]}', "names no frames (OverflowError: "),
    ],
)
def test_a_line_that_cannot_be_used_is_named_by_its_number_and_the_rest_is_used(
    settings: Settings, tmp_path: Path, line: bytes, reason: str
) -> None:
    captions = tmp_path / "film0.mp4.captions.jsonl"
    first, _, *rest = captions.read_bytes().splitlines()
    captions.write_bytes(b"\xef\xbb\xbf" + b"\n".join([first, b"", line, *rest]))
    collected = collect_pairs(settings, [tmp_path / "film0.mp4"])
    assert [pair.shot_id for pair in collected.learn] == [shot_id(0, shot) for shot in (0, 2, 3, 4)]
    assert list(collected.skipped) == [f"{captions} line 3"]
    assert collected.skipped[f"{captions} line 3"].startswith(reason)
    report = build_pairs(settings, BOTH, NOW, SilentProgress())
    assert report.details["pairs"] == 9 and report.details["set_aside"] == collected.skipped


def test_a_caption_may_have_a_line_separator_of_unicode(tmp_path: Path) -> None:
    row = {"start_frame": 0, "end_frame": 9, "captions": ["a\u2028b"]}
    (tmp_path / "film.mp4.captions.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n")
    lines = read_captions(str(tmp_path / "film.mp4"))
    assert not isinstance(lines, str) and lines.rows == {1: row} and not lines.faults


def test_what_holds_no_captioned_data_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "proxy.mp4"):
        with pytest.raises(UsageError, match="holds no captioned data"):
            collect_pairs(settings, [path])
    with pytest.raises(UsageError, match="does not exist"):
        collect_pairs(settings, [tmp_path / "none.parquet"])
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "text.tar").write_text("no archive, but long enough to be one " * 40)
    parquet(tmp_path / "other.parquet", [{"image": b"", "caption": "a"}])
    for name in ("text.parquet", "text.tar", "other.parquet"):
        with pytest.raises(UsageError, match=name):
            collect_pairs(settings, [tmp_path / name])


def pair(number: int, show: str) -> CaptionPair:
    return CaptionPair(pair_id=str(number), kind="image", show=show, captions=("a",), input_hash=str(number))


def test_shows_are_never_cut_in_two() -> None:
    pairs = [pair(number, f"show {number % 7}") for number in range(70)]
    learn, validate = split_by_show(pairs, 0.3)
    assert {own.show for own in learn} & {own.show for own in validate} == set()
    assert len({own.show for own in validate}) == 2 and len(learn) + len(validate) == 70
    assert split_by_show(list(reversed(pairs)), 0.3)[1] == list(reversed(validate)), "whatever the order"
    one = [pair(number, "only") for number in range(3)]
    assert split_by_show(one, 0.5) == (one, [])
    assert digest_pairs(pairs) == digest_pairs(list(reversed(pairs))) != digest_pairs(pairs[1:])


def test_nothing_is_validated_on_that_is_learned_from() -> None:
    def shot(number: int, show: str) -> CaptionPair:
        return replace(pair(number, show), kind="shot", shot_id=f"shot {number}", source="film.mp4")

    def picture(member: str, data: bytes) -> CaptionPair:
        made = build_image_pair("set.parquet", member, "photographs", data, ["a"])
        assert isinstance(made, CaptionPair)
        return made

    learn = [shot(0, "one"), picture("0", b"red")]
    fresh = [shot(2, "two"), picture("2", b"blue")]
    kept, skipped = drop_similar(learn, [shot(1, "one"), picture("1", b"red"), *fresh, *fresh])
    assert kept == fresh, "another show, another picture of the same data set; each once"
    assert skipped == {
        "film.mp4 for validation": "its show 'one' is trained on too",
        "set.parquet 1 for validation": "the same image is trained on too",
    }


def test_many_files_of_images_are_described_by_their_largest() -> None:
    pairs = [replace(pair(number, "a"), source=f"{number % 7}.tar") for number in range(10)]
    assert describe_pairs(pairs) == (
        "10 pairs (2 images of 0.tar, 2 images of 1.tar, 2 images of 2.tar, 1 image of 3.tar, 1 image of 4.tar, "
        "2 images of 2 more files)"
    )
    assert describe_pairs([]) == "0 pairs"


def test_too_few_pairs_are_refused() -> None:
    for pairs, reason in (([], "no captioned pairs"), ([pair(0, "a")], "one captioned pair")):
        with pytest.raises(UsageError, match=reason):
            require_pairs(pairs, 1)
    with pytest.raises(UsageError, match="batch of 3 is larger than the data, 2 pairs"):
        require_pairs([pair(0, "a"), pair(1, "a")], 3)
