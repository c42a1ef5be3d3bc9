"""Captioned shots and images, and their split by show.

A pair is a shot of the catalogue or an image of a data set, with its captions. It names the place of the image
(``source`` and ``member``) and does not copy it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.rows import LakeShot
from ops.core.tables import compute_digest

_MOST_FILES = 5
"""Files of images that are named in a description of pairs."""


@dataclass(frozen=True, kw_only=True)
class CaptionPair:
    """One shot (``shot_id``) or image (``member`` of the file ``source``) with its captions, none of them blank.

    ``input_hash`` changes with the captions and with the image's bytes or the shot's frames.
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
        """Its name in reports: the file, and the shot or the image in it."""
        return f"{self.source} {self.shot_id or self.member}"


@dataclass(kw_only=True)
class PairCollection:
    """Pairs to train on and to validate on, and skipped data: thing -> reason."""

    learn: list[CaptionPair] = field(default_factory=list)
    validate: list[CaptionPair] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def build_image_pair(source: str, member: str, show: str, data: bytes, captions: Iterable[Any]) -> CaptionPair | str:
    """Return the pair of an image's bytes, or the reason why it cannot be used."""
    texts = clean_captions(captions)
    if not texts:
        return "has no caption"
    if not data:
        return "has no image"
    content = hashlib.blake2b(data, digest_size=16)
    identity = f"image:{content.hexdigest()}"
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


def build_shot_pair(shot: LakeShot, captions: Iterable[Any], source: str) -> CaptionPair | str:
    """Return the pair of a row of the table ``shots``, or the reason why it cannot be used."""
    texts = clean_captions(captions)
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


def clean_captions(captions: Any) -> tuple[str, ...]:
    """Return the captions that are not blank, stripped; a plain text counts as one caption."""
    caption_list = [captions] if isinstance(captions, str) else captions
    texts = (text.strip() for text in caption_list or () if isinstance(text, str) and is_encodable(text))
    return tuple(text for text in texts if text)


def is_encodable(text: str) -> bool:
    r"""Return whether a text has no half of a surrogate pair, as JSON's ``"\ud800"`` is; tokenizers fail on it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def merge_pairs(pairs: Iterable[CaptionPair]) -> list[CaptionPair]:
    """Return each shot and each image once, with all its captions: two of one would be each other's negatives.

    One caption a line, and one image in several rows or files, are common forms of data sets.
    """
    pairs_by_content: dict[str, CaptionPair] = {}
    for pair in pairs:
        first = pairs_by_content.setdefault(pair.pair_id, pair)
        if more := [text for text in dict.fromkeys(pair.captions) if text not in first.captions]:
            captions = (*first.captions, *more)
            content = json.dumps([first.input_hash, captions]).encode()
            pairs_by_content[pair.pair_id] = replace(
                first, captions=captions, input_hash=hashlib.blake2b(content, digest_size=16).hexdigest()
            )
    return list(pairs_by_content.values())


def split_by_show(pairs: Sequence[CaptionPair], share: float) -> tuple[list[CaptionPair], list[CaptionPair]]:
    """Return ``(learn, validate)``: about ``share`` (0-1) of the shows is held out, each whole, always the same ones.

    Shots of one show are similar, so a split by shot would validate on trained shots. At least one show stays for
    training; with one show nothing is held out.
    """
    shows = sorted({pair.show for pair in pairs}, key=lambda show: hashlib.blake2b(show.encode()).digest())
    count = min(max(1, round(share * len(shows))), len(shows) - 1) if share > 0 else 0
    held_out = set(shows[:count])
    return [pair for pair in pairs if pair.show not in held_out], [pair for pair in pairs if pair.show in held_out]


def drop_similar(
    learn: Sequence[CaptionPair], validate: Sequence[CaptionPair], base_shows: Sequence[str] = ()
) -> tuple[list[CaptionPair], dict[str, str]]:
    """Return the pairs of ``validate`` that are not trained on, each once, and the skipped ones: thing -> reason.

    A shot is skipped if its show is trained on, because shots of a show are similar; an image if the same bytes are
    trained on, whatever their name. ``base_shows`` are those that the base was fitted on.
    """
    shows = {*(pair.show for pair in learn if pair.shot_id), *base_shows}
    images = {pair.pair_id for pair in learn if not pair.shot_id}
    kept_pairs: list[CaptionPair] = []
    skip_reasons: dict[str, str] = {}
    for pair in validate:
        if pair.shot_id and pair.show in shows:
            skip_reasons[f"{pair.source} for validation"] = f"its show {pair.show!r} is trained on too"
        elif not pair.shot_id and pair.pair_id in images:
            skip_reasons[f"{pair.thing} for validation"] = "the same image is trained on too"
        else:
            kept_pairs.append(pair)
    return merge_pairs(kept_pairs), skip_reasons


def describe_pairs(pairs: Sequence[CaptionPair]) -> str:
    """Return the number of pairs, and where they are from: shots of videos, and the largest files of images first."""
    videos = {pair.video_id for pair in pairs if pair.shot_id}
    shots = sum(bool(pair.shot_id) for pair in pairs)
    parts = [f"{plural(shots, 'shot')} of {plural(len(videos), 'video')}"] if shots else []
    files = Counter(pair.source for pair in pairs if not pair.shot_id).most_common()
    parts += [f"{plural(count, 'image')} of {source}" for source, count in files[:_MOST_FILES]]
    if more := files[_MOST_FILES:]:
        parts.append(f"{plural(sum(count for _, count in more), 'image')} of {plural(len(more), 'more file')}")
    return f"{plural(len(pairs), 'pair')}" + (f" ({', '.join(parts)})" if parts else "")


def digest_pairs(pairs: Iterable[CaptionPair]) -> str:
    """Return a digest of the training data that does not depend on its order."""
    return compute_digest((pair.pair_id, pair.input_hash) for pair in pairs)


def require_pairs(pairs: Sequence[CaptionPair], batch: int) -> None:
    """Raise ``UsageError`` if these pairs cannot fill one batch."""
    if len(pairs) < 2:
        raise UsageError(
            f"there {'is one captioned pair' if pairs else 'are no captioned pairs'} to train on, and contrast "
            "needs at least two: name captioned data with --data, or put <film>.captions.jsonl next to the videos"
        )
    if batch > len(pairs):
        raise UsageError(f"a batch of {batch} is larger than the data, {len(pairs)} pairs: lower it with --batch")
