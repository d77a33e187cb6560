"""nearest and analogy give gensim's answers; an unknown word gets help instead of a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

import nlpcli
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import BadInput, UsageError

from .conftest import ANIMALS, CITIES


def gensims(path: Path) -> KeyedVectors:
    embedding = Embedding.load(path)
    vectors = KeyedVectors(embedding.dim)
    vectors.add_vectors(embedding.words, np.array(embedding.vectors))
    return vectors


@pytest.mark.parametrize("word", [*ANIMALS, *CITIES])
def test_neighbours_are_gensims(word2vec: Path, word: str) -> None:
    [found] = nlpcli.nearest(embeddings=word2vec, words=[word], top=5)
    expected = gensims(word2vec).most_similar(word, topn=5)
    assert [n.word for n in found.neighbours] == [w for w, _ in expected]
    assert [n.similarity for n in found.neighbours] == pytest.approx([s for _, s in expected], abs=1e-5)


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")
@pytest.mark.parametrize("cosmul", [False, True])
def test_analogies_are_gensims(word2vec: Path, cosmul: bool) -> None:
    found = nlpcli.analogy(embeddings=word2vec, a="고양이", b="밥을", c="서울", top=4, cosmul=cosmul)
    theirs = gensims(word2vec)
    ask = theirs.most_similar_cosmul if cosmul else theirs.most_similar
    expected = ask(positive=["밥을", "서울"], negative=["고양이"], topn=4)
    assert [n.word for n in found] == [w for w, _ in expected]
    if cosmul:
        assert [n.similarity for n in found] == pytest.approx([s for _, s in expected], abs=1e-5)


def test_a_word_is_never_its_own_neighbour(word2vec: Path) -> None:
    embedding = Embedding.load(word2vec)
    [found] = nlpcli.nearest(embeddings=word2vec, words=["서울"], top=1000)
    assert {n.word for n in found.neighbours} == set(embedding.words) - {"서울"}
    assert [n.similarity for n in found.neighbours] == sorted((n.similarity for n in found.neighbours), reverse=True)


def test_many_words_are_answered_like_one(word2vec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [nlpcli.nearest(embeddings=word2vec, words=[word])[0] for word in CITIES]
    monkeypatch.setattr("nlpcli.embedding.query.BLOCK", 50)
    assert nlpcli.nearest(embeddings=word2vec, words=CITIES) == alone


def test_unknown_words_are_refused_with_spellings_near_them(word2vec: Path) -> None:
    with pytest.raises(BadInput, match="has no vector for 고양기, ㅁㅁ") as caught:
        nlpcli.nearest(embeddings=word2vec, words=["고양기", "서울", "ㅁㅁ"])
    assert "did you mean 고양이?" in caught.value.fix
    with pytest.raises(BadInput, match="has no vector for 없다"):
        nlpcli.analogy(embeddings=word2vec, a="서울", b="없다", c="부산")
    with pytest.raises(UsageError, match="--top 0"):
        nlpcli.nearest(embeddings=word2vec, words=["서울"], top=0)


def test_fasttext_answers_for_words_never_seen(fasttext: Path) -> None:
    [found] = nlpcli.nearest(embeddings=fasttext, words=["고양이들"], top=3)
    assert found.composed
    assert "고양이" in {n.word for n in found.neighbours}


class TestAtTheCommandLine:
    def test_words_as_arguments_give_a_table(self, run_cli: Callable, word2vec: Path) -> None:
        ran = run_cli("embed", "nearest", "--embeddings", word2vec, "서울", "부산", "--top", 2)
        assert (ran.code, ran.err) == (0, "")
        head, *rows = ran.out.splitlines()
        assert head.split() == ["word", "neighbour", "cosine", "count"]
        assert [row.split()[0] for row in rows] == ["서울", "서울", "부산", "부산"]

    def test_words_on_stdin_give_a_line_each(self, run_cli: Callable, word2vec: Path) -> None:
        ran = run_cli("embed", "nearest", "--embeddings", word2vec, "--top", 2, stdin="서울\n\n고양기\n부산".encode())
        answers = [json.loads(line) for line in ran.out.splitlines()]
        assert [a["word"] for a in answers] == ["서울", "", "고양기", "부산"]
        assert [len(a["neighbours"]) for a in answers] == [2, 0, 0, 2]
        assert answers[2]["suggestions"] == ["고양이"]

    def test_json(self, run_cli: Callable, word2vec: Path) -> None:
        ran = run_cli("embed", "analogy", "--embeddings", word2vec, "서울", "시내에", "고양이", "--json", "--top", 3)
        envelope = json.loads(ran.out)
        assert envelope["command"] == "embed analogy"
        assert len(envelope["data"]) == 3

    def test_an_unknown_word_is_bad_input(self, run_cli: Callable, word2vec: Path) -> None:
        ran = run_cli("embed", "nearest", "--embeddings", word2vec, "고양기")
        assert (ran.code, ran.out) == (3, "")
        assert "did you mean 고양이?" in ran.err

    def test_user_text_is_no_markup(self, run_cli: Callable) -> None:
        Path("t.txt").write_text("[red]가[/red] [bold] 나\n" * 10, "utf-8")
        run_cli("embed", "train", "--data", "./t.txt", "--out", "v", "--keep-punctuation", "--dim", 4, "--workers", 1)
        assert "[bold]" in run_cli("embed", "nearest", "--embeddings", "v", "나").out

    def test_another_artifact_is_refused(self, run_cli: Callable, tiny_tokenizer: Path) -> None:
        ran = run_cli("embed", "nearest", "--embeddings", tiny_tokenizer, "가")
        assert ran.code == 4
        assert "is a tokenizer, not a embedding" in ran.err
