"""The catalogue as DataFrames: what they hold, the types that the docs promise, and that reading writes nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ops.api import Catalogue, NeedleError
from ops.api import open as open_catalogue
from ops.api.frames import HITS, to_frame
from ops.api.tables import ANNOTATIONS
from ops.core.settings import CHECKOUT, Settings
from ops.core.types import SilentProgress
from ops.features import build_features, publish_scores
from ops.probes.annotations import Annotation
from ops.probes.labels import append_annotations
from ops.shots.segment import make_poster_key
from tests.builders.colours import ColourEncoder, fill_with_colours, lean, shot, write_video
from tests.builders.filled import portable
from tests.builders.lakes import COMPUTED, ENCODER, FILMED, picture_of, shot_rows, video_id, video_row

REMOVED, MOVED, UNOPENED = 5, 6, 7
DOCS = (CHECKOUT / "docs/python.md").read_text()


@portable
def fill(settings: Settings) -> None:
    """The toy catalogue with posters, labels, scores and dialogue, and a removed, a moved and an unopened video."""
    write_video(settings, REMOVED, [lean((1, 0, 0))], state="removed")
    write_video(settings, MOVED, [lean((1, 1, 0)), lean((1, 1, 0), 0.3)], state="pending", show="Moved")
    unopened = video_row(UNOPENED, state="set_aside", reason="not a video") | dict.fromkeys(
        ("frames", "fps_num", "fps_den", "width", "height", "codec", "has_audio", "start_timecode")
    )
    settings.lake.write("videos", video_id(UNOPENED), [unopened])
    fill_with_colours(settings)
    for row in shot_rows(1):
        if row["index"] != 3:
            key = make_poster_key(row["video_id"], row["start_frame"], row["end_frame"])
            settings.store.write_bytes(key, picture_of(1, row["index"]) if row["index"] else b"no picture")
    stamps = {"event_timestamp": FILMED, "created_timestamp": COMPUTED}
    for number in (0, REMOVED):
        scores = [
            {"shot_id": row["shot_id"], "video_id": row["video_id"], "score": 0.25, "probe_version": "v1", **stamps}
            for row in shot_rows(number, 4 if number == 0 else 1)
        ]
        settings.lake.write("probe_scores/warm", video_id(number), scores)
    line = {
        "line_id": f"{video_id(0)}:0",
        "video_id": video_id(0),
        "show": "Red Dawn",
        "index": 0,
        "shot_ids": [shot(0, 0), shot(0, 1)],
        "start_frame": 3,
        "end_frame": 30,
        "start_s": 0.125,
        "end_s": 1.25,
        "text": "Good morning.",
        "language": "en",
        "language_tag": "en-GB",
        "source": "file",
    }
    settings.lake.write("dialogue", video_id(0), [line | stamps])
    answers = [("ann", True), ("bob", False), ("ann", None)]
    for step, (who, value) in enumerate(answers):
        at = COMPUTED + timedelta(hours=step)
        each = Annotation(label="warm", shot_id=shot(0, 0), value=value, annotator=who, created_at=at, origin="random")
        append_annotations(settings, [each], at)
    videos = [video_id(number) for number in range(4)]
    build_features(settings, ENCODER, videos, SilentProgress())
    publish_scores(settings, ENCODER, "warm")


pytestmark = pytest.mark.home(fill=fill)


@pytest.fixture(scope="module")
def catalogue(module_settings: Settings) -> Catalogue:
    return Catalogue(module_settings, ColourEncoder())


# --- tables


@pytest.mark.parametrize("name", ["videos", "shots", "vectors", "dialogue", "labels", "scores", "search"])
def test_columns_and_types_are_those_of_the_docs(catalogue: Catalogue, name: str) -> None:
    frame = catalogue.search("red") if name == "search" else getattr(catalogue, name)()
    section = DOCS.split(f"### {name}\n")[1].split("\n#")[0]
    documented = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.MULTILINE)
    assert [(column, str(kind)) for column, kind in frame.dtypes.items()] == documented
    assert len(frame)
    assert isinstance(frame.index, pd.RangeIndex)


def test_types_are_the_same_without_rows(catalogue: Catalogue) -> None:
    empty = catalogue.search("red", min_relevance=1.0)
    assert not len(empty)
    assert dict(empty.dtypes.astype(str)) == HITS
    assert "no shot fulfils the query" in str(empty._repr_html_())
    history = to_frame(ANNOTATIONS.empty_table())
    assert str(history["value"].dtype) == "boolean"


def test_shots_are_those_that_can_be_searched(catalogue: Catalogue) -> None:
    shots = catalogue.shots()
    assert set(shots["video_id"]) == {video_id(number) for number in (0, 1, 2, 3, MOVED)}
    assert list(shots.columns[:3]) == ["shot_id", "video_id", "show"]
    mine = shots[shots["video_id"] == video_id(1)].reset_index(drop=True)
    assert list(mine["index"]) == [0, 1, 2, 3]
    assert list(mine["start_timecode"])[1] == "01:00:01:00"
    assert set(mine["fps"]) == {"24000/1001"}
    assert mine["poster"][1] == catalogue.settings.store.uri(make_poster_key(video_id(1), 24, 48))


def test_vectors_join_shots(catalogue: Catalogue) -> None:
    frame = catalogue.shots().merge(catalogue.vectors(), on="shot_id", validate="one_to_one")
    matrix = np.stack(frame["embedding"])
    assert matrix.dtype == np.float32
    assert matrix.shape == (44, 8)
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1)
    row = frame.index[frame["shot_id"] == shot(1, 3)][0]
    assert np.array_equal(matrix[row], lean((0, 0, 1), 0.1))
    with pytest.raises(NeedleError, match=f"no vectors of the encoder 'other': there are those of {ENCODER}"):
        catalogue.vectors("other")


def test_videos_report_every_state(catalogue: Catalogue) -> None:
    videos = catalogue.videos().set_index("video_id")
    assert videos.loc[video_id(UNOPENED), "reason"] == "not a video"
    assert pd.isna(videos.loc[video_id(UNOPENED), "frames"])
    assert np.isnan(videos.loc[video_id(UNOPENED), "seconds"])
    assert videos.loc[video_id(REMOVED), "state"] == "removed"
    assert videos.loc[video_id(0), "seconds"] == pytest.approx(10.01)


def test_lines_explode_by_shot_and_scores_pivot_by_probe(catalogue: Catalogue) -> None:
    assert list(catalogue.dialogue().explode("shot_ids")["shot_ids"]) == [shot(0, 0), shot(0, 1)]
    wide = catalogue.scores("warm").pivot(index="shot_id", columns="probe", values="score")
    assert wide.shape == (4, 1)  # the removed video's score is not among them
    with pytest.raises(NeedleError, match="no scores of the probe 'cold': there are warm"):
        catalogue.scores(["warm", "cold"])


def test_labels_are_resolved_and_the_history_is_whole(catalogue: Catalogue) -> None:
    assert catalogue.labels("warm")["value"].tolist() == [False]
    history = catalogue.labels("warm", history=True)
    assert history["value"].tolist() == [True, False, pd.NA]
    assert history["annotator"].tolist() == ["ann", "bob", "ann"]
    with pytest.raises(NeedleError, match="no label 'cold'"):
        catalogue.labels(["cold"])


def test_polars_reads_the_arrow_tables(catalogue: Catalogue) -> None:
    polars = pytest.importorskip("polars")
    for name in ("videos", "shots", "vectors", "dialogue", "labels", "annotations", "scores"):
        table = getattr(catalogue.arrow, name)()
        assert polars.from_arrow(table).height == len(table) > 0
    frame = polars.from_arrow(catalogue.arrow.shots())
    assert frame["start_frame"].dtype == polars.Int64
    assert frame["created_timestamp"].dtype == polars.Datetime("us", "UTC")


# --- search


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_search_is_ranked_and_shows_posters(catalogue: Catalogue) -> None:
    hits = catalogue.search("green", shows="Ünder <the> Sea", include_blank=True)
    assert hits["shot_id"].iloc[0] == shot(1, 1)
    assert hits["rank"].tolist() == [1, 2, 3, 4]
    page = Tags(str(hits._repr_html_()))
    assert set(page.tags) == {"p", "div", "figure", "img"}
    pictures = [value for name, value in page.attributes if name == "src"]
    assert len(pictures) == 2
    assert all(str(value).startswith("data:image/jpeg;base64,") for value in pictures)
    words = " ".join(page.words)
    assert "no poster" in words
    assert "damaged poster" in words
    assert "Ünder <the> Sea · 01:00:01:00" in words  # as text: it is escaped in the page
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "1 · Ünder" in words


def test_parts_of_a_result_keep_the_posters_and_copies_are_plain_tables(catalogue: Catalogue) -> None:
    hits = catalogue.search("green", limit=30)
    for part in (hits.head(2), hits[hits["is_weak"]], hits.sort_values("show"), pickle.loads(pickle.dumps(hits))):
        assert "<figure" in str(part._repr_html_())
    for other in (hits[["show"]], pd.DataFrame(hits), pd.concat([hits, hits])):
        assert "<figure" not in str(other._repr_html_())
    assert "<img" not in str(hits.assign(end_frame="<b>")._repr_html_())


def test_text_from_people_is_shown_and_not_run(catalogue: Catalogue) -> None:
    hits = catalogue.search('"<script>alert(1)</script>" & green')
    hits.loc[:, "show"] = '"><img src=x onerror=alert(1)>'
    page = Tags(str(hits._repr_html_()))
    assert "script" not in page.tags
    assert all(str(value).startswith("data:") for name, value in page.attributes if name == "src")
    assert not [name for name, _ in page.attributes if name == "onerror"]


def test_examples_may_be_shots_and_pictures(catalogue: Catalogue, tmp_path: Path) -> None:
    assert catalogue.search(like=shot(0, 3), limit=2)["shot_id"].tolist()[0] in (shot(1, 3), shot(2, 3))
    picture = tmp_path / "blue.jpg"
    from PIL import Image

    Image.new("RGB", (64, 64), (0, 0, 255)).save(picture)
    assert catalogue.search(like=[picture], limit=1)["shot_id"].tolist()[0] in (shot(0, 3), shot(1, 3), shot(2, 3))
    with pytest.raises(NeedleError, match="the query is empty"):
        catalogue.search()
    with pytest.raises(NeedleError, match="limit = 0"):
        catalogue.search("red", limit=0)


# --- features


def test_features_are_those_of_the_moment(catalogue: Catalogue) -> None:
    rows = pd.DataFrame(
        {
            "shot_id": [shot(0, 1)] * 2,
            "label": ["early", "late"],
            "event_timestamp": [COMPUTED - timedelta(seconds=1), COMPUTED + timedelta(seconds=1)],
        },
        index=[7, 9],
    )
    with pytest.warns(UserWarning, match="1 of 2 rows have no feature known"):
        frame = catalogue.features(rows)
    assert frame.index.tolist() == [7, 9]
    assert frame["label"].tolist() == ["early", "late"]
    assert pd.isna(frame.loc[7, "start_frame"])
    assert frame.loc[9, "start_frame"] == 24
    assert np.array_equal(np.asarray(frame.loc[9, "embedding"], np.float32), lean((0, 1, 0)))


def test_features_without_a_moment_are_those_known_now(catalogue: Catalogue) -> None:
    frame = catalogue.features(catalogue.search("red", limit=3)[["shot_id"]], ["shot_metadata:index"])
    assert frame["index"].notna().all()
    assert type(frame) is pd.DataFrame
    with pytest.raises(NeedleError, match="needs the column shot_id"):
        catalogue.features(pd.DataFrame({"shot": [1]}))
    with pytest.raises(NeedleError, match="takes a DataFrame"):
        catalogue.features([shot(0, 1)])  # type: ignore[arg-type]
    with pytest.raises(NeedleError, match="time zone"):
        catalogue.features(pd.DataFrame({"shot_id": [shot(0, 1)], "event_timestamp": [datetime(2026, 1, 1)]}))
    with pytest.raises(
        NeedleError, match="no feature service 'shot_classifier_v9': there are shot_classifier_v1, shot"
    ):
        catalogue.features(pd.DataFrame({"shot_id": [shot(0, 1)]}), "shot_classifier_v9")


def test_online_features_come_in_the_order_of_the_ids(catalogue: Catalogue) -> None:
    frame = catalogue.online_features([shot(1, 2), "unknown", shot(0, 1)], ["shot_metadata:index"])
    assert frame["index"].tolist()[::2] == [2, 1]
    assert pd.isna(frame["index"][1])
    scores = catalogue.online_features(pd.Series([shot(0, 1)]), "shot_probes_v1", full_names=True)  # type: ignore[arg-type]
    assert scores["probe_score__warm__score"].tolist() == [0.25]


# --- labels


def test_labels_are_added_once(settings: Settings) -> None:
    catalogue = Catalogue(settings, ColourEncoder())
    hits = catalogue.search("red", limit=3)
    frame = hits[["shot_id"]].assign(label="red", value=[np.True_, 0, "No"])
    assert catalogue.add_labels(frame, annotator="ann").written == 3
    assert catalogue.add_labels(frame, annotator="ann").written == 0
    assert catalogue.add_labels(frame, annotator="bob").written == 3
    stored = catalogue.labels("red").set_index("shot_id")["value"]
    assert stored[hits["shot_id"]].tolist() == [True, False, False]
    withdrawn = frame.assign(value=["withdrawn", False, False])
    assert catalogue.add_labels(withdrawn, annotator="bob").written == 1
    at = pd.Timestamp("2026-03-01T12:00:00+02:00")
    dated = frame.assign(label="dated", created_at=[at, pd.NaT, None], annotator=["cy", None, "dee"])
    catalogue.add_labels(dated, annotator="ann")
    history = catalogue.labels("dated", history=True)
    assert history["annotator"].tolist() == ["cy", "ann", "dee"]
    assert history["created_at"][0] == at


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": [True, None]}, "value is None"),
        ({"value": [1.0, np.nan]}, "value is nan"),
        ({"value": pd.array([True, pd.NA], "boolean")}, "value is None"),
        ({"value": [0.7, 1.0]}, "value is 0.7"),
        ({"value": ["yes", "maybe"]}, "value is 'maybe'"),
        ({"label": ["fine", "Close Up"]}, "'close_up' would do"),
        ({"label": ["fine", None]}, "label is missing"),
        ({"shot_id": [shot(0, 0), "film.mp4"]}, "not a shot id"),
        ({"shot_id": [shot(0, 0), f"{video_id(0)}:7"]}, "no such shot"),
        ({"shot_id": [shot(0, 0), 12]}, "shot_id is 12, not a text"),
        ({"shot_id": [shot(0, 0)] * 2}, "answers twice, and differently"),
        ({"created_at": ["yesterday", None]}, "not a time"),
        ({"created_at": [datetime(2026, 1, 1), None]}, "without a time zone"),
        ({"created_at": [datetime(2126, 1, 1, tzinfo=UTC), None]}, "in the future"),
        ({"score": [0.5, 0.1]}, r"other columns \(score\).*pass frame\["),
    ],
)
def test_one_invalid_row_refuses_all(catalogue: Catalogue, changes: dict[str, Any], message: str) -> None:
    frame = pd.DataFrame({"label": "fine", "shot_id": [shot(0, 0), shot(0, 1)], "value": [True, False]})
    with pytest.raises(NeedleError, match=message):
        catalogue.add_labels(frame.assign(**changes))
    assert "fine" not in set(catalogue.labels()["label"])


def test_missing_columns_and_long_lists_of_errors_are_named(catalogue: Catalogue) -> None:
    with pytest.raises(NeedleError, match="no column label, value"):
        catalogue.add_labels(pd.DataFrame({"shot_id": [shot(0, 0)]}))
    frame = pd.DataFrame({"label": "fine", "shot_id": [shot(0, 0)] * 9, "value": 2}, index=list("abcdefghi"))
    with pytest.raises(NeedleError, match=r"9 of 9 rows are invalid\nrow 'a'(.|\n)*and 4 more rows"):
        catalogue.add_labels(frame)


# --- the home


def test_reading_changes_no_file(catalogue: Catalogue) -> None:
    catalogue.search("red")
    before = digest(catalogue.settings.home)
    again = Catalogue(catalogue.settings, ColourEncoder())
    for name in ("videos", "shots", "vectors", "dialogue", "labels", "scores"):
        getattr(again, name)()
    hits = again.search("green", limit=5)
    hits._repr_html_()
    again.features(hits[["shot_id"]])
    again.online_features(hits["shot_id"])  # type: ignore[arg-type]
    assert digest(catalogue.settings.home) == before


def digest(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in home.rglob("*")
    }


def test_a_home_without_footage_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "home"
    with pytest.raises(NeedleError, match=r"there is no folder .*needle ingest PATH"):
        open_catalogue(missing)
    assert not missing.parent.exists()
    with pytest.raises(NeedleError, match="no footage was ingested into"):
        open_catalogue(str(tmp_path))
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(NeedleError, match="there is no folder"):
        open_catalogue(tmp_path / "file")


def test_the_home_is_the_named_one_or_that_of_the_settings(
    module_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(module_settings.home))
    for named in (None, "", module_settings.home, str(module_settings.home)):
        assert open_catalogue(named).settings.home == module_settings.home
    assert str(module_settings.home) in repr(open_catalogue())


def test_videos_without_vectors_are_readable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from ops.core.settings import load_settings

    settings = load_settings(home=tmp_path)
    settings.lake.write("videos", video_id(0), [video_row(0, state="pending", frames=None)])
    catalogue = open_catalogue(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert catalogue.shots().empty
        assert catalogue.scores().empty
    assert not caplog.records
    with pytest.raises(NeedleError, match="has no vectors yet"):
        catalogue.vectors()
    with pytest.raises(NeedleError, match="needle ingest"):
        catalogue.features(pd.DataFrame({"shot_id": ["a"]}))


def test_importing_needle_loads_nothing_heavy() -> None:
    script = "import sys, json, ops.api; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    heavy = {"torch", "ray", "feast", "open_clip", "pandas", "dagster", "fastapi", "PIL", "papermill", "tantivy"}
    assert not set(json.loads(done.stdout)) & heavy
