"""Which script a character belongs to, for whole blocks of lines at a time.

Legend: n lines; c classes.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Sequence

import numpy as np
from numpy.typing import NDArray

OTHER, SPACE, DIGIT, LATIN, LATIN1, HANGUL, JAMO, HAN, KANA, CYRILLIC, GREEK, ARABIC, HEBREW, THAI, INDIC, LETTER = range(16)
MARK, CONTROL, BOM, LOST, AMPERSAND = range(16, 21)
SUSPECT = (LATIN1, JAMO, MARK, CONTROL, BOM, LOST, AMPERSAND)  # lines with these are looked at one by one

NAMES = {
    "Hangul": (HANGUL, JAMO),
    "Latin": (LATIN, LATIN1),
    "Han": (HAN,),
    "Kana": (KANA,),
    "Cyrillic": (CYRILLIC,),
    "Greek": (GREEK,),
    "Arabic": (ARABIC,),
    "Hebrew": (HEBREW,),
    "Thai": (THAI,),
    "Indic": (INDIC,),
    "other letters": (LETTER, MARK),
    "digits": (DIGIT,),
    "spaces": (SPACE,),
    "other": (OTHER, CONTROL, BOM, LOST, AMPERSAND),
}
_BLOCKS = [  # (first, last, class) of letters
    (0x0041, 0x024F, LATIN),
    (0x00C0, 0x00FF, LATIN1),
    (0x0370, 0x03FF, GREEK),
    (0x0400, 0x052F, CYRILLIC),
    (0x0590, 0x05FF, HEBREW),
    (0x0600, 0x077F, ARABIC),
    (0x0900, 0x0DFF, INDIC),
    (0x0E00, 0x0E7F, THAI),
    (0x1100, 0x11FF, JAMO),
    (0x1E00, 0x1EFF, LATIN),
    (0x1F00, 0x1FFF, GREEK),
    (0x3040, 0x30FF, KANA),
    (0x3130, 0x318F, HANGUL),
    (0x3400, 0x4DBF, HAN),
    (0x4E00, 0x9FFF, HAN),
    (0xA960, 0xA97F, JAMO),
    (0xAC00, 0xD7A3, HANGUL),
    (0xD7B0, 0xD7FF, JAMO),
    (0xF900, 0xFAFF, HAN),
    (0xFB50, 0xFDFF, ARABIC),
    (0xFE70, 0xFEFC, ARABIC),
    (0xFF21, 0xFF5A, LATIN),
    (0xFF66, 0xFF9D, KANA),
    (0x20000, 0x323AF, HAN),
]
_LATIN = "af ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro sk sl sq sv sw tl tr vi"
_WRITTEN_IN = {
    "ko": ("Hangul", "Han"),
    "ja": ("Kana", "Han"),
    "zh": ("Han",),
    "el": ("Greek",),
    "he": ("Hebrew",),
    "th": ("Thai",),
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk"), ("Cyrillic",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("hi", "bn", "ta", "te", "mr", "ne", "gu", "kn", "ml", "pa", "si"), ("Indic",)),
    **dict.fromkeys(_LATIN.split(), ("Latin",)),
}
_LETTERS = [name for name in NAMES if name not in ("digits", "spaces", "other")]


@cache
def table() -> NDArray[np.uint8]:
    """Return the class of every code point."""
    of = np.zeros(0x110000, np.uint8)
    for first, last, script in _BLOCKS:
        of[first : last + 1] = script
    for code in range(0x32400):
        category = unicodedata.category(chr(code))
        if category[0] == "L":
            of[code] = of[code] or LETTER
        elif category[0] == "M" and of[code] in (OTHER, LATIN, LATIN1, GREEK, CYRILLIC, KANA):
            of[code] = MARK
        elif category[0] != "M":
            of[code] = {"Nd": DIGIT, "Zs": SPACE, "Cc": CONTROL}.get(category, OTHER)
    for text, special in (("\t\u2028\u2029", SPACE), ("\n", OTHER), ("&", AMPERSAND), ("\ufeff", BOM), ("\ufffd", LOST)):
        for character in text:
            of[ord(character)] = special
    of[0x3099:0x309B] = MARK  # the voicing marks of decomposed kana
    return of


@dataclass(frozen=True)
class Characters:
    """The characters of n lines by class, one after the other; every line is followed by a line end of class OTHER."""

    classes: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def suspects(self) -> NDArray[np.int64]:
        """Return the rows of the lines that hold a character which good text seldom has."""
        at = np.flatnonzero(_lookup(SUSPECT)[self.classes])
        return np.unique(np.searchsorted(self.starts, at, "right") - 1)

    def hold(self, wanted: int) -> bool:
        """Tell whether a character of this class is among them."""
        return bool((self.classes == wanted).any())

    def letters(self, language: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return, for each line, how many letters it has, and how many of them are of the language's script."""
        weights = _weights(language)[self.classes]
        both = np.add.reduceat(weights, self.starts) if len(self.starts) else np.zeros(0, np.int64)
        return both & 0xFFFFFFFF, both >> 32

    def shares(self) -> dict[str, int]:
        """Return how many characters of each script there are, line ends left out."""
        counts = np.bincount(self.classes, minlength=32)
        counts[OTHER] -= len(self.starts)
        return {name: int(counts[list(classes)].sum()) for name, classes in NAMES.items()}


def characters(texts: Sequence[str]) -> Characters:
    """Classify the characters of lines."""
    codes = np.frombuffer(("\n".join(texts) + "\n").encode("utf-32-le"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    starts = np.zeros(len(texts), np.int64)
    np.cumsum(lengths[:-1], out=starts[1:])
    return Characters(table()[codes] if texts else np.zeros(0, np.uint8), starts)


def has_script(language: str) -> bool:
    """Tell whether the language's script is known."""
    return language in _WRITTEN_IN


@cache
def _lookup(classes: tuple[int, ...]) -> NDArray[np.bool_]:
    found = np.zeros(32, np.bool_)
    found[list(classes)] = True
    return found


@cache
def _weights(language: str) -> NDArray[np.int64]:
    """Return what each class adds to a line's sum: 1 for a letter, and 2**32 if it is of the language's script."""
    weights = np.zeros(32, np.int64)
    for name in _LETTERS:
        weights[list(NAMES[name])] += 1
    for name in _WRITTEN_IN.get(language, ()):
        weights[list(NAMES[name])] += 1 << 32
    weights[MARK] = 0
    return weights
