"""Rows of known lengths cut into batches by token budget."""

from __future__ import annotations

from typing import Sequence, overload

import numpy as np


class Cut(Sequence[list[int]]):
    """Row numbers in an order, cut into batches; as arrays, since a list of numbers takes eight times their memory.

    Batch i is rows `bounds[i]` to `bounds[i + 1]` of the order, or, with a `shuffle`, batch `shuffle[i]` is.
    """

    def __init__(self, order: np.ndarray, bounds: np.ndarray, shuffle: np.ndarray | None = None) -> None:
        self.order, self.bounds, self.shuffle = order, bounds, shuffle

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, i: int) -> list[int]: ...

    @overload
    def __getitem__(self, i: slice) -> list[list[int]]: ...

    def __getitem__(self, i: int | slice) -> list[int] | list[list[int]]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if not 0 <= i < len(self):
            raise IndexError(i)
        at = i if self.shuffle is None else int(self.shuffle[i])
        found: list[int] = self.order[self.bounds[at] : self.bounds[at + 1]].tolist()
        return found


def by_token_budget(order: Sequence[int] | np.ndarray, lengths: Sequence[int] | np.ndarray, budget: int) -> Cut:
    """Cut `order` into batches whose rows × longest row stay within `budget` (one row at least)."""
    rows = np.asarray(order) if len(order) else np.zeros(0, np.int64)
    sizes = np.asarray(lengths)[rows] if len(rows) else np.zeros(0, np.int64)
    bounds, begin = [0], 0
    while begin < len(rows):
        most = max(1, budget // max(1, int(sizes[begin])))  # the longest row is at least as long as the first
        longest = np.maximum.accumulate(sizes[begin : begin + most])
        fitting = int(np.searchsorted(longest * np.arange(1, len(longest) + 1), budget, side="right"))
        begin += max(1, fitting)
        bounds.append(begin)
    return Cut(rows, np.array(bounds))
