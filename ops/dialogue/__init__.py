"""Spoken dialogue in the footage: lines from subtitles and from speech, tied to shots by time."""
