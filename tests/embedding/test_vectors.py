"""The artifact: what was written is read back, mapped into memory, and a damaged file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gensim.models.fasttext import FastTextKeyedVectors
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from nlpcli.embedding.tensors import map_matrices, write_matrices
from nlpcli.embedding.vectors import Embedding, _read_vocabulary, write_vectors
from nlpcli.errors import ArtifactError

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3) - 5


def test_the_safetensors_library_reads_what_was_written() -> None:
    write_matrices(Path("m"), {"vectors": MATRIX, "ngrams": MATRIX[:2] * 2})
    found = load_file("m")
    assert np.array_equal(found["vectors"], MATRIX)
    assert np.array_equal(found["ngrams"], MATRIX[:2] * 2)


def test_files_of_the_library_are_mapped_without_copying() -> None:
    save_file({"vectors": MATRIX, "empty": np.zeros((0, 3), np.float32)}, "m", metadata={"made": "by hand"})
    found = map_matrices(Path("m"))
    assert np.array_equal(found["vectors"], MATRIX)
    assert isinstance(found["vectors"], np.memmap)
    assert found["empty"].shape == (0, 3)
    with pytest.raises(ValueError, match="read-only"):
        found["vectors"][0, 0] = 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data.replace(b"F32", b"F64"),
        lambda data: data.replace(b"[4,3]", b"[9,3]"),
        lambda data: data.replace(b"[4,3]", b"[-4,3]"),
        lambda data: data.replace(b"[0,48]", b"[8,56]"),
        lambda data: data.replace(b'"vectors"', b'"vect\xffrs"'),
    ],
)
def test_a_damaged_file_is_refused(damage) -> None:
    write_matrices(Path("m"), {"vectors": MATRIX})
    Path("m").write_bytes(damage(Path("m").read_bytes()))
    with pytest.raises(ArtifactError, match="no safetensors file of matrices"):
        map_matrices(Path("m"))


KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, min_size=1)


@given(KEYS)
def test_any_keys_are_read_back(keys: list[str]) -> None:
    counts = [len(keys) - i for i in range(len(keys))]
    write_vectors(Path("."), keys, counts, np.zeros((len(keys), 2), np.float32), None)
    words, read = _read_vocabulary(Path("vocab.txt"))
    assert words == keys
    assert read.tolist() == counts


@pytest.mark.parametrize("text", ["가 3\n", "가\tdrei\n", "\tx\t\n"])
def test_a_vocabulary_that_is_none_is_refused(text: str) -> None:
    Path("vocab.txt").write_text(text, "utf-8")
    with pytest.raises(ArtifactError, match="not a list of keys and counts"):
        _read_vocabulary(Path("vocab.txt"))


def gensims(embedding: Embedding) -> FastTextKeyedVectors:
    """Return gensim's FastText vectors with this embedding's numbers."""
    c = embedding.config
    kv = FastTextKeyedVectors(embedding.dim, min_n=c["min_n"], max_n=c["max_n"], bucket=c["bucket"])
    kv.add_vectors(embedding.words, np.array(embedding.vectors))
    kv.vectors_ngrams = np.array(embedding.ngrams)
    return kv


@pytest.mark.parametrize("word", ["고양이", "고양이들", "서울특별시", "unseen", "가"])
def test_fasttext_vectors_are_gensims_for_words_seen_or_not(fasttext: Path, word: str) -> None:
    embedding = Embedding.load(fasttext)
    vector, composed = embedding.vector(word)
    assert np.allclose(vector, gensims(embedding)[word], atol=1e-6)
    assert composed is (word not in embedding.words)


def test_word2vec_has_no_vector_for_an_unseen_word(word2vec: Path) -> None:
    assert Embedding.load(word2vec).vector("고양이들") == (None, False)


def test_words_between_blanks_are_composed_of_known_words(word2vec: Path) -> None:
    embedding = Embedding.load(word2vec)
    vector, composed = embedding.vector("서울 시내에")
    assert composed
    assert np.allclose(vector, (embedding.vector("서울")[0] + embedding.vector("시내에")[0]) / 2)
    assert embedding.vector("서울 없는말")[0] is None


def test_a_word_of_several_pieces_is_their_mean(pieces: Path) -> None:
    embedding = Embedding.load(pieces)
    whole = next(unit for unit in embedding.words if unit.startswith("▁") and len(unit) > 2)
    assert embedding.vector(whole[1:]) == (pytest.approx(np.array(embedding.vectors[embedding.index[whole]])), False)
    units = embedding.cut(["고양이서울"])[0]
    assert len(units) > 1
    vector, composed = embedding.vector("고양이서울")
    assert composed
    assert np.allclose(vector, np.mean([embedding.unit_vector(unit) for unit in units], axis=0))


def test_vectors_have_length_one_but_zeros_stay() -> None:
    from nlpcli.embedding.vectors import directions

    found = directions(np.array([[3, 4], [0, 0]], np.float32))
    assert found.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]
