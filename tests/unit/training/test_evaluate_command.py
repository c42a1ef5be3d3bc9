"""``needle evaluate`` as a user types it: footage, photographs and the catalogue, alone and against another encoder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.cli.comparison_table import _format_gain
from ops.cli.main import main
from ops.cli.train import _format_changes
from ops.core.settings import Settings
from ops.videos.forgotten import write_tombstone
from tests.builders.films import make_film
from tests.builders.lakes import video_id
from tests.builders.training import NOW, captioned_home, fill_captioned, fine_tuned, jpeg, write_captions

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose encoder ``finetuned:mine`` learned from show 0, and queries beside the film of show 1."""
    folder = tmp_path_factory.mktemp("evaluated")
    fine_tuned(captioned_home(folder), [folder / "film0.mp4"], "mine")
    (folder / "film1.mp4.queries.jsonl").write_text(
        '{"query": "shot 2", "relevant": {"2": 2}}\n{"query": 5}\n{"query"\n'
    )
    return folder


@pytest.fixture
def ran(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command as a terminal does."""

    def run(*arguments: str, home: Path = folder / "home", encoder: str = "finetuned:mine") -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *arguments, "--home", str(home), "--encoder", encoder])
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_the_catalogue_is_what_is_asked_where_no_data_are_named(ran: Run) -> None:
    done = ran("--against", "starter", "--json")
    assert done.status == 3 and "film1.mp4.queries.jsonl line 2" in done.stderr
    assert "film1.mp4.queries.jsonl line 3: is not JSON" in done.stderr
    told = json.loads(done.stdout)
    assert told["learned_from"] == ["show 0"] and told["text_to_video"]["queries"] == 10
    assert told["verdict"]["shows"] == ["show 1"] and told["verdict"]["learned"]["shows"] == ["show 0"]
    assert set(told["shows"]) == set(told["against"]["shows"]) == {"show 0", "show 1"}
    low, high = told["text_to_video"]["r@1_interval"]
    assert low <= told["text_to_video"]["r@1"] <= high and told["graded"]["queries"] == 1
    for part, gains in told["gain"].items():
        for metric, (difference, below, above) in gains.items():
            assert difference == pytest.approx(told[part][metric] - told["against"][part][metric])
            assert below - 1e-9 <= difference <= above + 1e-9


def test_the_table_fits_a_terminal_and_says_what_was_learned_from(ran: Run) -> None:
    done = ran("--against", "starter")
    assert done.status == 3 and max(map(len, done.stdout.splitlines())) <= 100
    assert "learned from show 0: left out of pooled figures" in done.stdout and "show 0 (learned from)" in done.stdout
    assert "its captions and queries, as `needle upgrade` compares them:\n  against it: there" in done.stdout
    assert "there are only 5 captioned shots of shows that neither" in done.stdout
    assert "≈ within noise" in done.stdout and "caption → shot: 10 captions of 5 shots" in done.stdout


def test_the_gallery_is_chosen_and_printed(ran: Run) -> None:
    sizes = {}
    for gallery in ("video", "show", "all", "catalogue"):
        told = json.loads(ran("--gallery", gallery, "--json", encoder="starter").stdout)
        assert told["gallery"]["kind"] == gallery and told["text_to_video"]["queries"] == 20
        sizes[gallery] = told["gallery"]["largest"], told["text_to_video"]["r@10"]
    assert [size for size, _ in sizes.values()] == [5, 5, 10, 10]
    assert sizes["show"][1] >= sizes["all"][1]
    assert "gallery   the captioned shots of all shows: 10\n" in ran("--gallery", "all").stdout
    assert "gallery   the captioned shots of the same show: 5\n" in ran().stdout


def test_photographs_are_compared_too(tmp_path: Path, ran: Run) -> None:
    rows = [{"image": jpeg((9 * n, 90, 60)), "captions": [f"colour {n}", f"tone {n}"]} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    told = json.loads(ran("--captions", str(tmp_path / "p.parquet"), "--against", "starter", "--json").stdout)
    assert told["text_to_image"]["queries"] == 8 and told["against"]["image_to_text"]["images"] == 4
    assert len(told["gain"]["text_to_image"]["r@1"]) == 3 and told["encoder_id"] != told["against"]["encoder_id"]
    table = ran("--captions", str(tmp_path / "p.parquet")).stdout
    assert "caption → picture: 8 captions of 4 pictures" in table and "R@10 %" in table


def test_one_picture_is_refused_with_advice_that_fits(tmp_path: Path, ran: Run) -> None:
    pq.write_table(pa.Table.from_pylist([{"image": jpeg((9, 90, 60)), "captions": ["a"]}]), tmp_path / "p.parquet")
    done = ran("--captions", str(tmp_path / "p.parquet"), encoder="starter")
    assert done.status == 2 and "add captioned images" in done.stderr and "--gallery" not in done.stderr


def test_a_note_does_not_deny_captions_that_are_there(tmp_path: Path, ran: Run) -> None:
    make_film(tmp_path / "a.mp4", cuts=(20,), frames=48, width=160, height=90)
    document = {"hard_cuts": [20], "gradual": [], "frames_annotated": 48}
    (tmp_path / "a.mp4.shots.json").write_text(json.dumps(document))
    done = ran("--footage", str(tmp_path), "--detector", "content", encoder="starter")
    assert "no clip has <file>.captions.jsonl next to it" in done.stderr
    write_captions(tmp_path / "a.mp4", 1)
    done = ran("--footage", str(tmp_path), "--detector", "content", encoder="starter")
    assert done.status == 3 and "a.mp4: only one shot competes, and it would always be first: caption" in done.stderr
    assert "no clip has" not in done.stderr and "no retrieval is measured: the captions of a.mp4" in done.stderr


def test_no_difference_is_not_printed_as_minus_zero() -> None:
    change = {"base": 0.5, "encoder": 0.5, "difference": -0.0001, "low": -0.02, "high": -0.0002}
    lines = list(_format_changes({"validation": {"pairs": 2, "overall": change}}))
    assert lines == ["held-out shows (2 captioned): nDCG@10 0.500 → 0.500, +0.000 [-0.020, +0.000]"]
    assert _format_gain([-0.0001, -0.02, -0.0002], 3) == "+0.000 [-0.020, +0.000]"


def test_cuts_are_listed_with_their_faults_and_names_drive_no_terminal(tmp_path: Path, ran: Run) -> None:
    make_film(tmp_path / "a.mp4", cuts=(20,), frames=48, width=160, height=90)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b\x1b[31m.mp4")
    for name, cuts in (("a.mp4", [20, 30]), ("b\x1b[31m.mp4", [])):
        told = {"hard_cuts": cuts, "gradual": [], "frames_annotated": 48}
        (tmp_path / f"{name}.shots.json").write_text(json.dumps(told))
    asked = ("--footage", str(tmp_path), "--cuts-only", "--detector", "content")
    done = ran(*asked)
    assert done.status == 0 and max(map(len, done.stdout.splitlines())) <= 100 and "\x1b" not in done.stdout
    assert re.search(r"a\.mp4 +0\.667 +1\.000 +0\.500 +1 +0 +1\n", done.stdout)
    assert re.search(r"missed +hard +a\.mp4 +frame 30 +1\.\d+ s\n", done.stdout)
    assert re.search(r"false +hard +b\\x1b\[31m\.mp4 +frame 20 ", done.stdout)
    assert "no intervals: too few clips" in done.stdout and "seed 0" in done.stdout
    assert re.search(r"a\.mp4 +– +– +– +0 +0 +0\n", done.stdout), "of nothing there is no share"
    (tmp_path / "c.mp4.shots.json").write_text("{}")
    report = tmp_path / "new folder" / "faults.html"
    done = ran(*asked, "--json", "--report", str(report))
    page = report.read_text()
    assert page.count("data:image/jpeg") == 2 and "TransNetV2: " in page and "c.mp4" in page and "\x1b" not in page
    assert sorted(path.name for path in report.parent.iterdir()) == ["faults.html"]
    told = json.loads(done.stdout)
    assert done.status == 3 and "c.mp4" in done.stderr and told["set_aside"][0]["clip"] == "c.mp4"
    assert (told["cuts_right"], told["cuts_false"], told["cuts_missed"]) == (1, 1, 1) and len(told["faults"]) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--against", "finetuned:mine"], "the very encoder that is measured"),
        (["--against", "finetuned:none"], "no fine-tuned encoder 'none'"),
        (["--against", "nonsense"], "'nonsense' is not an encoder"),
        (["--captions", "a.parquet", "--footage", "b"], "give one of --captions"),
        (["--captions", "a.parquet"], "--captions a.parquet: the file does not exist"),
        (["--cuts-only"], "add --footage DIR"),
        (["--captions", "a.parquet", "--gallery", "all"], "all images of --captions compete"),
        (["--footage", "b", "--gallery", "catalogue"], "leave out --footage"),
        (["--footage", "b", "--cuts-only", "--gallery", "all"], "measures no encoder"),
        (["--footage", "b", "--cuts-only", "--against", "starter"], "measures no encoder"),
        (["--footage", "b", "--cuts-only"], "b has no film with"),
        (["--report", "a.html"], "add --footage DIR"),
    ],
)
def test_what_cannot_be_compared_is_said(ran: Run, arguments: list[str], reason: str) -> None:
    done = ran(*arguments)
    assert done.status in (1, 2) and reason in done.stderr and "Traceback" not in done.stderr


def test_captions_of_forgotten_and_of_no_shots_are_not_asked(settings: Settings, tmp_path: Path, ran: Run) -> None:
    write_tombstone(settings, video_id(0), NOW)
    told = json.loads(ran("--json", home=settings.home, encoder="starter").stdout)
    assert set(told["shows"]) == {"show 1"} and told["learned_from"] == []
    write_captions(tmp_path / "film1.mp4", 0)
    done = ran(home=settings.home, encoder="starter")
    assert done.status == 1 and "no shot of the catalogue has a caption" in done.stderr
