"""Translations that say the same again and again: the commonest way in which a decoder fails unseen.

A loop is a phrase that follows itself, or a text of few different word pairs (Holtzman et al. 2020, "The curious case of
neural text degeneration"; Raunak et al. 2021, "The curious case of hallucinations in neural machine translation"). What the
source repeats as often may be repeated. The bounds are such that of 189,454 translations by people (ko-en and en-ko, 5 kinds of
text) 4 are taken for loops.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Sequence

LONGEST_PHRASE = 8  # words
LEAST, LEAST_OF_LONG = {1: 3}, 3  # times that a phrase of so many words, or of more, follows itself
LONGEST_RUN, SHORTEST_RUN = 12, 8  # characters: what is repeated inside a word, or in a text without blanks; and the word
LEAST_CHARACTERS, LEAST_OF_LONG_RUNS = {1: 10, 2: 6}, 4  # the same for characters
FEW_PAIRS, FROM_WORDS = 0.6, 20  # a text of so many words with this share of different word pairs goes round in circles


def loops(source: str, translation: str) -> str | None:
    """Say what a translation repeats though its source does not, such as `'of the house' 4 times`; None if it does not loop.

    A source that repeats something half as often or more excuses it: `ha ha ha ha` is a translation of `하하하하`.
    """
    words, in_source = translation.split(), source.split()
    phrase, times = _repeated_words(words)
    if not times:
        return _few_pairs(in_source, words)
    return None if 2 * _repeated_words(in_source)[1] >= times else f"{phrase!r} {times} times"


def repeats(units: Sequence[object]) -> str | None:
    """Say which phrase of at most 8 units (words or ids) follows itself, and how often; None if none does often enough."""
    phrase, times = _repeated(units, LONGEST_PHRASE, LEAST, LEAST_OF_LONG, " ")
    return f"{phrase!r} {times} times" if times else None


def _repeated_words(words: Sequence[str]) -> tuple[str, int]:
    """Return the phrase or, within a word, the syllables that follow themselves, and how often; 0 if nothing does enough."""
    found = _repeated(words, LONGEST_PHRASE, LEAST, LEAST_OF_LONG, " ")
    for word in words if not found[1] else ():
        if len(word) >= SHORTEST_RUN:
            found = _repeated(word, LONGEST_RUN, LEAST_CHARACTERS, LEAST_OF_LONG_RUNS, "")
            if found[1]:
                break
    return found


def _repeated(units: Sequence[object], longest: int, least: dict[int, int], otherwise: int, glue: str) -> tuple[str, int]:
    for n in range(1, min(longest, len(units) // 2) + 1):
        run, needed = 0, n * (least.get(n, otherwise) - 1)
        for i in range(n, len(units)):
            if units[i] == units[i - n]:
                run += 1
                continue
            if run >= needed and (phrase := _spoken(units[i - n : i], glue)):
                return phrase, run // n + 1
            run = 0
        if run >= needed and (phrase := _spoken(units[-n:], glue)):
            return phrase, run // n + 1
    return "", 0


def _spoken(units: Sequence[object], glue: str) -> str:
    """Return the text of a phrase, or nothing if it is punctuation alone: `-----`, `. . . .`."""
    phrase = glue.join(map(str, units))
    return phrase if any(map(str.isalnum, phrase)) else ""


def _few_pairs(source: Sequence[str], words: Sequence[str]) -> str | None:
    share = _different_pairs(words)
    if len(words) < FROM_WORDS or share >= FEW_PAIRS or _different_pairs(source) < 1.5 * share:
        return None
    return f"{share:.0%} of its word pairs are different"


def _different_pairs(words: Sequence[str]) -> float:
    return len(set(pairwise(words))) / max(len(words) - 1, 1)
