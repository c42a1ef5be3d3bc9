"""Code pages of one byte a sign, known by the letters of the languages that are written in them.

Stands alone because statistics over bytes fail on short files: eight code pages give a `café` some letter or other,
but only one gives each word the letters of one language, and capitals where words have them.
"""

from __future__ import annotations

import re

_LATIN_1 = {
    "en": "éèêëïíñöüçàâôóá",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "de": "äöüßéàè",
    "es": "áéíñóúüç",
    "pt": "áâãàçéêíóôõúü",
    "it": "àèéìòùîó",
    "nl": "éèëêïöüóáíúàâ",
    "sv": "åäöéàü",
    "da": "æøåéäöü",
    "ca": "àçèéíïòóúü·",
    "is": "áðéíóúýþæö",
}
_LATIN_1 |= {"nb": _LATIN_1["da"], "nn": _LATIN_1["da"], "no": _LATIN_1["da"], "fi": _LATIN_1["sv"]}
_WESTERN = "".join(sorted(set("".join(_LATIN_1.values())) - set("ðþý")))
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_RUSSIAN = {"ru": f"{_CYRILLIC}ё"}
# Of one script the languages that are read most come first.
_CODE_PAGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("cp1252", _LATIN_1),
    (
        "cp1250",
        {
            "pl": "ąćęłńóśźż",
            "cs": "áčďéěíňóřšťúůýžö",
            "sk": "áäčďéíĺľňóôŕšťúýž",
            "hu": "áéíóöőúüű",
            "ro": "ăâîşţșț",
            "hr": "čćđšž",
            "sl": "čšž",
            "bs": "čćđšž",
        },
    ),
    ("cp1254", {"tr": "çğıöşüâîûi̇"}),
    ("cp1257", {"lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "et": "äõöüšž"}),
    (
        "cp1251",
        _RUSSIAN | {"uk": f"{_CYRILLIC}ґєії", "be": f"{_CYRILLIC}ёіў", "bg": _CYRILLIC, "sr": f"{_CYRILLIC}ђјљњћџ"},
    ),
    ("koi8-r", _RUSSIAN),
    ("cp1253", {"el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐ"}),
)
_ANYWHERE = frozenset("“”‘’«»‹›…–—·°€£§©®™²´¨\u00a0\u00ad♪№")
_BEFORE_WORDS = frozenset("„‚¿¡")
_WORD = re.compile(r"[^\W\d_]+")
_MOST_MARKED = 0.6
"""Share of letters that are not ASCII, in lines that have one, in languages of Latin script."""


def code_page_of(data: bytes, language: str) -> str | None:
    """The code page in which ``data`` has only letters that one language uses; ``None`` where none is like that.

    ``language`` is an ISO 639-1 code, with or without region, and counts first; empty where it is not known. Of
    several that fit, western European ones come first. Languages that are not in the table have none.
    """
    own = language.partition("-")[0]
    if own and not any(own in languages for _, languages in _CODE_PAGES):
        return None
    if own in _LATIN_1 and _fits(data, "cp1252", _WESTERN):
        return "cp1252"
    alphabets = [(page, name, letters) for page, languages in _CODE_PAGES for name, letters in languages.items()]
    alphabets.sort(key=lambda alphabet: alphabet[1] != own)
    for page, name, letters in [*alphabets, ("cp1252", own, _WESTERN)]:
        if _fits(data, page, letters) and (name == own or _is_latin(letters) or _has_capitals(data.decode(page))):
            return page
    return None


def _fits(data: bytes, page: str, letters: str) -> bool:
    """Whether all signs that are not ASCII are these letters, in words that look like words, or usual marks."""
    try:
        text = data.decode(page)
    except UnicodeDecodeError:
        return False
    if not _has_usual_marks(text):
        return False
    alphabet = frozenset(letters)
    marked = plain = 0
    is_latin = _is_latin(letters)
    for word in _WORD.findall(text):
        if word.isascii():
            plain += len(word)
            continue
        own = [sign for sign in word.lower() if not sign.isascii()]
        if not alphabet.issuperset(own) or not _is_cased(word) or (not is_latin and len(own) < len(word)):
            return False
        marked += len(own)
        plain += len(word) - len(own)
    return not is_latin or marked <= _MOST_MARKED * (marked + plain)


def _is_latin(letters: str) -> bool:
    return not {"а", "α"} & set(letters)


def _has_capitals(text: str) -> bool:
    """Whether there are capitals and small letters beyond ASCII: Hebrew, which has none, is Russian without them."""
    marked = [sign for sign in text if not sign.isascii()]
    return any(map(str.isupper, marked)) and any(map(str.islower, marked))


def _has_usual_marks(text: str) -> bool:
    """Whether signs beyond ASCII that are no letters are those of written text, each where it may stand."""
    for before, sign in zip(f" {text}", text, strict=False):
        if sign.isascii() or _WORD.fullmatch(sign):
            continue
        if sign not in _ANYWHERE and (sign not in _BEFORE_WORDS or before.isalnum()):
            return False
    return True


def _is_cased(word: str) -> bool:
    """Small letters, a capital before small ones, or capitals: the wrong code page mixes them."""
    word = word.replace("ß", "")
    return len(word) < 2 or word[1:].islower() or word.isupper()
