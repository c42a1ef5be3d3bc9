"""The version of how dialogue is read, which is the code version of the asset."""

from __future__ import annotations

from ops.dialogue.speech import name_recognition

RECIPE = 5
"""Changes with how subtitles are read: then all videos are read again."""


def build_dialogue_recipe(speech: str) -> str:
    """Return the code version of ``dialogue`` under a setting of NEEDLE_SPEECH."""
    return f"{RECIPE}-{name_recognition(speech)}" if speech else str(RECIPE)
