"""Missing and damaged parts found by one reading of a video, with places, in sentences for the user.

Rule: structure is evidence, not a verdict. A file is read to the end of its decodable part. Frames are numbered in the
order in which they decode. Each fault is a note on the video, with frame and time:

- A damaged or concealed frame stays, as a player shows it. Its number holds.
- A frame that does not decode is missing. Numbers go on without a gap; times keep theirs.
- A frame is missing too if its references are not in the file (after a cut or a join at a keyframe of an open GOP).
  Players do not show it either.
- A file that ends early is taken up to its end.
- Damaged sound is silence.

A video is useful if at least one frame in ten decodes undamaged; otherwise :func:`Damage.require_useful` refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ops.core.errors import MediaError
from ops.core.plural import plural

NOT_ONE_FRAME = "not one picture in it can be decoded: the file is damaged or holds no pictures; copy it again"
MAX_PLACES = 4
"""Places that a note lists; the others are counted."""
SEAM = 32
"""Frames before a jump of the clock within which a break in the stream belongs to the seam."""
UNDAMAGED_SHARE = Fraction(1, 10)


@dataclass(slots=True)
class Place:
    """``count`` frames at or after ``frame``; ``time_s`` counts from the first frame, ``length_s`` from ``time_s``."""

    frame: int
    time_s: Fraction
    count: int = 1
    length_s: Fraction = Fraction(0)


@dataclass(slots=True)
class Damage:
    """Filled in by :func:`ops.videos.reader.read_media`; complete once everything was read."""

    frame_count: int = 0
    leading: int = 0
    damaged: list[Place] = field(default_factory=list)
    missing: list[Place] = field(default_factory=list)
    breaks: list[Place] = field(default_factory=list)
    gaps: list[Place] = field(default_factory=list)
    joins: list[Place] = field(default_factory=list)
    sound: list[Place] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def reset(self) -> None:
        """Forget everything, for another reading."""
        fresh = Damage()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def add_damaged(self, frame: int, time_s: Fraction) -> None:
        """Record that the frame ``frame`` came out damaged."""
        last = self.damaged[-1] if self.damaged else None
        if last and last.frame + last.count == frame:
            last.count += 1
        else:
            self.damaged.append(Place(frame, time_s))

    def add_missing(self, frame: int, time_s: Fraction, count: int = 1) -> None:
        """Record that ``count`` frames after ``frame`` did not come out; -1 means before the first."""
        if frame < 0:
            self.leading += count
        elif self.missing and self.missing[-1].frame == frame:
            self.missing[-1].count += count
        else:
            self.missing.append(Place(frame, time_s, count))

    def add_silence(self, frame: int, time_s: Fraction) -> None:
        """Record that sound near ``frame`` cannot be decoded."""
        if self.sound and frame - (self.sound[-1].frame + self.sound[-1].count) < SEAM:
            self.sound[-1].count = max(frame - self.sound[-1].frame, 1)
        else:
            self.sound.append(Place(frame, time_s))

    def add_new_track(self, frame: int, time_s: Fraction) -> None:
        """Record that tracks begin near ``frame`` that were not there at the beginning."""
        self.remarks.append(
            f"other tracks begin near frame {frame} ({float(time_s):.1f} s) and are not read: if another recording is "
            "joined on there, split the file"
        )

    def add_join(self, frame: int, time_s: Fraction) -> None:
        """Record that another clock begins with ``frame``: breaks and gaps right before it are its seam."""
        self.breaks = [place for place in self.breaks if place.frame < frame - SEAM]
        self.joins.append(Place(frame, time_s))

    @property
    def undamaged(self) -> int:
        """Number of frames that decoded without damage."""
        return self.frame_count - sum(place.count for place in self.damaged)

    def require_useful(self) -> None:
        """Raise ``MediaError`` if nothing useful was decoded."""
        if not self.frame_count:
            raise MediaError(NOT_ONE_FRAME)
        if self.undamaged < self.frame_count * UNDAMAGED_SHARE:
            raise MediaError(
                f"{self.frame_count - self.undamaged:,} of its {plural(self.frame_count, 'picture')} are damaged: "
                "copy the file again"
            )

    def notes(self) -> list[str]:
        """Return one sentence for each kind of damage; none for a whole video."""
        notes = list(self.remarks)
        if self.leading:
            notes.append(
                f"the file begins between two key pictures: {_count_frames(self.leading)} before the first whole one "
                f"cannot be decoded, and frame 0 is that one"
            )
        if self.missing:
            count = sum(place.count for place in self.missing)
            notes.append(
                f"{_inflect(count)} missing {_locate(self.missing, 'after frame')}; numbers go on without them"
            )
        if self.damaged:
            count = sum(place.count for place in self.damaged)
            notes.append(
                f"{_inflect(count)} damaged {_locate(self.damaged, 'from frame')}; "
                "those up to the next key picture may show it too"
            )
        if breaks := self._find_other_breaks():
            notes.append(f"data is missing {_locate(breaks, 'near frame')}: pictures there may be damaged")
        if self.gaps:
            longest = max(self.gaps, key=lambda gap: gap.length_s)
            up_to = "up to " if len(self.gaps) > 1 else ""
            notes.append(
                f"there is no picture for {up_to}{float(longest.length_s):.1f} s {_locate(self.gaps, 'after frame')}"
            )
        if self.joins:
            notes.append(
                f"another recording is joined on {_locate(self.joins, 'at frame')}: its clock starts there, "
                "and times go on without a gap"
            )
        if self.sound:
            notes.append(f"sound cannot be decoded {_locate(self.sound, 'near frame')}: it is silent there")
        return notes

    def _find_other_breaks(self) -> list[Place]:
        """Return breaks in the stream, one for each stretch, that no other damage near them explains."""
        frames = [place.frame for place in (*self.damaged, *self.missing)]
        others: list[Place] = []
        for place in self.breaks:
            known_near = any(abs(place.frame - frame) < SEAM for frame in frames)
            if not known_near and (not others or place.frame - others[-1].frame >= SEAM):
                others.append(place)
        return others


def _count_frames(count: int) -> str:
    return plural(count, "picture")


def _inflect(count: int) -> str:
    return plural(count, "picture is", "pictures are")


def _locate(places: list[Place], words: str) -> str:
    examples = ", ".join(f"{place.frame} ({float(place.time_s):.1f} s)" for place in places[:MAX_PLACES])
    rest = len(places) - MAX_PLACES
    more = f" and at {plural(rest, 'more place')}" if rest > 0 else ""
    return f"{words} {examples}{more}"
