"""Languages as files and tracks name them: ``en``, ``eng``, ``English``, ``pt-BR`` become ISO 639-1 codes."""

from __future__ import annotations

import re

_TWO = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
TWO_LETTERS = frozenset(_TWO.split())
"""ISO 639-1."""

_THREE = (
    "ara:ar arm:hy hye:hy baq:eu eus:eu bel:be ben:bn bos:bs bul:bg bur:my mya:my cat:ca chi:zh zho:zh cze:cs ces:cs "
    "dan:da dut:nl nld:nl eng:en est:et fin:fi fre:fr fra:fr geo:ka kat:ka ger:de deu:de gle:ga glg:gl gre:el ell:el "
    "heb:he hin:hi hrv:hr hun:hu ice:is isl:is ind:id ita:it jpn:ja kan:kn kaz:kk khm:km kor:ko lao:lo lat:la lav:lv "
    "lit:lt mac:mk mkd:mk mal:ml mar:mr may:ms msa:ms mon:mn nno:nn nob:nb nor:no per:fa fas:fa pol:pl por:pt rum:ro "
    "ron:ro rus:ru slo:sk slk:sk slv:sl spa:es srp:sr swe:sv tam:ta tel:te tha:th tur:tr ukr:uk urd:ur vie:vi wel:cy "
    "cym:cy"
)
THREE_LETTERS = dict(pair.split(":") for pair in _THREE.split())
"""ISO 639-2, both forms, of the languages that subtitles are common in."""

_NAMES = (
    "arabic:ar armenian:hy bulgarian:bg catalan:ca chinese:zh croatian:hr czech:cs danish:da dutch:nl english:en "
    "estonian:et finnish:fi french:fr german:de greek:el hebrew:he hindi:hi hungarian:hu icelandic:is indonesian:id "
    "italian:it japanese:ja korean:ko latvian:lv lithuanian:lt norwegian:no persian:fa polish:pl portuguese:pt "
    "romanian:ro russian:ru serbian:sr slovak:sk slovenian:sl spanish:es swedish:sv tamil:ta thai:th turkish:tr "
    "ukrainian:uk vietnamese:vi deutsch:de francais:fr espanol:es italiano:it portugues:pt nederlands:nl svenska:sv"
)
NAMES = dict(pair.split(":") for pair in _NAMES.split())

MARKS = frozenset({"forced", "sdh", "cc", "default", "full", "hi", "hearing", "impaired", "sub", "subs", "subtitles"})
"""Words beside the language that tell of which kind the subtitles are."""
_REGION = re.compile(r"[a-z]{2}|[a-z]{4}|\d{3}")


def language_of(name: str) -> str:
    """ISO 639-1 code, with its region where one is named (``pt-BR``); empty where the name tells no language."""
    parts = re.split(r"[-_]", name.strip().lower())
    code = parts[0] if parts[0] in TWO_LETTERS else THREE_LETTERS.get(parts[0]) or NAMES.get(parts[0], "")
    if not code or len(parts) < 2 or not _REGION.fullmatch(parts[1]):
        return code
    return f"{code}-{parts[1].upper() if len(parts[1]) < 4 else parts[1].title()}"


def language_of_suffix(words: list[str]) -> str | None:
    """The language that the words after a film's name tell; ``None`` where they are anything else than that.

    ``["en"]``, ``["pt", "BR"]``, ``["English", "forced"]``; marks alone tell no language (empty text).
    """
    language, region_may_follow = "", False
    for word in (word.lower() for word in words):
        found = language_of(word)
        if not language and found and (word not in MARKS or (word == "hi" and len(words) == 1)):
            language, region_may_follow = found, True
        elif region_may_follow and word not in MARKS and _REGION.fullmatch(word):
            language, region_may_follow = language_of(f"{language}-{word}"), False
        elif word not in MARKS:
            return None
    return language
