"""Subtitle files in many formats, ways to spoil each, and files that ask for much time or memory."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.builders.subtitles import ass, microdvd, sami, sbv, srt, ttml, vtt

CUES = [(0.05, 0.2, "One sentence of it."), (0.2, 0.35, "<i>And another</i> one."), (0.35, 0.45, "The end")]
LONG = 2_000_000

SUBTITLES: dict[str, str] = {
    "srt": srt(CUES),
    "vtt": vtt(CUES),
    "ass": ass(CUES),
    "ssa": ass(CUES).replace("v4.00+", "v4.00").replace("V4+", "V4"),
    "ttml": ttml(CUES),
    "smi": sami(CUES),
    "sub": microdvd(CUES),
    "sbv": sbv(CUES),
    "lrc": "[ti:Song]\n[00:00.05]One sentence of it.\n[00:00.20]And another one.\n",
    "scc": "Scenarist_SCC V1.0\n\n00:00:00:02\t9420 9420 94ae 94ae 9470 9470 4f6e e520 942c 942c 942f 942f\n",
    "mpl": "[1][2]One sentence of it.\n[2][3]And another one.\n",
    "itt": ttml(CUES),
}


def mutate_text(kind: str, chance: random.Random) -> list[tuple[str, bytes]]:
    """Return named mutations of the file of a kind."""
    text = SUBTITLES[kind]
    return [*_mutate_bytes(text.encode(), chance), *((name, each.encode()) for name, each in _swell(text))]


def _mutate_bytes(data: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "its first half", data[: len(data) // 2]
    yield "UTF-16", data.decode().encode("utf-16")
    yield "UTF-16 cut within a letter", data.decode().encode("utf-16")[:-1]
    yield "NUL bytes between", b"\0".join(data[at : at + 3] for at in range(0, len(data), 3))
    yield "noise", chance.randbytes(4_000)
    yield "a megabyte of zeros", data + bytes(1 << 20)
    yield "other bytes in its lines", data.replace(b"e", b"\xff\xfe")
    changed = bytearray(data)
    for _ in range(12):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    yield "12 bits flipped", bytes(changed)


def _swell(text: str) -> Iterator[tuple[str, str]]:
    yield "a line of 2 MB", text.replace("sentence", "x" * LONG)
    yield "a word of 2 MB with blanks", text.replace("sentence", "x " * (LONG // 2))
    yield "2 MB of tags", text.replace("sentence", "<i>" * (LONG // 3))
    yield "2 MB of open brackets", text.replace("sentence", "{" * (LONG // 2) + "<" * (LONG // 2))
    yield "2 MB of arrows", text.replace("sentence", "0 --> " * (LONG // 6))
    yield "2 MB of entities", text.replace("sentence", "&amp;" * (LONG // 5))
    yield "2 MB of line breaks", text.replace("sentence", "\n" * LONG)
    yield "60,000 times", text * 60_000 if len(text) < 100 else text * (6_000_000 // len(text))
    yield "all digits 9", "".join("9" if each.isdigit() else each for each in text)
    yield "a number of 100,000 digits", text.replace("0", "9" * 100_000, 3)
    yield "negative times", text.replace("00:00:00", "-99:59:59")
    yield "bidirectional controls", text.replace("sentence", "\u202e\u2066\ud7ff" * 10_000)
    yield "names within names", _expand_entities(text)


def _expand_entities(text: str) -> str:
    """XML whose names are defined by ten others each: a billion letters, if somebody expands them."""
    names = "".join(f'<!ENTITY n{n} "{f"&n{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY n0 "ha">{names}]>' + text.replace("sentence", "&n9;")
