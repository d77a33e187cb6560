"""Which pairs have lengths out of proportion, by the corpus's own proportion: one pass, exact, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAR = 5.0  # robust standard deviations of the log ratio
MIN_CHARS = 30  # the longer side has at least so many characters: `Yes.` may be long in another language
MIN_PAIRS = 100  # fewer have no proportion to speak of
MIN_SPREAD = 0.1  # of the log ratio, for corpora that are more regular than language is
BIN, LIMIT = 0.002, 8.0
BINS = round(2 * LIMIT / BIN) + 1


@dataclass(frozen=True)
class Limits:
    """The bins of log ratios that are in proportion, from `low` to `high`, and the median ratio in characters."""

    low: int
    high: int
    median: float

    def outside(self, bins: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which pairs are out of proportion."""
        out: NDArray[np.bool_] = (bins >= 0) & ((bins < self.low) | (bins > self.high))
        return out


class Ratios:
    """Counts log(target / source), in characters, over a whole corpus."""

    def __init__(self) -> None:
        self.by_split: dict[str, NDArray[np.int64]] = {}

    def add(self, split: str, bins: NDArray[np.int64]) -> None:
        """Take in pairs by their bins."""
        counts = self.by_split.setdefault(split, np.zeros(BINS, np.int64))
        counts += np.bincount(bins[bins >= 0], minlength=BINS)

    def limits(self) -> Limits | None:
        """Return the median ± FAR times the spread (1.4826 times the median absolute deviation), or nothing for few pairs."""
        counts = sum(self.by_split.values(), np.zeros(BINS, np.int64))
        if counts.sum() < MIN_PAIRS:
            return None
        median = _median(counts)
        distances = np.bincount(abs(np.arange(BINS) - median), counts).astype(np.int64)
        far = FAR * max(1.4826 * _median(distances), MIN_SPREAD / BIN)
        ratio = float(np.exp(median * BIN - LIMIT))
        return Limits(int(np.floor(median - far)), int(np.ceil(median + far)), ratio)


def ratio_bins(src: NDArray[np.int64], tgt: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each pair's bin, or -1 if a side is empty or both are short."""
    counted = (src > 0) & (tgt > 0) & (np.maximum(src, tgt) >= MIN_CHARS)
    ratios = np.log(np.maximum(tgt, 1) / np.maximum(src, 1))
    bins = np.rint((np.clip(ratios, -LIMIT, LIMIT) + LIMIT) / BIN).astype(np.int64)
    return np.where(counted, bins, -1)


def _median(counts: NDArray[np.int64]) -> int:
    return int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
