"""The index of lines in a home: stemming, what is written and when, and what a kill leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from ops.core.columns import DIALOGUE as DIALOGUE_COLUMNS
from ops.core.errors import VectorIndexError
from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.core.types import SilentProgress
from ops.index.dialogue import build_lines, check_lines, has_current_lines
from ops.index.line_publishing import drop_old_lines, publish_lines
from ops.index.lines import LineIndex, LineRow, open_lines, read_current_line_version
from ops.index.words import STEMMERS, choose_stemmer, list_terms, split_words
from tests.builders.lakes import COMPUTED, FILMED, video_id, video_row
from tests.builders.subtitles import line_row

ROWS = [
    line_row(0, "I have nightmares about robots chasing me", second=1),
    line_row(1, "The robot is running", second=2),
    line_row(2, "Nobody ran", second=3),
    line_row(3, "Die Häuser brennen", language="de", show="Haus", video=1, second=1),
    line_row(4, "Ein Haus am See", language="de-AT", show="Haus", video=1, second=2),
    line_row(5, "The houses of the holy", language="", video=2, second=1),
    line_row(6, "Дома горели всю ночь", language="ru", video=3, second=1),
]


@pytest.fixture
def index(settings: Settings) -> Iterator[LineIndex]:
    publish_lines(settings, ROWS)
    opened = open_lines(settings)
    assert opened is not None
    with opened:
        yield opened


def found(index: LineIndex, text: str = "", **options: list[str]) -> list[str]:
    return [hit.text for hit in index.search(text, limit=10, **options)]


def files(settings: Settings) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in settings.home.rglob("*") if path.is_file()}


def test_words_match_in_any_of_their_forms_in_the_language_of_the_line(index: LineIndex) -> None:
    assert set(found(index, "robots")) == set(found(index, "ROBOT")) == {ROWS[0].text, ROWS[1].text}
    assert found(index, "chase nightmare") == [ROWS[0].text]
    assert found(index, "house") == [ROWS[5].text]  # a language that is not known is taken for English
    assert set(found(index, "haus")) == {ROWS[3].text, ROWS[4].text}
    assert found(index, "дом") == [ROWS[6].text]


def test_stemming_does_not_loosen_phrases(index: LineIndex) -> None:
    assert found(index, phrases=["the robots"]) == []
    assert found(index, phrases=["the robot"]) == [ROWS[1].text]


def test_all_languages_are_ranked_in_one_list(index: LineIndex) -> None:
    hits = index.search("robot haus", limit=10)
    assert {hit.language for hit in hits} == {"en", "de", "de-AT"}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_more_of_the_words_and_rarer_ones_rank_higher(index: LineIndex) -> None:
    assert found(index, "robot running")[0] == ROWS[1].text
    assert found(index, "robot nightmares")[0] == ROWS[0].text


def test_a_home_without_dialogue_has_no_index_and_gets_no_file(settings: Settings) -> None:
    assert open_lines(settings) is None
    assert publish_lines(settings, []) is None
    assert read_current_line_version(settings) is None
    assert not settings.home.exists()


def test_publishing_the_same_lines_again_writes_nothing(settings: Settings) -> None:
    version = publish_lines(settings, ROWS)
    before = files(settings)
    assert publish_lines(settings, list(reversed(ROWS))) == version
    assert {name: stamp for name, stamp in files(settings).items() if not name.endswith(".lock")} == {
        name: stamp for name, stamp in before.items() if not name.endswith(".lock")
    }


def test_any_change_of_a_line_is_a_new_version(settings: Settings) -> None:
    names = {publish_lines(settings, ROWS)}
    for changes in ({"text": "other"}, {"show": "other"}, {"language": "fr"}, {"shot_ids": ()}, {"start_s": 0.25}):
        names.add(publish_lines(settings, [LineRow(**vars(ROWS[0]) | changes), *ROWS[1:]]))
    assert len(names) == 6


def test_what_was_dropped_is_not_on_disk_although_it_is_read(settings: Settings) -> None:
    publish_lines(settings, ROWS)
    reader, late_reader = open_lines(settings), open_lines(settings)
    assert reader is not None and late_reader is not None and found(reader, "nightmares") == [ROWS[0].text]
    publish_lines(settings, ROWS[1:])
    drop_old_lines(settings)
    assert found(reader, "robots"), "a reader goes on with the files that it has opened"
    with pytest.raises(VectorIndexError):
        found(late_reader, "robots")
    reader.close()
    late_reader.close()
    assert b"nightmares" not in b"".join(path.read_bytes() for path in settings.home.rglob("*") if path.is_file())
    publish_lines(settings, [])
    drop_old_lines(settings)
    assert open_lines(settings) is None
    assert b"brennen" not in b"".join(path.read_bytes() for path in settings.home.rglob("*") if path.is_file())


def test_a_broken_version_is_told(settings: Settings) -> None:
    publish_lines(settings, ROWS)
    (settings.home / "index" / "dialogue" / "current" / "manifest.json").write_text("{")
    with pytest.raises(VectorIndexError, match="needle doctor --repair"):
        open_lines(settings)


def test_many_threads_search_one_index(index: LineIndex) -> None:
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(found(index, "robots"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [answers[0]] * 16


def _search_in_another_process(home: str, answers: multiprocessing.Queue[list[str]]) -> None:
    opened = open_lines(load_settings(home=home))
    assert opened is not None
    with opened:
        answers.put(found(opened, "robots"))


def test_another_process_reads_the_same_version(settings: Settings, index: LineIndex) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[list[str]] = context.Queue()
    process = context.Process(target=_search_in_another_process, args=(str(settings.home), answers))
    process.start()
    assert answers.get(timeout=60) == found(index, "robots")
    process.join(30)
    assert found(index, "robots")


def test_a_kill_while_publishing_leaves_the_old_version(settings: Settings) -> None:
    version = publish_lines(settings, ROWS)
    code = f"""
