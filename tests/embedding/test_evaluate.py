"""Scores are gensim's and scipy's; what is not covered is counted and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

import nlpcli
from nlpcli.embedding.sets import Judgement, read_questions, read_similarities
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import BadInput, UsageError

from .conftest import ANIMALS, CITIES, made, write_text

PAIRS = [(a, b, round(n * 7 % 10 + n / 100, 2)) for n, (a, b) in enumerate((a, b) for a in ANIMALS for b in (*CITIES, "밥을"))]
QUESTIONS = [
    ": one",
    *(f"{a} {b} {c} {d}" for a, b in zip(ANIMALS, CITIES) for c in ANIMALS for d in CITIES if a != c and b != d),
]


def gensims(path: Path) -> KeyedVectors:
    embedding = Embedding.load(path)
    vectors = KeyedVectors(embedding.dim)
    vectors.add_vectors(embedding.words, np.array(embedding.vectors))
    return vectors


def test_spearman_is_gensims(word2vec: Path) -> None:
    path = write_text("pairs.tsv", [f"{a}\t{b}\t{score}" for a, b, score in PAIRS])
    found = nlpcli.evaluate_embedding(embeddings=word2vec, similarity=path).similarity
    _, expected, unknown = gensims(word2vec).evaluate_word_pairs(str(path))
    assert found.spearman == pytest.approx(expected.statistic, abs=1e-4)
    assert (found.pairs, found.covered, found.composed, found.uncovered, unknown) == (20, 20, 0, [], 0)


def test_analogy_accuracy_is_gensims(word2vec: Path) -> None:
    path = write_text(
        "questions.txt", [*QUESTIONS, ": two", "고양이 밥을 토끼 밥을", "없다 밥을 토끼 밥을", ": three", "없다 밥을 토끼 있다"]
    )
    found = nlpcli.evaluate_embedding(embeddings=word2vec, analogy=path)
    score, sections = gensims(word2vec).evaluate_word_analogies(str(path), case_insensitive=False)
    assert found.analogies[0].section == "all"
    assert found.analogies[0].accuracy == pytest.approx(100 * score, abs=0.01)
    assert 0 < score < 1
    for ours, theirs in zip(found.analogies[1:], sections):
        assert ours.section == theirs["section"]
        assert ours.covered == len(theirs["correct"]) + len(theirs["incorrect"])
        assert (ours.accuracy or 0) == pytest.approx(100 * len(theirs["correct"]) / max(ours.covered, 1), abs=0.01)
    assert [a.questions for a in found.analogies] == [len(QUESTIONS) - 1 + 3, len(QUESTIONS) - 1, 2, 1]
    assert found.analogies[-1].accuracy is None
    assert found.uncovered == ["없다", "있다"]


def test_blocks_do_not_change_the_accuracy(word2vec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text("questions.txt", QUESTIONS)
    whole = nlpcli.evaluate_embedding(embeddings=word2vec, analogy=path)
    monkeypatch.setattr("nlpcli.embedding.evaluate.BLOCK", 60)
    assert nlpcli.evaluate_embedding(embeddings=word2vec, analogy=path) == whole


def test_words_without_a_vector_are_listed(word2vec: Path) -> None:
    path = write_text("pairs.csv", ["서울,부산,9", "서울,개구리,1", "대구,광주,8", "토끼,여우,7"])
    found = nlpcli.evaluate_embedding(embeddings=word2vec, similarity=path).similarity
    assert (found.pairs, found.covered, found.uncovered) == (4, 3, [("서울", "개구리")])


def test_too_few_pairs_have_no_correlation(word2vec: Path) -> None:
    path = write_text("pairs.csv", ["서울,부산,9", "개구리,두꺼비,1"])
    found = nlpcli.evaluate_embedding(embeddings=word2vec, similarity=path).similarity
    assert (found.spearman, found.covered) == (None, 1)


def test_fasttext_and_pieces_compose_words(fasttext: Path, pieces: Path) -> None:
    path = write_text("pairs.csv", ["고양이들,강아지들,9", "서울,부산,5", "토끼,대구,1"])
    found = nlpcli.evaluate_embedding(embeddings=fasttext, similarity=path).similarity
    assert (found.covered, found.composed) == (3, 2)
    questions = write_text("q.txt", ["고양이들 고양이 강아지들 강아지", "서울 부산 고양이들 강아지들"])
    assert nlpcli.evaluate_embedding(embeddings=fasttext, analogy=questions).composed == 2
    path = write_text("pairs.csv", ["고양이서울,강아지,9", "서울,부산,5", "토끼,대구,1"])
    found = nlpcli.evaluate_embedding(embeddings=pieces, similarity=path).similarity
    assert (found.covered, found.composed > 0) == (3, True)


def test_a_composed_word_can_be_the_right_answer() -> None:
    vectors = np.array([[1, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    path = made(["가", "나", "다", "라"], vectors, ngrams=np.array([[2, 2]], np.float32))
    questions = write_text("q.txt", ["가 나 다 없는말"])  # every unseen word has the direction of 다, where b - a + c points
    found = nlpcli.evaluate_embedding(embeddings=path, analogy=questions)
    assert (found.analogies[0].accuracy, found.composed) == (100, 1)


@pytest.mark.parametrize(
    "lines",
    [
        ["사과,배,7.5", "말,소,3"],
        ["\ufeffword 1,word 2,kor_score", "사과,배,7.5", "말,소,3"],
        ["a\tb\tscore\tmore", "사과\t배\t7.5\tx", "", "# a remark", "말\t소\t3\ty"],
        ["사과 배 7.5", "말 소 3\r"],
        ['"사과","배",7.5', "말 ; 소;3".replace(";", ",")],
    ],
)
def test_forms_of_similarity_sets(lines: list[str]) -> None:
    assert read_similarities(write_text("s", lines)) == [Judgement("사과", "배", 7.5), Judgement("말", "소", 3.0)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["사과,배,7", "말,소"], "line 2 is not two words and a score"),
        (["사과,배,7", "말,소,viel"], "line 2 is not"),
        (["사과,배,7", "말,소,nan"], "line 2 is not"),
        (["a,b,score"], "holds no judgements"),
        ([], "holds no judgements"),
    ],
)
def test_bad_similarity_sets(lines: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_similarities(write_text("s", lines))


def test_bad_analogy_sets() -> None:
    with pytest.raises(BadInput, match="line 3 has 3 words, not 4"):
        read_questions(write_text("q", [": a", "가 나 다 라", "가 나 다"]))
    with pytest.raises(BadInput, match="holds no judgements"):
        read_questions(write_text("q", [": a"]))
    Path("q").write_bytes("가 나 다 라\n".encode("cp949"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_questions(Path("q"))


def test_nothing_to_evaluate_is_refused(word2vec: Path) -> None:
    with pytest.raises(UsageError, match="nothing to evaluate"):
        nlpcli.evaluate_embedding(embeddings=word2vec)


def test_the_command_prints_tables_and_json(run_cli: Callable, word2vec: Path) -> None:
    pairs = write_text("pairs.csv", ["서울,부산,9", "서울,개구리,1", "대구,광주,8", "토끼,여우,7"])
    questions = write_text("q.txt", QUESTIONS)
    command = ["embed", "evaluate", "--embeddings", word2vec, "--similarity", pairs, "--analogy", questions]
    ran = run_cli(*command)
    assert ran.code == 0
    assert "75.0%" in ran.out
    assert "percent right" in ran.out
    data = json.loads(run_cli(*command, "--json").out)["data"]
    assert data["similarity"]["uncovered"] == [["서울", "개구리"]]
