"""Subtitle files of every kind and in every state: what is read, what is told, and that nothing is lost silently."""

from __future__ import annotations

import codecs
import time

import pytest

from ops.core.errors import MediaError
from ops.dialogue.decode import decode
from ops.dialogue.markup import MOST_SIGNS, strip_markup
from ops.dialogue.parse import MOST_LINES, parse
from tests.builders.subtitles import ass, srt, vtt

CUES = [(0.5, 2.0, "You're a jerk, Thom."), (1.5, 3.25, "Second\nline"), (3600.0, 3601.0, "42")]
PLAIN = [(0.5, 2.0, "You're a jerk, Thom."), (1.5, 3.25, "Second line"), (3600.0, 3601.0, "42")]


def read(text: str, suffix: str = "srt") -> list[tuple[float, float, str]]:
    return [(cue.start_s, cue.end_s, cue.text) for cue in parse(text, suffix).cues]


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        (srt(CUES), "srt"),
        (srt(CUES).replace("\n", "\r\n"), "srt"),
        (srt(CUES).replace("\n", "\r"), "srt"),
        (srt(CUES).replace(",", ".").replace("jerk.", "jerk,"), "srt"),
        (srt(CUES).replace("-->", "->"), "srt"),
        (vtt(CUES), "vtt"),
        (vtt(CUES), "srt"),
        (ass(CUES).replace("Second\nline", "Second\\Nline"), "ass"),
        (ass(CUES).replace("Second\nline", "Second\\Nline"), "srt"),
    ],
)
def test_every_format_gives_the_same_cues(text: str, suffix: str) -> None:
    assert read(text, suffix) == PLAIN


def test_a_line_number_names_where_a_cue_begins() -> None:
    assert [cue.line for cue in parse(srt(CUES), "srt").cues] == [2, 6, 11]
    assert [cue.line for cue in parse(ass(CUES[:1]), "ass").cues] == [10]


def test_numbers_that_are_said_are_not_counters() -> None:
    said = srt([(0, 1, "How many?\n42"), (1, 2, "7"), (2, 3, "That is\n\nall\n9")])
    assert [text for _, _, text in read(said)] == ["How many? 42", "7", "That is all 9"]
    without = "00:00:01,000 --> 00:00:02,000\none\n\n00:00:03,000 --> 00:00:04,000\ntwo\n"
    assert [text for _, _, text in read(without)] == ["one", "two"]


def test_vtt_notes_styles_and_names_are_not_said() -> None:
    text = (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnobody says this\n\nname of a cue\n"
        "00:01.000 --> 00:02.000 line:0\n<v Thom>Hi <c.red>there</c> &amp; <00:01.500>now</v>\n\nNOTE nor this\n\n2\n"
        "01:00:00.000 --> 01:00:01.000\nbye\n\nstray words\nof somebody\n"
    )
    parsed = parse(text, "vtt")
    assert [(cue.start_s, cue.text) for cue in parsed.cues] == [(1.0, "Hi there & now"), (3600.0, "bye")]
    assert parsed.problems == [(19, "text that belongs to no time is left out")]


def test_broken_times_cost_their_own_text_only_and_are_named() -> None:
    text = srt(CUES[:1]) + "\n9\n00:00:0x,000 --> 0:00:09,000\nlost\n\n" + srt(CUES[1:])
    parsed = parse(text.replace("00:00:0x,000 -->", "00:aa:05,000 -->"), "srt")
    assert [cue.text for cue in parsed.cues] == [text for _, _, text in PLAIN]
    ((line, what),) = parsed.problems
    assert line == 6 and "00:aa:05" in what
    broken = ass(CUES[:1]) + "Dialogue: 0,soon,later,Default,,0,0,0,,lost\nDialogue: 0\n"
    parsed = parse(broken, "ass")
    assert [cue.text for cue in parsed.cues] == ["You're a jerk, Thom."]
    assert 11 in [line for line, _ in parsed.problems]


