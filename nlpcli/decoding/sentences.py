"""Texts cut into sentences, and texts too long for a model cut into parts that are translated one by one.

A full stop ends a sentence unless it belongs to an abbreviation, an initial, a number or an address. The rules are those that
are told of English and Korean; that a short list of words says whether a sentence begins after `U.S.` is from Kiss and
Strunk (2006), "Unsupervised multilingual sentence boundary detection".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise
from typing import Callable, Iterable, Iterator, NamedTuple, Sequence

from nlpcli.decoding.graphemes import grapheme_ends

ENCLOSED = 300  # characters: a quotation or parenthesis up to this length stays whole, a longer one is cut like other text
NEARLY_FULL = 15 / 16  # of the tokens that a part may have: then no more is looked for
LOOK_BACK = 40  # characters before a full stop that are looked at: no abbreviation is longer


class Span(NamedTuple):
    """A piece of a text: its characters from `begin` up to `end`."""

    begin: int
    end: int


class Part(NamedTuple):
    """A piece of a text that is translated by itself, and the white space between it and the next."""

    text: str
    space_after: str


_WIDE = "。！？｡"  # after these no white space is written
_END = rf"[.!?…{_WIDE}]"
_CLOSERS = "\"'”’»」』》〉】)]}）"
_CLOSING = f"[{re.escape(_CLOSERS)}]"
_MARKS = re.compile(rf"(?P<end>{_END}++{_CLOSING}*+)|[\"“”«»「」『』《》()\[\]（）【】]")
_CLOSES = {"”": "“", "»": "«", "」": "「", "』": "『", "》": "《", ")": "(", "]": "[", "）": "（", "】": "【", '"': '"'}
_OPENS = frozenset(_CLOSES.values()) - {'"'}

_TITLES = "mr mrs ms dr prof rev gen col sgt capt lt st mt messrs gov sen rep hon"
_ABBREVIATIONS = {
    "en": f"{_TITLES} vs cf approx dept est jan feb mar apr jun jul aug sep sept oct nov dec",
    "de": f"{_TITLES} bzw ca ggf inkl bspw vgl evtl hr fr nr str tel sog geb",
}
_NEVER_LAST = {language: frozenset(words.split()) for language, words in _ABBREVIATIONS.items()}
_BEFORE_NUMBERS = frozenset({"no", "nos", "fig", "figs", "vol", "p", "pp", "ch", "sec", "eq", "art"})
_MAY_END = frozenset({"etc", "inc", "ltd", "co", "corp", "jr", "sr", "al", "bros", "usw"})
_STARTING = (
    "the a an this that these those he she it they we you there in on at by for from with as if when while after before but "
    "and so however my his her its our their what who why how der die das er sie es wir ein eine im"
)
_STARTERS = frozenset(_STARTING.split())
_ORDINALS = frozenset({"ko", "de"})  # languages that write a full stop after numbers: 2024. 3. 1., am 3. Mai
_ENDERS = frozenset("다요까죠네오함음임됨")  # the last syllables of Korean sentences
_QUOTED_BY = re.compile(r"(?:이?라[고며는]|하[고며는]|고|며|란)(?![가-힣]{3})")

_DOTTED = re.compile(r"(?:[^\W\d_가-힣]\.)*[^\W\d_가-힣]")
_ITEM = re.compile(r"\d{1,3}|[A-Za-z가나다라마바사아자차카타파하]")  # the number of an item in a list
_WORD_BEFORE = re.compile(r"[^\s\"'“”‘’«»()\[\]{}<>「」『』《》/]*\Z")
_NEXT_WORD = re.compile(r"[^\W\d_]+")
_CLAUSE = re.compile(
    rf"[;:,–—]++{_CLOSING}*+(?=\s)|[、，；：]++|(?<=[가-힣])(?:고|며|지만|[는은인한]데|면서|니까|므로|거나)(?=\s)"
)
_SPACE = re.compile(r"\s+")
_BREAKS_OFF = re.compile(rf"(?:{_END}|[、，；：]){_CLOSING}*\Z")
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})


def split_sentences(text: str, language: str) -> list[Span]:
    """Cut a text into sentences.

    Args:
        language: what the text is written in; decides about abbreviations and numbers with a full stop.

    Returns:
        Where each sentence lies. Nothing but white space stands before, between and after them, and none is blank.
    """
    whole, cased = _enclosed(text), text != text.lower()
    ends, begin, inside = [], 0, 0
    for mark in _MARKS.finditer(text):
        if mark["end"] is None:
            continue
        while inside < len(whole) and whole[inside].end <= mark.end():
            inside += 1
        if inside < len(whole) and whole[inside].begin < mark.end():
            continue
        if _ends_sentence(text, begin, mark, language, cased):
            ends.append(mark.end())
            begin = mark.end()
    return _spans(text, 0, len(text), ends)


def split_long(text: str, language: str, count: Callable[[str], int], longest: int) -> list[Part]:
    """Cut a text into parts of at most so many tokens: at ends of sentences, else of clauses, else of words, else between
    characters as they are seen (graphemes), else between code points. A part is filled as far as it goes, or nearly.

    Args:
        count: tells the number of tokens of a text; it is asked some times a part, about pieces not much longer than one.
        longest: tokens; only a single code point of more tokens makes a longer part.

    Returns:
        Parts that, with their white space, are the text; white space before the first is a part without text. A text that is
        short enough is one part as it stands.
    """
    tokens = count(text)
    if tokens <= longest:
        return [Part(text, "")]
    spans = list(_Packer(text, language, count, longest, len(text) / tokens).pack(0, Span(0, len(text))))
    begins = [span.begin for span in spans[1:]] + [len(text)]
    first = spans[0].begin if spans else len(text)
    lead = [Part("", text[:first])] if first else []
    return lead + [Part(text[b:e], text[e:following]) for (b, e), following in zip(spans, begins)]


def join_parts(parts: Sequence[Part], translations: Sequence[str], language: str) -> str:
    """Join the translations of a text's parts with the white space that stood between the parts.

    Where sentences or clauses stood without white space (`했다.그리고`), languages that need it get one blank; where a word
    was cut in two, none is put in.

    Args:
        language: what the translations are written in.
    """
    blank = "" if language in _UNSPACED else " "
    pieces = []
    for number, (part, translation) in enumerate(zip(parts, translations), 1):
        between = part.space_after or (blank if number < len(parts) and _BREAKS_OFF.search(part.text[-LOOK_BACK:]) else "")
        pieces += [translation, between]
    return "".join(pieces)


class _Packer:
    """Finds the parts of one text."""

    def __init__(self, text: str, language: str, count: Callable[[str], int], longest: int, token_width: float) -> None:
        self.text, self.count, self.longest, self.token_width = text, count, longest, token_width
        self.levels: list[Callable[[Span], list[Span]]] = [
            lambda span: split_sentences(text, language),
            lambda span: _spans(text, *span, [m.end() for m in _CLAUSE.finditer(text, *span)]),
            lambda span: _spans(text, *span, [m.start() for m in _SPACE.finditer(text, *span)]),
            lambda span: _pieces(span, grapheme_ends(text[span.begin : span.end])),
            lambda span: _pieces(span, range(1, span.end - span.begin + 1)),
        ]

    def pack(self, level: int, whole: Span) -> Iterator[Span]:
        """Yield the parts of a span that is too long, cut at this level or, where its pieces are too long, at the next."""
        pieces = self.levels[level](whole)
        ends, first = [piece.end for piece in pieces], 0
        while first < len(pieces):
            begin = pieces[first].begin
            fitting = self.fit(begin, ends, first)
            if fitting > first:
                yield Span(begin, ends[fitting - 1])
            elif level + 1 < len(self.levels):
                yield from self.pack(level + 1, pieces[first])
            else:
                yield pieces[first]
            first = max(fitting, first + 1)

    def fit(self, begin: int, ends: list[int], first: int) -> int:
        """Return an i for which text[begin : ends[i - 1]] has at most `longest` tokens and is nearly full, or is the last that
        has; `first` if none has.

        Interpolates, so that a few texts are counted, none of them much longer than a part; when that does not come to an
        end soon, bisects.
        """
        fits, fails, short, over = first, len(ends) + 1, (0, 0), (0, 0)  # the two pairs: width in characters, tokens
        tries = 0
        while fits + 1 < fails and short[1] <= NEARLY_FULL * self.longest:
            width, tokens = short
            if over == (0, 0):
                wanted = (self.longest - tokens) * (width / tokens if tokens else self.token_width)
                target = width + (min(wanted, width) if width else wanted)
            elif tries % 3:
                target = width + (over[0] - width) * (self.longest - tokens) / (over[1] - tokens)
            else:
                target = (width + over[0]) / 2
            guess = min(max(bisect_right(ends, begin + int(target), fits), fits + 1), fails - 1)
            width = ends[guess - 1] - begin
            tokens = self.count(self.text[begin : begin + width])
            if tokens > self.longest:
                fails, over = guess, (width, tokens)
            else:
                fits, short = guess, (width, tokens)
            tries += 1
        return fits


def _spans(text: str, begin: int, end: int, cuts: list[int]) -> list[Span]:
    """Return what lies between the cuts, without white space at its ends; blank pieces are left out."""
    spans = []
    for cut in [*cuts, end]:
        piece = text[begin:cut]
        if body := piece.strip():
            at = begin + len(piece) - len(piece.lstrip())
            spans.append(Span(at, at + len(body)))
        begin = max(begin, cut)
    return spans


def _pieces(word: Span, ends: Iterable[int]) -> list[Span]:
    """Return the pieces of a word, given where each ends, counted from the word's beginning."""
    return [Span(word.begin + b, word.begin + e) for b, e in pairwise([0, *ends])]


