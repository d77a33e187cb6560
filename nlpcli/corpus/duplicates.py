"""Repeated rows, rows that train shares with other splits, and texts with several labels: exact, in bounded memory.

Each row leaves two 64-bit hashes with its index in a temporary file chosen by the hash, so that equal texts meet in the same
file, and the files are looked at one after another. What is found is kept on disk too, by ranges of rows. 48 bytes a pair
are needed there, 24 a line of text. The hashes are SipHash with a key of this process; among 10 million different texts the
odds that any two are taken for the same are n²/2⁶⁵, about 1 in 370,000.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

REPEATED, SHARED, SHARED_SRC, SHARED_TGT, CONFLICT = (1 << i for i in range(5))
BUCKETS = 64
PIECE = 1 << 18  # entries held in memory at a time
RANGE = 1 << 20  # rows of which the findings are read at a time
SPLIT_SHIFT = 48  # an entry's place is the number of its split and the index of its row
TRAIN, TRAIN_NAME = 0, "train"

ENTRY = np.dtype([("text", "<u8"), ("row", "<u8"), ("place", "<u8")])  # hash of one text, of the whole row, and where
FOUND = np.dtype([("place", "<u8"), ("flags", "<u1")])

Hashes = NDArray[np.uint64]


class Fingerprints:
    """Takes in the rows of all splits, then tells which are repeated or shared. A context manager: its files go with it.

    Args:
        splits: their names; `train` is the one that others are compared with.
        sides: texts a row.
        labelled: whether a text's label is part of its row.
    """

    def __init__(self, splits: Sequence[str], sides: int, labelled: bool = False) -> None:
        self.splits = [TRAIN_NAME, *(name for name in splits if name != TRAIN_NAME)]
        self.sides = sides
        self.labelled = labelled

    def __enter__(self) -> Fingerprints:
        self.folder = Path(tempfile.mkdtemp(prefix="nlpcli-"))
        self.waiting: list[list[NDArray[np.void]]] = [[] for _ in range(self.sides)]
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(
        self, split: str, first: int, texts: list[list[str]], wanted: NDArray[np.bool_], labels: list[str] | None = None
    ) -> None:
        """Take in rows `first`, `first + 1`, … of a split, those that are `wanted`."""
        hashes = [_hashes(side) for side in texts]
        row = _together(hashes[0], hashes[1] if len(hashes) > 1 else _hashes(labels or [""] * len(wanted)))
        place = np.arange(first, first + len(wanted), dtype=np.uint64) | np.uint64(self.splits.index(split) << SPLIT_SHIFT)
        for side, of_text in enumerate(hashes):
            entries = np.empty(len(wanted), ENTRY)
            entries["text"], entries["row"], entries["place"] = of_text, row, place
            self.waiting[side].append(entries[wanted])
            if sum(map(len, self.waiting[side])) >= PIECE:
                self._write(side)

    def compare(self) -> None:
        """Find out what is repeated and shared, after all rows were added."""
        for side in range(self.sides):
            self._write(side)
            for bucket in range(BUCKETS):
                path = self._bucket(side, bucket)
                if path.exists():
                    self._compare_bucket(path, side)
                    path.unlink()

    def flags(self, split: str, rows: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield, for a split of so many rows, the index of a first row and the flags of the rows from there on."""
        number = self.splits.index(split)
        for first in range(0, rows, RANGE):
            flags = np.zeros(min(RANGE, rows - first), np.uint8)
            path = self._range(number, first // RANGE)
            for found in _pieces(path, FOUND):
                np.bitwise_or.at(flags, _index(found) - first, found["flags"])
            yield first, flags

    def flags_in_turn(self, split: str, rows: int) -> Callable[[int], NDArray[np.uint8]]:
        """Return a function that gives the flags of the split's next so many rows."""
        ranges = (flags for _, flags in self.flags(split, rows))
        ready = np.empty(0, np.uint8)

        def take(count: int) -> NDArray[np.uint8]:
            nonlocal ready
            while len(ready) < count:
                ready = np.concatenate([ready, next(ranges)])
            taken, ready = ready[:count], ready[count:]
            return taken

        return take

    def _write(self, side: int) -> None:
        """Append the waiting entries to the files of their buckets, in the order of their rows."""
        if not self.waiting[side]:
            return
        entries = np.concatenate(self.waiting[side])
        self.waiting[side] = []
        buckets = entries["text"] >> np.uint64(64 - BUCKETS.bit_length() + 1)
        entries = entries[np.argsort(buckets, kind="stable")]
        ends = np.cumsum(np.bincount(buckets.astype(np.int64), minlength=BUCKETS))
        for bucket, part in enumerate(np.split(entries, ends[:-1])):
            _append(self._bucket(side, bucket), part)

    def _compare_bucket(self, path: Path, side: int) -> None:
        """Go through a bucket twice: gather its different hashes, then look each entry up among them.

        However often a text is repeated, only its different hashes are in memory at once.
        """
        train, others = _Known(), _Known()
        rows = {number: _Known() for number in range(len(self.splits))}
        for entries in _pieces(path, ENTRY):
            numbers = entries["place"] >> np.uint64(SPLIT_SHIFT)
            for known, of_it in ((train, numbers == TRAIN), (others, numbers != TRAIN)):
                known.learn(entries[of_it], "text")
            for number in np.unique(numbers).tolist():
                rows[number].learn(entries[numbers == number], "row")
        everywhere = np.unique(np.concatenate([known.hashes for number, known in rows.items() if number != TRAIN] or [_NONE]))
        for entries in _pieces(path, ENTRY):
            numbers = entries["place"] >> np.uint64(SPLIT_SHIFT)
            for number in np.unique(numbers).tolist():
                these = entries[numbers == number]
                partner, row_partner = (others.hashes, everywhere) if number == TRAIN else (train.hashes, rows[TRAIN].hashes)
                flags = np.where(_among(these["text"], partner), SHARED_TGT if side else SHARED_SRC, 0)
                if side == 0:
                    flags |= np.where(_among(these["row"], row_partner), SHARED, 0)
                    flags |= np.where(rows[number].first_place(these["row"]) != these["place"], REPEATED, 0)
                self._keep(these["place"], flags.astype(np.uint8))
        if self.labelled:
            self._find_conflicts(rows)

    def _find_conflicts(self, rows: dict[int, _Known]) -> None:
        """Flag, for each text of a split that has several labels, the first row of its second label."""
        for known in rows.values():
            order = np.lexsort((known.places, known.texts))
            texts, places = known.texts[order], known.places[order]
            same = np.concatenate([[False], texts[1:] == texts[:-1]])
            again = np.flatnonzero(same & ~np.concatenate([[False], same[:-1]])) if len(texts) else np.empty(0, np.int64)
            self._keep(places[again], np.full(len(again), CONFLICT, np.uint8))

    def _keep(self, places: NDArray[np.uint64], flags: NDArray[np.uint8]) -> None:
        found = np.empty(int((flags > 0).sum()), FOUND)
        found["place"], found["flags"] = places[flags > 0], flags[flags > 0]
        numbers = (found["place"] >> np.uint64(SPLIT_SHIFT)).astype(np.int64)
        ranges = _index(found) // RANGE
        for number, part in set(zip(numbers.tolist(), ranges.tolist())):
            _append(self._range(number, part), found[(numbers == number) & (ranges == part)])

    def _bucket(self, side: int, bucket: int) -> Path:
        return self.folder / f"{side}-{bucket}"

    def _range(self, split: int, part: int) -> Path:
        return self.folder / f"found-{split}-{part}"


class _Known:
    """The different hashes of a bucket so far, sorted, each with the first place where it stood and the text there."""

    def __init__(self) -> None:
        self.hashes, self.texts, self.places = _NONE, _NONE, _NONE

    def learn(self, entries: NDArray[np.void], name: str) -> None:
        if not len(entries):
            return
        hashes = np.concatenate([self.hashes, entries[name]])
        self.hashes, at = np.unique(hashes, return_index=True)
        self.texts = np.concatenate([self.texts, entries["text"]])[at]
        self.places = np.concatenate([self.places, entries["place"]])[at]

    def first_place(self, hashes: Hashes) -> NDArray[np.uint64]:
        return self.places[np.searchsorted(self.hashes, hashes)]


_NONE: Hashes = np.empty(0, np.uint64)


def _hashes(texts: list[str]) -> Hashes:
    """Return hashes of the texts' UTF-8 (of the texts themselves, ㄱ and 11 would have the same: U+3131 is stored as 31 31)."""
    return np.fromiter(map(hash, map(str.encode, texts)), np.int64, len(texts)).view(np.uint64)


def _together(one: Hashes, other: Hashes) -> Hashes:
    """Return a hash of pairs: sums of independent hashes are as unlikely to meet as the hashes themselves."""
    return one * np.uint64(0x9E3779B97F4A7C15) + other * np.uint64(0xC2B2AE3D27D4EB4F)


def _among(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    at = np.searchsorted(known, hashes)
    at[at == len(known)] = 0
    return known[at] == hashes if len(known) else np.zeros(len(hashes), np.bool_)


def _index(found: NDArray[np.void]) -> NDArray[np.int64]:
    index: NDArray[np.int64] = (found["place"] & np.uint64((1 << SPLIT_SHIFT) - 1)).astype(np.int64)
    return index


def _append(path: Path, entries: NDArray[np.void]) -> None:
    if len(entries):
        with path.open("ab") as f:
            f.write(entries.tobytes())


def _pieces(path: Path, kind: np.dtype[np.void]) -> Iterator[NDArray[np.void]]:
    """Yield the entries of a file, so many at a time."""
    if path.exists():
        with path.open("rb") as f:
            while data := f.read(PIECE * kind.itemsize):
                yield np.frombuffer(data, kind)