def test_negative_times_keep_their_sign() -> None:
    assert read("1\n-00:00:01,500 --> 00:00:02,000\nx\n") == [(-1.5, 2.0, "x")]
    assert read(ass([(0, 1, "x")]).replace("0:00:00.00,", "-0:00:02.00,", 1), "ass") == [(-2.0, 1.0, "x")]


@pytest.mark.parametrize(
    ("raw", "kind", "plain"),
    [
        ("<i>Hello</i> <b>you</b> <font color='#fff'>there</font>", "srt", "Hello you there"),
        ("{\\an8}up here", "srt", "up here"),
        (
            "<script>alert(1)</script> & <img src=x onerror=y>",
            "srt",
            "<script>alert(1)</script> & <img src=x onerror=y>",
        ),
        ("&lt;script&gt;", "vtt", "<script>"),
        ("{\\i1}Hi{\\i0}\\Nthere\\hyou", "ass", "Hi there you"),
        ("{\\p1}m 0 0 l 100 0{\\p0}", "ass", ""),
        ("{\\p1}m 0 0 l 100 0{\\p0}said", "ass", "said"),
        ("a\x00b\x1b[31mc\u202ed\ufeffe\tf", "srt", "a b [31mcde f"),
        ("1 < 2 > 0 {not a tag}", "srt", "1 < 2 > 0 {not a tag}"),
        ("e\u0301", "mov_text", "é"),
    ],
)
def test_text_is_plain(raw: str, kind: str, plain: str) -> None:
    assert strip_markup(raw, kind) == (plain, False)


