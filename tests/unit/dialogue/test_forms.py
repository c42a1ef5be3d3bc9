"""Forms of subtitle files beyond the plain ones: what each format allows, and what people write."""

from __future__ import annotations

import contextlib
import time
from fractions import Fraction

import pytest

from ops.core.errors import MediaError
from ops.dialogue.parse import parse
from tests.builders.subtitles import srt, stamp

Read = list[tuple[float, float, str]]


def read(text: str, suffix: str, fps: Fraction | None = Fraction(25)) -> Read:
    return [(round(cue.start_s, 3), round(cue.end_s, 3), cue.text) for cue in parse(text, suffix, fps).cues]


def events(fields: str, *rows: str, style: str = "v4.00+") -> str:
    head = f"[Script Info]\nScriptType: {style}\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Arial\n[Events]\n"
    return head + (f"Format: {fields}\n" if fields else "") + "".join(f"{row}\n" for row in rows)


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ("Start, End, Style, Text", "0:00:01.00,0:00:03.00,Default,closed, my friend"),
        ("Layer, Start, End, Text", "0,0:00:01.00,0:00:03.00,closed, my friend"),
        ("end,START,  text", "0:00:03.00,0:00:01.00,closed, my friend"),
        ("Text, Start, End", "closed, my friend,0:00:01.00,0:00:03.00"),
        ("Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
         "Marked=0,0:00:01.00,0:00:03.00,Default,Bob,0000,0000,0000,!Effect,closed, my friend"),
        ("", "0,0:00:01.00,0:00:03.00,Default,,0,0,0,,closed, my friend"),
        ("Nonsense", "0,0:00:01.00,0:00:03.00,Default,,0,0,0,,closed, my friend"),
        ("Start, End, Text", "0:00:01.0,0:00:03:00,{\\an8}{\\k20}clo{\\k30}sed, {a remark}my\\Nfriend"),
    ],
)  # fmt: skip
def test_events_are_read_by_the_order_that_the_file_gives(fields: str, row: str) -> None:
    text = events(fields, f"Comment: {row}", f"Dialogue: {row}")
    assert read(text, "ass") == [(1.0, 3.0, "closed, my friend")]


def test_a_broken_event_costs_itself_and_is_named() -> None:
    parsed = parse(
        events(
            "Start, End, Text", "Dialogue: 0:00:01.00,x,lost", "Dialogue: 5", "Dialogue: 0:00:02.00,0:00:03.00,kept"
        ),
        "ass",
    )
    assert [cue.text for cue in parsed.cues] == ["kept"]
    assert [line for line, _ in parsed.problems] == [8, 9]


@pytest.mark.parametrize(
    ("text", "suffix", "wanted"),
    [
        ("0:00:01.000,0:00:03.000\nHello\nfriend\n\n0:00:04.000,0:00:05.500\n42\n", "sbv",
         [(1.0, 3.0, "Hello friend"), (4.0, 5.5, "42")]),
        ("[INFORMATION]\n[TITLE]x\n00:00:01.00,00:00:03.00\nHello[br]friend\n", "sub", [(1.0, 3.0, "Hello friend")]),
        ("{1}{1}50\n{50}{150}{y:i}Hello|friend\n{200}{}open\n", "sub",
         [(1.0, 3.0, "Hello friend"), (4.0, 7.0, "open")]),
        ("[10][30]Hello|/friend\n", "mpl", [(1.0, 3.0, "Hello friend")]),
        ("[ar:Band]\n[00:01.00]Hello\n[00:03.50][00:07.00]La la\n[00:05.00]\n", "lrc",
         [(1.0, 3.5, "Hello"), (3.5, 5.0, "La la"), (7.0, 10.0, "La la")]),
        ("1\n00:00:01.000 --> 00:00:03.000 X1:10 X2:20\n{\\an8}<i>Tom &amp; Jerry</i>&nbsp;&#39;x&#x27;&lrm;\n", "srt",
         [(1.0, 3.0, "Tom & Jerry 'x'")]),
        ("1\n00:00:01,000 → 00:00:03,000\nHello\n2\n00:00:04:500 ---> 00:00:05:250\nBye\n", "srt",
         [(1.0, 3.0, "Hello"), (4.5, 5.25, "Bye")]),
        ("\ufeff1\n00:00:01,000 --> 00:00:02,000\nHello\n\n\ufeff2\n00:00:03,000 --> 00:00:04,000\nBye\n", "srt",
         [(1.0, 2.0, "Hello"), (3.0, 4.0, "Bye")]),
        ("1\n123:00:01,000 --> 123:00:02,000\nAT&T &copy; &unknown; R&D\n", "srt",
         [(442801.0, 442802.0, "AT&T © &unknown; R&D")]),
        ("WEBVTT\n\nREGION\nid:a\n\n00:01.000 --> 00:02.000 line:0\n \n<v Ann>We &amp; <c.red>you</c></v>\n\n", "vtt",
         [(1.0, 2.0, "We & you")]),
        ("WEBVTT\n \n1\n00:01.000 --> 00:02.000\nHello\n \n2\n00:03.000 --> 00:04.000\nBye\n", "vtt",
         [(1.0, 2.0, "Hello"), (3.0, 4.0, "Bye")]),
    ],
)  # fmt: skip
def test_forms(text: str, suffix: str, wanted: Read) -> None:
    for end in ("\n", "\r\n", "\r"):
        assert read(text.replace("\n", end), suffix) == wanted


