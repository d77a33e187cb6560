"""Batches for language models: the stream of all lines, each ended by EOS, cut into blocks.

    stream    line 0 … EOS line 1 … EOS …        never in memory: found in the mapped ids and offsets
    targets   a block of the stream
    inputs    the same, one token earlier; before the first token of the stream stands EOS

Letters: b rows, t positions.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nlpcli.tokenization.dataset import Side
from nlpcli.tokenization.tokenizer import EOS, PAD


class Blocks(NamedTuple):
    """A batch before it is loaded: row b has the targets `starts[b]` to `stops[b]` of the stream.

    `first` says that nothing goes before: a recurrent model begins with an empty state.
    """

    starts: np.ndarray
    stops: np.ndarray
    first: bool


class BlockBatch(NamedTuple):
    """Inputs and, one step later, what is to be predicted; both are padded with PAD. For `first`, see `Blocks`."""

    in_bt: Tensor
    out_bt: Tensor
    first: bool

    @property
    def count(self) -> int:  # type: ignore[override]  # tuple.count is of no use here
        """The number of tokens to predict, padding aside."""
        return int((self.out_bt != PAD).sum())

    def to(self, device: torch.device) -> BlockBatch:
        """Move the ids to `device`."""
        return BlockBatch(self.in_bt.to(device, non_blocking=True), self.out_bt.to(device, non_blocking=True), self.first)


class Stream:
    """All lines of a side, each followed by EOS: line i begins at `offsets[i] + i`."""

    def __init__(self, side: Side) -> None:
        # views of the same mapped memory, whose elements are read several times as fast as a memmap's
        self.ids, self.offsets = side.ids.view(np.ndarray), side.offsets.view(np.ndarray)

    def __len__(self) -> int:
        return int(self.offsets[-1]) + len(self.offsets) - 1

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the tokens from `start` up to `stop`: [tokens] (int64). At -1 stands an EOS."""
        if start < 0:
            return np.concatenate([np.full(-start, EOS, np.int64), self.read(0, stop)])
        first = bisect_right(range(len(self.offsets) - 1), start, key=lambda i: self.offsets.item(i) + i) - 1
        ends = self.offsets[first + 1 : first + 1 + stop - start]  # of as many lines as there can be
        ends = ends + np.arange(first - start, first - start + len(ends))  # where their EOS are
        ends = ends[: np.searchsorted(ends, stop - start)]
        begin = start - first  # before `start` there are as many EOS as lines
        words = self.ids[begin : begin + stop - start - len(ends)].astype(np.int64)
        return np.insert(words, ends - np.arange(len(ends)), EOS)


class BlockBatches:
    """The batches of one split of running text, in an order that follows from (seed, epoch) alone.

    Args:
        batch_tokens: bound on rows × context of a batch (one row at least).
        context: tokens of a row; of a shorter text all of it.
        streams: cut the text into one part a row, which are read side by side, so that each batch goes on where the one
            before ended (for recurrent models). Otherwise an epoch is the blocks from a random place on, shuffled: its first
            tokens, fewer than a context, are left out, and what is left at the end.
    """

    def __init__(self, side: Side, *, batch_tokens: int, context: int, seed: int, streams: bool) -> None:
        self.stream, self.seed, self.streams = Stream(side), seed, streams
        self.size = len(self.stream)
        self.rows = max(1, min(batch_tokens // context, self.size))
        self.context = max(1, min(context, self.size))

    def epoch(self, number: int) -> list[Blocks]:
        """Return an epoch's batches."""
        if not self.size:
            return []
        if self.streams:
            return self._side_by_side(self.size // self.rows)
        rng = np.random.default_rng([self.seed, number])
        begin = int(rng.integers(min(self.context, self.size - self.context + 1)))
        starts = rng.permutation(np.arange(begin, self.size - self.context + 1, self.context))
        return self._batches(starts)

    def in_order(self) -> list[Blocks]:
        """Return batches that hold every token of the stream once as a target, for evaluation."""
        if not self.size:
            return []
        if self.streams:
            return self._side_by_side(-(-self.size // self.rows))
        return self._batches(np.arange(0, self.size, self.context))

    def load(self, blocks: Blocks, step: int | None = None) -> BlockBatch:
        """Read the blocks of a batch; what is loaded does not depend on the step."""
        shape = len(blocks.starts), int((blocks.stops - blocks.starts).max())
        in_bt, out_bt = np.full(shape, PAD, np.int64), np.full(shape, PAD, np.int64)
        for row, (start, stop) in enumerate(zip(blocks.starts.tolist(), blocks.stops.tolist())):
            if start < stop:
                tokens = self.stream.read(start - 1, stop)
                in_bt[row, : stop - start], out_bt[row, : stop - start] = tokens[:-1], tokens[1:]
        return BlockBatch(torch.from_numpy(in_bt), torch.from_numpy(out_bt), blocks.first)

    def _batches(self, starts: np.ndarray) -> list[Blocks]:
        stops = np.minimum(starts + self.context, self.size)
        cuts = range(0, len(starts), self.rows)
        return [Blocks(starts[at : at + self.rows], stops[at : at + self.rows], first=True) for at in cuts]

    def _side_by_side(self, part: int) -> list[Blocks]:
        """Cut the stream into parts of this length, the last of which may be shorter, and read one block of each at a time."""
        begins = np.arange(self.rows) * part
        ends = np.minimum(begins + part, self.size)
        steps = range(0, part, self.context)
        return [
            Blocks(np.minimum(begins + at, ends), np.minimum(begins + at + self.context, ends), first=at == 0) for at in steps
        ]