@pytest.mark.parametrize("sign", ["x", "{", "<", "{\\p1}", "<i>", "\\N", "-->", "9:", "00:00:01,000 -->", " ", "&lt;"])
def test_a_million_signs_are_bounded_quickly_and_told(sign: str) -> None:
    long = sign * (1_000_000 // len(sign))
    began = time.thread_time()
    for suffix, text in (("srt", srt([(0, 1, long), (1, 2, "next")])), ("ass", ass([(0, 1, long), (1, 2, "next")]))):
        parsed = parse(text, suffix)
        assert parsed.cues[-1].text == "next"
        assert all(len(cue.text) <= MOST_SIGNS for cue in parsed.cues)
        assert (len(parsed.cues) == 2 and parsed.problems) or parsed.empty
    assert time.thread_time() - began < 5


@pytest.mark.parametrize("head", ["", "WEBVTT\n\n", srt(CUES[:1]), vtt(CUES[:1])])
@pytest.mark.parametrize("line", ["x\n", "\n", "7\n", "x\n\n"])
def test_a_million_lines_take_four_times_as_long_as_a_quarter_of_them(head: str, line: str) -> None:
    last = "\n1\n00:00:07,000 --> 00:00:08,000\nlast\n"

    def took(lines: int) -> float:
        text = head + line * ((lines - 20) // line.count("\n")) + last
        began = time.thread_time()
        assert parse(text, "srt").cues[-1].text == "last"
        return time.thread_time() - began

    took(1000)
    quarter = min(took(MOST_LINES // 4) for _ in range(2))
    assert took(MOST_LINES) < 10 * quarter + 0.5  # in proportion it is 4, with the square of the lines 16


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_more_lines_than_any_film_has_are_refused(end: str) -> None:
    with pytest.raises(MediaError, match="it has 1,000,005 lines, and at most 1,000,000 are read"):
        parse((srt(CUES[:1]).rstrip() + "\n" * (MOST_LINES + 2)).replace("\n", end), "srt")


@pytest.mark.parametrize("text", ["", "\n\n", "no times at all", "<html><body>404</body></html>", "1\n2\n3\n"])
def test_what_holds_no_subtitles_is_refused(text: str) -> None:
    with pytest.raises(MediaError, match="holds no subtitles"):
        parse(text, "srt")


RUSSIAN = "Ёлка горела всю ночь, и никто не пришёл. Что же мы будем делать завтра?"
POLISH = "Nie wiem, co się stało. Chciałbym, żebyś już poszła, bo jestem zmęczony i śpiący."
JAPANESE = "私は学生です。東京に住んでいます。犬が好きです。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "utf-8"), (RUSSIAN, "utf-8-sig"), (RUSSIAN, "utf-16"), (RUSSIAN, "utf-16-le"), (RUSSIAN, "utf-16-be"),
        (RUSSIAN, "utf-32"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (POLISH, "cp1250"), (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"), ("Füße, Häuser und Straßen überall. Größe!", "cp1252"),
    ],
)  # fmt: skip
def test_encodings_are_recognised(text: str, encoding: str) -> None:
    cues = [(n, n + 1, f"{text} {n}") for n in range(12)]
    data = ("\ufeff" * (encoding == "utf-16-be") + srt(cues)).encode(encoding)
    decoded = decode(data)
    assert [said for _, _, said in read(decoded.text)] == [said for _, _, said in cues]
    assert bool(decoded.guess) == (encoding not in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be"))


SAID = {
    ("en", "cp1252"): ["a café “naïve” girl", "I’m fine…", "Señor — façade"],
    ("fr", "cp1252"): ["Où êtes-vous allé ? Ça va, garçon.", "Cœur brisé", "ÇA VA BIEN, ÉLOÏSE"],
    ("de", "cp1252"): ["Füße, Häuser und „Straßen“", "Grüße an alle", "STRAßE"],
    ("es", "cp1252"): ["¿Qué pasó, señor? ¡Mañana!"],
    ("it", "cp1252"): ["Perché non è più così? È già là."],
    ("pt-BR", "cp1252"): ["Não, são três irmãos e uma canção"],
    ("sv", "cp1252"): ["Jag är på väg till ön"],
    ("pl", "cp1250"): ["Nie wiem, co się stało.", "Chciałbym, żebyś już poszła", POLISH],
    ("cs", "cp1250"): ["Přišel jsem pozdě.", "Příliš žluťoučký kůň", "„Řekni to, prosím, už!“"],
    ("hu", "cp1250"): ["Jó estét, hölgyem, örülök, hogy itt vagy az erdőben"],
    ("tr", "cp1254"): ["Teşekkür ederim, iyi akşamlar, çocuğum."],
    ("ru", "cp1251"): ["Да.", "Ёлка горела всю ночь", "Что же мы будем делать завтра?", RUSSIAN],
    ("ru", "koi8-r"): ["Ёлка горела всю ночь", "Что же мы будем делать завтра?"],
    ("el", "cp1253"): ["Καλημέρα, τι κάνεις σήμερα;"],
}


@pytest.mark.parametrize("language", ["", "fr"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_mark_of_utf8_before_another_encoding_costs_no_accents(encoding: str, language: str) -> None:
    text = srt([(1, 2, "L'été à la mer"), (3, 4, "Où êtes-vous, garçon ?"), (5, 6, "Noël, déjà")])
    assert decode(codecs.BOM_UTF8 + text.encode(encoding), language).text == text


def test_a_bad_byte_after_a_mark_of_utf8_costs_one_character() -> None:
    text = srt([(1, 2, "капитан корабля"), (3, 4, "L'été à la mer")])
    data = (codecs.BOM_UTF8 + text.encode()).replace("ё".encode(), b"").replace("б".encode(), b"\xff")
    assert decode(data).text == text.replace("б", "\ufffd") and decode(data).broken == 1
    one = srt([(1, 2, "ordinary words")]).encode().replace(b"words", b"w\xffrds")
    assert "ordinary w" in decode(codecs.BOM_UTF8 + one).text and "rds" in decode(codecs.BOM_UTF8 + one).text


def test_chinese_between_escapes_is_read() -> None:
    text = srt([(1, 2, "他们已经走了"), (3, 4, "home ~ now"), (5, 6, "没关系")])
    assert decode(text.encode("hz")).text == text
    assert decode(b"a ~{ b ~} c").text == "a ~{ b ~} c"


def test_a_blank_text_without_a_class_ends_those_of_all_classes() -> None:
    body = "<SYNC Start=1500><P Class=ENCC>hello<SYNC Start=2500><P>&nbsp;"
    assert read(f"<SAMI><BODY>{body}</BODY></SAMI>", "smi") == [(1.5, 2.5, "hello")]


@pytest.mark.parametrize("cues", [1, 12])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize(
    ("language", "encoding", "text"), [(*key, text) for key, texts in SAID.items() for text in texts]
)
def test_letters_tell_the_code_page_of_short_files(
    language: str, encoding: str, text: str, is_named: bool, cues: int
) -> None:
    data = srt([(n, n + 1, text) for n in range(cues)]).encode(encoding)
    decoded = decode(data, language if is_named else "")
    assert [said for _, _, said in read(decoded.text)] == [text] * cues, decoded.guess


@pytest.mark.parametrize("name", ["", "en", "en-GB"])
@pytest.mark.parametrize(
    "text",
    [
        "It’s a trap!",
        "I don’t know…",
        "We can’t — we won’t.",
        "“Who’s there?”",
        "That’s £5 or €10.",
        "He’d be 20° off.",
    ],
)
def test_an_apostrophe_of_windows_tells_english_from_a_line(text: str, name: str) -> None:
    decoded = decode(srt([(0, 1, text)]).encode("cp1252"), name)
    assert (decoded.guess, [said for _, _, said in read(decoded.text)]) == ("cp1252", [text])


@pytest.mark.parametrize(
    ("language", "encoding", "text"),
    [("pl", "cp1250", "Dziękuję"), ("cs", "cp1250", "Děkuji"), ("el", "cp1253", "Ναι."), ("hu", "cp1250", "Erdő.")],
)
def test_a_file_that_names_its_language_needs_no_more_than_a_word(language: str, encoding: str, text: str) -> None:
    assert decode(srt([(0, 1, text)]).encode(encoding), language).text == srt([(0, 1, text)])


@pytest.mark.parametrize("seed", range(8))
def test_a_wrong_guess_loses_no_line(seed: int) -> None:
    """Bytes that no single encoding explains: every cue is still there, with its time."""
    import random

    noise = random.Random(seed)
    cues = [(n, n + 1, "TEXT") for n in range(50)]
    data = srt(cues).encode()
    while b"TEXT" in data:
        data = data.replace(
            b"TEXT", bytes(noise.choice(b"abc \x80\x93\xa4\xc4\xe9\xff\x81\x9d") for _ in range(30)) + b"x", 1
        )
    decoded = decode(data)
    assert decoded.guess
    assert [start for start, _, _ in read(decoded.text)] == list(range(50))


def test_binary_data_is_refused() -> None:
    import random

    with pytest.raises(MediaError, match="binary data"):
        decode(random.Random(1).randbytes(5000))
    with pytest.raises(MediaError, match="binary data"):
        decode(b"\x00" * 5000)


def test_a_picture_named_srt_is_refused() -> None:
    with pytest.raises(MediaError, match=r"binary data|holds no subtitles"):
        parse(decode(b"\xff\xd8\xff\xe0" + bytes(range(1, 256)) * 20).text, "srt")


@pytest.mark.shared
def test_a_real_file_is_read_whole(footage) -> None:  # type: ignore[no-untyped-def]
    decoded = decode((footage / "TOS-en.srt").read_bytes())
    text = decoded.text
    parsed = parse(text, "srt")
    assert decoded.guess == "" and not decoded.broken
    assert len(parsed.cues) + parsed.empty == text.count("-->")
    assert parsed.problems == []
    assert (parsed.cues[0].start_s, parsed.cues[0].end_s, parsed.cues[0].text) == (23.0, 24.5, "You're a jerk, Thom.")