def test_frames_without_a_rate_count_at_that_of_the_video_and_that_is_reported() -> None:
    parsed = parse("{24}{48}Hello\n", "sub", Fraction(24000, 1001))
    assert (parsed.cues[0].start_s, parsed.cues[0].end_s) == pytest.approx((1.001, 2.002))
    assert "the rate of its video, 23.976" in parsed.problems[0][1]


def test_two_languages_of_one_sami_file_are_lines_of_these_languages() -> None:
    text = (
        "<SAMI><HEAD><STYLE><!-- .KRCC {Name:Korean; lang: ko-KR;} .ENCC {lang: en-US;} --></STYLE></HEAD>"
        "<BODY>\n<SYNC Start=1000><P Class=KRCC>안녕<br>친구\n<P Class=ENCC>Hello &amp; bye\n"
        "<SYNC Start=3000><P Class=KRCC>&nbsp;<P Class=ENCC>&nbsp;\n</BODY></SAMI>"
    )
    cues = parse(text, "smi").cues
    assert {(cue.start_s, cue.end_s, cue.text, cue.language) for cue in cues} == {
        (1.0, 3.0, "안녕 친구", "ko-KR"), (1.0, 3.0, "Hello & bye", "en-US"),
    }  # fmt: skip


TTML = '<tt xmlns="{ns}" xmlns:ttp="{ns}#parameter" xml:lang="de" {more}>{body}</tt>'


def ttml(body: str, more: str = "", ns: str = "http://www.w3.org/ns/ttml") -> str:
    return TTML.format(ns=ns, more=more, body=body)


