"""One form for what is typed and for what it is compared with: case, width, accents and punctuation do not count. Pure.

Marks are dropped where people leave them out on a telephone (Latin, Greek, Cyrillic, Hebrew, Arabic) and kept where
they are the vowels of a word (Devanagari, Thai) or make another letter of it (kana).
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 4000  # a letter may unfold into many
_MARKS_DO_NOT_COUNT = ("LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC")
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "’": "'", "‘": "'", "`": "'", "´": "'"}
    | dict.fromkeys("\u0640\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f", "")
    | dict.fromkeys("🛑⛔🚫", " stop ")
)
_SPELLED_OUT = re.compile(r"(?<!\S)(?:[^\W\d_] ){2,}[^\W\d_](?!\S)")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def plain(text: str) -> str:
    """Bring a text into the form in which texts are compared: words with single spaces between them."""
    folded = text.translate(_LETTERS)  # an accent that stands alone unfolds into a space and a mark
    folded = unicodedata.normalize("NFKC", folded)[:_LONGEST].casefold().translate(_LETTERS)
    kept = "".join(one if one == "'" or unicodedata.category(one)[0] in "LMN" else " " for one in unmarked(folded))
    words = " ".join(word for one in kept.split() if (word := one.strip("'")))
    return _SPELLED_OUT.sub(lambda found: found.group().replace(" ", ""), words)


def spellings(phrases: str) -> frozenset[str]:
    """List phrases, parted by `;` or line ends, in that form, with umlauts written out as well."""
    listed = phrases.replace("\n", ";").split(";")
    return frozenset(said for one in listed for text in (one, one.translate(_UMLAUTS)) if (said := plain(text)))


def unmarked(text: str) -> str:
    """Leave out the marks that do not count."""
    kept: list[str] = []
    counts = True
    for one in unicodedata.normalize("NFD", text):
        if unicodedata.combining(one):
            if counts:
                kept.append(one)
            continue
        counts = not unicodedata.name(one, "").startswith(_MARKS_DO_NOT_COUNT)
        kept.append(one)
    return unicodedata.normalize("NFC", "".join(kept))
