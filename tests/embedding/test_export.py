"""Exported vectors are read by other programs as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

import nlpcli
from nlpcli.embedding.keys import unescape
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import OutputExists

from .conftest import made

FORMATS = ["word2vec-text", "word2vec-binary", "fasttext-vec"]


@pytest.mark.parametrize("format", FORMATS)
def test_gensim_reads_the_same_numbers(word2vec: Path, format: str) -> None:
    result = nlpcli.export_embedding(embeddings=word2vec, out=Path("v"), format=format)
    ours = Embedding.load(word2vec)
    assert (result.words, result.dim, result.escaped) == (len(ours.words), ours.dim, 0)
    theirs = KeyedVectors.load_word2vec_format("v", binary=format == "word2vec-binary")
    assert theirs.index_to_key == ours.words
    assert np.array_equal(theirs.vectors, ours.vectors)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5, unique=True),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
    st.sampled_from(FORMATS),
)
def test_any_key_and_number_comes_through_gensim(words: list[str], numbers: list[float], format: str) -> None:
    vectors = np.array([numbers] * len(words), np.float32)
    nlpcli.export_embedding(embeddings=made(words, vectors), out=Path("v"), format=format, force=True)
    theirs = KeyedVectors.load_word2vec_format("v", binary=format == "word2vec-binary")
    assert [unescape(key) for key in theirs.index_to_key] == words
    assert np.array_equal(theirs.vectors, vectors)


def test_keys_with_blanks_are_counted_and_told(run_cli: Callable) -> None:
    path = made(["뉴욕 시장", "a\\b", "서울"], np.ones((3, 2), np.float32))
    ran = run_cli("embed", "export", "--embeddings", path, "--out", "v.txt")
    assert (ran.code, ran.out) == (0, "v.txt\n")
    assert "2 keys hold a blank or a backslash" in ran.err
    assert Path("v.txt").read_text("utf-8") == "3 2\n뉴욕\\s시장 1 1\na\\\\b 1 1\n서울 1 1\n"


def test_text_is_read_as_spacy_and_fasttext_read_it(word2vec: Path) -> None:
    """spaCy splits a line from the right at single blanks; fastText reads what stands between any blanks."""
    nlpcli.export_embedding(embeddings=word2vec, out=Path("v"))
    head, *lines = Path("v").read_text("utf-8").split("\n")[:-1]
    rows, dim = map(int, head.split())
    ours = Embedding.load(word2vec)
    assert rows == len(lines)
    for word, vector, line in zip(ours.words, ours.vectors, lines):
        key, *numbers = line.rsplit(" ", dim)
        assert key == word == line.split()[0]
        assert np.array_equal(np.array(numbers, np.float32), vector)


def test_an_existing_file_is_kept_unless_forced_and_a_folder_always(word2vec: Path) -> None:
    Path("v").write_text("mine")
    Path("folder").mkdir()
    with pytest.raises(OutputExists):
        nlpcli.export_embedding(embeddings=word2vec, out=Path("v"))
    assert Path("v").read_text() == "mine"
    nlpcli.export_embedding(embeddings=word2vec, out=Path("v"), force=True)
    assert Path("v").read_text("utf-8") != "mine"
    with pytest.raises(OutputExists, match="is not a file"):
        nlpcli.export_embedding(embeddings=word2vec, out=Path("folder"), force=True)


def test_a_failure_leaves_no_file(word2vec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nlpcli.console.Progress.update", full)
    with pytest.raises(OSError, match="No space left"):
        nlpcli.export_embedding(embeddings=word2vec, out=Path("v"))
    assert not list(Path.cwd().iterdir())
