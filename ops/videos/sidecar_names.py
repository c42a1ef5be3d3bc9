"""Find the video of a folder that a subtitle file belongs to, by names alone.

Stands alone because subtitles get lost by their names: every rule is tested as a plain function of names.

1. ``film.srt``, ``film.<words>.srt``: the name of a video, with or without its ending, and words that are languages or
   flags. The longest name of a video that explains the rest counts, so that ``film.en.srt`` belongs to ``film.en.mp4``
   if that is there.
2. ``Subs/...``: the same in a folder for subtitles; ``Subs/<film>/2_English.srt`` belongs to the video that the folder
   is named for, and ``Subs/English/film.srt`` has the folder's language.
3. ``2_English.srt``: words and a number without the name of a video belong to the only video of the folder. If there
   are several videos, they belong to none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ops.videos.languages import parse_language_suffix, split_words

_READABLE = "srt vtt webvtt ass ssa sbv ttml dfxp itt scc sub mpl smi sami lrc"
READABLE = frozenset(_READABLE.split())
"""Endings of subtitle files that are read."""
NOT_READ = {
    "idx": "pictures of text (VobSub)",
    "sup": "pictures of text (PGS)",
    "stl": "EBU STL",
    "mks": "tracks of a Matroska file",
    "mcc": "MacCaption",
    "pac": "PAC",
    "usf": "Universal Subtitle Format",
}
"""Endings of subtitle files that are not read, and their contents."""
ENDINGS = READABLE | NOT_READ.keys()
"""Endings of all subtitle files."""
_OTHER_THINGS = frozenset(("lrc", "sub", "stl", "mpl", "pac"))
"""Endings that other kinds of files have too: if such a file belongs to no video, it is counted by kind."""
_FOLDERS = frozenset(["subs", "sub", "subtitles", "subtitle", "captions"])
_BEFORE_WORDS = re.compile(r"[\s._\-(\[{]")
_MOST_WORDS = 12


@dataclass(frozen=True, kw_only=True)
class Owner:
    """``video`` is a name by :func:`normalise_name`, with or without ending; ``language`` a BCP 47 tag or empty."""

    video: str
    language: str


class FolderVideos:
    """The videos of one folder by their names, as subtitle files name them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {normalise_name(name) for name in names}
        self.stems = {strip_suffix(name) for name in self.names}

    @property
    def only(self) -> str:
        """The stem of the only video, empty if there is none or there are several."""
        return next(iter(self.stems)) if len(self.stems) == 1 else ""


def find_owner(relative: str, videos: FolderVideos) -> Owner | None:
    """Return the video that a subtitle file belongs to; ``None`` if its name gives none.

    ``relative`` is its path from the folder of the videos on: ``film.en.srt``, ``Subs/film/2_English.srt``.
    """
    *folders, name = relative.split("/")
    stem = normalise_name(name.rpartition(".")[0])
    if len(folders) == 2:
        return _match_folder(normalise_name(folders[1]), stem, videos)
    return _match_name(stem, videos) or _match_nameless(stem, videos.only, allow_number=bool(folders))


def is_for_subtitles(folder: str) -> bool:
    """Return whether a folder of this name, next to videos, holds their subtitles."""
    return folder.rstrip("/").rpartition("/")[2].lower() in _FOLDERS


def is_subtitle_name(name: str) -> bool:
    """Return whether a file is a subtitle file by its name; files that the system hides are not."""
    return not name.startswith(".") and parse_suffix(name) in ENDINGS


def is_news(name: str) -> bool:
    """Return whether to report a file of this name that belongs to no video."""
    return parse_suffix(name) not in _OTHER_THINGS


def parse_suffix(name: str) -> str:
    """Return the ending, in lower case; empty if there is none."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name else ""


def strip_suffix(name: str) -> str:
    """Return a name without its ending; a name without an ending as it is."""
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


def normalise_name(name: str) -> str:
    """Return a name in the form in which names are compared: composed letters, without case."""
    return unicodedata.normalize("NFC", name).casefold()


def _match_name(stem: str, videos: FolderVideos) -> Owner | None:
    if stem in videos.names or stem in videos.stems:
        return Owner(video=stem, language="")
    cuts = [match.start() for match in _BEFORE_WORDS.finditer(stem)][-_MOST_WORDS:]
    for cut in reversed(cuts):
        # More than one character may divide the name from the words: "film - en", "film_[en]".
        for before in (stem[:cut], stem[:cut].rstrip(" ._-")):
            if before in videos.names or before in videos.stems:
                language = _parse_language(stem[cut:])
                if language is not None:
                    return Owner(video=before, language=language)
    return None


def _parse_language(suffix: str) -> str | None:
    """Return the language in the rest of a name after that of its video; ``None`` if the rest has other words.

    A number counts if a language follows, as tracks are numbered: ``.2.en``. After a blank it is a part or a sequel.
    """
    words = split_words(suffix)
    language = parse_language_suffix(words)
    if language is None and suffix[0] in "._" and words[0].isdecimal() and len(words[0]) <= 2:
        return parse_language_suffix(words[1:]) or None
    return language


def _match_folder(folder: str, stem: str, videos: FolderVideos) -> Owner | None:
    if folder in videos.stems or folder in videos.names:
        # All files in it belong to the video, whatever their names.
        owner = _match_name(stem, FolderVideos([folder])) or _match_nameless(stem, folder, allow_number=True)
        return owner or Owner(video=folder, language="")
    language = parse_language_suffix(split_words(folder))
    if language is None:
        return None
    owner = _match_name(stem, videos) or _match_nameless(stem, videos.only, allow_number=True)
    return owner and Owner(video=owner.video, language=owner.language or language)


def _match_nameless(stem: str, only: str, *, allow_number: bool) -> Owner | None:
    words = split_words(stem)
    if not only or not words:
        return None
    rest = words[1:] if words[0].isdecimal() and len(words[0]) <= 2 else words
    language = parse_language_suffix(rest)
    if language is None or (not rest and not allow_number):
        return None
    return Owner(video=only, language=language)
