"""Vectors of an embedding for the rows of a model's own vocabulary (`train … --embeddings`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import UsageError

WORD_START = "▁"


@dataclass(frozen=True)
class Mapped:
    """Vectors float32 [vocab, dim] for a vocabulary, and which of its pieces (bool [vocab]) the embedding knew."""

    vectors: np.ndarray
    found: np.ndarray


def map_vectors(embeddings: Path, pieces: Sequence[str], dim: int, seed: int = 1) -> Mapped:
    """Map an embedding on to the pieces of a tokenizer.

    An embedding of pieces is matched piece by piece. One of words or morphemes is matched by a piece's text, without the ▁
    that marks the beginning of a word (a piece inside a word is no word, but may be a morpheme). The other pieces get
    random vectors, normal around zero, with the standard deviation of those found.

    Args:
        dim: the model's embedding size.

    Raises:
        UsageError: the embedding has another dimension, or none of the pieces.
    """
    embedding = Embedding.load(embeddings)
    if embedding.dim != dim:
        raise UsageError(
            f"{embeddings} has {embedding.dim} dimensions, the model {dim}",
            cause="vectors and the model's embedding layer must be of one size",
            fix=f"train the model with --d-embed {embedding.dim}, or the vectors with --dim {dim}",
        )
    rows = np.array([_row(embedding, piece) for piece in pieces], dtype=np.int64)
    found = rows >= 0
    if not found.any():
        raise UsageError(
            f"{embeddings} knows none of the {len(pieces):,} pieces",
            cause=f"it holds {embedding.config['unit']}, such as {', '.join(embedding.words[:3])}",
            fix="train it on text of the same language: nlpcli embed train --unit pieces --tokenizer DIR",
        )
    known = np.asarray(embedding.vectors[rows[found]])
    vectors = np.random.default_rng(seed).normal(0, known.std(), (len(pieces), dim)).astype(np.float32)
    vectors[found] = known
    return Mapped(vectors, found)


def _row(embedding: Embedding, piece: str) -> int:
    unit = embedding.config["unit"]
    if unit == "pieces":
        return embedding.index.get(piece, -1)
    if unit == "words" and not piece.startswith(WORD_START):
        return -1
    text = piece.removeprefix(WORD_START)
    return embedding.index.get(text, -1) if text else -1
