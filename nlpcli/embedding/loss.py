"""The loss on a fixed sample of the text, measured after every epoch.

gensim's own sum cannot be used: it is a float32, which stops growing after some ten million steps; with several workers
only the last one's is kept; and FastText has none. Here the same words are predicted from the same contexts, against the
same noise words, after every epoch, so that the numbers compare between epochs (Mikolov et al. 2013b, equation 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES = 4_000


@dataclass(frozen=True)
class Example:
    """A word's row, and the rows it is predicted from: one of skip-gram, all in the window of CBOW."""

    word: int
    context: list[int]


class SampleLoss:
    """The mean loss of a gensim model on one word of each of some sentences, drawn evenly over a corpus file."""

    def __init__(self, model: Any, path: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sentences = _sentences(path, rng, model.wv.key_to_index)
        self.examples = [_example(rows, rng, model.window, bool(model.sg)) for rows in sentences if len(rows) > 1]
        if model.negative and self.examples:
            drawn = rng.integers(1, int(model.cum_table[-1]), (len(self.examples), model.negative), endpoint=True)
            self.noise = np.searchsorted(model.cum_table, drawn)  # [examples, negative]

    def measure(self, model: Any) -> float | None:
        """Return the mean loss in nats a word, or None if no sentence of the sample has two words of the vocabulary."""
        if not self.examples:
            return None
        inputs = np.stack([_input(model, example.context) for example in self.examples])  # [examples, dim]
        losses = self._hierarchical(model, inputs) if model.hs else self._negative(model, inputs)
        return float(losses.mean())

    def _negative(self, model: Any, inputs: np.ndarray) -> np.ndarray:
        words = np.array([example.word for example in self.examples])
        right = np.einsum("nd,nd->n", inputs, model.syn1neg[words])
        wrong = np.einsum("nd,nkd->nk", inputs, model.syn1neg[self.noise])
        counted = self.noise != words[:, None]
        loss: np.ndarray = np.logaddexp(0, -right) + (np.logaddexp(0, wrong) * counted).sum(axis=1)
        return loss

    def _hierarchical(self, model: Any, inputs: np.ndarray) -> np.ndarray:
        losses = []
        for example, vector in zip(self.examples, inputs):
            code, point = (model.wv.get_vecattr(example.word, name) for name in ("code", "point"))
            signs = 1.0 - 2.0 * np.asarray(code)
            losses.append(np.logaddexp(0, -signs * (model.syn1[point] @ vector)).sum())
        return np.array(losses)


def _sentences(path: Path, rng: np.random.Generator, index: dict[str, int]) -> list[list[int]]:
    """Return the rows of the known words of sentences that follow places drawn from the file."""
    found = []
    with path.open("rb") as f:
        for place in np.sort(rng.integers(0, path.stat().st_size, SENTENCES)):
            f.seek(int(place))
            f.readline()
            keys = f.readline().decode("ascii").split()
            found.append([index[key] for key in keys if key in index])
    return found


def _example(rows: list[int], rng: np.random.Generator, window: int, skipgram: bool) -> Example:
    at = int(rng.integers(len(rows)))
    context = rows[max(0, at - window) : at] + rows[at + 1 : at + 1 + window]
    return Example(rows[at], [context[int(rng.integers(len(context)))]] if skipgram else context)


def _input(model: Any, context: list[int]) -> np.ndarray:
    """Return the input vector [dim]: the mean over the words, and for FastText over their n-grams with them."""
    rows = model.wv.vectors[context]
    if hasattr(model.wv, "vectors_ngrams"):
        grams = np.concatenate([model.wv.buckets_word[row] for row in context]).astype(np.int64)
        rows = np.concatenate([model.wv.vectors_vocab[context], model.wv.vectors_ngrams[grams]])
    mean: np.ndarray = rows.mean(axis=0)
    return mean
