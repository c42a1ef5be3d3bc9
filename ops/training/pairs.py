"""Captioned shots and images, and their split by show.

A pair is a shot of the catalogue or an image of a data set, with what was written about it. A pair says where
its image lies (``source`` and ``member``) and does not copy it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.core.errors import UsageError
from ops.core.tables import digest_of


@dataclass(frozen=True, kw_only=True)
class CaptionPair:
    """One shot (``shot_id``) or image (``member`` of the file ``source``) with its captions, none of them blank.

    ``input_hash`` changes with the captions and with the picture's bytes or the shot's frames.
    """

    pair_id: str
    kind: str
    show: str
    captions: tuple[str, ...]
    input_hash: str
    video_id: str = ""
    shot_id: str = ""
    source: str = ""
    member: str = ""

    @property
    def thing(self) -> str:
        """Where people find it: its file, and the shot or the picture there."""
        return f"{self.source} {self.shot_id or self.member}"


@dataclass(kw_only=True)
class Gathered:
    """Pairs to learn from and to validate on, and what was set aside: thing -> reason."""

    learn: list[CaptionPair] = field(default_factory=list)
    validate: list[CaptionPair] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def image_pair(source: str, member: str, show: str, data: bytes, captions: Iterable[Any]) -> CaptionPair | str:
    """The pair of an image's bytes, or why there is none."""
    texts = spoken(captions)
    if not texts:
        return "has no caption"
    if not data:
        return "has no picture"
    content = hashlib.blake2b(data, digest_size=16)
    identity = f"image:{content.hexdigest()}:{hashlib.blake2b(member.encode(), digest_size=4).hexdigest()}"
    content.update(json.dumps(texts).encode())
    return CaptionPair(
        pair_id=identity,
        kind="image",
        show=show,
        captions=texts,
        input_hash=content.hexdigest(),
        source=source,
        member=member,
    )


def shot_pair(shot: dict[str, Any], captions: Iterable[Any], source: str) -> CaptionPair | str:
    """The pair of a row of the table ``shots``, or why there is none."""
    texts = spoken(captions)
    if not texts:
        return "has no caption"
    frames = [shot["shot_id"], shot["end_frame"], shot["detector"]]
    return CaptionPair(
        pair_id=f"shot:{shot['shot_id']}",
        kind="shot",
        show=shot["show"],
        captions=texts,
        input_hash=hashlib.blake2b(json.dumps([frames, texts]).encode(), digest_size=16).hexdigest(),
        video_id=shot["video_id"],
        shot_id=shot["shot_id"],
        source=source,
    )


def spoken(captions: Any) -> tuple[str, ...]:
    """Captions that say something, without the white space around them; one text counts as one caption."""
    listed = [captions] if isinstance(captions, str) else captions
    return tuple(text.strip() for text in listed or () if isinstance(text, str) and text.strip())


def split_by_show(pairs: Sequence[CaptionPair], share: float) -> tuple[list[CaptionPair], list[CaptionPair]]:
    """``(learn, validate)``: about ``share`` (0-1) of the shows is held out, each whole, always the same ones.

    Shots of one show look alike, so a split by shot would validate on what was learned. At least one show stays
    to learn from; with one show nothing is held out.
    """
    shows = sorted({pair.show for pair in pairs}, key=lambda show: hashlib.blake2b(show.encode()).digest())
    count = min(max(1, round(share * len(shows))), len(shows) - 1) if share > 0 else 0
    held = set(shows[:count])
    return [pair for pair in pairs if pair.show not in held], [pair for pair in pairs if pair.show in held]


def apart(learn: Sequence[CaptionPair], validate: Sequence[CaptionPair]) -> tuple[list[CaptionPair], dict[str, str]]:
    """What of ``validate`` is not learned from, each once; and what is left out: thing -> reason.

    A shot is too near where its show is learned from, as shots of one show look alike; a picture where the same bytes
    are learned from, whatever their names.
    """
    shows = {pair.show for pair in learn if pair.shot_id}
    pictures = {_picture(pair) for pair in learn if not pair.shot_id}
    kept: dict[str, CaptionPair] = {}
    refused: dict[str, str] = {}
    for pair in validate:
        if pair.shot_id and pair.show in shows:
            refused[f"{pair.source} for validation"] = f"its show {pair.show!r} is learned from too"
        elif not pair.shot_id and _picture(pair) in pictures:
            refused[f"{pair.thing} for validation"] = "the same picture is learned from too"
        else:
            kept.setdefault(pair.pair_id, pair)
    return list(kept.values()), refused


def _picture(pair: CaptionPair) -> str:
    """The hash of a picture's bytes."""
    return pair.pair_id.split(":")[1] if ":" in pair.pair_id else pair.pair_id


def digest_of_pairs(pairs: Iterable[CaptionPair]) -> str:
    """Order-free digest of what there is to learn from."""
    return digest_of((pair.pair_id, pair.input_hash) for pair in pairs)


def require_pairs(pairs: Sequence[CaptionPair], batch: int) -> None:
    """Raise ``UsageError`` where these pairs cannot fill one batch."""
    if len(pairs) < 2:
        raise UsageError(
            f"there {'is one captioned pair' if pairs else 'are no captioned pairs'} to learn from, and contrast "
            "needs at least two: name captioned data with --data, or put <film>.captions.jsonl beside the films"
        )
    if batch > len(pairs):
        raise UsageError(f"a batch of {batch} is larger than the data, {len(pairs)} pairs: lower it with --batch")
