"""WebDataset shards of clips and images that are read as a stream, from a folder or ``s3://``.

Nothing grows with the data but the list of shards: pairs are parsed when they are needed, and dropped. ``webdataset``
groups members into samples. Addresses never reach its openers, some of which run commands. Members are bytes here:
only media, ``.txt`` and ``.json`` are read, each up to a limit, and no pickle is decoded.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.storage import ObjectStore, resolve_local_path
from ops.training.pairs import clean_captions, is_encodable
from ops.training.shard_members import MOST_MEDIA_BYTES, MOST_TEXT_BYTES, LeftOut, Note, list_members, read_members

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
CLIPS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
SHARD = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
COMPRESSED_REASON = (
    "is compressed, which saves nothing for media, and is not read: unpack it to a plain .tar (gunzip, bunzip2, unxz "
    "or unzstd)"
)
STREAMED_FROM = 1 << 30
"""Bytes of local image shards from which they are streamed. Smaller ones are read at once, so that features of locked
towers are computed once."""

_SPLIT = re.compile(r"_(train|dev|val|validation|test)$")
_VALIDATION = ("dev", "val", "validation")
_NUMBER = re.compile(r"[-_]?\d+$")
_HEAD_BYTES = 1 << 16
_PROBED_SAMPLES = 64
"""Samples of the first shard whose size predicts the number of pairs."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One archive: ``size`` in bytes, and a ``mark`` of its content.

    That of a local one is a hash of its first 64 KiB, so that the start of a fit reads little: a change that keeps the
    size and these bytes is not noticed.
    """

    address: str
    size: int
    mark: str

    @property
    def split(self) -> str:
        return read_split(self.address)

    @property
    def show(self) -> str:
        """The show of its samples unless they name another one."""
        return name_show(self.address)


@dataclass(frozen=True, kw_only=True)
class SampleTexts:
    """The captions of a sample, blank ones included, its show, and the first ``fault`` of its text files (or none)."""

    captions: list[Any]
    show: str
    fault: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One clip or image with its captions: ``media`` are the bytes of a file with this ``ending``."""

    thing: str
    media: bytes
    ending: str
    captions: tuple[str, ...]
    show: str

    @property
    def is_clip(self) -> bool:
        return self.ending in CLIPS

    @property
    def digest(self) -> str:
        """Identifies the media, whatever its captions."""
        return hashlib.blake2b(self.media, digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """Shards to train on and to validate on; ``pairs`` is the estimated number of pairs of the former.

    ``skipped`` are other files beside them that ought to be shards: address -> reason.
    """

    learn: tuple[Shard, ...]
    held_out: tuple[Shard, ...]
    pairs: int
    skipped: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """A digest of the training data that does not depend on the order or the place of the shards."""
        content = sorted((Path(shard.address).name, shard.size, shard.mark) for shard in self.learn)
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()

    def list_shows(self) -> list[str]:
        return sorted({shard.show for shard in self.learn})


def expand_braces(data: Sequence[str]) -> list[str]:
    """Return the addresses with names such as ``a-{000..127}.tar`` written out, as WebDataset users write them.

    Raises ``UsageError`` if braces do not match.
    """
    from braceexpand import braceexpand

    addresses: list[str] = []
    for each in data:
        try:
            addresses += braceexpand(each) if "{" in each and each.endswith(SHARD) else [each]
        except ValueError as error:  # unbalanced braces; the stubs lack their own class
            raise UsageError(f"{each}: the braces do not match; write names such as a-{{000..127}}.tar") from error
    return addresses


def find_shards(data: Sequence[str], hold_out: float) -> ShardSet | None:
    """Return the shards of ``data`` if they are to be streamed: some are remote or hold clips, or they are large.

    ``data`` are shards, and folders or ``s3://`` prefixes of shards.
    Shards named ``_dev`` or ``_val`` are for validation, as is the share ``hold_out`` (0-1) of the others; those named
    ``_test`` are not opened. Returns ``None`` for other data.

    Raises:
        UsageError: a shard does not exist; or such shards are mixed with other data, have no usable sample, or all are
            held out.
    """
    shards: list[Shard] = []
    others: list[str] = []
    skipped: dict[str, str] = {}
    for each in data:
        require_plain(each)
        names = _list_shards(each, skipped)
        shards += names
        others += [] if names else [each]
    shards = [shard for shard in dict.fromkeys(shards) if shard.split != "test"]
    if not shards or not _must_stream(shards):
        return None
    if others:
        raise UsageError(
            f"{others[0]} cannot be mixed with shards that are streamed (remote ones, of clips, or of more than "
            f"{STREAMED_FROM >> 30} GiB): write its pairs into shards too, or fit on one of the two"
        )
    learn, held_out = _split_shards(shards, hold_out)
    return ShardSet(learn=tuple(learn), held_out=tuple(held_out), pairs=_estimate_pairs(learn), skipped=skipped)


def require_plain(address: str) -> None:
    """Raise ``UsageError`` if an address names a compressed shard."""
    if address.endswith(COMPRESSED):
        raise UsageError(f"{address} {COMPRESSED_REASON}")


def read_samples(shard: Shard, note: Note) -> Iterator[Sample | None]:
    """Yield the samples of a shard in its order; ``None`` for each one without media or captions.

    Unusable samples, members and damaged parts go to ``note``. Raises ``StorageError`` if the store does not answer.
    """
    store, name = _open_store(shard.address)
    try:
        with store.open(name) as stream:
            for key, members in group_members(read_members(stream, shard.size, shard.address, note, limit_member)):
                yield _parse_sample(shard, key, members, note)
    except FileNotFoundError:
        note(shard.address, "does not exist any more")


def limit_member(name: str) -> int:
    """Return the most bytes of a member that are read, 0 for one that is not wanted."""
    if name.lower().endswith((".txt", ".json")):
        return MOST_TEXT_BYTES
    return MOST_MEDIA_BYTES if name.lower().endswith((*CLIPS, *IMAGES)) else 0


def group_members(
    members: Iterable[tuple[str, bytes | LeftOut]],
) -> Iterator[tuple[str, dict[str, bytes | LeftOut]]]:
    """Yield the key of each sample, and its members by ending; of more than the limit together, the rest is left out.

    Of two with one ending the first counts.
    """
    from webdataset.tariterators import base_plus_ext

    key, sample, size = "", dict[str, bytes | LeftOut](), 0
    for name, data in members:
        own_key, ending = base_plus_ext(name)
        if own_key is None:
            continue
        if own_key != key and sample:
            yield key, sample
            sample, size = {}, 0
        key = own_key
        size += 0 if isinstance(data, LeftOut) else len(data)
        rest = LeftOut(reason=f"is left out: the members of a sample have at most {MOST_MEDIA_BYTES:,} bytes")
        sample.setdefault(ending.lower(), data if size <= MOST_MEDIA_BYTES else rest)
    if sample:
        yield key, sample


def read_split(address: str) -> str:
    """Return ``train``, ``dev``, ... if the name of a file ends in it, before or after the number of a shard."""
    stem = _split_address(address)[1].rpartition(".")[0]
    match = _SPLIT.search(stem) or _SPLIT.search(_NUMBER.sub("", stem))
    return match[1] if match else ""


def name_show(address: str) -> str:
    """Return the name of a shard without its split and its number."""
    stem = _split_address(address)[1].rpartition(".")[0]
    return _NUMBER.sub("", _SPLIT.sub("", _NUMBER.sub("", stem))) or stem


def parse_texts(members: Mapping[str, bytes | LeftOut]) -> SampleTexts:
    """Return the lines of a sample's ``.txt``, and ``caption`` or ``captions`` and ``show`` of its ``.json``."""
    captions: list[Any] = []
    show, faults = "", list[str]()
    for name, data in members.items():
        ending = f".{name}".rpartition(".")[2]
        if ending not in ("txt", "json"):
            continue
        if isinstance(data, LeftOut):
            faults.append(f"its .{ending} {data.reason}")
            continue
        try:
            if ending == "txt":
                captions += io.StringIO(data.decode("utf-8-sig")).readlines()
            elif isinstance(document := json.loads(data), dict):
                more = document.get("captions", document.get("caption"))
                captions += more if isinstance(more, list) else [more]
                show = str(document.get("show") or show)
        except UnicodeDecodeError:
            faults.append(f"its .{ending} is not UTF-8")
        except (ValueError, RecursionError):
            faults.append(f"its .{ending} is not valid JSON")
    return SampleTexts(captions=captions, show=show if is_encodable(show) else "", fault=next(iter(faults), ""))


def is_remote(address: str) -> bool:
    return "://" in address and not address.startswith("file://")


def _parse_sample(shard: Shard, key: str, members: Mapping[str, bytes | LeftOut], note: Note) -> Sample | None:
    thing = f"{shard.address} sample {key}"
    texts = parse_texts(members)
    captions = clean_captions(texts.captions)
    if texts.fault:
        note(thing, texts.fault)
    elif not captions:
        note(thing, "has no caption")
    ending, media = _find_media(members)
    if not media and captions:
        note(thing, "has no clip and no image")
    elif isinstance(media, LeftOut):
        note(thing, f"its {ending} {media.reason}")
    if not captions or not media or isinstance(media, LeftOut):
        return None
    return Sample(thing=thing, media=media, ending=ending, captions=captions, show=texts.show or shard.show)


def _find_media(members: Mapping[str, bytes | LeftOut]) -> tuple[str, bytes | LeftOut]:
    """Return the first clip of a sample, else its first image, with its ending; empty bytes if there is none."""
    by_ending: dict[str, bytes | LeftOut] = {}
    for name, data in members.items():
        by_ending.setdefault(f".{name.rpartition('.')[2]}", data)
    return next(((each, by_ending[each]) for each in (*CLIPS, *IMAGES) if each in by_ending), ("", b""))


def _list_shards(address: str, skipped: dict[str, str]) -> list[Shard]:
    """Return the shards of one address, sorted; empty for data of another form. Compressed ones go to ``skipped``."""
    if address.endswith(SHARD):
        return [_find_shard(address)]
    if not is_remote(address):
        folder = Path(resolve_local_path(address))
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if any(file.name.endswith((".parquet", ".captions.jsonl")) for file in files):
            return []
        skipped |= {str(file): COMPRESSED_REASON for file in files if file.name.endswith(COMPRESSED)}
        return [_find_shard(str(file)) for file in files if file.suffix == SHARD]
    store = ObjectStore(address)
    stats = store.stats("")
    compressed = {store.path(key): COMPRESSED_REASON for key in sorted(stats) if key.endswith(COMPRESSED)}
    skipped |= compressed
    shards = sorted((key, stat) for key, stat in stats.items() if key.endswith(SHARD))
    if not shards:
        first = next((f": {key} {reason}" for key, reason in compressed.items()), "")
        raise UsageError(f"{address} holds no WebDataset shard (.tar){first}")
    return [Shard(address=store.path(key), size=stat.size, mark=stat.stamp) for key, stat in shards]


def _find_shard(address: str) -> Shard:
    address = address if is_remote(address) else resolve_local_path(address)
    store, name = _open_store(address)
    stat = store.stat(name)
    if stat is None:
        raise UsageError(f"{address} does not exist")
    if is_remote(address):
        return Shard(address=address, size=stat.size, mark=stat.stamp)
    with store.open(name) as file:
        head = file.read(_HEAD_BYTES)
    return Shard(address=address, size=stat.size, mark=hashlib.blake2b(head, digest_size=8).hexdigest())


def _must_stream(shards: Sequence[Shard]) -> bool:
    if sum(shard.size for shard in shards) > STREAMED_FROM or any(is_remote(shard.address) for shard in shards):
        return True
    return any(_holds_clips(shard) for shard in shards)


def _holds_clips(shard: Shard) -> bool:
    """Whether a member is a clip, by the names; reads no content."""
    store, name = _open_store(shard.address)
    with store.open(name) as file:
        places = list_members(file, shard.size, shard.address, lambda thing, reason: None)
        return any(place.name.lower().endswith(CLIPS) for place in places)  # faults are reported by the reader


def _split_shards(shards: Sequence[Shard], share: float) -> tuple[list[Shard], list[Shard]]:
    """Return shards to train on and held-out ones; always the same ones, by their names."""
    held_out = [shard for shard in shards if shard.split in _VALIDATION]
    rest = sorted(
        (shard for shard in shards if shard.split not in _VALIDATION),
        key=lambda shard: hashlib.blake2b(Path(shard.address).name.encode()).digest(),
    )
    count = min(max(1, round(share * len(rest))), len(rest) - 1) if share > 0 else 0
    held_out += rest[:count]
    learn = [shard for shard in shards if shard not in held_out]
    if not learn:
        raise UsageError(f"{plural(len(held_out), 'shard')} for validation, and none to train on: add some")
    return learn, held_out


def _estimate_pairs(shards: Sequence[Shard]) -> int:
    """Return the number of pairs, predicted from the first samples and the size of all shards; few are counted.

    Raises ``UsageError`` if none of the first samples can be used.
    """
    reasons: dict[str, str] = {}
    samples, usable, size = 0, 0, 0
    for shard in shards:
        if samples >= _PROBED_SAMPLES:
            break
        probed_bytes = 0
        for sample in islice(read_samples(shard, reasons.__setitem__), _PROBED_SAMPLES - samples):
            samples += 1
            usable += sample is not None
            probed_bytes += _measure_in_archive(sample) if sample else 0
        size += shard.size if samples < _PROBED_SAMPLES else probed_bytes
    if usable:
        return max(1, round(usable * sum(shard.size for shard in shards) / size))
    raise UsageError(
        f"{shards[0].address} has no clip (KEY.mp4) or image (KEY.jpg) with captions (KEY.txt or KEY.json)"
        + (f": {' '.join(next(iter(reasons.items())))}" if reasons else "")
    )


def _measure_in_archive(sample: Sample) -> int:
    """Bytes of a sample in its archive: blocks of 512, and one more for the name of each member."""
    texts = sum(len(text.encode()) + 1 for text in sample.captions)
    return sum(512 + -(-size // 512) * 512 for size in (len(sample.media), texts))


def _open_store(address: str) -> tuple[ObjectStore, str]:
    folder, name = _split_address(address)
    return ObjectStore(folder), name


def _split_address(address: str) -> tuple[str, str]:
    folder, _, name = address.rpartition("/")
    return folder or "/", name
