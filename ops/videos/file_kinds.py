"""Find the kind of a file by its name and first bytes: footage, or another kind that a scan leaves out and names.

Cameras name footage in many ways, and the same ending has several meanings. ``.ts`` is a transport stream or a program,
``.mod`` a camcorder's MPEG file or music. So an ending is enough only if no other kind of file has it. For all others,
the first bytes of the file decide.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ops.videos import sidecar_names
from ops.videos.integrity import PACKET_SIZES, SYNC

HEAD_BYTES = 4096
"""How much of a file is read to find its kind."""

FOOTAGE = frozenset(
    """mp4 m4v mov 3gp 3g2 f4v mkv mk3d webm avi divx mxf gxf nut dv mts m2ts m2t mpg mpeg mpe vob evo wmv asf flv ogv
    ogm rm rmvb qt lrv lrf insv m2v m1v mp2v m2p mjpg mjpeg h264 264 h265 265 hevc h266 266 vvc ivf obu y4m hdmov mqv
    amv wtv dvr-ms ismv swf""".split()  # noqa: SIM905
)
"""Endings that only footage has."""
AMBIGUOUS = frozenset(["ts", "mod", "tod", "vro", "trp", "tp", "360", "dat", "rec", "vdr", "vid", "osv"])
"""Endings of footage (transport streams, camcorders, recorders, 360-degree cameras) that other kinds of files have too.
"""

KINDS = {
    "camera raw": "braw r3d ari arx crm rmf cin cine mlv nev kine",
    "pictures": (
        "jpg jpeg png gif tif tiff heic heif hif webp bmp psd exr dpx avif svg ico tga jp2 jxl cr2 cr3 nef "
        "arw raf orf rw2 dng pef srw gpr thm insp"
    ),
    "sound": "wav mp3 aac m4a m4b flac ogg oga opus aif aiff wma ac3 eac3 dts caf amr mid midi mka bwf rf64 w64",
    "subtitles": " ".join(sorted(sidecar_names.ENDINGS)),
    "documents and metadata": (
        "txt md nfo pdf doc docx rtf odt xls xlsx ods ppt pptx csv tsv json jsonl xml xmp html htm yaml yml "
        "toml ini log url webloc md5 sha1 sha256 mhl ale cdl cube 3dl look bim cpi cpf bdm bdmv tdt tid "
        "moi ppn ctg sec ifo bup ind pd srl lut gpx fit kml aae db db-journal db-wal db-shm lnk parquet py js "
        "css c h sh ipynb"
    ),
    "project files": "prproj drp drt fcpxml fcpbundle aep aepx edl aaf omf otio otioz veg kdenlive mlt blend xges avb",
    "archives and disk images": "zip rar 7z tar gz bz2 xz zst tgz iso img dmg nrg mds",
    "streaming parts": "m3u8 m3u mpd m4s m4f cmfv cmfa cmft ism ismc pls xspf",
    "unfinished downloads": "part crdownload download tmp filepart partial !ut !qb opdownload aria2 ytdl",
}
"""Endings that a scan leaves out by name, by kind in the words of the report."""
ANNOTATIONS = "captions and annotations (for `needle train` and `needle evaluate`)"
ANNOTATION_ENDINGS = (".captions.jsonl", ".queries.jsonl", ".shots.json")
UNKNOWN, HIDDEN, EMPTY = "unknown", "hidden", "empty"
FOOTAGE_BY_ANOTHER_NAME = "footage under an ending of no camera (rename it, or name the file itself)"
CAMERA_PROXIES, SKIPPED = "camera proxies", "skipped folders"
SUBTITLES = "subtitles"
"""Kind of the files that ``ops/dialogue`` reads, or names because they belong to no video."""
OTHER_SUBTITLES = "endings that subtitles have too, and that belong to no video"
_KIND_BY_ENDING = {ending: kind for kind, endings in KINDS.items() for ending in endings.split()}

STILL_BRANDS = frozenset({b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"M4A ", b"M4B ", b"M4P "})
"""Major brands of ISO files that hold images or sound, not footage."""
BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid"})
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF_KEY = bytes.fromhex("060e2b34020501010d010201")
_WTV = bytes.fromhex("b7d800203749da11a64e0007e95ead8d")
_MAGICS = (
    bytes.fromhex("1a45dfa3"),  # Matroska, WebM
    b"FLV\x01",
    _ASF,
    b"OggS",
    bytes.fromhex("000001ba"),  # MPEG program stream
    bytes.fromhex("000001b3"),  # MPEG video elementary stream
    b".RMF",
    b"DKIF",
    b"nut/multimedia container",
    b"YUV4MPEG2 ",
    bytes.fromhex("0000000167"),  # H.264 and HEVC elementary streams (Annex B): parameter sets come first
    bytes.fromhex("0000000127"),
    bytes.fromhex("000000014001"),
    bytes.fromhex("1f0700"),  # raw DV
    _WTV,
)
MIN_SYNCS = 4


def parse_ending(name: str) -> str:
    """Return the ending of a file name in lower case, without its dot; empty for none."""
    stem, dot, ending = name.rsplit("/", 1)[-1].rpartition(".")
    return ending.lower() if dot and stem else ""


def is_video_name(path: str) -> bool:
    """Return whether a file of this name is, or may be, footage: for ``AMBIGUOUS`` endings, its first bytes decide."""
    name = path.rsplit("/", 1)[-1]
    return not name.startswith(".") and parse_ending(name) in FOOTAGE | AMBIGUOUS


def find_left_out_kind(path: str, read_head: Callable[[], bytes]) -> str:
    """Return why a scan leaves a file out, as a kind of :data:`KINDS` or ``unknown``, ``hidden``; empty for footage.

    ``read_head`` returns the first :data:`HEAD_BYTES` bytes and is called only if the name does not decide. Its errors
    pass through.
    """
    name = path.rsplit("/", 1)[-1]
    ending = parse_ending(name)
    if name.startswith("."):
        return HIDDEN
    if ending in FOOTAGE:
        return ""
    if name.lower().endswith(ANNOTATION_ENDINGS):
        return ANNOTATIONS
    if kind := _KIND_BY_ENDING.get(ending):
        return kind
    head = read_head()
    if ending == "ts":  # a damaged stream is reported as damaged; a TypeScript program is not a stream
        return "documents and metadata" if is_text(head) else ""
    if not head:
        return EMPTY
    if not is_footage(head):
        return UNKNOWN
    # A video renamed to film.mp4.old is meant to be out of use.
    return "" if not ending or ending in AMBIGUOUS else FOOTAGE_BY_ANOTHER_NAME


def is_footage(head: bytes) -> bool:
    """Return whether a file with these first bytes is in a container of footage.

    By the signatures of ISO/IEC 14496-12, Matroska (RFC 9559), RIFF AVI, ASF, Ogg, MPEG-1/2 systems and video (ISO/IEC
    13818), MXF (SMPTE ST 377-1), FLV, RealMedia, IVF, NUT, YUV4MPEG2, DV (IEC 61834) and WTV.
    """
    if head.startswith(_MAGICS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    if head[4:8] in BOXES:
        return head[8:12] not in STILL_BRANDS if head[4:8] == b"ftyp" else head[8:12] != b"BRAW"
    return _MXF_KEY in head or (_is_transport_stream(head) and not is_text(head))


def is_text(head: bytes) -> bool:
    """Return whether the first bytes of a file are printable UTF-8 text."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two.
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return bool(text) and all(character.isprintable() or character.isspace() for character in text)


