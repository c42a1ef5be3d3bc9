"""Find the annotations and videos of a public test set in a folder.

Names in annotations are foreign: a video is looked up among the files of the folder, and a name never becomes a path.
Files without a partner are reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ops.core.errors import UsageError
from ops.evaluation.clip_cuts import SetAsideClip, name_clip
from ops.evaluation.cut_sets.pickled_scenes import read_pickled_scenes
from ops.evaluation.cut_sets.transition_files import (
    MOST_BYTES,
    Annotated,
    read_clipshots,
    read_kuaishou,
    read_shots,
)
from ops.evaluation.set_files import is_plain, list_videos, read_text, take_only

_ByName = tuple[dict[str, Annotated], dict[str, str]]
"""Annotations by the name of their video, and the reasons why others cannot be used."""


@dataclass(frozen=True, kw_only=True)
class SetVideo:
    """One annotated video of a test set."""

    name: str
    path: Path
    annotated: Annotated


@dataclass(kw_only=True)
class CutSetData:
    """The videos of a test set with their annotations. ``form`` names the files that were read.

    ``needs_length``: if the number of frames of a video differs from the annotation's, the video is excluded.
    """

    form: str
    videos: list[SetVideo] = field(default_factory=list)
    set_aside: list[SetAsideClip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    needs_length: bool = False


@dataclass(frozen=True, kw_only=True)
class CutSet:
    """A public test set: its title with the paper that introduced it, and the reader of its folder."""

    title: str
    load: Callable[[Path], CutSetData]


@dataclass(frozen=True, kw_only=True)
class _TextForm:
    """Files of shots, one per video: a pattern below the folder, and an offset for each frame number."""

    pattern: str
    shift: int = 0
    remark: str = ""


_RAI = "*_gt.txt"
_BBC_FORMS = (
    _TextForm(pattern="fixed/*.txt", remark="corrected annotation, zenodo.org/records/14873790"),
    _TextForm(
        pattern="annotations/shots/*.txt",
        shift=1,
        remark="frame numbers are one less than those of the frames, as in TransNet V2's consolidate_datasets.py",
    ),
    _TextForm(pattern="[0-9]*.txt", remark="as written by TransNet V2's consolidate_datasets.py"),
)
_RAI_FORMS = (
    _TextForm(pattern=_RAI),
    _TextForm(pattern="[0-9]*.txt", remark="as written by TransNet V2's consolidate_datasets.py"),
)


def load_set(name: str, folder: Path) -> CutSetData:
    """The annotated videos of the test set ``name`` in ``folder``.

    Raises ``UsageError`` if the folder holds no annotation of that set, or no video of it.
    """
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: there is no such folder")
    data = SETS[name].load(folder)
    if not data.videos:
        reasons = [f"{clip.name}: {clip.reason}" for clip in data.set_aside[:10]]
        raise UsageError("\n".join([f"{folder} holds no annotated video that can be used ({data.form})", *reasons]))
    return data


def _read_numbered_files(forms: tuple[_TextForm, ...], expectation: str) -> Callable[[Path], CutSetData]:
    """A reader of text files that belong to videos by the first number in both names."""

    def load(folder: Path) -> CutSetData:
        for form in forms:
            if files := sorted(path for path in folder.rglob(form.pattern) if _has_form(form, path)):
                return _load_numbered(folder, form, files)
        raise UsageError(f"{folder} holds no annotation of this set: {expectation}")

    return load


def _has_form(form: _TextForm, path: Path) -> bool:
    """Whether a file that fits the pattern has that form; ``1_gt.txt`` fits that of plain numbers, and is RAI's."""
    is_other = path.stem.endswith("_gt") and form.pattern != _RAI
    return is_plain(path) and not _is_scene(path) and not is_other


def _load_numbered(folder: Path, form: _TextForm, files: list[Path]) -> CutSetData:
    data = CutSetData(form=f"{form.pattern}{f' ({form.remark})' if form.remark else ''}")
    videos: dict[int | None, list[Path]] = {}
    for path in list_videos(folder):
        videos.setdefault(_find_number(path), []).append(path)
    numbers: set[int] = set()
    for file in files:
        name = name_clip(file, folder)
        number = _find_number(file)
        try:
            if number is None:
                raise UsageError("its name has no number")
            if number in numbers:
                raise UsageError(f"another annotation has the number {number} too")
            numbers.add(number)
            path = take_only(videos.get(number, []))
            annotation = read_shots(read_text(file, MOST_BYTES), shift=form.shift)
        except UsageError as error:
            data.set_aside.append(SetAsideClip(name=name, reason=str(error)))
            continue
        data.videos.append(SetVideo(name=name_clip(path, folder), path=path, annotated=annotation))
    _note_unused(
        data, [path for number, files_of_number in videos.items() if number not in numbers for path in files_of_number]
    )
    return data


