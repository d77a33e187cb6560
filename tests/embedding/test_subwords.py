"""n-grams and their buckets are fastText's, by gensim's port of it."""

from __future__ import annotations

import pytest
from gensim.models.fasttext import ft_ngram_hashes
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.embedding.subwords import buckets, fnv1a, ngrams

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.binary())
def test_hash(data: bytes) -> None:
    assert fnv1a(data) == ft_hash_bytes(data)


@given(TEXT, st.integers(1, 4), st.integers(0, 4))
def test_ngrams(word: str, min_n: int, more: int) -> None:
    assert [gram.encode() for gram in ngrams(word, min_n, min_n + more)] == compute_ngrams_bytes(word, min_n, min_n + more)


@given(TEXT, st.integers(1, 3_000_000))
def test_buckets(word: str, bucket: int) -> None:
    assert buckets(word, 2, 5, bucket) == list(ft_ngram_hashes(word, 2, 5, bucket))


@pytest.mark.parametrize(("word", "expected"), [("가", ["<가", "<가>", "가>"]), ("", ["<>"])])
def test_edges_are_marked(word: str, expected: list[str]) -> None:
    assert list(ngrams(word, 2, 3)) == expected
