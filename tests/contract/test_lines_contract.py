"""What every engine must do with spoken lines: Tantivy in the process, and a server through its client.

The client's in-memory mode stands for the server. Both get words and stems that are letters and digits only, so
they must find the same lines in every language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.core.errors import VectorIndexError
from ops.index.backends.server_lines import ServerLineVersions
from ops.index.backends.tantivy_lines import TantivyLineVersions
from ops.index.line_publishing import compute_line_version, publish_lines_to
from ops.index.line_sums import compute_line_digest
from ops.index.lines import NAME, LineIndex, LineVersions, open_line_versions
from ops.index.utterances import add_sentences
from tests.builders.lakes import video_id
from tests.builders.spoken_pairs import LINES
from tests.builders.subtitles import line_row

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

TEXTS = (
    "the cat sat on the mat",
    "the dog barked at the cat and the cat ran away from the dog",
    "birds sing",
    "You're a jerk, Thom.",
    "a jerk you’re not, Thom",
    "Merry Christmas, everyone!",
    "everyone is merry at christmas",
    "<script>alert('cat')</script>",
    "Ünïcode Café",
    "私は学生です。東京に住んでいます",
)
ROWS = [
    line_row(n, text, language="pl", show=f"show {n % 2}", video=n % 3, second=float(n)) for n, text in enumerate(TEXTS)
]


@pytest.fixture(params=["tantivy", "server"])
def versions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LineVersions]:
    if request.param == "tantivy":
        yield TantivyLineVersions(tmp_path / "lines")
        return
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield ServerLineVersions(client, f"-{NAME}")
    client.close()


@pytest.fixture
def index(versions: LineVersions) -> Iterator[LineIndex]:
    publish_lines_to(versions, ROWS)
    opened = open_line_versions(versions)
    assert opened is not None
    yield opened
    opened.close()


def found(index: LineIndex, text: str = "", limit: int = 10, **options: list[str]) -> list[str]:
    return [hit.text for hit in index.search(text, limit=limit, **options)]


def bm25(query: list[str]) -> dict[str, float]:
    """The reference: k1 = 1.2, b = 0.75, idf = ln(1 + (N - n + 0.5) / (n + 0.5)), over lines without CJK pairs."""
    lines = {
        text: re.findall(r"[a-z]+", text.lower().replace("ü", "u").replace("ï", "i").replace("é", "e"))
        for text in TEXTS[:9]
    }
    for text in TEXTS[3:5]:
        lines[text].append("youre")  # counted beside "you" and "re"
    lines[TEXTS[9]] = ["x"] * 23  # 10 words, and the 13 pairs of their 15 signs
    mean = sum(map(len, lines.values())) / len(lines)
    known = {word: sum(word in words for words in lines.values()) for word in query}
    idf = {word: math.log(1 + (len(lines) - n + 0.5) / (n + 0.5)) for word, n in known.items()}
    return {
        text: sum(
            idf[w] * words.count(w) * 2.2 / (words.count(w) + 1.2 * (0.25 + 0.75 * len(words) / mean)) for w in query
        )
        for text, words in lines.items()
    }


@pytest.mark.parametrize("query", ["cat", "cat dog", "the merry cat", "everyone", "a jerk"])
def test_scores_are_bm25(index: LineIndex, query: str) -> None:
    hits = index.search(query, limit=20)
    wanted = {text: score for text, score in bm25(query.split()).items() if score > 0}
    assert len(hits) == len(wanted)
    for hit in hits:
        assert hit.score == pytest.approx(wanted[hit.text], rel=1e-4)
    assert [hit.score for hit in hits] == pytest.approx(sorted(wanted.values(), reverse=True), rel=1e-4)


def test_a_phrase_is_exact_words_in_order_whatever_case_and_quotes(index: LineIndex) -> None:
    for phrase in ("you're a jerk", "YOU’RE A JERK", "You‘re a jerk", "you re a jerk", "  you're, a... jerk!"):
        assert found(index, phrases=[phrase]) == [TEXTS[3]]
    assert found(index, phrases=["a jerk you're"]) == [TEXTS[4]]
    assert found(index, phrases=["merry christmas"]) == [TEXTS[5]]
    assert found(index, phrases=["jerk a"]) == []
    assert found(index, phrases=["jer"]) == []


def test_every_phrase_must_occur_and_words_need_not(index: LineIndex) -> None:
    assert found(index, phrases=["the cat", "the dog"]) == [TEXTS[1]]
    assert found(index, "elephants in the snow", phrases=["the cat", "the dog"]) == [TEXTS[1]]
    assert found(index, "cat", phrases=["no such words"]) == []


def test_a_hit_is_the_whole_row(index: LineIndex) -> None:
    (hit,) = index.search("birds", limit=5)
    assert {name: value for name, value in vars(hit).items() if name in vars(ROWS[2])} == vars(ROWS[2])
    assert hit.score > 0


def test_shows_and_videos_decide_before_the_search(index: LineIndex) -> None:
    assert found(index, "cat", shows=["show 0"]) == [TEXTS[0]]
    assert set(found(index, "cat", shows=["show 1"])) == {TEXTS[1], TEXTS[7]}
    assert {hit.video_id for hit in index.search("the cat jerk merry", videos=[video_id(1)], limit=9)} == {video_id(1)}
    assert found(index, "cat", shows=["none such"]) == []


def test_accents_and_scripts_without_spaces(index: LineIndex) -> None:
    assert found(index, "cafe") == found(index, "CAFÉ") == found(index, phrases=["unicode café"]) == [TEXTS[8]]
    assert found(index, "東京") == found(index, phrases=["東京に住"]) == [TEXTS[9]]
    assert found(index, phrases=["京東"]) == []


@pytest.mark.parametrize("text", ["", "   ", "...", "\x00", "'\"\\", "{}[]()*", "¡¿", "qqqq"])
def test_what_holds_no_known_word_finds_nothing(index: LineIndex, text: str) -> None:
    assert found(index, text) == []
    assert found(index, "", phrases=[text]) == []


def test_markup_is_words_and_long_queries_are_bounded(index: LineIndex) -> None:
    assert found(index, "<script>alert(")[0] == TEXTS[7]
    assert TEXTS[2] in found(index, "birds " + "x y z " * 2_000)
    assert found(index, "b" * 10_000) == []


def test_ties_are_in_the_order_of_video_and_time_at_every_limit(versions: LineVersions) -> None:
    rows = [line_row(n, "again and again", language="pl", video=n % 4, second=float(n)) for n in range(60)]
    publish_lines_to(versions, rows)
    index = open_line_versions(versions)
    assert index is not None
    ordered = [row.line_id for row in sorted(rows, key=lambda row: (row.video_id, row.start_frame))]
    for limit in (1, 7, 30, 60, 100):
        assert [hit.line_id for hit in index.search("again", limit=limit)] == ordered[:limit]
    index.close()


def test_the_digest_is_read_back(index: LineIndex) -> None:
    assert index.digest() == compute_line_digest(ROWS)
    assert index.count() == len(ROWS)


def test_a_limit_below_one_is_refused(index: LineIndex) -> None:
    with pytest.raises(VectorIndexError, match="at least 1"):
        index.search("cat", limit=0)


def test_a_version_is_named_by_its_content_and_replaces_the_last(versions: LineVersions, index: LineIndex) -> None:
    assert index.version == compute_line_version(reversed(ROWS)) == publish_lines_to(versions, ROWS)
    assert index.is_current()
    newer = publish_lines_to(versions, ROWS[:3])
    assert newer != index.version
    assert not index.is_current()
    assert found(index, "jerk")  # who opened the old one keeps it
    fresh = open_line_versions(versions)
    assert fresh is not None
    assert (fresh.version, fresh.count(), found(fresh, "jerk")) == (newer, 3, [])
    fresh.close()


def test_no_lines_are_no_index_and_dropped_versions_are_gone(versions: LineVersions, index: LineIndex) -> None:
    index.close()
    empty = publish_lines_to(versions, [])
    assert open_line_versions(versions) is None
    versions.drop_old()
    assert versions.has(empty)
    assert not versions.has(compute_line_version(ROWS))


def test_a_line_that_comes_twice_is_refused(versions: LineVersions) -> None:
    with pytest.raises(VectorIndexError, match="appears twice"):
        publish_lines_to(versions, [ROWS[0], ROWS[0]])
    assert versions.current() is None


def test_a_server_gets_stems_and_does_not_stem(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    server = ServerLineVersions(client, f"-{NAME}")
    publish_lines_to(server, [line_row(0, "robots", language="de"), line_row(1, "die Häuser", language="de")])
    schemas = dict(server._build_payload_indexes({"stemmers": ["german", "none"]}))
    assert schemas["terms_german"].scoring and schemas["words"].phrase_matching
    assert all(schemas[name].stemmer is None for name in ("terms_german", "terms_none", "words"))
    index = open_line_versions(server)
    assert index is not None
    assert found(index, "haus") == ["die Häuser"]
    client.close()


@pytest.fixture(scope="module", params=["tantivy", "server"])
def spoken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineIndex]:
    """All lines of ``tests/builders/spoken_pairs.py`` in one index."""
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    is_tantivy = request.param == "tantivy"
    versions = (
        TantivyLineVersions(tmp_path_factory.mktemp("lines")) if is_tantivy else ServerLineVersions(client, f"-{NAME}")
    )
    # The in-memory mode counts all words of a field again for each query: without a stemmer all lines share a field.
    languages = [pairs.language if is_tantivy else "zz" for pairs in LINES]
    rows = [line_row(n, pairs.line, language=languages[n], second=n) for n, pairs in enumerate(LINES)]
    publish_lines_to(versions, rows)
    index = open_line_versions(versions)
    assert index is not None
    yield index
    index.close()
    client.close()


def test_a_line_of_any_language_is_found_by_its_words_and_by_no_others(spoken: LineIndex) -> None:
    wrong = []
    for pairs in LINES:
        wrong += [(text, "missed") for text in pairs.true if pairs.line not in found(spoken, phrases=[text], limit=99)]
        wrong += [(text, "found") for text in pairs.false if pairs.line in found(spoken, phrases=[text], limit=99)]
    assert wrong == []


def test_words_without_quotes_find_the_line_too(spoken: LineIndex) -> None:
    wrong = [
        text for pairs in LINES for text in pairs.true if pairs.line not in found(spoken, text.strip('"'), limit=99)
    ]
    assert wrong == []


def test_lines_with_the_word_itself_come_before_lines_with_prefixes(versions: LineVersions) -> None:
    texts = ["ניסע לתל אביב", "אני רוצה לגור כל החיים שלי רק בעיר תל אביב", "אביב בתל", "כלב"]
    texts += ["والبيت", "هذا هو البيت الذي رأيناه في المدينة أمس", "학교에서", "내일 우리 학교 앞에 있는 시장"]
    publish_lines_to(versions, [line_row(n, text, language="he", second=n) for n, text in enumerate(texts)])
    index = open_line_versions(versions)
    assert index is not None
    with index:
        assert found(index, phrases=["תל אביב"]) == [texts[1], texts[0]]
        assert found(index, phrases=["לתל אביב"]) == [texts[0]] and found(index, phrases=["לב"]) == []
        assert found(index, phrases=["البيت"]) == [texts[5], texts[4]]
        assert found(index, phrases=["학교"]) == [texts[7], texts[6]]


def test_lines_with_the_accents_that_were_typed_come_first(versions: LineVersions) -> None:
    texts = ["ma ở đó", "má", "mà tôi biết má không ở đó đâu", "mạ", "cafe", "the café over there by the river"]
    publish_lines_to(versions, [line_row(n, text, language="vi", second=n) for n, text in enumerate(texts)])
    index = open_line_versions(versions)
    assert index is not None
    with index:
        assert set(found(index, "má")[:2]) == {texts[1], texts[2]}
        assert found(index, phrases=["mạ"])[0] == texts[3]
        assert found(index, "ma")[0] == texts[0]
        assert found(index, "café") == [texts[5], texts[4]] and found(index, "cafe") == [texts[4], texts[5]]


def test_a_phrase_over_several_lines_is_one_hit(versions: LineVersions) -> None:
    texts = ("Tell them that the harvest moon", "will rise over", "the mill tonight.", "The mill will rise over us.")
    rows = [line_row(n, text, second=n) for n, text in enumerate(texts)]
    publish_lines_to(versions, list(add_sentences(rows)))
    opened = open_line_versions(versions)
    assert opened is not None
    with opened:
        assert opened.digest() == compute_line_digest(add_sentences(rows))
        (whole,) = opened.search("", phrases=["moon will rise over the mill"], limit=1)
        (part,) = opened.search("", phrases=["over the mill will"], limit=1) or (None,)
        twice = opened.search("", phrases=["will rise over"], limit=1)
    assert (whole.line_ids, whole.start_s) == (tuple(row.line_id for row in rows[:3]), 0.0)
    assert (
        whole.text == "Tell them that the harvest moon will rise over the mill tonight."
        and whole.end_s == rows[2].end_s
    )
    assert part is None and len(twice) == 1 and not twice[0].joined_ids
