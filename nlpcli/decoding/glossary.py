"""Terms and the translations that they must have, and where they stand in a line.

A term is found where a word begins, and ends where a word ends or where only Korean particles follow (서버에서는 has 서버).
Case matters only if a term has capitals beyond its first letter: `US` is not `us`, but `Server` is `server`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, NamedTuple

from nlpcli.corpus.readers import numbered_lines, read_lines
from nlpcli.errors import BadInput, first_five

_AFTER_CONSONANT, _AFTER_VOWEL = "은|이|을|과|으로|아|이나|이랑|이며|이고|이라|이란", "는|가|를|와|로|야|나|랑|며|고|라|란"
_AFTER_ANY = (
    "의|에게서|에게|에서|에|께서|께|한테서|한테|부터|까지|마저|조차|마다|만|도|밖에|보다|처럼|같이|대로|뿐|들|씩|입니다|입니까|인|이다|"
    "이었다|였다|다"
)
_MORE = f"(?:{_AFTER_CONSONANT}|{_AFTER_VOWEL}|{_AFTER_ANY})"
_PARTICLES = {
    True: re.compile(rf"(?:{_AFTER_CONSONANT}|{_AFTER_ANY}){_MORE}{{0,3}}(?!\w)"),
    False: re.compile(rf"(?:{_AFTER_VOWEL}|{_AFTER_ANY}){_MORE}{{0,3}}(?!\w)"),
    None: re.compile(rf"{_MORE}{{1,4}}(?!\w)"),  # after Latin letters and digits nobody knows how they are read
}
_WORD = re.compile(r"(?<!\w)\S")
_RIEUL = 8  # the final consonant ㄹ, after which 로 stands as after a vowel
_WORD_CHARACTER = re.compile(r"\w")


class Match(NamedTuple):
    """A term found in a line, at the characters from `begin` to `end`, and the translation it must have."""

    begin: int
    end: int
    src: str
    tgt: str


class Glossary:
    """Terms with their translations.

    Args:
        terms: source and target of each; a source term may stand there once.
    """

    def __init__(self, terms: Iterable[tuple[str, str]]) -> None:
        self.terms: dict[str, list[tuple[str, str]]] = {}  # by the source in small letters
        lengths: dict[str, set[int]] = {}
        for src, tgt in terms:
            key = _lower(src)
            self.terms.setdefault(key, []).append((src, tgt))
            lengths.setdefault(key[:1], set()).add(len(key))
        self.lengths = {first: sorted(of_first, reverse=True) for first, of_first in lengths.items()}

    def __len__(self) -> int:
        return sum(map(len, self.terms.values()))

    def find(self, text: str) -> list[Match]:
        """Return the terms of a line from left to right, the longest where several begin; none overlaps another."""
        lower, matches, at = _lower(text), [], 0
        for word in _WORD.finditer(lower):
            begin = word.start()
            for length in self.lengths.get(lower[begin], ()) if begin >= at else ():
                known = self.terms.get(lower[begin : begin + length])
                match = known and self._match(known, text, begin, begin + length)
                if match:
                    matches.append(match)
                    at = match.end
                    break
        return matches

    @staticmethod
    def _match(known: list[tuple[str, str]], text: str, begin: int, end: int) -> Match | None:
        here = text[begin:end]
        for src, tgt in sorted(known, key=lambda term: term[0] != here):  # the very spelling first
            if (src == here or not _cased(src)) and _word_ends(text, end):
                return Match(begin, end, src, tgt)
        return None


def missing(translation: str, words: Iterable[str]) -> list[str]:
    """Return the words that a translation lacks, each once, by the rules that terms are found by."""
    return [word for word in dict.fromkeys(words) if not _holds(translation, word)]


def read_glossary(path: Path) -> Glossary:
    """Read terms from a file of two columns, source and target, with a tab between; lines that begin with # are comments.

    Raises:
        BadInput: lines that are not two cells with text, or a term with two translations; all of them counted.
    """
    terms: dict[str, tuple[int, str]] = {}
    problems: list[str] = []
    for number, line in numbered_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [" ".join(cell.split()) for cell in line.split("\t")]
        if len(cells) != 2:
            problems.append(f"line {number} has {len(cells)} column{'s' * (len(cells) != 1)}")
        elif not all(cells):
            problems.append(f"line {number} has an empty {'source' if not cells[0] else 'target'}")
        elif terms.setdefault(cells[0], (number, cells[1]))[1] != cells[1]:
            problems.append(f"line {number} has another target for {cells[0]!r} than line {terms[cells[0]][0]}")
    if problems:
        raise BadInput(
            f"{path}: {len(problems)} line{'s' * (len(problems) != 1)} cannot be used",
            cause=first_five(problems),
            fix="write a source term, a tab and its one translation a line; comments begin with #",
        )
    return Glossary((src, tgt) for src, (_, tgt) in terms.items())


def read_words(path: Path) -> list[str]:
    """Read words or phrases, one a line; blank lines are left out, and what stands there twice is read once."""
    return list(dict.fromkeys(line.strip() for line in read_lines(path) if line.strip()))


def _lower(text: str) -> str:
    """Return small letters, each in its capital's place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _cased(term: str) -> bool:
    return any(char.isupper() for char in term[1:])


def _holds(text: str, term: str) -> bool:
    """Tell whether a term stands in a text as a word, or with Korean particles."""
    lower, wanted = (text, term) if _cased(term) else (_lower(text), _lower(term))
    at = lower.find(wanted)
    while at >= 0:
        if _begins_word(text, at) and _word_ends(text, at + len(wanted)):
            return True
        at = lower.find(wanted, at + 1)
    return False


def _begins_word(text: str, begin: int) -> bool:
    return not (begin and _WORD_CHARACTER.match(text[begin - 1]) and _WORD_CHARACTER.match(text[begin]))


def _word_ends(text: str, end: int) -> bool:
    """Tell whether a word ends at a place, or only particles follow that can stand after its last syllable."""
    last, following = text[end - 1 : end], text[end : end + 1]
    if not (_WORD_CHARACTER.match(following) and _WORD_CHARACTER.match(last)):
        return True
    if not "가" <= following <= "힣":
        return False
    if not "가" <= last <= "힣":
        return _PARTICLES[None].match(text, end) is not None
    final = (ord(last) - ord("가")) % 28
    if final == _RIEUL and following == "로":
        return _PARTICLES[None].match(text, end) is not None
    return _PARTICLES[final > 0].match(text, end) is not None
