"""The record of facts survives its JSON exactly, and the lake reads rows that have none yet."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ops.core.columns import VIDEOS
from ops.core.media import Crop, Fact, MediaInfo, Orientation, SoundTrack, StartTimecode
from ops.core.storage import ObjectStore
from ops.core.tables import Lake

INFO = MediaInfo(
    fps=Fraction(60000, 1001),
    frames=7,
    width=1920,
    height=1080,
    codec="h264",
    has_audio=True,
    start_timecode="01:01:00;04",
    variable_rate=False,
    duration_s=0.5,
    orientation=Orientation(quarter_turns=3, is_mirrored=True),
    crop=Crop(left=2),
    field_order="upper",
    transfer="hlg",
    timecode=StartTimecode(
        label="01:01:00;02", rate=Fraction(30000, 1001), start_s=Fraction(109692 * 1001, 30000), source="track 2"
    ),
    sound_tracks=(SoundTrack(stream=1, codec="aac", channels=2, layout="stereo", sample_rate=48000, is_silent=False),),
    sound_stream=1,
    facts=(Fact(name="fps", value="59.94", evidence="time stamps", contradictions=("header: 60",)),),
    notes=("the first track is silent",),
)


def test_the_record_survives_json() -> None:
    assert MediaInfo.from_json(INFO.to_json()) == INFO


def test_rows_of_an_earlier_version_have_no_facts(tmp_path: Path) -> None:
    lake = Lake(ObjectStore(str(tmp_path)))
    old = pa.schema([field for field in VIDEOS if field.name not in ("facts", "notes")])
    (tmp_path / "lake" / "videos").mkdir(parents=True)
    pq.write_table(old.empty_table(), tmp_path / "lake" / "videos" / "a.parquet")
    assert lake.read("videos").schema.equals(VIDEOS)
