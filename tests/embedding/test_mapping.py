"""Vectors find the pieces of a model's vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlpcli.embedding.mapping import map_vectors
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import UsageError


def test_words_are_matched_by_pieces_that_begin_a_word(word2vec: Path) -> None:
    embedding = Embedding.load(word2vec)
    mapped = map_vectors(word2vec, ["<pad>", "▁서울", "서울", "▁", "▁없다", "▁고양이"], dim=24)
    assert mapped.found.tolist() == [False, True, False, False, False, True]
    assert mapped.vectors.dtype == np.float32
    assert mapped.vectors.shape == (6, 24)
    for row, word in ((1, "서울"), (5, "고양이")):
        assert np.array_equal(mapped.vectors[row], embedding.vector(word)[0])


def test_pieces_are_matched_as_they_are(pieces: Path) -> None:
    embedding = Embedding.load(pieces)
    mapped = map_vectors(pieces, [*embedding.words, "▁없는조각"], dim=16)
    assert np.array_equal(mapped.vectors[:-1], embedding.vectors)
    assert not mapped.found[-1]


def test_missing_pieces_are_drawn_like_those_found(pieces: Path) -> None:
    embedding = Embedding.load(pieces)
    missing = [f"x{n}" for n in range(2000)]
    mapped = map_vectors(pieces, [*embedding.words, *missing], dim=16)
    drawn = mapped.vectors[len(embedding.words) :]
    assert drawn.std() == pytest.approx(embedding.vectors.std(), rel=0.05)
    assert abs(drawn.mean()) < 0.1 * drawn.std()
    again = map_vectors(pieces, [*embedding.words, *missing], dim=16)
    assert np.array_equal(again.vectors, mapped.vectors)
    other = map_vectors(pieces, [*embedding.words, *missing], dim=16, seed=2)
    assert not np.array_equal(other.vectors, mapped.vectors)


def test_what_does_not_fit_is_refused(word2vec: Path) -> None:
    with pytest.raises(UsageError, match="has 24 dimensions, the model 32") as caught:
        map_vectors(word2vec, ["▁서울"], dim=32)
    assert "--d-embed 24" in caught.value.fix
    assert "--dim 32" in caught.value.fix
    with pytest.raises(UsageError, match="knows none of the 2 pieces"):
        map_vectors(word2vec, ["▁Hello", "▁world"], dim=24)
