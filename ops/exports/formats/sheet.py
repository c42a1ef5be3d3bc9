"""A contact sheet: posters of the clips in a grid, with number, title and timecode; a JPEG, or a PNG by its name."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ops.core.errors import StorageError
from ops.core.settings import Settings
from ops.exports.clip import Clip, Missing
from ops.exports.format import ExportContext, ExportFormat, ExportOutcome
from ops.exports.names import join_lines

if TYPE_CHECKING:
    from PIL import Image

COLUMNS = 5
TILE = (320, 180)
"""Width and height of one image, pixels."""
CAPTION, MARGIN, HEAD = 42, 8, 40
"""Heights of the two lines under an image, of the space between images and of the title line."""
MOST_CHARACTERS = 5
"""Maximum number of characters in a message."""
MAX_CLIPS = 250
"""Limits the sheet to 1,648 x 11,548 pixels, 57 MB in memory."""
PAPER, INK, FAINT = (24, 24, 26), (236, 236, 236), (160, 160, 164)


class SheetFormat(ExportFormat):
    """Rows of five, in the order of the selection; at most 250 clips, the others are reported as missing."""

    name = "sheet"
    label = "Contact sheet"
    suffix = ".jpg"
    media_type = "image/jpeg"
    position = 80
    other_suffixes = (".jpeg", ".png")
    summary = "is a picture of posters"
    handles_note = "A contact sheet has no handles."
    is_slow = True

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        from PIL import Image, ImageDraw

        from ops.exports.lettering import Lettering

        tiles = clips[:MAX_CLIPS]
        rows = -(-len(tiles) // COLUMNS)
        step = TILE[0] + MARGIN, TILE[1] + CAPTION + MARGIN
        sheet = Image.new("RGB", (COLUMNS * step[0] + MARGIN, HEAD + rows * step[1] + MARGIN), PAPER)
        draw = ImageDraw.Draw(sheet)
        large, small = Lettering(18), Lettering(13)
        large.draw(draw, (MARGIN, MARGIN + 18), join_lines(context.title), INK, sheet.width - 2 * MARGIN)
        missing = []
        context.progress.start("export", len(tiles), "pictures")
        for at, clip in enumerate(tiles):
            context.stop.check()
            left, top = MARGIN + at % COLUMNS * step[0], HEAD + at // COLUMNS * step[1]
            try:
                poster = _read_poster(context.settings, clip)
                sheet.paste(poster, (left + (TILE[0] - poster.width) // 2, top + (TILE[1] - poster.height) // 2))
            except StorageError as error:
                missing.append(Missing(shot_id=clip.shot_id, path=clip.film.path, reason=str(error)))
                draw.rectangle((left, top, left + TILE[0] - 1, top + TILE[1] - 1), outline=FAINT)
                small.draw(draw, (left + 10, top + 22), "no poster", FAINT, TILE[0])
            number = f"{at + 1}  "
            small.draw(draw, (left, top + TILE[1] + 16), number, INK, TILE[0])
            indent = round(small.measure(number))
            head = join_lines(clip.film.title)
            small.draw(draw, (left + indent, top + TILE[1] + 16), head, INK, TILE[0] - indent)
            line = f"{clip.film.format_timecode(clip.in_frame)} - {clip.film.format_timecode(clip.out_frame)}"
            small.draw(draw, (left, top + TILE[1] + 34), line, FAINT, TILE[0])
            context.progress.advance("export")
        context.progress.finish("export")
        if target.suffix.lower() == ".png":
            sheet.save(target, "PNG")
        else:
            sheet.save(target, "JPEG", quality=88, optimize=True)
        missing += [
            Missing(shot_id=clip.shot_id, path=clip.film.path, reason=f"a sheet holds {MAX_CLIPS} clips")
            for clip in clips[MAX_CLIPS:]
        ]
        return ExportOutcome(missing=tuple(missing), warnings=_warn_unknown(large.unknown | small.unknown))


def _warn_unknown(characters: set[str]) -> tuple[str, ...]:
    """A warning about the characters that are not drawn but written as codes."""
    if not characters:
        return ()
    list_of_characters = ", ".join(f"{each} (U+{ord(each):04X})" for each in sorted(characters)[:MOST_CHARACTERS])
    more = f" and {len(characters) - MOST_CHARACTERS} more" if len(characters) > MOST_CHARACTERS else ""
    return (f"no font has {list_of_characters}{more}; the sheet shows codes in their place",)


def _read_poster(settings: Settings, clip: Clip) -> Image.Image:
    """The shot's poster, scaled into a tile. Raises ``StorageError`` if there is none."""
    from PIL import Image, UnidentifiedImageError

    from ops.shots.segment import make_poster_key

    try:
        data = settings.store.read_bytes(make_poster_key(clip.film.video_id, clip.shot_start, clip.shot_end))
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.draft("RGB", TILE)
            poster = picture.convert("RGB")
    except (FileNotFoundError, UnidentifiedImageError, OSError) as error:
        raise StorageError(f"the poster of {clip.shot_id} is not in the store: ingest the film again") from error
    poster.thumbnail(TILE)
    return poster


FORMAT = SheetFormat()
