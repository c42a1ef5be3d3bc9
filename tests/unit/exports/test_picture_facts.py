"""Fields, HDR, mirrors and transparency of a source in timelines and in the clips of a zip."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from ops.core.media import Orientation
from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import export
from ops.exports.registry import find_format
from ops.videos.probe import probe
from tests.builders.films import Film
from tests.builders.timelines import film_rows
from tests.sources import colours, fields

KINDS = {kind.name: kind for kind in (*fields.KINDS, *colours.KINDS)}


def clips_from(settings: Settings, path: Path) -> list[Clip]:
    info = probe(path)
    film = Film(path, frames=info.frames, cuts=(), fps=Fraction(info.fps))
    return select_clips(settings, [Pick(shot_id=shot) for shot in film_rows(settings, film)])


def root_of(settings: Settings, clips: list[Clip], name: str, folder: Path) -> ElementTree.Element:
    target = folder / f"out{find_format(name).suffix}"
    export(settings, clips, name, target, title="Pictures")
    return ElementTree.parse(target).getroot()


def clip_in_zip(settings: Settings, clips: list[Clip], folder: Path) -> Path:
    export(settings, clips, "zip", folder / "out.zip", title="Pictures")
    with zipfile.ZipFile(folder / "out.zip") as archive:
        name = next(each for each in archive.namelist() if each.endswith(".mov"))
        return Path(archive.extract(name, folder))


def field_names(settings: Settings, clips: list[Clip], folder: Path) -> tuple[set[str | None], set[str | None]]:
    """What xmeml and FCPXML say of fields, of files and sequences alike."""
    xmeml = root_of(settings, clips, "xmeml", folder).iter("fielddominance")
    fcpxml = root_of(settings, clips, "fcpxml", folder).iter("format")
    return {each.text for each in xmeml}, {each.get("fieldOrder") for each in fcpxml}


@pytest.mark.parametrize(
    ("kind", "xmeml", "fcpxml"),
    [
        ("h264 mp4 upper field first", "upper", "upper first"),
        ("prores lower field first", "lower", "lower first"),
        ("progressive", "none", None),
    ],
)
def test_timelines_name_the_order_of_fields(
    settings: Settings, tmp_path: Path, kind: str, xmeml: str, fcpxml: str | None
) -> None:
    clips = clips_from(settings, KINDS[kind].make(tmp_path))
    assert field_names(settings, clips, tmp_path) == ({xmeml}, {fcpxml})


def test_fcpxml_names_the_colours_of_hdr(settings: Settings, tmp_path: Path) -> None:
    clips = clips_from(settings, KINDS["PQ hevc"].make(tmp_path))
    (form,) = root_of(settings, clips, "fcpxml", tmp_path).iter("format")
    assert form.get("colorSpace") == "9-16-9 (Rec. 2020 PQ)"


@pytest.mark.shared
def test_the_case_of_fields(settings: Settings, tmp_path: Path, cases: Path) -> None:
    clips = clips_from(settings, cases / "exports" / "i25_tff.mov")
    assert field_names(settings, clips, tmp_path) == ({"upper"}, {"upper first"})
    clip = clip_in_zip(settings, clips, tmp_path)
    assert probe(clip).field_order == "upper"
    with av.open(str(clip)) as container:
        assert next(container.decode(video=0)).interlaced_frame


@pytest.mark.shared
def test_the_case_of_a_mirror(settings: Settings, tmp_path: Path, cases: Path) -> None:
    source = cases / "exports" / "mirror.mp4"
    clip = clip_in_zip(settings, clips_from(settings, source), tmp_path)
    assert probe(clip).orientation == Orientation()
    ours, stored = (first_picture(path) for path in (clip, source))
    assert np.abs(ours - stored[:, ::-1]).mean() < 3


@pytest.mark.shared
def test_the_case_of_transparency(settings: Settings, tmp_path: Path, cases: Path) -> None:
    clip = clip_in_zip(settings, clips_from(settings, cases / "exports" / "see_through.mov"), tmp_path)
    with av.open(str(clip)) as container:
        alpha = next(container.decode(video=0)).to_ndarray(format="rgba")[..., 3]
    assert alpha[:80].max() == 0
    assert alpha[100:].min() == 255


def first_picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
