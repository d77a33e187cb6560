"""Markup kept through a translation: taken out of a line before it is translated, put back by the model's attention.

A model that has never seen `<b>` or `{name}` may lose, double or change it. So it sees neither: tags and placeholders are cut
out, and put back into the translation where the words that stood beside them, or between two tags, have gone. Without
attention they are put back at the same share of the line.

A pair of tags surrounds the words that pay most attention to what it surrounded. What stands for itself goes between the
words that pay most attention to its neighbours. Pairs stay properly nested: those beside each other, whose words were mixed,
surround only the longest run of words that is theirs alone.

Axes: u words and punctuation marks of the translation, s tokens of the source that have a place in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple, Sequence

import numpy as np

from nlpcli.decoding.stripping import CLOSING, Mark, Stripped, divide, strip

__all__ = ["Mark", "Stripped", "divide", "restore", "strip"]

Offsets = Sequence[tuple[int, int]]

_PUNCTUATION = re.escape("""!?…,.;:()[]{}"“”«»。，、；：！？「」『』《》〈〉（）""")
_UNIT = re.compile(rf"[^\s{_PUNCTUATION}]+(?:[.,:][^\s{_PUNCTUATION}]+)*|[{_PUNCTUATION}]")
_OPENING = frozenset("([{“‘«「『《〈（")


def restore(
    translation: str, src_offsets: Offsets, tgt_offsets: Offsets, attention: np.ndarray | None, stripped: Stripped
) -> str:
    """Put the markup of a line back into its translation, every mark once.

    What stood at the beginning or end of the line does again; a placeholder written to a word (`{n}개`) goes with the word.

    Args:
        src_offsets: characters of `stripped.text` that each source token has; marks may follow that have none.
        tgt_offsets: the same for `translation`.
        attention: [t, s], what each target token pays to each source token, marks included; None if the model has none: then
            words are taken to be linked with those at the same share of the line.

    Returns:
        The translation with the markup; the source line where nothing was to be translated.
    """
    if not stripped.marks:
        return stripped.escape(translation)
    if not stripped.translatable:
        return stripped.source
    words = [match.span() for match in _UNIT.finditer(translation)]
    links_us, tokens = _links(translation, words, src_offsets, tgt_offsets, attention, stripped.text)
    placing = _Placing(translation, words, links_us, tokens, stripped)
    writer = _Writer(translation, words, stripped)
    writer.write(placing.place(_tree(stripped.marks), 0, len(words)))
    return writer.finish()


class _Node(NamedTuple):
    """A mark and, of a pair, its partner and what stood between them."""

    number: int
    mark: Mark
    closing: Mark | None
    children: list[_Node]


class _Placed(NamedTuple):
    """A mark that goes before word `begin`; of a pair, the words up to `end` stand between."""

    begin: int
    end: int
    node: _Node
    children: list[_Placed]


def _tree(marks: Sequence[Mark]) -> list[_Node]:
    """Return the marks that stand in no pair, and below each pair those that stand in it."""
    levels: list[list[_Node]] = [[]]
    for number, mark in enumerate(marks):
        if mark.kind == "close":
            levels.pop()
            continue
        node = _Node(number, mark, marks[mark.partner] if mark.kind == "open" else None, [])
        levels[-1].append(node)
        if mark.kind == "open":
            levels.append(node.children)
    return levels[0]


