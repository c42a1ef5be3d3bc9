"""``needle benchmark`` on generated folders of each published form: films with known cuts, and what may be wrong."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.cli.benchmark import CUT_SETS
from ops.cli.main import main
from ops.evaluation.cut_sets.layouts import SETS
from ops.evaluation.cut_sets.published import PUBLISHED, REMARKS
from tests.builders.films import make_film

FRAMES = 60
CUTS = {"one": (20, 40), "two": (25,), "three": ()}
HOSTILE = "../../\x1b[31m<b>secret\u202e.mp4"


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        return document


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    for number, (name, cuts) in enumerate(CUTS.items()):
        make_film(folder / f"{name}.mp4", cuts=cuts, frames=FRAMES, width=160, height=90, seed=number)
    return {name: folder / f"{name}.mp4" for name in CUTS}


@pytest.fixture
def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["benchmark", *arguments, "--detector", "content", "--home", str(tmp_path / "home")])
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def shots(cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The shots of a film with cuts before these frames, inclusive ends."""
    starts = [0, *cuts]
    return list(zip(starts, [start - 1 for start in [*cuts, FRAMES]], strict=True))


def lines(spans: Sequence[tuple[int, int]], shift: int = 0) -> str:
    return "".join(f"{max(first - shift, 0)}\t{last - shift}\n" for first, last in spans)


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def counts(document: dict[str, Any], tolerance: int) -> tuple[int, int, int]:
    own = document["results"][f"tolerance_{tolerance}"]
    return own["right"], own["false"], own["missed"]


def test_bbc_in_each_of_its_forms(tmp_path: Path, films: dict[str, Path], ran: Run) -> None:
    for number, name in enumerate(CUTS, 1):
        put(films[name], tmp_path / "videos" / f"bbc_{number:02d}.mp4")
        spans = shots(CUTS[name])
        write(tmp_path / "annotations/shots" / f"{number:02d}_From Pole to Pole.txt", lines(spans, shift=1))
    write(tmp_path / "annotations/scenes/annotator_0/01_From Pole to Pole.txt", "0\t3\n")
    done = ran("bbc", "--data", str(tmp_path), "--json")
    assert done.status == 0 and "one less" in done.document["form"]
    assert counts(done.document, 0) == counts(done.document, 2) == (3, 0, 0)
    assert done.document["transitions"] == {"hard": 3, "gradual": 0} and done.document["frames"] == 3 * FRAMES
    for number, name in enumerate(CUTS, 1):  # one cut is annotated two frames late, one three frames
        moved = [cut + 1 + number for cut in CUTS[name]]
        write(tmp_path / "fixed" / f"{number:02d}-scenes.txt", lines(shots(moved)))
    done = ran("bbc", "--data", str(tmp_path), "--json")
    assert "fixed/*.txt" in done.document["form"]
    assert counts(done.document, 0) == (0, 3, 3) and counts(done.document, 2) == (2, 1, 1)
    assert done.document["by_video"]["videos/bbc_02.mp4"]["tolerance_2"]["missed"] == 1


def test_rai_and_what_has_no_partner(tmp_path: Path, films: dict[str, Path], ran: Run) -> None:
    for number, name in enumerate(CUTS, 1):
        put(films[name], tmp_path / f"{number}.mp4")
        write(tmp_path / "labels" / f"{number}_gt.txt", lines(shots(CUTS[name])))
    put(films["one"], tmp_path / "copies" / "2b.mp4")  # a second video with the number 2
    put(films["one"], tmp_path / "9.mp4")
    write(tmp_path / "labels/7_gt.txt", "0 10\n")
    write(tmp_path / "labels/3b_gt.txt", "0 10\n")
    write(tmp_path / "labels/._1_gt.txt", "what a Macintosh leaves")
    write(tmp_path / "labels/last_gt.txt", "0 10\n")
    (tmp_path / "10.mp4").write_bytes(b"no film")
    write(tmp_path / "labels/10_gt.txt", "0 10\n")
    write(tmp_path / "labels/9_gt.txt", "0 10\nten 20\n")
    done = ran("rai", "--data", str(tmp_path), "--json")
    assert done.status == 3 and done.document["videos"] == 2 and counts(done.document, 0) == (2, 0, 0)
    aside = {own["clip"]: own["reason"] for own in done.document["set_aside"]}
    reasons = {
        "labels/7_gt.txt": "video is not in the folder",
        "labels/2_gt.txt": "2 videos could be its",
        "labels/3b_gt.txt": "another annotation has the number 3",
        "labels/last_gt.txt": "no number",
        "labels/9_gt.txt": "line 2",
        "10.mp4": "",
    }
    assert set(aside) == set(reasons) and all(reasons[name] in aside[name] for name in aside)


