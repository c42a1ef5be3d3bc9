"""Shards that are streamed: what is read of them, in which order, from which position, and fits on them."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import MediaError, TrainingError, UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.training.pair_reader import decode_image
from ops.training.recipes import build_recipe
from ops.training.shard_reader import Position, ShardReader, count_readers
from ops.training.shards import Shard, expand_braces, find_shards, read_samples
from ops.training.train import train
from tests.builders.shards import make_clips, make_images, write_shard
from tests.builders.training import NOW, fill_captioned, jpeg

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")


def write_clip_shards(folder: Path, shards: int = 3, clips: int = 4) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [write_shard(folder / f"film-{n:03d}.tar", make_clips(clips * n, clips)) for n in range(shards)]


def list_shards(folder: Path) -> list[Shard]:
    return [Shard(address=str(path), size=path.stat().st_size, mark=path.name) for path in sorted(folder.glob("*.tar"))]


def take(reader: ShardReader, count: int) -> list[tuple[str, Position]]:
    return [(sample.captions[0], position) for sample, position in (reader.take() for _ in range(count))]


def test_clips_stream_and_a_few_local_images_do_not(tmp_path: Path) -> None:
    small = write_shard(tmp_path / "small.tar", make_images(0, 4))
    assert find_shards([str(small)], 0.0) is None
    write_clip_shards(tmp_path / "clips")
    write_shard(tmp_path / "clips" / "film_val-000.tar", make_clips(20, 2))
    write_shard(tmp_path / "clips" / "film_test.tar", make_clips(30, 2))
    shards = find_shards([str(tmp_path / "clips")], 0.0)
    assert shards and [Path(shard.address).name for shard in shards.held_out] == ["film_val-000.tar"]
    assert len(shards.learn) == 3 and shards.list_shows() == ["film"]
    assert shards.pairs == 12
    braces = expand_braces([f"{tmp_path}/clips/film-{{000..002}}.tar"])
    again = find_shards(braces, 0.4)
    assert again and len(again.learn) == 2 and len(again.held_out) == 1
    write_shard(tmp_path / "mixed.tar", {**make_images(0, 3), **make_clips(0, 1)})
    mixed = find_shards([str(tmp_path / "mixed.tar")], 0.0)
    assert mixed and mixed.pairs == 4
    with pytest.raises(UsageError, match="braces do not match"):
        expand_braces([f"{tmp_path}/film-{{000..002.tar"])
    with pytest.raises(UsageError, match="cannot be mixed with shards that are streamed"):
        find_shards([str(tmp_path / "clips"), str(tmp_path / "film0.mp4")], 0.0)
    with pytest.raises(UsageError, match="does not exist"):
        find_shards([str(tmp_path / "none.tar")], 0.0)


def test_the_same_shards_elsewhere_are_the_same_data(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        write_clip_shards(tmp_path / name)
        shards = find_shards([str(tmp_path / name)], 0.0)
        assert shards
        digests.add(shards.digest())
    assert len(digests) == 1
    write_shard(tmp_path / "two" / "film-001.tar", make_clips(5, 4))
    other = find_shards([str(tmp_path / "two")], 0.0)
    assert other and other.digest() not in digests


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("/tmp/never-unpickled"),)  # type: ignore[return-value]


def test_what_is_damaged_or_incomplete_is_named_and_no_pickle_is_read(tmp_path: Path) -> None:
    members = {
        **make_clips(0, 2),
        "clip000.pyd": pickle.dumps(Bomb()),
        "mute.mp4": b"a clip without captions",
        "blind.txt": b"a caption without a clip",
        "blank.jpg": jpeg((1, 2, 3)),
        "blank.txt": b"  \n",
        "odd.jpeg": jpeg((4, 5, 6)),
        "odd.json": b'{"captions": ["an odd one"], "show": "other"}',
        "number.jpg": jpeg((7, 8, 9)),
        "number.json": b'{"captions": 5}',
        "names.jpg": jpeg((7, 8, 9)),
        "names.json": b'{"captions": {"a name": "a text"}}',
        "deep.jpg": jpeg((7, 8, 9)),
        "deep.json": b"[" * 100_000,
    }
    path = write_shard(tmp_path / "web-00001.tar", members)
    whole = list_shards(tmp_path)[0]
    reasons: dict[str, str] = {}
    samples = [sample for sample in read_samples(whole, reasons.__setitem__) if sample]
    assert [sample.captions[0] for sample in samples] == ["clip number 0", "clip number 1", "an odd one"]
    assert [sample.show for sample in samples] == ["web", "web", "other"]
    assert {thing.rpartition(" ")[2]: why for thing, why in reasons.items()} == {
        "mute": "has no caption",
        "blind": "has no clip and no image",
        "blank": "has no caption",
        "number": "has no caption",
        "names": "has no caption",
        "deep": "its .json is not valid JSON",
    }
    path.write_bytes(path.read_bytes()[:3000])
    reasons.clear()
    assert not [sample for sample in read_samples(whole, reasons.__setitem__) if sample and "1" in sample.captions[0]]
    assert any(why.startswith("is damaged") for why in reasons.values()), reasons
    path.unlink()
    reasons.clear()
    assert list(read_samples(whole, reasons.__setitem__)) == []
    assert reasons == {whole.address: "does not exist any more"}


def test_a_pass_gives_each_sample_once_and_any_position_goes_on_with_the_same(tmp_path: Path) -> None:
    for number, size in enumerate((5, 1, 7, 4)):
        write_shard(tmp_path / f"web-{number}.tar", make_images(10 * number, size))
    shards, notes = list_shards(tmp_path), dict[str, str]()
    for readers in (1, 2, 4):
        drawn: list[str] = []
        for number in range(readers):
            reader = ShardReader(number, readers, shards, 3, Position(), notes.__setitem__)
            taken = take(reader, 40)
            reader.close()
            first_pass = [caption for caption, after in taken if after.round == 0]
            first_pass.append(taken[len(first_pass)][0])  # the position after the last one is of the next pass
            drawn += first_pass
            for at in (0, 3, len(first_pass) - 1, len(first_pass), 25):
                again = ShardReader(number, readers, shards, 3, taken[at][1], notes.__setitem__)
                assert take(again, 10) == taken[at + 1 : at + 11]
                again.close()
        assert len(drawn) == 17 and max(Counter(drawn).values()) == 1
    assert not notes
    assert [count_readers(batch, many) for batch, many in ((16, 1), (16, 3), (12, 100), (512, 1000))] == [1, 2, 12, 64]


@pytest.mark.parametrize(
    "data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", b"", jpeg((1, 2, 3))[:80], b"GIF89a"]
)
def test_what_is_no_whole_picture_is_refused_without_another_program(data: bytes) -> None:
    with pytest.raises(MediaError, match=r"the image blue cannot be decoded"):
        decode_image("blue", data)


def test_shards_without_a_usable_sample_end_the_fit(tmp_path: Path) -> None:
    write_shard(tmp_path / "web-0.tar", {"a.mp4": b"no caption"})
    reader = ShardReader(0, 1, list_shards(tmp_path), 0, Position(), lambda thing, reason: None)
    with pytest.raises(TrainingError, match="no sample of"):
        reader.take()
    reader.close()


class Stopping(SilentProgress):
    """Interrupts the fit at a step."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def advance(self, stage: str, amount: float = 1) -> None:
        self.steps += int(amount) if stage == "training" else 0
        if self.steps >= self.at:
            raise KeyboardInterrupt


