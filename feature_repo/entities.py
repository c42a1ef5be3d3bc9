"""The two entities with features: a video, and a shot of it."""

from __future__ import annotations

from feast import Entity, ValueType

from feature_repo.names import OWNER


def video_entity() -> Entity:
    """A media file; its id comes from its bytes, so a renamed file keeps its features."""
    return Entity(
        name="video",
        join_keys=["video_id"],
        value_type=ValueType.STRING,
        description="one media file; video_id is derived from its content: 16 hex digits",
        owner=OWNER,
    )


def shot_entity() -> Entity:
    """A run of frames between two cuts; ``shot_id`` is ``<video_id>:<start_frame>``."""
    return Entity(
        name="shot",
        join_keys=["shot_id"],
        value_type=ValueType.STRING,
        description="a run of frames between two cuts; shot_id is <video_id>:<start_frame>",
        owner=OWNER,
    )
