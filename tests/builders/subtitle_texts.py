"""Sentences in many languages with the encodings that files in them are found in.

``TUNED`` are those that the judgement of encodings was tuned on, ``HELD_BACK`` those that it had not seen.
"""

from __future__ import annotations

import unicodedata

WESTERN = ("cp1252", "iso8859_15", "mac_roman", "cp850")
CENTRAL = ("cp1250", "iso8859_2", "cp852")

Texts = dict[str, tuple[tuple[str, ...], tuple[str, str, str]]]

TUNED: Texts = {
    "fr": (
        WESTERN,
        ("Où êtes-vous allé hier soir ?", "Ça va, garçon. Je t'ai déjà vu.", "C'est la même chose, à côté de l'hôtel."),
    ),
    "es": (WESTERN, ("¿Qué pasó, señor? ¡Mañana!", "El niño está en la montaña.", "También quería decir algo más.")),
    "pt": (
        (*WESTERN, "cp860"),
        ("Não, são três irmãos e uma canção", "Você está aí, não é?", "As lições são difíceis."),
    ),
    "de": (WESTERN, ("Füße, Häuser und Straßen", "Ich möchte später zurück.", "Grüße an alle, schöne Tage!")),
    "sv": (WESTERN, ("Jag är på väg till ön", "Vi måste gå nu, så är det.", "Hör på mig!")),
    "it": (WESTERN, ("Perché non è più così? È già là.", "Sarò lì, però più tardi.", "Che città è questa?")),
    "da": (
        (*WESTERN, "cp865"),
        ("Jeg ved ikke, hvad du gør på øen.", "Vi får se, når det sker.", "Må jeg låne nøglerne?"),
    ),
    "pl": (CENTRAL, ("Nie wiem, co się stało.", "Chciałbym, żebyś już poszła.", "Jesteś pewien? Zrób to, proszę.")),
    "cs": (CENTRAL, ("Příšerně žluťoučký kůň", "Nevím, co mám dělat", "Řekni mu, ať se vrátí domů")),
    "hu": (CENTRAL, ("Jó estét, hölgyem, örülök.", "Hol van az erdő? Nem tudom.", "Köszönöm szépen, később jövök.")),
    "hr": (CENTRAL, ("Što se događa ovdje?", "Možeš li doći sutra, čovječe?", "Ništa, sve je u redu, šefe.")),
    "ro": (
        ("cp1250", "iso8859_2"),
        ("Nu ştiu ce să fac.", "Mulţumesc, prietene, îţi dau.", "Unde eşti în această seară?"),
    ),
    "tr": (
        ("cp1254", "iso8859_9", "cp857"),
        ("Teşekkür ederim, iyi akşamlar.", "Ne yapıyorsun çocuğum?", "Aşağı gel, bekliyoruz."),
    ),
    "lt": (
        ("cp1257", "iso8859_13"),
        ("Aš nežinau, ką daryti.", "Ačiū, viskas bus gerai, būk čia.", "Kodėl tu šypsaisi?"),
    ),
    "ru": (
        ("cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic"),
        ("Завтра утром мы едем в Москву", "Я не знаю, что делать", "Скажи ему, чтобы вернулся"),
    ),
    "uk": (
        ("cp1251", "koi8_u", "iso8859_5"),
        ("Я не знаю, що робити далі.", "Дякую, це дуже гарно, їй подобається.", "Де він живе зараз?"),
    ),
    "bg": (
        ("cp1251", "iso8859_5", "cp866"),
        ("Не знам какво да правя.", "Благодаря ти, приятелю.", "Къде отиваш тази вечер?"),
    ),
    "sr": (("cp1251", "iso8859_5"), ("Не знам шта да радим.", "Хвала ти, пријатељу мој.", "Где идеш вечерас?")),
    "el": (
        ("cp1253", "iso8859_7", "cp737"),
        ("Καλημέρα, τι κάνεις σήμερα;", "Δεν ξέρω τι να κάνω.", "Πού πηγαίνεις απόψε;"),
    ),
    "he": (
        ("cp1255", "iso8859_8", "cp862"),
        ("מחר ניסע לתל אביב לראות חברים", "אני לא יודע מה לעשות.", "לאן אתם הולכים הערב?"),
    ),
    "ar": (("cp1256", "iso8859_6"), ("لا أعرف ماذا أفعل الآن.", "شكرا لك يا صديقي العزيز", "إلى أين تذهب هذا المساء؟")),
    "fa": (("cp1256",), ("نمي دانم چه کار کنم", "دوست عزيزم، متشکرم از شما", "امشب کجا مي روي پسر؟")),
    "th": (("cp874", "tis_620"), ("สวัสดีครับ คุณเป็นอย่างไรบ้าง", "ฉันไม่รู้จะทำอย่างไรดี", "คืนนี้คุณจะไปที่ไหน")),
    "vi": (("cp1258",), ("Tôi không biết phải làm gì.", "Cảm ơn bạn rất nhiều.", "Tối nay anh đi đâu?")),
    "ja": (
        ("cp932", "euc_jp", "iso2022_jp"),
        ("私は学生です。東京に住んでいます。", "今夜どこへ行くの？", "ありがとう、友よ。"),
    ),
    "zh": (("gb18030",), ("我不知道该怎么办。", "谢谢你，我的朋友。", "今晚你要去哪里？")),
    "zh-Hant": (("big5",), ("我不知道該怎麼辦。", "謝謝你，我的朋友。", "今晚你要去哪裡？")),
    "ko": (("cp949", "euc_kr"), ("내일 학교에서 만나자", "어떻게 해야 할지 모르겠어요.", "오늘 밤에 어디 가세요?")),
}
HELD_BACK: Texts = {
    "fr": (WESTERN, ("J'ai été blessé à la bataille.", "Où sont passés les élèves ?", "Voilà, ça suffit maintenant.")),
    "es": (WESTERN, ("Mañana volveré a casa, mamá.", "¡Qué sorpresa más bonita!", "¿Cuándo llegó el tren?")),
    "pt-BR": (WESTERN, ("Amanhã não vou à praia.", "Coração, você é lindo.", "São João é uma festa.")),
    "de": (WESTERN, ("Das Mädchen hörte die Vögel.", "Natürlich könnt ihr gehen.", "Überall lag weißer Schnee.")),
    "no": (WESTERN, ("Hvor går du så sent?", "Jeg må hjem før det blir mørkt.", "Han så på sjøen.")),
    "fi": (WESTERN, ("Mitä sinä teet täällä?", "Hän lähti eilen työmatkalle.", "Älä pelkää, ystävä.")),
    "is": (("cp1252",), ("Hvað ertu að gera þarna?", "Ég veit það ekki, því miður.", "Góðan daginn, vinur minn.")),
    "nl": (WESTERN, ("Ik heb twee ideeën.", "Dat is één mogelijkheid.", "Italië is mooi.")),
    "pl": (CENTRAL, ("Dzień dobry, proszę pani.", "Łódź już odpłynęła.", "Gdzie są moje książki?")),
    "cs": (CENTRAL, ("Kde je můj klíč?", "Děkuji vám za všechno, paní.", "Ještě jsem nejedl večeři.")),
    "sk": (CENTRAL, ("Kde si bol včera večer?", "Ďakujem, priateľ môj.", "Neviem, čo mám robiť ďalej.")),
    "hu": (
        CENTRAL,
        ("Miért nem jöttél előbb?", "Jól vagyok, köszönöm.", "A fiú elment a folyóhoz, és nem tért vissza többé."),
    ),
    "sl": (CENTRAL, ("Kaj počneš tukaj, prijatelj?", "Ne vem, če bo šlo.", "Življenje je težko.")),
    "ro": (("cp1250", "iso8859_2"), ("Bună seara, doamnă.", "Aşteaptă puţin, vin imediat.", "Când pleci acasă?")),
    "tr": (("cp1254", "iso8859_9"), ("Günaydın, nasılsınız?", "Bunu kim söyledi sana?", "Işıkları söndür, gidiyoruz.")),
    "lv": (
        ("cp1257", "iso8859_13"),
        ("Kāpēc tu esi šeit?", "Es nezinu, kā to izdarīt.", "Paldies, mans draugs, tiešām."),
    ),
    "et": (("cp1257", "cp1252"), ("Ma ei tea, mida öelda.", "Õhtul lähen koju, täna mitte.", "Kus on mu võtmed?")),
    "ru": (
        ("cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic"),
        ("Почему ты так поздно пришёл?", "Мне нужно позвонить домой.", "Осторожно, там ступеньки!"),
    ),
    "uk": (
        ("cp1251", "koi8_u", "iso8859_5"),
        ("Чому ти так пізно прийшов?", "Її звати Олена, вона лікарка.", "Обережно, тут сходи!"),
    ),
    "bg": (("cp1251", "cp866"), ("Защо идваш толкова късно?", "Трябва да се обадя вкъщи.", "Внимавай, има стъпала!")),
    "mk": (("cp1251", "iso8859_5"), ("Зошто доаѓаш толку доцна?", "Ќе се видиме утре, пријателе.", "Внимавај!")),
    "el": (
        ("cp1253", "iso8859_7"),
        ("Γιατί ήρθες τόσο αργά;", "Πρέπει να τηλεφωνήσω στο σπίτι.", "Πρόσεχε τα σκαλιά!"),
    ),
    "he": (("cp1255", "iso8859_8", "cp862"), ("למה באת כל כך מאוחר?", "אני צריך לטלפן הביתה.", "תיזהר מהמדרגות!")),
    "ar": (("cp1256", "iso8859_6"), ("لماذا جئت متأخرا جدا؟", "يجب أن أتصل بالبيت.", "احذر من الدرج يا صديقي!")),
    "th": (("cp874", "tis_620"), ("ทำไมคุณมาสายจัง", "ผมต้องโทรกลับบ้าน", "ระวังบันไดด้วยนะ")),
    "vi": (("cp1258",), ("Sao anh đến muộn thế?", "Tôi phải gọi điện về nhà.", "Cẩn thận bậc thang!")),
    "ja": (
        ("cp932", "euc_jp", "iso2022_jp"),
        ("どうしてこんなに遅く来たの？", "家に電話しなければならない。", "階段に気をつけて！"),
    ),
    "zh-Hans": (("gb18030",), ("你为什么来得这么晚？", "我得给家里打个电话。", "小心台阶！")),
    "zh-TW": (("big5",), ("你為什麼來得這麼晚？", "我得打電話回家。", "小心樓梯！")),
    "ko": (("cp949", "euc_kr"), ("왜 이렇게 늦게 왔어?", "집에 전화해야 해요.", "계단 조심하세요!")),
}


def encode(text: str, encoding: str) -> bytes:
    """The bytes of a text; windows-1258 has the tones of Vietnamese apart from their letters."""
    if encoding != "cp1258":
        return text.encode(encoding)
    tones = "\u0300\u0301\u0303\u0309\u0323"
    apart = ""
    for sign in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", sign)
        letter = unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones))
        apart += letter + "".join(part for part in parts if part in tones)
    return apart.encode(encoding)