def _load_clipshots(folder: Path) -> CutSetData:
    files = sorted(path for pattern in ("annotations/test.json", "test.json") for path in folder.rglob(pattern))
    if not files:
        raise UsageError(f"{folder} holds no annotation of this set: annotations/test.json")
    data = CutSetData(form="annotations/test.json", needs_length=True)
    annotations, reasons = _read_whole(files[0], lambda path: read_clipshots(read_text(path, MOST_BYTES)))
    _pair_by_name(data, folder, annotations, reasons)
    return data


def _load_autoshot(folder: Path) -> CutSetData:
    if files := sorted(folder.rglob("gt_scenes_dict*.pickle")):
        data = CutSetData(form=f"{files[0].name} (the 200 test videos)")
        annotations, reasons = _read_whole(files[0], read_pickled_scenes)
    elif texts := sorted(path for path in folder.rglob("annotations/*.txt") if is_plain(path)):
        data = CutSetData(form="annotations/<video>.txt")
        annotations, reasons = {}, {}
        for path in texts:
            try:
                annotations[path.stem] = read_shots(read_text(path, MOST_BYTES))
            except UsageError as error:
                reasons[path.stem] = str(error)
    elif lists := sorted(folder.rglob("kuaishou_v2.txt")):
        data = CutSetData(
            form="kuaishou_v2.txt (training and test videos: the published figures are of the test videos only)"
        )
        annotations, reasons = _read_whole(lists[0], lambda path: (read_kuaishou(read_text(path, MOST_BYTES)), {}))
    else:
        raise UsageError(
            f"{folder} holds no annotation of this set: gt_scenes_dict_baseline_v2.pickle, annotations/<video>.txt or "
            "kuaishou_v2.txt"
        )
    _pair_by_name(data, folder, annotations, reasons, is_stem=True)
    return data


def _read_whole(path: Path, read: Callable[[Path], _ByName]) -> _ByName:
    try:
        return read(path)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _pair_by_name(
    data: CutSetData, folder: Path, annotations: dict[str, Annotated], reasons: dict[str, str], *, is_stem: bool = False
) -> None:
    """Pair each annotation with the video of its name; if ``is_stem``, of its name with or without an ending."""
    videos: dict[str, list[Path]] = {}
    for path in list_videos(folder):
        for key in {path.name, path.stem} if is_stem else {path.name}:
            videos.setdefault(key, []).append(path)
    used_paths: set[Path] = set()
    for name in sorted({*annotations, *reasons}):
        paths = videos.get(name, [])
        used_paths |= set(paths)
        try:
            if name in reasons:
                raise UsageError(reasons[name])
            path = take_only(paths)
        except UsageError as error:
            data.set_aside.append(SetAsideClip(name=name, reason=str(error)))
            continue
        data.videos.append(SetVideo(name=name, path=path, annotated=annotations[name]))
    _note_unused(data, {path for same_name in videos.values() for path in same_name if path not in used_paths})


def _note_unused(data: CutSetData, paths: Iterable[Path]) -> None:
    if names := sorted(path.name for path in paths):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        data.notes.append(f"videos without an annotation are not measured: {', '.join(names[:3])}{more}")


def _is_scene(path: Path) -> bool:
    """Whether a file has scenes of several shots, which the BBC set annotates too."""
    return "scenes" in path.parts


def _find_number(path: Path) -> int | None:
    number = re.search(r"\d{1,6}", path.stem)
    return int(number[0]) if number else None


SETS = {
    "bbc": CutSet(
        title="BBC Planet Earth (Baraldi et al. 2015, arXiv:1510.08893)",
        load=_read_numbered_files(_BBC_FORMS, "fixed/*.txt or annotations/shots/*.txt"),
    ),
    "rai": CutSet(
        title="RAI (Baraldi, Grana and Cucchiara 2015)",
        load=_read_numbered_files(_RAI_FORMS, "<number>_gt.txt"),
    ),
    "clipshots": CutSet(title="ClipShots, test (Tang et al. 2018, arXiv:1808.04234)", load=_load_clipshots),
    "autoshot": CutSet(title="SHOT of AutoShot (Zhu et al. 2023, arXiv:2304.06116)", load=_load_autoshot),
}
