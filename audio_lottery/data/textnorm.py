"""Transcripts without punctuation, in one case, for any language."""

import unicodedata

STYLES = ("raw", "lower", "upper")
APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u02bc\u02bb\u00b4\u0060\uff07"), "'")


def normalise(text: str, style: str) -> str:
    """The text by these rules, in this order; blanks between words are single, none at the ends.

    ``raw``: only the blanks. ``lower`` and ``upper``:

    1. Unicode's composed form (NFC), so that a letter with an accent is one character.
    2. Typographic apostrophes become ``'``. It stays between two letters (``don't``), else it is a quotation
       mark and goes.
    3. Other punctuation and symbols become blanks (``well-known`` is two words), digits stay.
    4. Lower or upper case, by Unicode's rules without regard to language (a Turkish dotless i is lost).
    """
    if style != "raw":
        text = unicodedata.normalize("NFC", text).translate(APOSTROPHES)
        text = "".join(_keep(text, i) for i in range(len(text)))
        text = unicodedata.normalize("NFC", text.lower() if style == "lower" else text.upper())
    return " ".join(text.split())


def _keep(text: str, i: int) -> str:
    character = text[i]
    if character == "'":
        return character if 0 < i < len(text) - 1 and _in_word(text[i - 1]) and _in_word(text[i + 1]) else " "
    # Letters, marks and numbers; zero-width joiners (Cf) shape words of Persian and Indic scripts.
    return character if _in_word(character) or character in "\u200c\u200d" else " "


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"
