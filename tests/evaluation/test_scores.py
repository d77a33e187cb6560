"""Scores are sacreBLEU's own, to the last digit, and their signatures say how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from nlpcli.errors import UsageError
from nlpcli.evaluation import scores
from nlpcli.evaluation.scores import (
    METRICS,
    BleuTokenizer,
    Score,
    Scorer,
    by_length,
    choose_bleu_tokenizer,
    looks_tokenized,
    score,
)

HYP = ["The cat sat on the mat.", "He goes to school by bus every day", "", "I like apples, pears and plums!", "yes"]
REF = ["The cat is sitting on the mat.", "He goes to school by bus every day.", "Nothing came out.", "I like plums.", "no"]


def direct(hyp: Sequence[str], ref: Sequence[str], tokenize: str) -> list[Score]:
    metrics: dict[str, Any] = {"BLEU": BLEU(tokenize=tokenize), "chrF2": CHRF(), "TER": TER()}
    found = {name: metric.corpus_score(list(hyp), [list(ref)]).score for name, metric in metrics.items()}
    return [Score(name, found[name], str(metric.get_signature())) for name, metric in metrics.items()]


@pytest.fixture(autouse=True)
def no_morphemes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score as on a machine without the optional tokenizers for Korean and Japanese."""
    monkeypatch.setattr(scores, "find_spec", lambda name: None)


@pytest.mark.parametrize(("tgt", "tokenize"), [("en", "13a"), ("de", "13a"), ("ko", "char"), ("ja", "char"), ("zh", "zh")])
def test_scores_and_signatures_are_sacrebleus(tgt: str, tokenize: str) -> None:
    hyp, ref = [*HYP, "나는 학교에 갔다."], [*REF, "나는 어제 학교에 갔다."]
    found = score(hyp, ref, choose_bleu_tokenizer(tgt))
    assert found == direct(hyp, ref, tokenize)
    assert [s.metric for s in found] == list(METRICS)
    assert f"tok:{tokenize}" in found[0].signature
    assert all("nrefs:1" in s.signature and "version:" in s.signature for s in found)


LINE = st.text(alphabet="abc ,.가나", max_size=12)


@settings(max_examples=30)
@given(st.lists(st.tuples(LINE, LINE), min_size=1, max_size=6), st.sampled_from(["en", "ko"]))
def test_scores_are_sacrebleus_for_any_lines(pairs: list[tuple[str, str]], tgt: str) -> None:
    hyp, ref = [h for h, _ in pairs], [r for _, r in pairs]
    scorer = Scorer(hyp, ref, choose_bleu_tokenizer(tgt))
    assert scorer.score() == direct(hyp, ref, choose_bleu_tokenizer(tgt))
    assert scorer.score([0]) == direct(hyp[:1], ref[:1], choose_bleu_tokenizer(tgt))
    if len(hyp) > 1:
        assert scorer.score(range(1, len(hyp))) == direct(hyp[1:], ref[1:], choose_bleu_tokenizer(tgt))


def test_a_perfect_translation_scores_100_and_no_edits() -> None:
    assert [s.value for s in score(REF, REF, "13a")] == pytest.approx([100.0, 100.0, 0.0])


def test_the_tokenizer_makes_a_difference() -> None:
    hyp, ref = ["나는학교에갔다"], ["나는 어제 학교에 갔다"]
    assert score(hyp, ref, "char", ["BLEU"])[0].value > score(hyp, ref, "13a", ["BLEU"])[0].value


@pytest.mark.parametrize("metrics", [["TER"], ["chrF2", "BLEU"]])
def test_only_the_metrics_asked_for_are_computed(metrics: list[str]) -> None:
    assert [s.metric for s in score(HYP, REF, "13a", metrics)] == metrics


@pytest.mark.parametrize(
    ("tgt", "installed", "expected"),
    [
        ("en", (), "13a"),
        ("fr", ("mecab_ko", "MeCab"), "13a"),
        ("zh", (), "zh"),
        ("ko", (), "char"),
        ("ko", ("mecab_ko",), "ko-mecab"),
        ("ko", ("MeCab",), "char"),
        ("ja", (), "char"),
        ("ja", ("MeCab",), "ja-mecab"),
    ],
)
def test_the_language_and_what_is_installed_choose_the_tokenizer(
    monkeypatch: pytest.MonkeyPatch, tgt: str, installed: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(scores, "find_spec", lambda name: name if name in installed else None)
    assert choose_bleu_tokenizer(tgt) == expected


def test_a_tokenizer_that_is_asked_for_is_taken_or_refused() -> None:
    assert choose_bleu_tokenizer("ko", "none") == "none"
    with pytest.raises(UsageError) as e:
        choose_bleu_tokenizer("en", "ko-mecab")
    assert "sacrebleu[ko]" in e.value.fix


def test_every_tokenizer_is_one_that_sacrebleu_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "find_spec", lambda name: name)
    assert {choose_bleu_tokenizer(tgt) for tgt in ("en", "zh", "ko", "ja")} <= set(BLEU.TOKENIZERS)
    assert set(get_args(BleuTokenizer)) <= set(BLEU.TOKENIZERS)


def words(count: int) -> str:
    return " ".join(f"w{i}" for i in range(count))


def test_lines_are_grouped_by_their_words() -> None:
    counts = [1, 10, 11, 20, 21, 60, 5]
    groups = by_length([words(n) for n in counts])
    assert groups == {"1-10 words": [0, 1, 6], "11-20 words": [2, 3], "21+ words": [4, 5]}
    assert list(groups) == ["1-10 words", "11-20 words", "21+ words"]


def test_edges_can_be_chosen_and_empty_groups_are_left_out() -> None:
    groups = by_length([words(n) for n in (2, 3, 9)], "signs", edges=(2, 4, 8))
    assert groups == {"1-2 signs": [0], "3-4 signs": [1], "9+ signs": [2]}


def test_lines_without_a_word_are_in_no_group() -> None:
    assert by_length(["a b", " "]) == {"1-10 words": [0]}


@pytest.mark.parametrize(("ends", "expected"), [(" .", True), (".", False)])
def test_text_that_is_cut_into_words_is_recognised(ends: str, expected: bool) -> None:
    assert looks_tokenized([f"a man rides{ends}"] * 15 + ["two dogs"] * 30) == expected
    assert not looks_tokenized([f"a man rides{ends}"] * 3)
