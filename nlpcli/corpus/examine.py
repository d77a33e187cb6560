"""One block of rows under all rules that need nothing but the row itself: mend what can be mended, name what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from nlpcli.corpus.blocks import Block, Reader, Spot
from nlpcli.corpus.decode import Recoding
from nlpcli.corpus.kinds import Material, Part
from nlpcli.corpus.languages import foreign_lines
from nlpcli.corpus.mending import mend
from nlpcli.corpus.scripts import LOST, characters, has_script

MIN_LETTERS = 10  # a line with fewer is in no script to speak of
FOREIGN = 0.05  # below this share of letters of its script, a line is not in its language


@dataclass
class Examined:
    """A block of rows of one split, mended, and the spots where rules were broken.

    Attributes:
        first: the index of the block's first row in its split, from 0.
        texts, labels: after mending.
        stripped: the texts without the spaces around them, which is what is compared and measured.
        lengths: characters of these; one array a side.
    """

    block: Block
    first: int
    texts: list[list[str]]
    stripped: list[list[str]]
    labels: list[str] | None
    lengths: list[NDArray[np.int64]]
    spots: dict[str, list[Spot]]

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which rows can be read and have no empty text."""
        full: NDArray[np.bool_] = np.logical_and.reduce([lengths > 0 for lengths in self.lengths])
        return full


class Examination:
    """Reads a split under the rules. After its rows, `readers` hold the line counts and likely encodings."""

    def __init__(
        self,
        material: Material,
        split: str,
        max_chars: int,
        keep: Collection[str] = (),
        recodings: dict[Path, Recoding] | None = None,
    ) -> None:
        self.material = material
        self.max_chars = max_chars
        self.keep = keep
        self.readers = [Reader(part, recodings) for part in material.parts if part.split == split]
        self.rows = 0

    def blocks(self) -> Iterator[Examined]:
        """Yield the split's rows, examined.

        Raises:
            BadInput: see `Reader.blocks`.
        """
        for reader in self.readers:
            for block in reader.blocks():
                if len(block):
                    yield self._examine(block)
                    self.rows += len(block)

    @property
    def parts(self) -> list[Part]:
        return [reader.part for reader in self.readers]

    def _examine(self, block: Block) -> Examined:
        spots = {rule: list(found) for rule, found in block.marks.items()}
        texts, stripped, lengths, letters = [], [], [], []
        for side, original in enumerate(block.sides):
            language = self.material.languages[side]
            found = characters(original)
            mended, by_rule = mend(original, found, self.keep)
            for rule, rows in by_rule.items():
                _add(spots, rule, rows, side)
            texts.append(mended)
            stripped.append([text.strip() for text in mended])
            lengths.append(np.fromiter(map(len, stripped[side]), np.int64, len(mended)))
            every, own = (characters(mended) if by_rule else found).letters(language)
            letters.append(every)
            if has_script(language):
                foreign = (every >= MIN_LETTERS) & (own < FOREIGN * every)
                _add(spots, "script", np.flatnonzero(foreign).tolist(), side)
            _add(spots, "language", foreign_lines(mended, language), side)
            _add(spots, "long", np.flatnonzero(lengths[side] > self.max_chars).tolist(), side)
            if found.hold(LOST):
                _add(spots, "lost", [row for row, text in enumerate(mended) if "\ufffd" in text], side)
        examined = Examined(block, self.rows, texts, stripped, block.labels, lengths, spots)
        self._row_rules(examined, letters)
        return examined

    def _row_rules(self, examined: Examined, letters: list[NDArray[np.int64]]) -> None:
        block, spots = examined.block, examined.spots
        empty = [lengths == 0 for lengths in examined.lengths]
        readable = np.ones(len(block), np.bool_)
        readable[list(block.unread)] = False
        _add(spots, "empty", np.flatnonzero(np.logical_and.reduce(empty) & readable).tolist(), 0)
        if len(empty) == 2:
            src, tgt = examined.stripped
            for side in (0, 1):
                _add(spots, "one-sided", np.flatnonzero(empty[side] & ~empty[1 - side]).tolist(), side)
            alike = (examined.lengths[0] == examined.lengths[1]) & (letters[0] > 0)
            _add(
                spots,
                "copied",
                [row for row in np.flatnonzero(alike).tolist() if src[row].casefold() == tgt[row].casefold()],
                0,
            )
        if block.labels is not None:
            labels = [label.strip() for label in block.labels]
            there = [row for row in range(len(block)) if row not in block.unread]
            _add(spots, "label-empty", [row for row in there if not labels[row]], 0)
            _add(spots, "label-spaces", [row for row in there if labels[row] and labels[row] != block.labels[row]], 0)
            examined.labels = block.labels if "label-spaces" in self.keep else labels


def _add(spots: dict[str, list[Spot]], rule: str, rows: list[int], side: int) -> None:
    if rows:
        spots.setdefault(rule, []).extend((row, side) for row in rows)