def _enclosed(text: str) -> list[Span]:
    """Return the outermost quotations and parentheses that are short enough to stay whole."""
    opened: dict[str, list[int]] = {}
    pairs = []
    for mark in _MARKS.finditer(text):
        for at in range(mark.start(), mark.end()):
            char = text[at]
            if char in _OPENS or (char == '"' and _opens(text, at)):
                opened.setdefault(char, []).append(at)
            elif char in _CLOSES and (places := opened.get(_CLOSES[char])):
                begin = places.pop()
                if at - begin <= ENCLOSED:
                    pairs.append(Span(begin, at + 1))
    outermost: list[Span] = []
    for pair in sorted(pairs):
        if not outermost or pair.end > outermost[-1].end:
            outermost.append(pair)
    return outermost


def _opens(text: str, at: int) -> bool:
    """Tell whether a straight quotation mark begins a quotation."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    return (not before or before.isspace() or before in _OPENS) and not after.isspace() and bool(after)


def _ends_sentence(text: str, begin: int, mark: re.Match[str], language: str, cased: bool) -> bool:
    """Tell whether terminal punctuation, closing quotes included, ends the sentence that begins at `begin`."""
    stops = mark[0].rstrip(_CLOSERS)
    quoted = len(stops) < len(mark[0])
    last, following = text[mark.start() - 1 : mark.start()], text[mark.end() : mark.end() + 1]
    if stops[-1] in _WIDE:
        return True
    if following and not following.isspace():
        korean_end = last in _ENDERS if stops == "." else stops[-1] in "!?" and "가" <= last <= "힣"
        return bool(last) and korean_end and not quoted and ("가" <= following <= "힣" or following in _OPENS)
    space = _SPACE.match(text, mark.end())
    nearby = text[space.end() : space.end() + LOOK_BACK] if space else ""
    if (quoted and _QUOTED_BY.match(nearby)) or (cased and nearby[:1].islower()):
        return False
    if stops == ".":
        return _full_stop(text[max(begin, mark.start() - LOOK_BACK) : mark.start()], nearby, language, cased)
    if stops.startswith("..") or stops == "…":
        return last in _ENDERS or (nearby[:1].isupper() and not nearby.startswith(("I ", "I'", "I’")))
    return True


def _full_stop(before: str, nearby: str, language: str, cased: bool) -> bool:
    """Tell whether a full stop ends a sentence, by what stands before it in the sentence and by what comes next."""
    found = _WORD_BEFORE.search(before)
    word = found[0] if found else ""
    if word == before.strip(" \t(") and _ITEM.fullmatch(word):
        return False
    if word.isdigit() and (language in _ORDINALS or nearby[:1].isdigit()):
        return False
    key = word.lower()
    if key in _NEVER_LAST.get(language, _NEVER_LAST["en"]):
        return False
    if key in _BEFORE_NUMBERS:
        return not nearby[:1].isdigit()
    if key in _MAY_END or _DOTTED.fullmatch(word):
        following = _NEXT_WORD.match(nearby)
        return following is not None and following[0].lower() in _STARTERS and (following[0][0].isupper() or not cased)
    return True