def read_head(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "head.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_fit_on_clips_resumes_exactly_and_is_validated_on_held_out_shards(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    write_clip_shards(folder, shards=2, clips=3)
    write_shard(folder / "broken-000.tar", {**make_clips(40, 1), "bad.mp4": b"no film", "bad.txt": b"a caption"})
    write_shard(folder / "other_val.tar", make_clips(12, 2))
    recipe = build_recipe("debug", pooling="mean", epochs=2, learning_rate=1e-3)
    made = train(settings, recipe, [folder], NOW, SilentProgress(), name="whole", threads=1)
    assert made.lineage["steps"] == 4 and made.lineage["pairs"] == 8
    assert any(thing.endswith("sample bad") for thing in made.lineage["set_aside"]), made.lineage["set_aside"]
    assert any("is validated on" in reason for reason in made.lineage["set_aside"].values())
    assert made.lineage["validation"]["pairs"] == 2 and made.lineage["validation"]["shows"] == ["other"]
    with pytest.raises(KeyboardInterrupt):
        train(settings, recipe, [folder], NOW, Stopping(3), name="halves", threads=1)
    assert (settings.home / "training" / "halves" / "checkpoint.pt").exists()
    again = train(settings, recipe, [folder], NOW, SilentProgress(), name="halves", threads=1)
    whole, halves = read_head(made.folder), read_head(again.folder)
    for name, value in whole.items():
        np.testing.assert_array_equal(halves[name], value, err_msg=name)
    assert not train(settings, recipe, [folder], NOW, SilentProgress(), name="whole", threads=1).is_new


def test_an_open_clip_model_learns_from_streamed_images(settings: Settings, tmp_path: Path, tiny_clip: str) -> None:
    for number in range(2):
        write_shard(tmp_path / f"web-{number}.tar", make_images(8 * number, 8))
    write_shard(tmp_path / "web-2.tar", make_clips(0, 4))
    recipe = build_recipe("full_finetune", base=tiny_clip, epochs=1, batch=4, micro_batch=2, frames=2)
    data = [str(tmp_path / f"web-{number}.tar") for number in range(3)]
    made = train(settings, recipe, data, NOW, SilentProgress(), name="streamed", threads=1)
    assert made.lineage["steps"] >= 3 and np.isfinite(made.lineage["last_loss"])
    locked = build_recipe("lit_temporal", base=tiny_clip, epochs=1, batch=4, frames=2)
    made = train(settings, locked, data, NOW, SilentProgress(), name="locked", threads=1)
    assert made.lineage["steps"] >= 3 and np.isfinite(made.lineage["last_loss"])
    with pytest.raises(UsageError, match="need all pairs before the first step"):
        train(settings, build_recipe("starter_head", batch=4), data, NOW, SilentProgress(), name="fresh", threads=1)


def test_shards_whose_samples_are_all_validated_on_end_the_fit(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("film-000", "film_val-000"):
        write_shard(folder / f"{name}.tar", make_clips(0, 2))
    with pytest.raises(TrainingError, match=r"film-000\.tar sample clip00\d, and every other sample .* held-out"):
        train(settings, build_recipe("debug", pooling="mean", epochs=1), [folder], NOW, SilentProgress(), threads=1)


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    for number in range(4):
        write_shard(tmp_path / f"web-{number}.tar", make_images(10 * number, 6))
    shards = list_shards(tmp_path)

    def draw(numbers: range) -> list[list[str]]:
        readers = [ShardReader(n, 4, shards, 5, Position(), lambda thing, reason: None) for n in numbers]
        steps = [[caption for reader in readers for caption, _ in take(reader, 2)] for _ in range(6)]
        for reader in readers:
            reader.close()
        return steps

    both = [[*first, *second] for first, second in zip(draw(range(2)), draw(range(2, 4)), strict=True)]
    assert draw(range(4)) == both
    assert len({tuple(step) for step in islice(both, 3)}) == 3
