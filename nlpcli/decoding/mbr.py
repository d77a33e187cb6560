"""Minimum Bayes risk: of many translations the one that is most alike to all of them (Eikema & Aziz 2020)."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

import numpy as np

ORDERS, BETA = 6, 2  # chrF's own (Popović 2015), and sacreBLEU's


def minimum_bayes_risk(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts, the one with the highest mean chrF against all others first."""
    if len(texts) < 2:
        return list(range(len(texts)))
    different, number, counts = np.unique(np.asarray(texts, object), return_inverse=True, return_counts=True)
    scores = chrf_matrix(list(different))
    means = (scores @ counts - scores.diagonal()) / (len(texts) - 1)
    return np.argsort(-means[number], kind="stable").tolist()  # type: ignore[no-any-return]


def chrf_matrix(texts: Sequence[str]) -> np.ndarray:
    """Return sacreBLEU's sentence chrF, 0 to 100, of each text [i] against each text [j] as its reference."""
    grams = [_grams(text) for text in texts]
    precision, recall = np.zeros((2, len(texts), len(texts)))
    orders = np.zeros((len(texts), len(texts)), int)  # those that both texts are long enough for
    for of_order in zip(*grams):
        counts = _matrix(of_order)
        totals = counts.sum(1)
        matches = np.stack([np.minimum(counts, row).sum(1) for row in counts])
        both = (totals[:, None] > 0) & (totals > 0)
        precision += np.divide(matches, totals[:, None], out=np.zeros(both.shape), where=both)
        recall += np.divide(matches, totals, out=np.zeros(both.shape), where=both)
        orders += both
    np.divide(precision, orders, out=precision, where=orders > 0)
    np.divide(recall, orders, out=recall, where=orders > 0)
    below = BETA**2 * precision + recall
    return np.divide(100 * (1 + BETA**2) * precision * recall, below, out=np.zeros(below.shape), where=below > 0)


def _grams(text: str) -> list[Counter[str]]:
    letters = "".join(text.split())
    return [Counter(letters[i : i + n] for i in range(len(letters) - n + 1)) for n in range(1, ORDERS + 1)]


def _matrix(counters: Sequence[Counter[str]]) -> np.ndarray:
    """Return how often each text has each n-gram."""
    columns = {gram: i for i, gram in enumerate({gram: None for counter in counters for gram in counter})}
    counts = np.zeros((len(counters), len(columns)), np.int64)
    for row, counter in zip(counts, counters):
        for gram, count in counter.items():
            row[columns[gram]] = count
    return counts
