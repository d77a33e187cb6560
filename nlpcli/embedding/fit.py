"""One run of gensim over a corpus file.

What gensim's `corpus_file` needs to be told, or it trains otherwise than with sentences in memory:
- Each worker takes the learning rate from its own share of all sentences, so that n workers end every epoch after 1/n of
  the decay, and jump. Told that there are 1/n of the sentences, each decays as one worker would.
- A worker checks only every 10,000 words whether its share is done, so several of them read a small text more than once.
- With hierarchical softmax and no subsampling its random numbers start from memory that nobody set.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from gensim.models import FastText, Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from gensim.models.fasttext import ft_ngram_hashes

from nlpcli import console
from nlpcli.embedding.loss import SampleLoss
from nlpcli.embedding.progress import Watch
from nlpcli.embedding.sentences import CorpusFile, Entry
from nlpcli.embedding.settings import EmbeddingSettings
from nlpcli.tokenization.jamo import decompose

WORDS_A_WORKER = 100_000
KEEPS_ALL = 0.999999  # a sampling threshold that no word reaches

logging.getLogger("gensim").addHandler(logging.NullHandler())


@dataclass
class Fitted:
    """A trained gensim model: units, counts and float32 vectors [vocab, dim], for FastText n-grams [bucket, dim]."""

    words: list[str]
    counts: list[int]
    vectors: np.ndarray
    ngrams: np.ndarray | None
    words_per_second: float
    loss: list[float] = field(default_factory=list)


def fit(corpus: CorpusFile, settings: EmbeddingSettings, vocabulary: list[Entry]) -> Fitted:
    """Train on `corpus`; the entries of `vocabulary` get a vector."""
    workers = useful_workers(settings.workers, corpus.words)
    model = _model(settings, workers)
    units = {entry.code: entry.unit for entry in vocabulary}
    if settings.model == "fasttext":
        model.wv.recalc_char_ngram_buckets = partial(_spell, model.wv, units, settings.jamo)
    model.build_vocab_from_freq({entry.code: entry.seen for entry in vocabulary}, corpus_count=corpus.sentences)
    with Watch(corpus.path, corpus.words, settings.epochs, workers) as watch:
        events = _Epochs(watch, SampleLoss(model, corpus.path, settings.seed))
        began = time.monotonic()
        try:
            model.train(
                corpus_file=str(corpus.path),
                total_examples=-(-corpus.sentences // workers),
                total_words=corpus.words,
                epochs=settings.epochs,
                callbacks=[events],
            )
        except BaseException:
            os.truncate(corpus.path, 0)  # the workers go on to the end of the file, which is here now
            raise
    speed = corpus.words * settings.epochs / (time.monotonic() - began)
    wv = model.wv
    words = [units[code] for code in wv.index_to_key]
    counts = [int(wv.get_vecattr(row, "count")) for row in range(len(wv))]
    return Fitted(words, counts, wv.vectors, getattr(wv, "vectors_ngrams", None), speed, events.losses)


def useful_workers(workers: int, words: int) -> int:
    """Return how many workers a text is enough for."""
    return max(1, min(workers, words // WORDS_A_WORKER))


def _model(settings: EmbeddingSettings, workers: int) -> Any:
    hierarchical = settings.loss == "hierarchical"
    common: dict[str, Any] = {
        "vector_size": settings.dim,
        "window": settings.window,
        "min_count": 1,  # rare words are left out of the counts already
        "sg": int(settings.objective == "skipgram"),
        "hs": int(hierarchical),
        "negative": 0 if hierarchical else settings.negative,
        "sample": settings.sample or KEEPS_ALL,
        "seed": settings.seed,
        "workers": workers,
    }
    if settings.model == "word2vec":
        return Word2Vec(**common)
    return FastText(**common, min_n=settings.min_n, max_n=settings.max_n, bucket=settings.bucket)


def _spell(wv: Any, units: dict[str, str], jamo: bool) -> None:
    """Give each key the n-grams of its unit, instead of the key's own."""
    spelt = (decompose(units[code]) if jamo else units[code] for code in wv.index_to_key)
    wv.buckets_word = [np.array(ft_ngram_hashes(text, wv.min_n, wv.max_n, wv.bucket), np.uint32) for text in spelt]


class _Epochs(CallbackAny2Vec):  # type: ignore[misc]
    """Tells after each epoch how it went."""

    def __init__(self, watch: Watch, sample: SampleLoss) -> None:
        self.watch, self.sample = watch, sample
        self.losses: list[float] = []
        self.began = time.monotonic()

    def on_epoch_begin(self, model: Any) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, model: Any) -> None:
        speed = self.watch.words / (time.monotonic() - self.began)
        self.watch.epoch += 1
        loss = self.sample.measure(model)
        self.losses += [] if loss is None else [round(loss, 4)]
        told = f", loss {loss:.4f}" if loss is not None else ""
        console.info(f"embed: epoch {self.watch.epoch} of {self.watch.epochs}: {speed:,.0f} words/s{told}")
