"""Files that are parts of one recording: chapters of action cameras, discs and players that split by size.

Parts are recognised by their names alone, each by the rule of its maker. A number at the end of a name proves nothing,
because cameras number separate takes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATTERNS = (
    # GoPro HERO6 and later: GH (AVC), GX (HEVC), GS (360): two digits of the chapter, four of the recording.
    re.compile(r"(?P<head>G[HXS])(?P<part>\d{2})(?P<number>\d{4})(?P<tail>\.(?:mp4|360))$", re.IGNORECASE),
    # GoPro up to HERO5: GOPR0123 is the first chapter, GP010123 the second.
    re.compile(r"(?P<head>G)OPR(?P<number>\d{4})(?P<tail>\.mp4)$", re.IGNORECASE),
    re.compile(r"(?P<head>G)P(?P<part>\d{2})(?P<number>\d{4})(?P<tail>\.mp4)$", re.IGNORECASE),
    # DVD-Video: one title set in files of a gigabyte; part 0 holds its menu.
    re.compile(r"(?P<head>VTS_)(?P<number>\d{2})_(?P<part>[1-9])(?P<tail>\.vob)$", re.IGNORECASE),
    # Insta360: one recording, a file for each camera lens (00 and 10) and each segment.
    re.compile(r"(?P<head>VID_)(?P<number>\d{8}_\d{6})_(?P<part>\d{2}_\d{3})(?P<tail>\.(?:insv|mp4))$", re.IGNORECASE),
    # Videos in parts, with common names.
    re.compile(
        r"(?P<number>.+?)[ ._(\[-]+(?P<head>cd|part|pt|disc|disk|teil|parte)[ ._-]?(?P<part>\d{1,2})"
        r"[)\]]?(?P<tail>\.\w+)$",
        re.IGNORECASE,
    ),
)
_PROXY_PATTERNS = (
    # GoPro: GL010123.LRV next to GH010123.MP4 or GX010123.MP4, GOPR0123.LRV next to GOPR0123.MP4.
    (re.compile(r"GL(\d{6})\.lrv$", re.IGNORECASE), ("GH{}.mp4", "GX{}.mp4")),
    (re.compile(r"(GOPR\d{4}|GP\d{6})\.lrv$", re.IGNORECASE), ("{}.mp4",)),
    # Insta360: LRV_20240101_120000_11_001 next to VID_20240101_120000_00_001.
    (
        re.compile(r"LRV_(\d{8}_\d{6})_\d{2}(_\d{3})\.(?:lrv|insv|mp4)$", re.IGNORECASE),
        ("VID_{}_00{}.insv", "VID_{}_00{}.mp4"),
    ),
    # DJI: DJI_0001.LRF next to DJI_0001.MP4.
    (re.compile(r"(.+)\.lrf$", re.IGNORECASE), ("{}.mp4", "{}.mov")),
)


def group_recordings(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Group two or more ``paths`` of one folder that are parts of one recording, each in the order of its parts."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        for pattern in _PATTERNS:
            if match := pattern.fullmatch(name):
                key = (folder, *(match[group].lower() for group in ("head", "number", "tail")))
                groups.setdefault(key, []).append((match.groupdict().get("part") or "", path))
                break
    return sorted(tuple(path for _, path in sorted(parts)) for parts in groups.values() if len(parts) > 1)


def find_camera_proxies(paths: Iterable[str]) -> dict[str, str]:
    """Find small copies that cameras write next to their recordings: ``{path of the copy: path of the recording}``.

    Only copies whose full-size file is in the same folder; without it the copy is the only footage.
    """
    by_lower = {path.lower(): path for path in paths}
    proxies = {}
    for path in by_lower.values():
        folder, slash, name = path.rpartition("/")
        for pattern, originals in _PROXY_PATTERNS:
            if not (match := pattern.fullmatch(name)):
                continue
            names = [original.format(*match.groups()) for original in originals]
            existing = [by_lower[key] for each in names if (key := f"{folder}{slash}{each}".lower()) in by_lower]
            if existing:
                proxies[path] = existing[0]
    return proxies
