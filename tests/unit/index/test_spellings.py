"""The one tokenizer: which texts are in which lines, in thirty-odd languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import pytest

from ops.index.affixes import find_nouns
from ops.index.letters import fold_letters, normalise, restore_marks
from ops.index.line_points import build_point
from ops.index.stems import list_stems, stem_words
from ops.index.words import (
    list_line_spellings,
    list_phrase_spellings,
    list_spellings,
    list_terms,
    split_exact_words,
    split_words,
)
from tests.builders.spoken_pairs import LANGUAGES, LINES, Pairs
from tests.builders.subtitles import line_row


def is_said(line: str, text: str) -> bool:
    """Whether a spelling of the text is a run of words in a spelling of the line."""
    return any(holds(words, asked) for words in list_line_spellings(line) for asked in list_phrase_spellings(text))


def holds(words: Sequence[str], asked: Sequence[str]) -> bool:
    count = len(asked)
    return any(tuple(words[at : at + count]) == tuple(asked) for at in range(len(words) - count + 1))


def named(pairs: Pairs) -> str:
    return f"{pairs.language}-{pairs.line[:12]}"


@pytest.mark.parametrize("pairs", LINES, ids=named)
def test_a_text_is_in_a_line_exactly_if_its_words_are(pairs: Pairs) -> None:
    assert [text for text in pairs.true if not is_said(pairs.line, text)] == []
    assert [text for text in pairs.false if is_said(pairs.line, text)] == []


def test_many_languages_are_tried_with_true_and_false_pairs() -> None:
    assert len(LANGUAGES) >= 20
    for language in LANGUAGES:
        mine = [pairs for pairs in LINES if pairs.language == language]
        assert sum(len(pairs.true) for pairs in mine) >= 2 and sum(len(pairs.false) for pairs in mine) >= 3, language


@pytest.mark.parametrize("pairs", LINES, ids=named)
def test_engines_get_nothing_but_letters_digits_and_blanks(pairs: Pairs) -> None:
    payload = build_point(line_row(0, pairs.line, language=pairs.language)).payload
    for name, text in payload.items():
        if name == "words" or name.startswith("terms_"):
            assert isinstance(text, str)
            assert re.findall(r"[^\W_]+", text) == text.split(" ") and text == text.lower(), name


@pytest.mark.parametrize("pairs", LINES, ids=named)
def test_composed_and_decomposed_texts_have_the_same_words(pairs: Pairs) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        assert split_words(unicodedata.normalize(form, pairs.line)) == split_words(pairs.line)


def test_kept_marks_become_letters_and_marks_again() -> None:
    for word in ("दिन", "ป่า", "நான்", "ভূত", "пять", "cafe"):
        letters = fold_letters(normalise(word))
        assert letters.isalnum() and restore_marks(letters) == word


def test_accents_are_kept_beside_for_exactness() -> None:
    assert split_words("Má, café!") == ["ma", "cafe"] and split_exact_words("Má, café!") == ["má", "café"]
    for pairs in LINES:
        assert len(split_words(pairs.line)) == len(split_exact_words(pairs.line)), pairs.line


def test_particles_are_known_by_the_end_of_the_noun() -> None:
    assert [find_nouns(word) for word in ("학교에서", "서울은", "서울로", "집으로", "친구입니다", "아이들이")] == [
        ("학교",), ("서울",), ("서울",), ("집",), ("친구",), ("아이",),
    ]  # fmt: skip
    # 은 and 이 follow a consonant only, 제도 (system) and 나이 (age) have no particle
    assert [find_nouns(word) for word in ("학교은", "나이", "제도", "회의", "물건", "은", "school")] == [()] * 7


def test_articles_and_prefixes_come_off_one_by_one() -> None:
    assert [find_nouns(word) for word in ("الكتاب", "والكتاب", "للبيت", "وللبيت", "الله", "الي", "كتاب")] == [
        ("كتاب",), ("الكتاب", "كتاب"), ("البيت", "بيت"), ("للبيت", "البيت", "بيت"), (), (), (),
    ]  # fmt: skip
    assert [find_nouns(word) for word in ("לבית", "ומהבית", "כשהבית", "שבבית", "לילה", "הלילה", "ים")] == [
        ("בית",), ("מהבית", "הבית", "בית"), ("הבית", "בית"), ("בבית", "בית"), (), ("לילה",), (),
    ]  # fmt: skip


PREFIXED = """
בתל/תל והבית/בית לירושלים/ירושלים ובירושלים/ירושלים בים/ים הלב/לב ביום/יום וחברים/חברים שאני/אני כשאני/אני
מהעיר/עיר לרופא/רופא שהמשטרה/משטרה מהרכבת/רכבת ודני/דני והכלב/כלב הלילה/לילה למלך/מלך מחדר/חדר שהמים/מים
ושלום/שלום לספר/ספר מאמא/אמא בחיפה/חיפה כילד/ילד למחר/מחר מכאן/כאן בגן/גן ליער/יער בשוק/שוק כסוס/סוס
מהמלחמה/מלחמה כשהוא/הוא ללונדון/לונדון ליוסי/יוסי מההר/הר
"""
WHOLE = """
בית/ית שלום/לום מים/ים כלב/לב מלך/לך לחם/חם שמש/מש מדבר/דבר מכתב/כתב לבן/בן משפחה/שפחה בוקר/וקר הגיע/גיע הלך/לך
כסף/סף מקום/קום מורה/ורה שחור/חור כאב/אב בשר/שר כבר/בר בגד/גד מספר/ספר ורד/רד שבת/בת ברק/רק בעל/על לקח/קח משה/שה
לכן/כן למה/מה האם/אם מזלג/זלג כדור/דור מגדל/גדל שמיים/מיים מטוס/טוס משקה/שקה מקל/קל שדה/דה מתנה/תנה מרק/רק מסע/סע
הלכו/לכו כרגע/רגע כמעט/מעט לפני/פני לבד/בד מסיבה/סיבה מהר/הר שמן/מן ועד/עד
"""


def test_hebrew_words_that_begin_with_a_letter_that_is_a_prefix_elsewhere_stay_whole() -> None:
    for word, noun in (pair.split("/") for pair in PREFIXED.split()):
        assert noun in find_nouns(word), word
    for word, tail in (pair.split("/") for pair in WHOLE.split()):
        assert tail not in find_nouns(word), word


def test_stems_are_of_words_with_their_marks_and_of_nouns() -> None:
    assert list_stems("robots claw", "en") >= {"robot", "claw"}
    assert stem_words(["மரங்கள்"], "ta") != stem_words(split_words("மரங்கள்"), "xx")
    assert "학교" in list_stems("학교에서 만나자", "ko")
    assert list_stems("Die Häuser", "de") == {"die", "haus"}


def test_a_long_or_odd_text_has_words_or_none() -> None:
    assert split_words("") == split_words("\u200d\ufe0f 🚲 ♪ …") == list_terms("--'-'") == []
    assert len(split_words("ก" * 2000)) >= 1
    assert split_words("a" * 2000) == ["a" * 2000]
    assert list_spellings("🚲") == [] and list_line_spellings("\x00") == []
