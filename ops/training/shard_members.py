"""Members of tar archives that may be damaged or hostile: one after the other, each of limited size.

``tarfile`` alone ends without an error at a header that is not valid, skips without end to a size that is a lie, holds
headers and members of any size in memory, and decompresses without a limit. Here the rest of the archive is read on,
and each fault is reported.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

Note = Callable[[str, str], None]
"""Receives what cannot be used, and the reason."""

MOST_MEDIA_BYTES = 128 << 20
"""Size of a clip or an image, and of all members of a sample together. Each of up to 64 readers may hold one."""
MOST_TEXT_BYTES = 1 << 20
"""Size of a ``.txt`` or ``.json``, and of a header's extensions (long names)."""
_MOST_INVALID_BLOCKS = MOST_MEDIA_BYTES // tarfile.BLOCKSIZE
"""Blocks after an invalid header that are searched for the next one: the largest member that is read."""
_META = re.compile(r"__[^/]*__($|/)")
"""Names that WebDataset has for notes about the archive."""
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# typeshed (mypy 1.x) lacks these three.
_EndOfFile: type[tarfile.HeaderError] = tarfile.EOFHeaderError  # type: ignore[attr-defined]
_InvalidHeader: type[tarfile.HeaderError] = tarfile.InvalidHeaderError  # type: ignore[attr-defined]
_SubsequentHeader: type[tarfile.HeaderError] = tarfile.SubsequentHeaderError  # type: ignore[attr-defined]
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A member's name, and the place of its bytes in the archive."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Stands for the bytes of a member that is not read."""

    reason: str


def list_members(file: BinaryIO, size: int, address: str, note: Note) -> Iterator[Place]:
    """Yield the members of an archive of ``size`` bytes that can be read; reads headers only."""
    for _, header in _walk(file, size, address, note, mode="r:"):
        if not header.issparse():
            yield Place(name=header.name, offset=header.offset_data, size=header.size)


def read_members(
    stream: BinaryIO, size: int, address: str, note: Note, most_bytes: Callable[[str], int]
) -> Iterator[tuple[str, bytes | LeftOut]]:
    """Yield the members of an archive of ``size`` bytes, as name and content.

    ``most_bytes`` returns the largest size of a member with this name, 0 if it is not wanted. Damaged parts go to
    ``note``.
    """
    for archive, header in _walk(stream, size, address, note, mode="r|"):
        most = most_bytes(header.name)
        if most and header.issparse():
            yield header.name, LeftOut(reason="is stored with holes (sparse): write it as a plain member")
        elif header.size > most > 0:
            yield header.name, LeftOut(reason=f"has {header.size:,} bytes, and at most {most:,} are read")
        elif most and (content := archive.extractfile(header)):
            try:
                data = content.read()
            except tarfile.TarError as error:  # the file became shorter since its size was read
                note(address, f"is damaged: {error}")
                return
            yield header.name, data


class _Archive(tarfile.TarFile):
    """Remembers whether its end was reached, and the number of blocks since the last valid header."""

    is_complete = False
    invalid_blocks = 0


class _Header(tarfile.TarInfo):
    """A header with plausible sizes; invalid ones are counted, and skipped by ``ignore_zeros``."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        most = MOST_TEXT_BYTES if header.type in _EXTENSIONS else header.size
        if not 0 <= header.size <= most:
            raise _InvalidHeader(f"a size of {header.size}")
        return header

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Header:
        assert isinstance(tarfile_, _Archive)
        try:
            header = super().fromtarfile(tarfile_)
            tarfile_.is_complete = False
            return header
        except _EndOfFile:
            tarfile_.is_complete = True
            raise
        except (_InvalidHeader, _SubsequentHeader) as error:
            tarfile_.invalid_blocks += 1
            if tarfile_.invalid_blocks > _MOST_INVALID_BLOCKS:
                raise tarfile.ReadError("no valid header follows") from error
            raise _InvalidHeader(str(error)) from error


def _walk(
    file: BinaryIO, size: int, address: str, note: Note, *, mode: str
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the headers of regular files; the archive can read the last one until the next."""
    try:
        if kind := _find_compression(file):
            note(address, f"is compressed ({kind}), which saves nothing for media: write it as a plain .tar")
            return
        last = "its start"
        archive = _Archive.open(fileobj=file, mode=mode, tarinfo=_Header, ignore_zeros=True, errors="replace")  # type: ignore[call-overload]
        while (header := archive.next()) is not None:
            archive.members = []  # else every header stays in memory
            _note_invalid_blocks(archive, address, last, note)
            last = header.name
            if not header.issparse() and header.offset_data + header.size > size:
                raise tarfile.ReadError(f"it ends in the middle of {header.name}")
            if header.isreg() and not _META.match(header.name):
                yield archive, header
        _note_invalid_blocks(archive, address, last, note)
        if not archive.is_complete:
            note(address, f"is damaged: it ends after {last} without the mark of its end")
    except (tarfile.TarError, EOFError, ValueError) as error:
        note(address, f"is damaged: {error}")


def _find_compression(file: BinaryIO) -> str:
    """Return the name of the compression, or an empty text; bombs are written in each of them."""
    head = file.read(6)
    file.seek(0)
    return next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), "")


def _note_invalid_blocks(archive: _Archive, address: str, last: str, note: Note) -> None:
    if archive.invalid_blocks:
        note(f"{address} after {last}", "is damaged: a header is invalid, so what follows it is lost up to the next")
        archive.invalid_blocks = 0
