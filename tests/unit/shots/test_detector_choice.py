"""What ``auto`` stands for with and without a GPU, and that machines of both kinds keep each other's shots."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from ops.shots import devices
from ops.shots.build import shots_of
from ops.shots.detectors.choice import choose_detector
from ops.shots.due import detector_for
from ops.shots.segment import detector_version
from tests.builders.films import make_film
from tests.unit.shots.test_correcting import NOW, Films


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine on which torch reports a CUDA device; nothing can be computed on it."""
    (tmp_path / "driver").touch()
    monkeypatch.setattr(devices, "_DRIVER_FILES", (str(tmp_path / "driver"),))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    devices.has_cuda.cache_clear()
    yield
    devices.has_cuda.cache_clear()


@pytest.fixture
def films(tmp_path: Path) -> Films:
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "a.mp4", cuts=(20,), frames=40, width=160, height=90)
    return Films(library, tmp_path / "home", "video")


def use(films: Films, detector: str) -> None:
    films.settings = films.settings.model_copy(update={"detector": detector})


def made_by(films: Films) -> set[str]:
    return {row["detector"] for row in shots_of(films.settings, films.video("a")["video_id"])}


def rows(*names: str) -> list[dict[str, str]]:
    return [{"detector": detector_version(name)} for name in names]


def test_without_a_gpu_auto_is_the_default_detector_and_torch_is_not_asked() -> None:
    program = (
        "import sys\nfrom ops.shots.detectors.choice import choose_detector\nprint(choose_detector('auto'))\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["transnetv2" if torch.cuda.is_available() else "auto"]


def test_on_a_gpu_auto_is_transnetv2_and_other_settings_mean_themselves(gpu: None) -> None:
    assert [choose_detector(name) for name in ("auto", "content", "transnetv2")] == [
        "transnetv2",
        "content",
        "transnetv2",
    ]


def test_shots_of_either_choice_are_kept_under_auto_only() -> None:
    assert detector_for("auto", rows("transnetv2", "transnetv2")) == "transnetv2"
    assert detector_for("auto", rows("auto")) == "auto"
    assert detector_for("content", rows("transnetv2")) == "content"
    assert detector_for("transnetv2", rows("auto")) == "transnetv2"


def test_what_auto_does_not_choose_is_cut_by_the_choice_of_this_machine(gpu: None) -> None:
    assert detector_for("auto", []) == "transnetv2"
    assert detector_for("auto", rows("content")) == "transnetv2"
    assert detector_for("auto", rows("auto", "transnetv2")) == "transnetv2"
    assert detector_for("auto", [{"detector": "auto-00000000"}]) == "transnetv2", "an older version"
    assert detector_for("auto", [{"detector": f"{detector_version('auto')}+no_cut@20"}]) == "auto", "corrected"


def test_a_machine_without_a_gpu_keeps_what_one_with_a_gpu_cut(films: Films) -> None:
    use(films, "transnetv2")  # as `auto` stands for on a GPU
    films.ingest()
    assert made_by(films) == {detector_version("transnetv2")}
    use(films, "auto")
    assert films.build(NOW + timedelta(hours=1)) == 0
    films.settings.store.delete(next(iter(films.settings.store.list("proxies/"))))
    films.build(NOW + timedelta(hours=2))
    assert made_by(films) == {detector_version("transnetv2")}, "proxies are made again by the same detector"


def test_a_machine_with_a_gpu_keeps_what_one_without_cut(films: Films, request: pytest.FixtureRequest) -> None:
    use(films, "auto")
    films.ingest()
    assert made_by(films) == {detector_version("auto")}
    request.getfixturevalue("gpu")
    assert films.build(NOW + timedelta(hours=1)) == 0
    own = films.video("a")["video_id"]
    use(films, "transnetv2")
    assert detector_for(films.settings.detector, shots_of(films.settings, own)) == "transnetv2", "a person asks for it"