@pytest.mark.parametrize(
    ("body", "more", "wanted"),
    [
        ('<body><div><p begin="00:00:01.5" end="00:00:02.500">a<br/>b</p></div></body>', "", [(1.5, 2.5, "a b")]),
        ('<body><p begin="00:00:01:12" end="00:00:02:00">a</p></body>', 'ttp:frameRate="24"', [(1.5, 2.0, "a")]),
        ('<body><p begin="24f" dur="24f">a</p></body>', 'ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"',
         [(1.001, 2.002, "a")]),
        ('<body><p begin="15000000t" end="2s">a</p></body>', 'ttp:tickRate="10000000"', [(1.5, 2.0, "a")]),
        ('<body begin="10s"><div begin="1s"><p begin="500ms" dur="0.5s">a</p></div></body>', "", [(11.5, 12.0, "a")]),
        ('<body><div timeContainer="seq"><p dur="1s">a</p><p dur="2s">b</p></div></body>', "",
         [(0.0, 1.0, "a"), (1.0, 3.0, "b")]),
        ('<body><p><span begin="1s" end="2s">a</span> <span begin="2s" end="3s">b</span></p></body>', "",
         [(1.0, 2.0, "a"), (2.0, 3.0, "b")]),
        ('<body><p begin="1s" end="2s">one\n   <span>two</span> &amp; <span>three<br/>four</span></p></body>', "",
         [(1.0, 2.0, "one two & three four")]),
        ('<head><metadata>not said</metadata></head><body><p begin="1s" end="2s">Tom & J&eacute;r</p></body>', "",
         [(1.0, 2.0, "Tom & Jér")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ns", ["http://www.w3.org/ns/ttml", "http://www.w3.org/2006/10/ttaf1"])
def test_timed_text(body: str, more: str, wanted: Read, ns: str) -> None:
    assert read(ttml(body, more, ns), "ttml") == wanted
    assert {cue.language for cue in parse(ttml(body, more, ns), "ttml").cues} == {"de"}


def test_timed_text_that_is_not_xml_or_could_swell_is_refused() -> None:
    with pytest.raises(MediaError, match="well-formed"):
        parse("<tt><body><p begin='1s'>a</body></tt>", "ttml")
    with pytest.raises(MediaError, match="declares entities"):
        parse('<!DOCTYPE tt [<!ENTITY a "aaaa">]><tt><body><p begin="1s">&a;</p></body></tt>', "ttml")


@pytest.mark.parametrize(
    "sign", ["<sync ", "<p class=", "<!--", "{1}{2}", "[00:01", ".a{", "0:00:01.000,", "<tt ", "\t", "&a"]
)
def test_files_that_never_end_what_they_begin_are_read_quickly(sign: str) -> None:
    began = time.thread_time()
    for head in ("", "<SYNC Start=1000><P>x", "{1}{2}x\n", "[00:01.00]x\n", srt([(0, 1, "x")])):
        with contextlib.suppress(MediaError):
            parse(head + sign * (400_000 // len(sign)), "smi")
    assert time.thread_time() - began < 5


SPOKEN = [(0.24, 3.4, "the secret garden gate"), (3.41, 6.0, "was never locked"), (6.01, 8.0, "until the winter came")]


def rolling_vtt(lines: Read) -> str:
    """As a video site writes the captions that it makes: each row word by word below the one before, then held."""
    out, before = "WEBVTT\nKind: captions\nLanguage: en\n\n", " "
    for start, end, text in lines:
        first, *rest = text.split()
        step = (end - start) / (len(rest) + 2)
        words = "".join(f"<{stamp(start + step * (n + 1), '.')}><c> {word}</c>" for n, word in enumerate(rest))
        out += f"{stamp(start, '.')} --> {stamp(end, '.')} align:start position:0%\n{before}\n{first}{words}\n\n"
        out += f"{stamp(end, '.')} --> {stamp(end + 0.01, '.')} align:start position:0%\n{text}\n \n\n"
        before = text
    return out


def test_rolling_captions_are_read_once_each_from_its_first_word_to_its_last() -> None:
    found = read(rolling_vtt(SPOKEN), "vtt")
    assert [(start, text) for start, _, text in found] == [(start, text) for start, _, text in SPOKEN]
    # The last of four words begins at 2.136 s; the row is shown until 3.4 s, when the next shot may have begun.
    assert found[0][1] == pytest.approx(2.768, abs=0.01)
    assert all(end < shown for (_, end, _), (_, shown, _) in zip(found, SPOKEN, strict=True))


def test_rolling_captions_saved_as_another_format_are_read_once() -> None:
    windows = []
    before = ""
    for start, end, text in SPOKEN:
        windows += [(start, end, f"{before}\n{text}".strip()), (end, end + 0.01, f"{text}\n ")]
        before = text
    assert read(srt(windows), "srt") == SPOKEN


@pytest.mark.parametrize("height", [2, 3])
def test_windows_that_scroll_are_read_row_by_row(height: int) -> None:
    said = ["ONE ROW", "AND ANOTHER", ">> A THIRD ONE", "THE FOURTH", "NO END", "OF THIS"]
    windows = [(2.0 * n, 2.0 * n + 2, "\n".join(said[max(n - height + 1, 0) : n + 1])) for n in range(len(said))]
    assert read(srt(windows), "srt") == [(2.0 * n, 2.0 * n + 2, row) for n, row in enumerate(said)]


def test_the_row_that_is_shown_again_after_a_pause_is_not_said_again() -> None:
    text = (
        "WEBVTT\n\n00:00.000 --> 00:02.000\n \n[Music]\n\n00:02.010 --> 00:04.500\n[Music]\n"
        "hello<00:02.500><c> there</c>\n\n00:04.500 --> 00:04.510\nhello there\n \n\n"
        "00:09.000 --> 00:11.000\nhello there\nto<00:09.200><c> me</c>\n\n"
        "00:11.000 --> 00:13.000\nto me\nto<00:11.300><c> me</c>\n"
    )
    assert [(start, said) for start, _, said in read(text, "vtt")] == [
        (0.0, "[Music]"), (2.01, "hello there"), (9.0, "to me"), (11.0, "to me"),
    ]  # fmt: skip


def test_three_windows_of_a_short_file_are_enough() -> None:
    shown = ["first row", "first row\nsecond row", "second row\nthird row"]
    assert [text for _, _, text in read(srt([(2 * n, 2 * n + 2, text) for n, text in enumerate(shown)]), "srt")] == [
        "first row", "second row", "third row",
    ]  # fmt: skip


def test_rows_that_grow_word_by_word_are_read_once_they_are_whole() -> None:
    shown = [
        "the",
        "the secret",
        "the secret garden",
        "the secret garden\ngate",
        "the secret garden\ngate is",
        "gate is\nopen",
    ]
    found = read(srt([(n, n + 1, text) for n, text in enumerate(shown)]), "srt")
    assert found == [(0, 3, "the secret garden"), (3, 5, "gate is"), (5, 6, "open")]


@pytest.mark.parametrize(
    "said",
    [
        ["la la la", "la la la", "la la la", "la la la"],
        ["No", "No, no", "Stop"],
        ["- Who?\n- Me.", "- You?\n- Me.", "Me."],
        ["Wait", "Wait for me", "I said", "wait"],
    ],
)
def test_people_who_repeat_themselves_are_not_rolling(said: list[str]) -> None:
    found = read(srt([(2 * n, 2 * n + 2, text) for n, text in enumerate(said)]), "srt")
    assert [text for _, _, text in found] == [text.replace("\n", " ") for text in said]