import time
from ops.core.settings import load_settings
from ops.index import line_publishing
from tests.builders.lakes import COMPUTED, FILMED, video_id, video_row
from tests.builders.subtitles import line_row
build_point, built = line_publishing.build_point, []

def slowly(row):
    built.append(row)
    if len(built) == 2000:
        print("building", flush=True)
        time.sleep(600)
    return build_point(row)

line_publishing.build_point = slowly
rows = [line_row(n, f"line {{n}} " * 20, second=n) for n in range(4000)]
line_publishing.publish_lines(load_settings(home={str(settings.home)!r}), rows)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"building\n"
    folder = settings.home / "index" / "dialogue"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    assert list(folder.glob("building-*"))
    assert read_current_line_version(settings) == version
    publish_lines(settings, ROWS[:2])
    assert not list(folder.glob("building-*"))


def test_words_fold_case_accents_and_punctuation() -> None:
    assert split_words("You’re — “FÜR” Ærø’s 1,000 straße!") == ["you", "re", "fur", "aero", "s", "1", "000", "strasse"]
    assert split_words("e\u0301te\u0301 ＡＢＣ İstanbul ﬁn") == ["ete", "abc", "istanbul", "fin"]
    assert list_terms("犬が hi don't") == ["犬", "が", "hi", "don", "t", "dont"]


def test_languages_have_stemmers() -> None:
    assert [choose_stemmer(code) for code in ("en", "en-US", "", "und", "pt-BR", "nb", "ja", "pl")] == [
        "english", "english", "english", "english", "portuguese", "norwegian", "none", "none",
    ]  # fmt: skip
    import Stemmer

    assert set(STEMMERS.values()) <= set(Stemmer.algorithms())


def test_importing_the_lines_loads_no_engine() -> None:
    code = "import sys, ops.index.lines; sys.exit(bool({'tantivy', 'qdrant_client'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60, cwd=CHECKOUT).returncode == 0


def write_lines(settings: Settings, number: int, texts: list[str]) -> None:
    """A ready video with lines."""
    rows = [
        asdict(line_row(at, text, video=number, second=float(at)))
        | {"shot_ids": [f"{video_id(number)}:0"], "index": at, "language_tag": "en", "certainty": None}
        | {"event_timestamp": FILMED, "created_timestamp": COMPUTED}
        for at, text in enumerate(texts)
    ]
    settings.lake.write("videos", video_id(number), [video_row(number)])
    settings.lake.write("dialogue", video_id(number), [{k: row[k] for k in DIALOGUE_COLUMNS.names} for row in rows])


def test_partitions_that_did_not_change_are_not_read_again(settings: Settings) -> None:
    for number in range(3):
        write_lines(settings, number, ["a robot", f"number {number}"])
    assert not has_current_lines(settings)
    assert build_lines(settings, SilentProgress()).rows == 6
    path = Path(settings.lake.path(f"dialogue/{video_id(0)}.parquet"))
    before, stat = path.read_bytes(), path.stat()
    path.write_bytes(b"x" * len(before))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert has_current_lines(settings) and build_lines(settings, SilentProgress()).changed == 0
    assert check_lines(settings).passed
    path.write_bytes(before)
    write_lines(settings, 3, ["nobody ran"])
    assert not has_current_lines(settings) and not check_lines(settings).passed
    assert build_lines(settings, SilentProgress()).rows == 7 and check_lines(settings).passed
    settings.lake.write("videos", video_id(1), [video_row(1, state="set_aside", reason="unreadable")])
    assert not has_current_lines(settings)
    assert build_lines(settings, SilentProgress()).rows == 5 and check_lines(settings).passed
    settings.lake.delete("dialogue", video_id(3))
    assert build_lines(settings, SilentProgress()).rows == 4 and check_lines(settings).passed
