"""Descriptions of columns by table: meaning, unit, range. A test requires one for each column that Feast serves.

They are in Feast's registry and page, and on the asset's page in Dagster, next to the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SHOW = "name of the show: the first folder of the library, or the file's name without its ending"
_INDEX = "number of the shot in its video, from 0, without gaps"
_VIDEO_ID = "id of the video of the shot: 16 hex digits"

_VIDEOS = {
    "path": "path of the file, or its s3:// address",
    "show": _SHOW,
    "title": "title of the film or of the episode",
    "season": "number of the season; null if unknown",
    "episode": "number of the episode; null if unknown",
    "content_hash": "hash of the whole file, hex; null if it cannot be read",
    "bytes": "size of the file in bytes; null if it cannot be read",
    "fps_num": "numerator of the exact frame rate in frames per second, such as 24000; null until the file was opened",
    "fps_den": "denominator of the exact frame rate, such as 1001; null until the file was opened",
    "frames": "number of frames, at least 1; null until the file was opened",
    "width": "width of the picture in pixels; null until the file was opened",
    "height": "height of the picture in pixels; null until the file was opened",
    "codec": "video codec as FFmpeg names it, such as h264; null until the file was opened",
    "has_audio": "whether the file has a sound track; null until the file was opened",
    "start_timecode": "timecode of the first frame, HH:MM:SS:FF (; before FF: drop frame); null without one",
    "state": "ready, pending, set_aside or removed",
    "reason": "reason why the video is set aside; null or empty otherwise",
    "available_at": "time at which the footage became available, UTC",
}
_SHOTS = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "index": _INDEX,
    "start_frame": "first frame, source frame number, from 0",
    "end_frame": "the frame after the last, source frame number: shots are half-open and without gaps",
    "start_s": "time of the first frame in seconds from the first frame of the video, at least 0",
    "end_s": "time of the end in seconds from the first frame of the video, greater than start_s",
    "transition": "how the shot begins: start (first of the video), cut or gradual",
    "proxy_uri": "key of the shot's video (mp4), relative to the object store: proxies/VIDEO_ID/FRAMES.mp4",
    "poster_uri": "key of the shot's still (JPEG), relative to the object store: posters/VIDEO_ID/FRAMES.jpg",
    "mean_luma": "mean brightness of the shot, 0 (black) to 255 (white)",
    "is_blank": "whether the shot is black or of one colour",
    "detector": "name and version of the detector that found the shot's boundaries, or of people's corrections",
}
_SHOT_DIALOGUE = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "index": _INDEX,
    "lines": "number of spoken lines that overlap the shot, at least 0",
    "text": "words spoken in the shot, line by line; empty if nothing is",
    "language": "languages of the lines, separated by commas, such as en,de",
    "source": "sources of the lines, separated by commas: subtitle file, subtitle track or speech",
}
_SHOT_SCREEN_TEXT = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "index": _INDEX,
    "texts": "number of texts read in the picture, at least 0; null if the shot was not read",
    "text": "the texts, line by line, from first to last; empty if there is none, null if the shot was not read",
    "script": "scripts of the texts, separated by commas, as ISO 15924 codes such as Latn,Jpan; null if not read",
    "confidence": "certainty of the most certain text, 0 to 1; null without a text",
    "reason": "reason why the shot was not read; null otherwise",
}
_SHOT_SOUND = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "index": _INDEX,
    "loudness": "mean momentary loudness by EBU R 128, LUFS; null if it is below -70 LUFS or unknown",
    "relative_loudness": "loudness less the integrated loudness of the video, LU; null if either is unknown",
    "silence": "share of the shot in stretches of silence, 0 to 1; null without a sound track, or if not measured",
    "speech": "share of the shot with speech, 0 to 1; null if it was not looked for",
    "kinds": "quiet, loud, silent and speech, as searches find them, separated by commas; null if not measured",
    "reason": "reason why the sound was not measured; null otherwise",
}
_SHOT_PEOPLE = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "index": _INDEX,
    "faces": "most faces in one sampled frame, at least 0; null if the shot was not read",
    "people": "ids of the people, separated by commas, the one in most sampled frames first; null if not read",
    "shares": "share of the shot's sampled frames with each of the people, 0 to 1, separated by commas, in their order",
    "sizes": "height of the largest face of each of the people as a share of the picture's, separated by commas",
    "largest_face": "height of the largest face as a share of the picture's, 0 to 1; null without a face",
    "reason": "reason why the shot was not read; null otherwise",
}
_SHOT_MOTION = {
    "video_id": _VIDEO_ID,
    "show": _SHOW,
    "pan": "motion of the camera to the right, picture widths per second; negative to the left; null if unknown",
    "tilt": "motion of the camera upwards, picture widths per second; negative downwards; null if unknown",
    "zoom": "growth of the picture per second, 0.1 for 10 %; negative if it shrinks; null if unknown",
    "roll": "turn of the picture clockwise, radians per second; null if unknown",
    "activity": "motion that the camera does not explain, picture widths per second, at least 0; null if unknown",
}

FIELD_DESCRIPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "videos": _VIDEOS,
        "shots": _SHOTS,
        "shot_dialogue": _SHOT_DIALOGUE,
        "shot_screen_text": _SHOT_SCREEN_TEXT,
        "shot_sound": _SHOT_SOUND,
        "shot_people": _SHOT_PEOPLE,
        "shot_motion": _SHOT_MOTION,
    }
)
"""Description of each served column, by the name of the table."""

KEY_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "shot_id": "id of the shot: id of its video, a colon, its first frame",
        "video_id": _VIDEO_ID,
        "show": _SHOW,
        "event_timestamp": "time at which the footage became available, UTC",
        "created_timestamp": "time at which the row was computed, UTC",
    }
)
"""Description of columns that most tables have, whether Feast serves the table or not."""

_BOX = "left, top, right and bottom, in thousandths of the picture"
_INPUT_HASH = "hash of the frames, the model and the recipe: the shot is read again if it changes"

STORED_DESCRIPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "faces": {
            "face_id": "id of the face: its video, frame and number, and a hash of the model",
            "index": _INDEX,
            "frame": "source frame in which the face is",
            "box": _BOX,
            "quality": "0 to 1; below 0.5 the face belongs to no person",
            "model": "model that found the face and computed its vector",
            "embedding": "vector of the face; two faces of one person are near each other",
            "vector_hash": "hash of the vector",
            "cluster_id": "group found by vectors; null below the least quality, empty if a person rejected the face",
            "person_id": "the person after merges, splits and rejections; `needle people` lists their names",
            "input_hash": _INPUT_HASH,
        },
        "shot_sound": {
            "silence_ms": "start and end of each stretch of silence, one after the other, milliseconds of the video",
            "speech_ms": "start and end of each stretch with speech, one after the other, milliseconds of the video",
            "input_hash": _INPUT_HASH,
        },
        "screen_text": {
            "text_id": "id of the text: its shot and its number in it",
            "index": _INDEX,
            "start_frame": "first source frame with the text",
            "end_frame": "source frame after the last with the text",
            "start_s": "time of the first frame, seconds",
            "end_s": "time of the end frame, seconds",
            "box": _BOX,
            "text": "the text as it was read",
            "script": "ISO 15924 code of the script, such as Latn",
            "language": "language of the text; empty if its script has several",
            "confidence": "certainty of the model, 0 to 1",
            "kind": "text, timecode (or a counter), or constant (a logo); only text is searched",
            "input_hash": _INPUT_HASH,
        },
        "dialogue": {
            "line_id": "id of the line",
            "index": "number of the line in its video, from 0",
            "shot_ids": "shots in which the line is spoken",
            "start_frame": "source frame in which the line starts",
            "end_frame": "source frame after its last",
            "start_s": "start of the line, seconds",
            "end_s": "end of the line, seconds",
            "text": "the spoken words",
            "language": "language of the line; empty if unknown",
            "language_tag": "language as the file gives it, such as en-GB; null in rows of earlier versions",
            "source": "sidecar, embedded, or asr for recognised speech",
            "certainty": "certainty of recognised words, 0 to 1; null for subtitles",
        },
    }
)
"""Description of each column of the tables of people, writing, speech and sound that Feast does not serve."""
