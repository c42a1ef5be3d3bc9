"""Letters of the languages of subtitles, and the encodings that each was ever written in.

Letters beyond ASCII only, the most common ones first: the order distinguishes code pages of one script. Orders follow
letter counts of the languages' Wikipedias as published in the articles on letter frequency. The rare end of each row is
approximate, and need not be better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Alphabet:
    """A language (ISO 639-1) with its letters; ``script`` selects the rules for its words."""

    language: str
    script: str
    letters: str
    encodings: tuple[str, ...]


WESTERN = ("cp1252", "iso8859_15", "mac_roman", "cp850")
_CENTRAL = ("cp1250", "iso8859_2", "cp852", "mac_latin2")
_ROMANIAN = ("cp1250", "iso8859_2", "iso8859_16", "cp852")
_TURKISH = ("cp1254", "iso8859_9", "cp857")
_BALTIC = ("cp1257", "iso8859_13", "iso8859_4", "cp775")
_CYRILLIC = ("cp1251", "koi8_u", "iso8859_5", "cp866", "mac_cyrillic", "cp855")
_GREEK = ("cp1253", "iso8859_7", "cp737")
_HEBREW = ("cp1255", "iso8859_8", "cp862")
_ARABIC = ("cp1256", "iso8859_6", "cp720")

_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ"
# In each script the most read languages come first: if scores are equal, the first counts.
_ROWS = (
    ("fr", "latin", "éèàêçâîôùïûëœüÿæ", WESTERN),
    ("es", "latin", "óáíéñúüç", WESTERN),
    ("pt", "latin", "ãçáéíóêõúâôàü", (*WESTERN, "cp860")),
    ("de", "latin", "üäößéàè", WESTERN),
    ("it", "latin", "èàòùéìîó", WESTERN),
    ("en", "latin", "éèêëïíñöüçàâôóá", WESTERN),
    ("nl", "latin", "ëéïèöüêóáíúàâ", WESTERN),
    ("sv", "latin", "äåöéàü", WESTERN),
    ("da", "latin", "åøæéäöü", (*WESTERN, "cp865")),
    ("no", "latin", "åøæéòôäöü", (*WESTERN, "cp865")),
    ("fi", "latin", "äöåéüšž", WESTERN),
    ("is", "latin", "ðáíþéóöúæý", (*WESTERN, "cp861")),
    ("ca", "latin", "óàéèíçòúïü·", WESTERN),
    ("gl", "latin", "óáíéñúüï", WESTERN),
    ("eu", "latin", "ñçéíó", WESTERN),
    ("ga", "latin", "áéíóú", WESTERN),
    ("sq", "latin", "ëç", WESTERN),
    ("af", "latin", "êëéïôèû", WESTERN),
    ("et", "latin", "äõüöšž", (*WESTERN, *_BALTIC)),
    ("pl", "latin", "łąężóśćńź", _CENTRAL),
    ("cs", "latin", "íáéěýřžčšůúťňďóö", _CENTRAL),
    ("sk", "latin", "áíčéýžšťúľôóäňďŕĺě", _CENTRAL),
    ("hu", "latin", "áéöóőüíúű", _CENTRAL),
    ("hr", "latin", "čšžćđ", _CENTRAL),
    ("sl", "latin", "čšžćđ", _CENTRAL),
    ("bs", "latin", "čšžćđ", _CENTRAL),
    ("sr", "latin", "čšžćđ", _CENTRAL),
    ("ro", "latin", "ăîşţâșțé", _ROMANIAN),
    ("tr", "latin", "ıüşğçöâîû", _TURKISH),
    ("az", "latin", "ıüşğçö", _TURKISH),
    ("lt", "latin", "ėšųžįąčūę", _BALTIC),
    ("lv", "latin", "āīšēņūļžčķģōŗ", _BALTIC),
    ("eo", "latin", "ĝĉŭŝĵĥ", ("iso8859_3",)),
    ("mt", "latin", "ħżċġàù", ("iso8859_3",)),
    ("vi", "vietnamese", "đáàảãạăắằẳẵặâấầẩẫậéèẻẽẹêếềểễệíìỉĩịóòỏõọôốồổỗộơớờởỡợúùủũụưứừửữựýỳỷỹỵ", ("cp1258",)),
    ("ru", "cyrillic", _RUSSIAN, ("cp1251", "koi8_r", *_CYRILLIC[2:])),
    ("uk", "cyrillic", "оаинвеітрслкумдпзбягьчйхжцшїюєщфґ", _CYRILLIC),
    ("bg", "cyrillic", "аиоентрсвлкдпмзяуъгбчйжщхцшюфь", _CYRILLIC),
    ("sr", "cyrillic", "аиоенрсјтукдвлмпгзбчшцњћжхљђфџ", _CYRILLIC),
    ("mk", "cyrillic", "аоиетнрсвдлкпмузјгбчшцжќњхфџљѓѕ", _CYRILLIC),
    ("be", "cyrillic", "анікрысоелтувдмпязьбгйшцчўхжэюёф", _CYRILLIC),
    ("kk", "cyrillic", "аеыінрлдтқомскбүігпуөзғйңшұжәияюхһцчщэфвъьё", ("kz1048",)),
    ("el", "greek", "αοιετσνηυρπκμςλωίόγάέδήθχφύβώξζψϊϋΐΰ", _GREEK),
    ("he", "hebrew", "יוהלאתרבמשםנחקדכעפטגזןצסךףץ", _HEBREW),
    ("yi", "hebrew", "יוהלאתרבמשםנחקדכעפטגזןצסךףץ", _HEBREW),
    ("ar", "arabic", "الينمورتبعدهسفحكقجأةشصطخىذإضزثئءغظآؤ", _ARABIC),
    ("fa", "arabic", "ایاهرندتمویيوبشسکكگخزقپفعغجچحطضصظذثژآئأءؤ", _ARABIC[:1]),
    ("ur", "arabic", "ایكکيےرنوتہهمسبدلپجعگقحشفخطصزچضٹڈغڑثذژظآئءؤںھ", _ARABIC[:1]),
    ("th", "thai", "านรกอเงมยลวดทสะตปบคหแจพชขใไผโถซธณศฟษฐภญฎฆฏฒฬฮฌฉฤฝ", ("cp874", "iso8859_11")),
    ("ja", "japanese", "", ("cp932", "euc_jp")),
    ("ko", "korean", "", ("cp949", "johab")),
    ("zh", "chinese", "", ("gb18030", "big5hkscs")),
)
ALPHABETS = tuple(
    Alphabet(language=language, script=script, letters=letters, encodings=encodings)
    for language, script, letters, encodings in _ROWS
)
OTHER_NAMES = {"nb": "no", "nn": "no", "fil": "es", "yue": "zh", "cmn": "zh", "ug": "ar", "ps": "ar", "ckb": "ar"}
"""Languages that use the letters of another one."""
_TRADITIONAL = frozenset(("hant", "tw", "hk", "mo"))
WESTERN_LETTERS = frozenset(letter for name, _, letters, page in _ROWS if page is WESTERN for letter in letters)


def find_alphabets(language: str) -> tuple[Alphabet, ...]:
    """Return the alphabets of a language (BCP 47 tag); empty if it is not known."""
    base, *subtags = language.lower().split("-")
    alphabets = tuple(each for each in ALPHABETS if each.language == OTHER_NAMES.get(base, base))
    if base == "zh" and not _TRADITIONAL.isdisjoint(subtags):
        return tuple(replace(each, encodings=each.encodings[::-1]) for each in alphabets)
    return alphabets
