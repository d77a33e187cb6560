"""How word vectors are learnt."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nlpcli.config import NotNegative, NotNegativeFloat, Positive
from nlpcli.errors import UsageError

Model = Literal["word2vec", "fasttext"]
Objective = Literal["skipgram", "cbow"]
Loss = Literal["negative", "hierarchical"]
Unit = Literal["words", "pieces", "morphemes"]


class EmbeddingSettings(Struct, frozen=True, kw_only=True):
    """Settings of `embed train`; the defaults are gensim's and word2vec's, skip-gram being the better one for rare words.

    `max_vocab` bounds the memory, whatever the text. `min_n`, `max_n`, `bucket` and `jamo` are FastText's alone.
    """

    model: Model = "word2vec"
    objective: Objective = "skipgram"
    loss: Loss = "negative"
    unit: Unit = "words"
    lowercase: bool = False
    strip_punctuation: bool = True
    phrases: bool = False
    phrase_threshold: NotNegativeFloat = 10.0
    dim: Positive = 100
    window: Positive = 5
    min_count: Positive = 5
    max_vocab: Annotated[int, Meta(ge=1)] = 500_000
    sample: Annotated[float, Meta(ge=0, lt=1)] = 0.001
    negative: Positive = 5
    epochs: Positive = 5
    min_n: Positive = 3
    max_n: Positive = 6
    bucket: Positive = 500_000
    jamo: bool = False
    seed: NotNegative = 1
    workers: Positive = 1


def check(settings: EmbeddingSettings, tokenizer: object) -> None:
    """Refuse options that do not fit together.

    Raises:
        UsageError: jamo without FastText, n-grams that are longer at least than at most, pieces without a tokenizer.
    """
    if settings.jamo and settings.model != "fasttext":
        raise UsageError(
            "--jamo changes nothing without FastText",
            cause="Word2Vec sees whole units; only FastText looks at what they are spelt with",
            fix="add --model fasttext, or leave --jamo out",
        )
    if settings.min_n > settings.max_n:
        raise UsageError(f"--min-n {settings.min_n} is more than --max-n {settings.max_n}", fix="exchange the two")
    if (settings.unit == "pieces") != (tokenizer is not None):
        raise UsageError(
            "--unit pieces and --tokenizer belong together",
            cause="pieces are those of a tokenizer artifact; words and morphemes need none",
            fix="give both, or neither",
        )
