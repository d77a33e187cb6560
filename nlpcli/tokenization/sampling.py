"""Subword sampling: a segmentation drawn at random instead of the best one, so that a model sees a word in many ways.

SentencePiece can sample too, but its generator is salted anew in every process, so the same seed gives another draw the
next time. A run that is resumed must see what it would have seen, hence this twin; the tests hold its distribution equal.
"""

from __future__ import annotations

import math
import random
import re
from functools import lru_cache
from itertools import pairwise
from typing import Iterable, Literal, NamedTuple

import sentencepiece

BLANK = "\u2581"  # ▁, SentencePiece's sign for a blank
UNKNOWN_PENALTY = 10.0  # below the worst piece, as in SentencePiece's unigram model
CACHED_WORDS = 1 << 17


class Sampling(NamedTuple):
    """How to draw a segmentation.

    `alpha` is BPE-dropout's probability (Provilkov et al. 2020, section 3), or the exponent that smooths the
    distribution over a unigram model's segmentations (Kudo 2018, section 3.2). The same seed gives the same draws.
    """

    alpha: float
    seed: int


class Arc(NamedTuple):
    """A piece that ends at some place of a word: where it begins, and the share of all ways that come over it or before."""

    start: int
    cumulative: float


class SubwordSampler:
    """Draws segmentations from the vocabulary of a SentencePiece model."""

    def __init__(
        self, processor: sentencepiece.SentencePieceProcessor, kind: Literal["bpe", "unigram"], symbols: Iterable[str] = ()
    ) -> None:
        """Read the vocabulary; `symbols` are its user-defined pieces, which are never cut."""
        self.kind, self.symbols = kind, set(symbols)
        ids = range(processor.vocab_size())
        special = {i for i in ids if processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)}
        pieces = {processor.id_to_piece(i): processor.get_score(i) for i in ids if i not in special}
        self.has_bytes = any(processor.is_byte(i) for i in ids)
        self.scores = {piece: score for piece, score in pieces.items() if piece not in self.symbols}
        self.longest = max(map(len, self.scores), default=1)
        self.unknown = min(self.scores.values(), default=0.0) - UNKNOWN_PENALTY
        whole = "|".join(map(re.escape, sorted(self.symbols, key=len, reverse=True)))
        self.split = re.compile(f"({whole})" if whole else "(?!)").split
        self.words = re.compile(f"{BLANK}?[^{BLANK}]+|{BLANK}").findall
        self.lattice = lru_cache(CACHED_WORDS)(self._lattice)

    def sample(self, text: str, alpha: float, rng: random.Random) -> list[str]:
        """Draw the pieces of one text, which is in the form that SentencePiece is given."""
        if not text:
            return []
        draw = self._merge if self.kind == "bpe" else self._walk
        pieces: list[str] = []
        for part in self.split(BLANK + text.replace(" ", BLANK)):
            if part in self.symbols:
                pieces.append(part)
                continue
            for word in self.words(part):
                pieces += draw(word, alpha, rng)
        return self._spelt(pieces)

    def _merge(self, word: str, alpha: float, rng: random.Random) -> list[str]:
        """BPE-dropout as SentencePiece does it: a merge whose turn it is is left out for good with probability alpha."""
        symbols, score, never = list(word), self.scores.get, -math.inf
        merges = [score(a + b, never) for a, b in pairwise(symbols)]  # of each symbol with the next one
        while merges and (best := max(merges)) > never:
            at = merges.index(best)
            if rng.random() < alpha:
                merges[at] = never
                continue
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
            del merges[at]
            for i in (at - 1, at):
                if 0 <= i < len(merges):
                    merges[i] = score(symbols[i] + symbols[i + 1], never)
        return symbols

    def _walk(self, word: str, alpha: float, rng: random.Random) -> list[str]:
        """Draw a way through the word's lattice from its end, each with its probability to the power of alpha."""
        arcs, end, pieces = self.lattice(word, alpha), len(word), []
        while end:
            chance = rng.random()
            start = next((arc.start for arc in arcs[end] if chance < arc.cumulative), arcs[end][-1].start)
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _lattice(self, word: str, alpha: float) -> list[list[Arc]]:
        """Forward filtering: for each place of the word the pieces that end there and their cumulative probabilities."""
        total: list[float] = [0.0]
        arcs: list[list[Arc]] = [[]]
        for end in range(1, len(word) + 1):
            ways = []
            for start in range(max(0, end - self.longest), end):
                score = self.scores.get(word[start:end], self.unknown if end - start == 1 else None)
                if score is not None:
                    ways.append((start, total[start] + alpha * score))
            top = max(weight for _, weight in ways)
            shares = [math.exp(weight - top) for _, weight in ways]
            mass = sum(shares)
            total.append(top + math.log(mass))
            arcs.append([Arc(start, sum(shares[: i + 1]) / mass) for i, (start, _) in enumerate(ways)])
        return arcs

    def _spelt(self, pieces: list[str]) -> list[str]:
        """Spell unknown characters in bytes; without bytes, a run of them is one unknown piece, as in SentencePiece."""
        found: list[str] = []
        unknown_before = False
        for piece in pieces:
            known = piece in self.scores or piece in self.symbols
            if known:
                found.append(piece)
            elif self.has_bytes:
                found += [f"<0x{byte:02X}>" for byte in piece.encode()]
            elif unknown_before:
                found[-1] += piece
            else:
                found.append(piece)
            unknown_before = not known and not self.has_bytes
        return found
