"""How often each label stands in each split, and which labels are odd."""

from __future__ import annotations

from collections import Counter
from typing import Iterator

from nlpcli.corpus.examine import Examined
from nlpcli.corpus.findings import Place, excerpt

MOST = 10_000  # different labels; more are no classes, and could fill the memory
RARE = 0.01  # of an even share of the rows


class LabelCounts:
    """Counts labels and keeps the first place of each."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.firsts: dict[tuple[str, str], Place] = {}

    def add(self, split: str, examined: Examined) -> None:
        """Take in a block of rows."""
        block, labels = examined.block, examined.labels or []
        counts = self.counts.setdefault(split, Counter())
        here = Counter(label for row, label in enumerate(labels) if label and row not in block.unread)
        for label, count in here.items():
            if label in counts or len(counts) < MOST:
                counts[label] += count
                if (split, label) not in self.firsts:
                    row = labels.index(label)
                    self.firsts[split, label] = Place(block.part.paths[0].name, block.numbers[row], excerpt(label, 0))

    def oddities(self) -> Iterator[tuple[str, str, Place, int]]:
        """Yield rule, split, first place and number of rows of each label that is rare, or that train does not have."""
        train = self.counts.get("train", Counter())
        even = train.total() / max(len(train), 1)
        for label, count in train.items():
            if len(train) > 1 and (count == 1 or count < RARE * even):
                yield "label-rare", "train", self.firsts["train", label], count
        for split, counts in self.counts.items():
            for label in counts.keys() - train.keys() if train else ():
                yield "label-unseen", split, self.firsts[split, label], counts[label]