def _is_transport_stream(head: bytes) -> bool:
    """Return whether the sync byte recurs at the distance of packets; a recording may begin in the middle of one."""
    for size in PACKET_SIZES:
        for first in range(min(size, len(head))):
            syncs = head[first::size]
            if len(syncs) >= MIN_SYNCS and syncs.count(SYNC) == len(syncs):
                return True
    return False


SKIPPED_FOLDERS = frozenset(
    {
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@synoeastream",
        "@tmp",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "$recycle.bin",
        "recycler",
        "recycled",
        "__macosx",
        "lost+found",
        "system volume information",
        "network trash folder",
        "temporary items",
    }
)
"""Folders of systems and network stores, lower case: recycle bins, snapshots, thumbnails, files found by a repair."""
SKIPPED_PREFIXES = ("@gmt-", "found.0")
"""Shadow copies as Samba names them, and folders of chkdsk."""


def is_skipped_folder(name: str) -> bool:
    """Return whether a scan skips folders of this name: hidden ones, recycle bins, snapshots."""
    lower = name.lower()
    return name.startswith(".") or lower in SKIPPED_FOLDERS or lower.startswith(SKIPPED_PREFIXES)


def read_local_head(path: str) -> bytes:
    """Read the first bytes of a local file; empty if it is not a regular file. Raises ``OSError``."""
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as file:
        return file.read(HEAD_BYTES)
