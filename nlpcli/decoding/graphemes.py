"""Where a text may be cut without breaking a character as it is seen.

Follows Unicode Standard Annex 29 in not breaking too often; some rare scripts are broken less often than it allows.
"""

from __future__ import annotations

import unicodedata

_ZWJ = "\u200d"
_VIRAMA = 9  # canonical combining class: the next letter of an Indic script is drawn as one with this one
_JOINS_LEFT = frozenset("\u200c\u200d\uff9e\uff9f\u0e33\u0eb3")  # not marks by category, but extend a character as marks do


def grapheme_ends(text: str) -> list[int]:
    """Return where each grapheme of a text ends.

    A letter with its combining marks, a syllable of conjoining jamo, a flag and a family of emoji are one each.
    """
    ends, flags = [], 0
    for i in range(1, len(text)):
        before, here = text[i - 1], text[i]
        flags = flags + 1 if _is_flag(before) else 0
        if before < "\u0300" and here < "\u0300":
            joined = before == "\r" and here == "\n"
        else:
            joined = _extends(here) or _holds_on(before) or _one_syllable(before, here) or (flags % 2 == 1 and _is_flag(here))
        if not joined:
            ends.append(i)
    return [*ends, len(text)] if text else []


def _extends(char: str) -> bool:
    """Tell whether a character belongs to the one before it: marks, emoji modifiers and tags."""
    if char in _JOINS_LEFT or "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f":
        return True
    return unicodedata.category(char)[0] == "M"


def _holds_on(char: str) -> bool:
    """Tell whether the next character belongs to this one."""
    return char == _ZWJ or unicodedata.combining(char) == _VIRAMA


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _one_syllable(before: str, here: str) -> bool:
    """Tell whether two characters of Hangul belong to one syllable (The Unicode Standard, section 3.12)."""
    kind, following = _hangul(before), _hangul(here)
    return (kind, following) in _SYLLABLE


_SYLLABLE = {
    ("L", "L"),
    ("L", "V"),
    ("L", "LV"),
    ("L", "LVT"),
    ("LV", "V"),
    ("LV", "T"),
    ("V", "V"),
    ("V", "T"),
    ("LVT", "T"),
    ("T", "T"),
}


def _hangul(char: str) -> str:
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c":
        return "L"
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return "V"
    if "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb":
        return "T"
    if "가" <= char <= "힣":
        return "LV" if (ord(char) - ord("가")) % 28 == 0 else "LVT"
    return ""
