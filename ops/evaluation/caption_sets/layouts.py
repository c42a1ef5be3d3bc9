"""Public sets of captioned videos, and the pairing of their captions with the videos of a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ops.core.errors import UsageError
from ops.evaluation.caption_sets.annotations import (
    Reader,
    read_condensed_movies,
    read_didemo,
    read_msrvtt,
    read_msvd,
    read_vatex,
)
from ops.evaluation.clip_cuts import SetAsideClip
from ops.evaluation.set_files import list_videos, take_only


@dataclass(frozen=True, kw_only=True)
class CaptionSet:
    """A public set: its title with its paper, its reader, the size of its gallery, and the rule of its queries.

    ``videos`` is the number of test videos of the published figures; 0 if there is no such number. Of each video the
    first ``seconds`` are used; all of it, if that is ``None``.
    """

    title: str
    read: Reader
    videos: int
    queries: str
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class CaptionedVideo:
    """A video of the gallery with its captions."""

    name: str
    path: Path
    captions: tuple[str, ...]


@dataclass(kw_only=True)
class CaptionSetData:
    """The videos of a set that are in a folder, and those that are not."""

    form: str
    videos: list[CaptionedVideo]
    annotated: int
    set_aside: list[SetAsideClip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load_caption_set(name: str, folder: Path) -> CaptionSetData:
    """Pair the captions of the set ``name`` with the videos of ``folder``, which are found by name.

    Raises ``UsageError`` if the folder holds no annotation of that set, or fewer than two of its videos.
    """
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: there is no such folder")
    captioned_videos = SETS[name].read(folder)
    by_stem: dict[str, list[Path]] = {}
    by_short_stem: dict[str, list[Path]] = {}  # of name.mov.mp4, as some copies of DiDeMo have it
    for path in list_videos(folder):
        by_stem.setdefault(path.stem, []).append(path)
        by_short_stem.setdefault(path.stem.rsplit(".", 1)[0], []).append(path)
    data = CaptionSetData(
        form=captioned_videos.form,
        videos=[],
        annotated=len(captioned_videos.captions),
        notes=list(captioned_videos.notes),
    )
    for video, captions in captioned_videos.captions.items():
        try:
            path = take_only(by_stem.get(video) or by_short_stem.get(video, []))
        except UsageError as error:
            data.set_aside.append(SetAsideClip(name=video, reason=str(error)))
            continue
        data.videos.append(CaptionedVideo(name=video, path=path, captions=captions))
    if len(data.videos) < 2:
        raise UsageError(
            f"{folder} holds {len(data.videos)} of the {data.annotated:,} videos of {data.form}: a search needs two"
        )
    return data


SETS = {
    "msrvtt": CaptionSet(
        title="MSR-VTT 1k-A (Xu et al. 2016; split of Yu et al. 2018, arXiv:1808.02559)",
        read=read_msrvtt,
        videos=1000,
        queries="one caption of each video",
    ),
    "msvd": CaptionSet(
        title="MSVD (Chen and Dolan 2011)",
        read=read_msvd,
        videos=670,
        queries="each caption by itself",
    ),
    "didemo": CaptionSet(
        title="DiDeMo, paragraphs (Hendricks et al. 2017, arXiv:1708.01641)",
        read=read_didemo,
        videos=1004,
        queries="all descriptions of a video as one text",
        seconds=30,
    ),
    "vatex": CaptionSet(
        title="VATEX, English captions (Wang et al. 2019, arXiv:1904.03493)",
        read=read_vatex,
        videos=1500,
        queries="each English caption by itself",
    ),
    "condensed-movies": CaptionSet(
        title="Condensed Movies, across films (Bain et al. 2020, arXiv:2005.04208)",
        read=read_condensed_movies,
        videos=0,
        queries="the description of each clip",
    ),
}
