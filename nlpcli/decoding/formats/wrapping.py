"""Lines of a subtitle: as few as fit, cut at blanks, of about one length; Hangul and the like are two columns wide."""

from __future__ import annotations

import re
import unicodedata

COLUMNS = 42  # what is usual for a line on the screen

_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_WORD = re.compile(r"(?:<[^<>]*>|\{\\[^{}]*\}|[^ \t])+")  # a tag is not cut, though there may be blanks in it


def wrap(text: str, most: int, columns: int = COLUMNS) -> list[str]:
    """Cut a text into at most `most` lines, as few as keep within `columns` if that is possible; none if it is blank."""
    words = _WORD.findall(text)
    widths = [width(word) for word in words]
    lines: list[str] = []
    for count in range(1, min(most, len(words)) + 1):
        bound = _narrowest(widths, count)
        lines = _filled(words, widths, bound)
        if bound <= columns:
            break
    return lines


def width(text: str) -> int:
    """Return the columns that a text takes; tags (`<i>`, `{\\an8}`) and combining marks take none."""
    if text.isascii() and "<" not in text and "{" not in text:
        return len(text)
    return sum(_columns(sign) for sign in _TAG.sub("", text))


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf") or "\u1160" <= sign <= "\u11ff":
        return 0  # a vowel or final consonant of decomposed Hangul stands in the two columns of its initial
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _narrowest(widths: list[int], count: int) -> int:
    """Return the smallest width in which the words fill no more than so many lines."""
    low, high = max(widths), sum(widths) + len(widths) - 1
    while low < high:
        middle = (low + high) // 2
        if _lines(widths, middle) <= count:
            high = middle
        else:
            low = middle + 1
    return low


def _lines(widths: list[int], bound: int) -> int:
    count, used = 1, -1
    for wide in widths:
        if used + 1 + wide <= bound:
            used += 1 + wide
        else:
            count, used = count + 1, wide
    return count


def _filled(words: list[str], widths: list[int], bound: int) -> list[str]:
    lines: list[list[str]] = [[]]
    used = -1
    for word, wide in zip(words, widths):
        if used + 1 + wide <= bound:
            used += 1 + wide
        else:
            lines.append([])
            used = wide
        lines[-1].append(word)
    return [" ".join(line) for line in lines]
