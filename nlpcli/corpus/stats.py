"""`nlpcli data stats`: how much text there is, how long its lines are, in which scripts, and how much of it is new.

Words are what stands between spaces. Of each side at most MOST_TYPES different words of train are held; beyond that the
rarest are forgotten (as in word2vec's vocabulary reduction), and `types_exact` is false.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from nlpcli import console
from nlpcli.corpus.blocks import Reader
from nlpcli.corpus.kinds import Kind, find_material
from nlpcli.corpus.scripts import NAMES, characters
from nlpcli.errors import UsageError

MOST_TYPES = 1_000_000
EDGES = (0, 10, 20, 50, 100, 200, 500, 1000, 2000)  # a bin of the histogram ends at each, the last nowhere
UNKNOWN = 1  # a tokenizer's id for it


@dataclass
class SideStats:
    """One side of a split.

    Attributes:
        histogram: lines by characters: `0`, `1-10`, …, `2001-`.
        scripts: share of all characters.
        new_words, new_types: share of running words, and of different words, that train does not have; None for train.
        tokens, unknown: pieces by the tokenizer, and how many of them stand for something unknown.
    """

    lines: int = 0
    empty: int = 0
    unreadable: int = 0
    characters: int = 0
    longest: int = 0
    words: int = 0
    types: int = 0
    types_exact: bool = True
    histogram: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, float] = field(default_factory=dict)
    new_words: float | None = None
    new_types: float | None = None
    tokens: int | None = None
    unknown: int | None = None


@dataclass(frozen=True)
class Stats:
    """What `data stats` counted: split → side → figures, and split → label → rows for labelled text."""

    name: str
    kind: Kind
    splits: dict[str, dict[str, SideStats]]
    labels: dict[str, dict[str, int]]


def data_stats(
    *,
    data: str,
    kind: Kind | None = None,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    tokenizer: Path | None = None,
) -> Stats:
    """Count lines, characters, words, lengths and scripts of each side of each split; see `check_data` for the options.

    Args:
        tokenizer: an artifact to count tokens with.

    Raises:
        BadInput: nothing found, or a file cannot be opened or unpacked. Lines that cannot be read are counted.
        UsageError: a tokenizer, and text of which nobody said the language.
    """
    material = find_material(data, kind, src, tgt, lang, column)
    console.info(f"data: {material.root} holds {material.kind} text; splits: {', '.join(material.splits)}")
    encoder = _Encoder(tokenizer, material.languages) if tokenizer else None
    known = [Words() for _ in material.sides]
    splits: dict[str, dict[str, SideStats]] = {}
    labels: dict[str, dict[str, int]] = {}
    done = 0
    with console.Progress("stats", None, "rows") as progress:
        for split in material.splits:
            train = split == "train"
            counts = [_SideCount(of_train if train else Words(of_train)) for of_train in known]
            of_labels: Counter[str] = Counter()
            for part in material.parts:
                for block in Reader(part).blocks() if part.split == split else ():
                    for i, count in enumerate(counts):
                        texts = [text for row, text in enumerate(block.sides[i]) if row not in block.unread]
                        count.add(texts, len(block) - len(texts), encoder.ids(texts, i) if encoder else None)
                    of_labels.update(label for row, label in enumerate(block.labels or ()) if row not in block.unread)
                    done += len(block)
                    progress.update(done)
            splits[split] = {side: count.result() for side, count in zip(material.sides, counts)}
            if of_labels:
                labels[split] = dict(of_labels.most_common(1000))
    return Stats(material.name, material.kind, splits, labels)


class Words:
    """Different words with their counts, of which the rarest are forgotten when they become too many.

    Args:
        train: the words that are not new; None for those of train themselves.
    """

    def __init__(self, train: Words | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.train = train.counts if train else None
        self.running = self.new = 0
        self.floor = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take in the words of some texts."""
        here = Counter(word for text in texts for word in text.split())
        self.running += here.total()
        if self.train is not None:
            self.new += sum(count for word, count in here.items() if word not in self.train)
        self.counts.update(here)
        while len(self.counts) > MOST_TYPES:
            self.floor += 1
            self.counts = Counter({word: count for word, count in self.counts.items() if count > self.floor})

    def new_types(self) -> float:
        """Return the share of the different words that train does not have."""
        known: dict[str, int] = self.train or {}
        return sum(word not in known for word in self.counts) / max(len(self.counts), 1)


class _SideCount:
    """One side of one split, while it is read."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.stats = SideStats()
        self.scripts = dict.fromkeys(NAMES, 0)
        self.bins = np.zeros(len(EDGES) + 1, np.int64)

    def add(self, texts: list[str], unreadable: int, ids: list[list[int]] | None) -> None:
        stats = self.stats
        stats.lines += len(texts) + unreadable
        stats.unreadable += unreadable
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        stats.empty += int((lengths == 0).sum())
        stats.characters += int(lengths.sum())
        stats.longest = max(stats.longest, int(lengths.max(initial=0)))
        self.bins += np.bincount(np.searchsorted(EDGES, lengths), minlength=len(EDGES) + 1)
        for name, count in characters(texts).shares().items():
            self.scripts[name] += count
        self.words.add(texts)
        if ids is not None:
            stats.tokens = (stats.tokens or 0) + sum(map(len, ids))
            stats.unknown = (stats.unknown or 0) + sum(line.count(UNKNOWN) for line in ids)

    def result(self) -> SideStats:
        stats, words = self.stats, self.words
        names = ["0", *(f"{a + 1}-{b}" for a, b in pairwise(EDGES)), f"{EDGES[-1] + 1}-"]
        stats.histogram = dict(zip(names, self.bins.tolist()))
        stats.scripts = {name: count / max(stats.characters, 1) for name, count in self.scripts.items() if count}
        stats.words, stats.types, stats.types_exact = words.running, len(words.counts), words.floor == 0
        if words.train:
            stats.new_words = words.new / max(words.running, 1)
            stats.new_types = words.new_types()
        return stats


class _Encoder:
    """A tokenizer for each side of a corpus."""

    def __init__(self, tokenizer: Path, languages: tuple[str, ...]) -> None:
        from nlpcli.tokenization.tokenizer import Tokenizer

        self.tokenizer: Any = Tokenizer.load(tokenizer)
        self.languages = languages
        if "" in languages:
            raise UsageError(
                "which language is the text in?", cause="a tokenizer has a vocabulary a language", fix="add --lang"
            )

    def ids(self, texts: list[str], side: int) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer.encode(texts, self.languages[side])
        return ids