def _links(
    translation: str, words: Offsets, src_offsets: Offsets, tgt_offsets: Offsets, attention: np.ndarray | None, source: str
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return how strongly each word is linked with each source token [u, s], and where these tokens lie.

    Punctuation, to which attention goes that is needed nowhere, is linked with no word; nor is a token without a place.
    """
    tokens, columns = [], []
    for column, (begin, end) in enumerate(src_offsets):
        body = source[begin:end].strip()
        if body:
            columns.append(column)
            tokens.append((end - len(source[begin:end].lstrip()), end))
    if not tokens:
        return np.zeros((len(words), 0)), tokens
    links_us = np.zeros((len(words), len(tokens)))
    rows = 0 if attention is None else min(len(attention), len(tgt_offsets))
    first = 0
    for u, (begin, end) in enumerate(words):
        while first < rows and tgt_offsets[first][1] <= begin:
            first += 1
        last = first
        while last < rows and tgt_offsets[last][0] < end:
            last += 1
        if attention is not None and last > first:
            links_us[u] = attention[first:last, columns].mean(0)
        else:  # the nearest by its share of the line
            place = (begin + end) / 2 / words[-1][1]
            middles = np.array([(b + e) / 2 / tokens[-1][1] for b, e in tokens])
            links_us[u] = 1 / (1 + len(tokens) * np.abs(middles - place))
    spoken = np.array([any(map(str.isalnum, source[b:e])) for b, e in tokens])
    if spoken.any():
        links_us[[translation[begin].isalnum() for begin, _ in words]] *= spoken
    return links_us, tokens


class _Placing:
    """Decides between which words of the translation each mark goes."""

    def __init__(
        self, translation: str, words: Offsets, links_us: np.ndarray, tokens: list[tuple[int, int]], stripped: Stripped
    ) -> None:
        self.links_us, self.tokens, self.source = links_us, tokens, stripped.text
        self.ends = [end for _, end in tokens]
        linked = links_us.shape[1] > 0
        self.best = [tokens[s] for s in links_us.argmax(1)] if linked else [(-1, -1)] * len(words)
        spoken = [u for u, (begin, _) in enumerate(words) if translation[begin].isalnum()]
        self.size = len(words)
        self.first, self.last = (spoken[0], spoken[-1] + 1) if spoken else (0, len(words))
        letters = [i for i, char in enumerate(self.source) if char.isalnum()]
        self.first_letter, self.last_letter = letters[0], letters[-1]

    def place(self, nodes: list[_Node], low: int, high: int) -> list[_Placed]:
        """Place marks that stood beside each other between the words `low` and `high`, in the order they are written in."""
        pairs = [node for node in nodes if node.closing is not None]
        ranges = self._ranges(pairs, low, high)
        taken = sorted(ranges.values())
        placed = []
        for node in nodes:
            begin, end = ranges.get(node.number) or (self._outside(taken, self._between(node, low, high)),) * 2
            placed.append(_Placed(begin, end, node, self.place(node.children, begin, end)))
        return sorted(placed, key=lambda item: (item.begin, item.end, item.node.number))

    def _ranges(self, pairs: list[_Node], low: int, high: int) -> dict[int, tuple[int, int]]:
        """Return the words that go between the tags of each pair, by the pair's number; none for pairs that get no word."""
        owners: dict[int, list[int]] = {pair.number: [] for pair in pairs}
        spans = [(pair.mark.position, pair.closing.position, pair.number) for pair in pairs if pair.closing]
        at = sorted((begin, end, number) for begin, end, number in spans)
        begins = np.array([begin for begin, _, _ in at])
        runs: dict[int, tuple[int, int]] = {}
        last, since = -1, low
        for u in range(low, high) if at else ():
            i = int(begins.searchsorted(self.best[u][1])) - 1
            if i >= 0 and self.best[u][0] < at[i][1]:
                owner = at[i][2]
                owners[owner].append(u)
                since = since if owner == last else u
                runs[owner] = max(runs.get(owner, (u, u + 1)), (since, u + 1), key=lambda run: run[1] - run[0])
                last = owner
        ranges = {number: (words[0], words[-1] + 1) for number, words in owners.items() if words}
        for begin, end, number in at:
            if begin <= self.first_letter and end > self.last_letter:
                ranges[number] = self._whole(begin, end, low, high)
        ordered = sorted((span, number) for number, span in ranges.items())
        crossing, reach = set(), (-1, -1)
        for (begin, end), number in ordered:
            if begin < reach[0]:
                crossing |= {number, reach[1]}
            reach = max(reach, (end, number))
        return {**ranges, **{number: runs[number] for number in crossing}}

    def _whole(self, begin: int, end: int, low: int, high: int) -> tuple[int, int]:
        """Return the words for tags around a whole line, which may have its punctuation outside."""
        first, last = self._head(begin), self._tail(end)
        return max(low, min(first, high)), max(low, min(last, high))

    def _head(self, position: int) -> int:
        """Return the words of the translation that stand for the punctuation before a place at the beginning of the source."""
        return min(self.first, len("".join(self.source[:position].split())))

    def _tail(self, position: int) -> int:
        """Return where the words begin that stand for the punctuation after a place at the end of the source."""
        return max(self.last, self.size - len("".join(self.source[position:].split())))

    def _between(self, node: _Node, low: int, high: int) -> int:
        """Return the word before which a mark goes that stands for itself."""
        position, mark = node.mark.position, node.mark
        left, right = self.source[position - 1 : position], self.source[position : position + 1]
        glued = mark.kind == "word" and ((not mark.before and left.isalnum()) or (not mark.after and right.isalnum()))
        if position <= self.first_letter and not glued:
            return max(low, min(self._head(position), high))
        if position > self.last_letter and not glued:
            return max(low, min(self._tail(position), high))
        if high - low < 1 or not self.tokens:
            return low
        s = bisect_right(self.ends, position)  # the token at the right, after the one at the left
        zero = np.zeros(1)
        lefts, rights = (
            np.concatenate([zero, self.links_us[low:high, at] if 0 <= at < len(self.ends) else np.zeros(high - low), zero])
            for at in (s - 1, s)
        )
        straight, turned = lefts[:-1] + rights[1:], rights[:-1] + lefts[1:]  # by boundary, from `low` to `high`
        share = low + (high - low) * position / max(len(self.source), 1)
        nearness = -1e-6 * np.abs(np.arange(low, high + 1) - share)
        return low + int(np.argmax(np.maximum(straight, 0.9 * turned) + nearness))

    @staticmethod
    def _outside(taken: list[tuple[int, int]], at: int) -> int:
        """Move a place out of the words of a pair that it does not belong to, to the nearer end."""
        for begin, end in taken:
            if begin < at < end:
                return begin if at - begin < end - at else end
        return at


class _Writer:
    """Writes a translation with its markup from left to right."""

    def __init__(self, translation: str, words: Offsets, stripped: Stripped) -> None:
        self.translation, self.words, self.source = translation, words, stripped.text
        self.escape = stripped.escape
        self.pieces: list[str] = []
        self.at = 0
        self.last = ""  # the last character that is seen, tags left out

    def write(self, placed: list[_Placed]) -> None:
        """Write marks and the text before them."""
        for begin, end, node, children in placed:
            if node.closing is None:
                self._single(node.mark, begin)
                continue
            self._text(self.words[begin][0] if begin < end else self._end(begin))
            self._raw(node.mark)
            self.write(children)
            self._text(self._end(end))
            self._raw(node.closing)

    def finish(self) -> str:
        """Write the rest of the text, and return everything."""
        self._text(len(self.translation))
        return "".join(self.pieces)

    def _single(self, mark: Mark, begin: int) -> None:
        follows = mark.before and begin < len(self.words) and (mark.kind == "empty" or not begin)
        self._text(self.words[begin][0] if follows or (not begin and self.words) else self._end(begin))
        ahead = self.translation[self.at : self.at + 1]
        if mark.kind == "empty":
            both = bool(mark.before and mark.after)
            self._raw(mark, both and bool(self.last) and not self.last.isspace(), both and bool(ahead) and not ahead.isspace())
            return
        left, right = self.source[mark.position - 1 : mark.position], self.source[mark.position : mark.position + 1]
        joined = not self.last or self.last.isspace() or self.last in _OPENING or (not mark.before and self.last == left)
        open_end = not ahead or ahead.isspace() or ahead in CLOSING or (not mark.after and ahead == right)
        self._raw(mark, not joined, not open_end)
        self.last = " " if not open_end else mark.raw[-1]

    def _raw(self, mark: Mark, blank_before: bool = False, blank_after: bool = False) -> None:
        self.pieces += [" "] * blank_before + [mark.raw] + [" "] * blank_after
        self.last = " " if blank_after else self.last

    def _text(self, end: int) -> None:
        if end > self.at:
            text = self.translation[self.at : end]
            self.pieces.append(self.escape(text))
            self.at, self.last = end, text[-1]

    def _end(self, word: int) -> int:
        return self.words[word - 1][1] if word else 0
