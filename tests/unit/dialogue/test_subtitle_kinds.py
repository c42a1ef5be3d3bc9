"""Generated subtitle files: every encoding and script in every form, with exactly the lines that were written."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from fractions import Fraction

import pytest

from ops.dialogue.decode import decode
from ops.dialogue.parse import parse
from tests.builders.subtitle_texts import HELD_BACK, TUNED, Texts, encode
from tests.builders.subtitles import Cues, ass, microdvd, sami, sbv, srt, ttml, vtt

FORMS: dict[str, Callable[[Cues], str]] = {
    "srt": srt, "vtt": vtt, "ass": ass, "sbv": sbv, "ttml": ttml, "smi": sami, "sub": microdvd,
}  # fmt: skip
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
ALONE_TOO_SHORT = {("ar", "iso8859_6")}
"""A sentence may have only letters that two encodings share the bytes of."""


def rows(texts: Texts) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(language, encoding, said) for language, (encodings, said) in texts.items() for encoding in encodings]


def read(data: bytes, suffix: str, language: str) -> list[tuple[float, float, str]]:
    decoded = decode(data, language)
    assert decoded.broken == 0
    cues = parse(decoded.text, suffix, Fraction(25)).cues
    return [(round(cue.start_s, 3), round(cue.end_s, 3), cue.text) for cue in cues]


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(("language", "encoding", "said"), [*rows(TUNED), *rows(HELD_BACK)])
def test_every_encoding_in_every_form(language: str, encoding: str, said: tuple[str, ...]) -> None:
    """With the language in the name of the file, and without it."""
    cues = [(round(2.0 * n + 0.2, 3), round(2.0 * n + 1.6, 3), text) for n, text in enumerate(said)]
    wanted = [(start, end, composed(text)) for start, end, text in cues]
    for form, write in FORMS.items():
        data = encode(write(cues), encoding)
        for name in (language, ""):
            assert read(data, form, name) == wanted, (form, name)


def test_there_are_as_many_files_as_there_should_be() -> None:
    files = [(row[:2], form) for row in [*rows(TUNED), *rows(HELD_BACK)] for form in FORMS]
    assert len(set(files)) > 700 and len(FORMS) == 7
    assert len({encoding for (_, encoding), _ in files}) > 25


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", UNICODE)
def test_every_unicode_encoding_in_every_form(encoding: str, form: str) -> None:
    cues = [(1.0, 2.0, "Да, 東京 и كتاب"), (3.0, 4.0, "naïve “café” – ไทย")]
    assert [text for _, _, text in read(FORMS[form](cues).encode(encoding), form, "")] == [text for _, _, text in cues]


@pytest.mark.parametrize(("language", "encoding", "said"), [*rows(TUNED), *rows(HELD_BACK)])
def test_one_sentence_is_enough_if_the_name_gives_the_language(
    language: str, encoding: str, said: tuple[str, ...]
) -> None:
    if (language, encoding) in ALONE_TOO_SHORT:
        pytest.skip("the bytes of a sentence may be right in two encodings")
    for text in said:
        assert [line for _, _, line in read(encode(srt([(0, 1, text)]), encoding), "srt", language)] == [composed(text)]


@pytest.mark.parametrize(
    ("language", "encoding", "word"),
    [
        ("th", "tis_620", "สวัสดี"), ("he", "cp1255", "שלום"), ("cs", "iso8859_2", "Děkuji"), ("cs", "cp1250", "Ještě"),
        ("ru", "koi8_r", "Спасибо"), ("ru", "cp1251", "Нет"), ("el", "iso8859_7", "Καλημέρα"),
        ("pl", "iso8859_2", "Łódź"), ("ko", "cp949", "안녕하세요"), ("ja", "cp932", "ありがとう"),
        ("zh-Hans", "gb18030", "谢谢"), ("zh-Hant", "big5", "謝謝"), ("zh", "gb18030", "朋友"),
        ("ar", "cp1256", "شكرا"), ("tr", "cp1254", "Teşekkürler"), ("uk", "cp1251", "Дякую"), ("de", "cp1252", "Füße"),
        ("fr", "cp1252", "déjà"), ("hu", "cp1250", "Erdő"), ("lt", "cp1257", "Ačiū"),
    ],
)  # fmt: skip
def test_one_word_is_enough_if_the_name_gives_the_language(language: str, encoding: str, word: str) -> None:
    assert [line for _, _, line in read(srt([(0, 1, word)]).encode(encoding), "srt", language)] == [word]


RUSSIAN = ["Здравствуйте, капитан корабля", "Принесите мне карту сокровищ", "Спасибо большое"]


def lines_of(data: bytes, language: str = "") -> tuple[list[str], int]:
    decoded = decode(data, language)
    return [cue.text for cue in parse(decoded.text, "srt").cues], decoded.broken


@pytest.mark.parametrize("language", ["ru", ""])
@pytest.mark.parametrize("bad", [b"\xd1", b"\xff", b"\x80", b"\xe4\xb8"])
@pytest.mark.parametrize("place", [0, 1, 5, 20])
def test_a_bad_byte_costs_one_sign(language: str, bad: bytes, place: int) -> None:
    data = srt([(n, n + 1, text) for n, text in enumerate(RUSSIAN)]).encode()
    at = data.index("карту".encode()) + place
    said, broken = lines_of(data[:at] + bad + data[at:], language)
    assert (said[0], said[2], broken <= 2) == (RUSSIAN[0], RUSSIAN[2], True)
    assert abs(len(said[1]) - len(RUSSIAN[1])) <= 1 and "\ufffd" in said[1]


def test_a_bad_byte_in_another_encoding_costs_no_other_line() -> None:
    data = srt([(0, 1, "日本語のテスト"), (1, 2, "こんにちは世界"), (2, 3, "ありがとう、友よ。")]).encode("cp932")
    data = data.replace("世界".encode("cp932"), "世界".encode("cp932") + b"\x81", 1)
    said, broken = lines_of(data, "ja")
    assert (said[0], said[2]) == ("日本語のテスト", "ありがとう、友よ。") and broken == 1


@pytest.mark.parametrize("language", ["ru", ""])
def test_a_file_of_two_encodings_is_read_line_by_line(language: str) -> None:
    first = srt([(n, n + 1, text) for n, text in enumerate(RUSSIAN)]).encode()
    second = srt([(5, 6, "Мне нужно позвонить домой"), (7, 8, "Осторожно, там ступеньки!")]).encode("cp1251")
    said, broken = lines_of(first + b"\n" + second, language)
    assert said == [*RUSSIAN, "Мне нужно позвонить домой", "Осторожно, там ступеньки!"] and broken == 0


def test_what_was_guessed_and_what_was_lost_is_reported() -> None:
    assert decode(b"ok").notes == []
    assert "taken for cp1252" in decode("déjà vu".encode("cp1252"), "fr").notes[0]
    assert "1 replacement sign" in decode("déjà vu, ça".encode() + b"\xff", "fr").notes[0]


def test_an_xml_file_gives_its_encoding() -> None:
    text = '<?xml version="1.0" encoding="iso-8859-5"?>' + ttml([(0, 1, "Да")])
    assert [line for _, _, line in read(text.encode("iso8859_5"), "ttml", "fr")] == ["Да"]
