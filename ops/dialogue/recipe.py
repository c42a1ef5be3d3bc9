"""The version of how dialogue is read, which is the code version of the asset."""

from __future__ import annotations

from ops.dialogue.speech import OFF, name_recognition

RECIPE = 5
"""Changes with how subtitles are read: then all videos are read again."""


def build_dialogue_recipe(speech: str, speech_language: str = "") -> str:
    """Return the code version of ``dialogue`` under settings of NEEDLE_SPEECH and NEEDLE_SPEECH_LANGUAGE."""
    return f"{RECIPE}-{name_recognition(speech, speech_language)}" if speech not in ("", OFF) else str(RECIPE)
