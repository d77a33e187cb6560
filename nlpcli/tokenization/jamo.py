"""Hangul syllables to conjoining jamo and back (The Unicode Standard, section 3.12).

With jamo a vocabulary can share what syllables share: 갔 and 가 begin alike. NFC puts the syllables together again, so in
NFC text nothing is lost.
"""

from __future__ import annotations

import unicodedata
from functools import cache

FIRST, LAST = 0xAC00, 0xD7A3


@cache
def _table() -> dict[int, str]:
    return {code: unicodedata.normalize("NFD", chr(code)) for code in range(FIRST, LAST + 1)}


def decompose(text: str) -> str:
    """Replace each Hangul syllable by its two or three jamo; all else stays."""
    return text.translate(_table())


def compose(text: str) -> str:
    """Put jamo together to syllables (NFC)."""
    return unicodedata.normalize("NFC", text)


def positions(text: str) -> list[int]:
    """Return for each character of `decompose(text)` the index of its character in `text`, then the text's length."""
    table = _table()
    return [i for i, c in enumerate(text) for _ in table.get(ord(c), c)] + [len(text)]
