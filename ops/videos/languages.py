"""Languages as files and tracks name them: ``en``, ``eng``, ``English``, ``pt_br`` become BCP 47 tags.

langcodes knows the tags and the codes of ISO 639. The names of languages, and the other words in file names, are listed
here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NAMES = {
    "ar": "arabic, العربية, عربي",
    "bg": "bulgarian, български",
    "bn": "bengali, বাংলা",
    "bs": "bosnian, bosanski",
    "ca": "catalan, català",
    "cs": "czech, čeština, česky, český, cz",
    "da": "danish, dansk, dk",
    "de": "german, deutsch",
    "el": "greek, ελληνικά, ελληνικα, gr",
    "en": "english, eng us, eng uk",
    "es": "spanish, español, castellano, castilian",
    "es-419": "latin american, latin american spanish, spanish latin american, spanish latin america, "
    "spanish latinoamerica, "
    "español latino, español latinoamericano, español latinoamérica, latino",
    "es-ES": "european spanish, spanish european, spanish spain, español españa",
    "et": "estonian, eesti",
    "eu": "basque, euskara",
    "fa": "persian, farsi, فارسی",
    "fi": "finnish, suomi",
    "fil": "filipino, tagalog",
    "fr": "french, français, vostfr",
    "fr-CA": "canadian, canadian french, french canadian, french canada, français canada, québécois",
    "gl": "galician, galego",
    "he": "hebrew, עברית",
    "hi": "hindi, हिन्दी, हिंदी",
    "hr": "croatian, hrvatski",
    "hu": "hungarian, magyar",
    "hy": "armenian, հայերեն",
    "id": "indonesian, bahasa indonesia, indonesia",
    "is": "icelandic, íslenska",
    "it": "italian, italiano",
    "ja": "japanese, 日本語, jp, jap",
    "ka": "georgian, ქართული",
    "kk": "kazakh, қазақша",
    "ko": "korean, 한국어, kr",
    "lt": "lithuanian, lietuvių",
    "lv": "latvian, latviešu",
    "mk": "macedonian, македонски",
    "ml": "malayalam, മലയാളം",
    "ms": "malay, bahasa melayu, melayu",
    "nb": "norwegian bokmal, norsk bokmål, bokmål, nob",
    "nl": "dutch, nederlands, flemish, vlaams",
    "nn": "nynorsk, norsk nynorsk, nno",
    "no": "norwegian, norsk",
    "pl": "polish, polski",
    "pt": "portuguese, português",
    "pt-BR": "brazilian portuguese, portuguese brazilian, portuguese brazil, português brasil, português brasileiro, "
    "brazilian, brasileiro, ptbr, pob",
    "pt-PT": "european portuguese, portuguese portugal, português portugal, ptpt",
    "ro": "romanian, română",
    "ru": "russian, русский, рус",
    "sk": "slovak, slovenčina, slovenský",
    "sl": "slovenian, slovene, slovenščina",
    "sq": "albanian, shqip",
    "sr": "serbian, српски, srpski",
    "sv": "swedish, svenska",
    "ta": "tamil, தமிழ்",
    "te": "telugu, తెలుగు",
    "th": "thai, ไทย, ภาษาไทย",
    "tr": "turkish, türkçe",
    "uk": "ukrainian, українська, укр, ua",
    "ur": "urdu, اردو",
    "vi": "vietnamese, tiếng việt, tieng viet, việt, vn",
    "zh": "chinese, mandarin, cmn, 中文, 中英, 双语, 雙語, cn",
    "zh-Hans": "chinese simplified, simplified chinese, simplified, 简体中文, 简体, 简中, 简, 简英, chs, zhs, sc",
    "zh-Hant": "chinese traditional, traditional chinese, traditional, 繁體中文, 繁体中文, 繁體, 繁体, 繁中, 繁英, "
    "cht, zht, tc",
    "yue": "cantonese, 粵語, 粤语",
}
_FLAGS = (
    "forced foreign sdh cc hi hoh default full hearing impaired deaf sub subs subtitle subtitles commentary signs "
    "songs lyrics dub dubtitle original orig auto generated asr closed caption captions narrative non nonsdh und mul "
    "mis zxx unknown ai machine mt translated utf8 utf srt vtt untertitel"
)
FLAGS = frozenset(_FLAGS.split())
"""Words next to the language that name the kind of the subtitles."""
# ISO 639-2 has these codes for languages with few subtitles; in English they are ordinary words.
_ENGLISH_WORDS = frozenset(("her", "run", "sun", "hat", "ewe", "sin", "que", "kin", "bis", "che", "ido"))
_THREE_LETTERS_ONLY = frozenset(("fil", "yue", "ckb", "ast", "hmn", "chr", "haw", "gsw"))
_SEPARATORS = re.compile(r"[\s._\-()\[\]{}&+,;]+")
_LONGEST_NAME = 3


def split_words(name: str) -> list[str]:
    """Return the words of a file's or track's name, without the separators."""
    return [word for word in _SEPARATORS.split(name) if word]


def parse_language(name: str) -> str:
    """Return the shortest BCP 47 tag (``en``, ``pt-BR``, ``zh-Hans``); empty if the name is not a language."""
    return parse_language_suffix(split_words(name)) or ""


def find_primary_language(tag: str) -> str:
    """Return the language of a BCP 47 tag without script and region: ``zh`` for ``zh-Hans``; empty stays empty."""
    return tag.partition("-")[0].lower()


def parse_language_suffix(words: Sequence[str]) -> str | None:
    """Return the language in the words after a video's name; ``None`` if a word is neither language nor flag.

    ``["en"]``, ``["zh", "Hant", "TW"]``, ``["forced", "English"]``; flags alone give no language (empty text). ``hi``
    is Hindi if no other word is a language, and else the flag hearing impaired. Of two languages the first counts. A
    number may follow a language: the second track of it.
    """
    plain = [_normalise_word(word) for word in words]
    without_hindi = [word for word in plain if word != "hi"]
    if "hi" in plain and (language := _find_language(without_hindi)) is not None:
        return language or "hi"
    return _find_language(plain)


def _find_language(words: list[str]) -> str | None:
    language, at = "", 0
    while at < len(words):
        tag, length = _read_tag(words, at)
        if length:
            language = language or tag
        elif words[at] in FLAGS or re.fullmatch(r"track\d+", words[at]) or (language and _is_number(words[at])):
            length = 1
        else:
            return None
        at += length
    return language


def _is_number(word: str) -> bool:
    return len(word) <= 2 and word.isdecimal()


def _read_tag(words: list[str], at: int) -> tuple[str, int]:
    """Return ``(tag, how many words it takes)`` of the language that begins at a word; ``("", 0)`` if none does."""
    for length in range(min(_LONGEST_NAME, len(words) - at), 0, -1):
        if tag := NAMES.get(" ".join(words[at : at + length])):
            return (tag, length) if "-" in tag else _add_subtags(tag, words, at + length, length)
    code = "" if words[at] in FLAGS else _find_code(words[at])
    return _add_subtags(code, words, at + 1, 1) if code else ("", 0)


def _add_subtags(code: str, words: list[str], at: int, length: int) -> tuple[str, int]:
    """Return the language with the script and the region that follow it."""
    from langcodes import standardize_tag, tag_is_valid

    tag = code
    for shape in (r"[a-z]{4}", r"[a-z]{2}|\d{3}"):
        if at < len(words) and words[at] not in FLAGS and re.fullmatch(shape, words[at]):
            longer = f"{tag}-{words[at]}"
            if tag_is_valid(longer):
                tag, at, length = standardize_tag(longer), at + 1, length + 1
    # Streaming sites write "la" for Latin America; it is the region code of Laos.
    return ("es-419" if tag == "es-LA" else tag), length


def _find_code(word: str) -> str:
    """Return the shortest ISO 639 code of a language that is named by one; empty if the word is not a code."""
    if not re.fullmatch(r"[a-z]{2,3}", word) or word in _ENGLISH_WORDS:
        return ""
    from langcodes import standardize_tag, tag_is_valid

    if not tag_is_valid(word):
        return ""
    code = standardize_tag(word)
    return code if len(code) == 2 or word in _THREE_LETTERS_ONLY else ""


def _normalise_word(word: str) -> str:
    """Return a word without case and marks: ``Français`` and ``francais`` are one word."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


NAMES = {_normalise_word(name.strip()): tag for tag, names in _NAMES.items() for name in names.split(",")}
"""Names of languages in English and in themselves, and codes that are not in ISO 639, by :func:`_normalise_word`."""