def test_clipshots_with_foreign_and_hostile_names(tmp_path: Path, films: dict[str, Path], ran: Run) -> None:
    data = tmp_path / "data"
    for name, path in films.items():
        put(path, data / "videos/test" / f"{name}.mp4")
    put(films["one"], data / "videos/test/-_short.mp4")
    put(films["one"], data / "videos/test/nobody knows.mp4")
    put(films["one"], tmp_path / "secret.mp4")
    pairs = {name: [[cut - 1, cut] for cut in cuts] for name, cuts in CUTS.items()}
    pairs["three"] = [[10, 30], [33, 33]]
    document: dict[str, Any] = {
        f"{name}.mp4": {"transitions": own, "frame_num": float(FRAMES)} for name, own in pairs.items()
    }
    document |= {
        "-_short.mp4": {"transitions": [[19, 20]], "frame_num": FRAMES + 1},
        "../secret.mp4": {"transitions": [], "frame_num": FRAMES},
        str(tmp_path / "secret.mp4"): {"transitions": [], "frame_num": FRAMES},
        HOSTILE: {"transitions": [], "frame_num": FRAMES},
        "gone\ud800.mp4": {"transitions": [], "frame_num": FRAMES},
        "": {"transitions": [], "frame_num": FRAMES},
        "broken.mp4": {"transitions": 5, "frame_num": FRAMES},
    }
    write(data / "annotations/test.json", json.dumps(document))
    done = ran("clipshots", "--data", str(data), "--json")
    assert done.status == 3 and counts(done.document, 2) == (3, 0, 1)
    aside = {own["clip"]: own["reason"] for own in done.document["set_aside"]}
    assert len(aside) == 7 and "60 frames, its annotation is of 61" in aside["-_short.mp4"]
    assert done.document["by_kind"]["cut"]["right"] == 3 and done.document["by_kind"]["gradual"]["missed"] == 1
    assert done.document["by_kind"]["cut"]["published"][0]["f1_percent"] == 84.8
    assert any("33 to 33" in note for note in done.document["notes"])
    assert any("nobody knows.mp4" in note for note in done.document["notes"])
    assert done.document["recall_by_kind"]["gradual"] == {"annotated": 1, "found": 0}
    table = ran("clipshots", "--data", str(data))
    assert max(map(len, table.stdout.splitlines())) <= 100
    assert not re.search("[\x1b\u202e]", table.stdout + table.stderr) and "secret" in table.stderr
    assert "77.9  TransNet V2: Soucek and Lokoc 2020, arXiv:2008.04838" in table.stdout
    assert re.search(r"tolerance 0 +F1 \d+\.\d, precision", table.stdout) and "ends included" in table.stdout


def test_autoshot_in_each_of_its_forms(tmp_path: Path, films: dict[str, Path], ran: Run) -> None:
    for name, path in films.items():
        put(path, tmp_path / "dataset/ads_game_videos" / f"{name}.mp4")
    blocks = [
        f"{name}.mp4 {FRAMES - 1}\n" + "".join(f"{cut - 1},{cut}\n" for cut in cuts) for name, cuts in CUTS.items()
    ]
    write(tmp_path / "kuaishou_v2.txt", "\n\n".join(blocks))
    done = ran("autoshot", "--data", str(tmp_path), "--json")
    assert done.status == 0 and counts(done.document, 0) == (3, 0, 0) and "training" in done.document["form"]
    for name, cuts in CUTS.items():
        write(tmp_path / "annotations" / f"{name}.txt", lines(shots(cuts)))
    put(films["one"], tmp_path / "dataset/mkv.MKV")
    write(tmp_path / "annotations/mkv.txt", lines(shots(CUTS["one"])))
    write(tmp_path / "annotations/gone.txt", "0\t10\n")
    write(tmp_path / "annotations/two.txt", "0\tx\n")
    done = ran("autoshot", "--data", str(tmp_path), "--json")
    assert done.status == 3 and counts(done.document, 0) == (4, 0, 0)
    assert {own["clip"] for own in done.document["set_aside"]} == {"gone", "two"}
    document = {name: np.array(shots(cuts)) for name, cuts in CUTS.items()} | {"long": np.array([[0, 20], [21, 999]])}
    document["two"] = np.array([[0, 30], [31, 70], [71, 90]])
    put(films["three"], tmp_path / "dataset/long.mp4")
    pickled = tmp_path / "gt_scenes_dict_baseline_v2.pickle"
    pickled.write_bytes(pickle.dumps(document))
    report = tmp_path / "faults.html"
    done = ran("autoshot", "--data", str(tmp_path), "--json", "--report", str(report))
    assert done.status == 0 and "200 test videos" in done.document["form"]
    assert counts(done.document, 2) == (2, 1, 3)
    assert any("two: 1 transition is behind its last frame (59)" in note for note in done.document["notes"])
    page = report.read_text()
    assert page.count('<article class="fault') == 4 and "the clip ends before it" in page
    pickled.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused = ran("autoshot", "--data", str(tmp_path))
    assert refused.status == 2 and "os.system" in refused.stderr and "annotations/<video>.txt" in refused.stderr


@pytest.mark.parametrize("name", CUT_SETS)
def test_folders_without_the_set_are_refused(tmp_path: Path, films: dict[str, Path], ran: Run, name: str) -> None:
    for folder, reason in ((tmp_path / "none", "no such folder"), (tmp_path, "holds no annotation of this set")):
        done = ran(name, "--data", str(folder))
        assert done.status == 2 and reason in done.stderr and not done.stdout
    write(tmp_path / "annotations/shots/01.txt", "0 9\n")
    write(tmp_path / "labels/1_gt.txt", "0 9\n")
    write(tmp_path / "annotations/test.json", '{"a.mp4": {"transitions": [], "frame_num": 9}}')
    write(tmp_path / "kuaishou_v2.txt", "a.mp4 9\n")
    done = ran(name, "--data", str(tmp_path))
    assert done.status == 2 and "holds no annotated video that can be used" in done.stderr
    assert "its video is not in the folder" in done.stderr


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path, ran: Run) -> None:
    (tmp_path / "file").write_text("")
    done = ran("bbc", "--data", str(tmp_path), "--report", str(tmp_path / "file" / "faults.html"))
    assert done.status == 2 and "cannot be written there" in done.stderr


def test_every_set_has_published_figures_and_a_name_on_the_command_line(ran: Run) -> None:
    assert set(CUT_SETS) == set(SETS) == set(PUBLISHED) == set(REMARKS)
    assert all(re.search(r"\d{4}, arXiv:\d{4}\.\d{5}", own.source) for each in PUBLISHED.values() for own in each)
    assert ran("imagenet", "--data", "x").status == 2
