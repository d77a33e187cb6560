"""Minimum Bayes risk, against sacreBLEU's chrF."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from nlpcli.decoding.mbr import chrf_matrix, minimum_bayes_risk

TEXTS = [
    "저는 학교에 갑니다.",
    "저는 학교로 갑니다.",
    "나는 집에 간다",
    "",
    "학교",
    "저는 학교에 갑니다.",
    "a b c",
    "abc",
    "  ",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.text("ab c", max_size=14), st.text(max_size=9)), min_size=1, max_size=6))
def test_scores_are_those_of_sacrebleu(texts: list[str]) -> None:
    chrf = CHRF()
    expected = [[chrf.sentence_score(one, [other]).score for other in texts] for one in texts]
    np.testing.assert_allclose(chrf_matrix(texts), expected, rtol=0, atol=1e-9)


def test_the_first_is_most_alike_to_the_others() -> None:
    chrf = CHRF()
    means = [
        sum(chrf.sentence_score(one, [other]).score for j, other in enumerate(TEXTS) if j != i) / (len(TEXTS) - 1)
        for i, one in enumerate(TEXTS)
    ]
    order = minimum_bayes_risk(TEXTS)
    assert sorted(order) == list(range(len(TEXTS)))
    assert [means[i] for i in order] == pytest.approx(sorted(means, reverse=True))
    assert TEXTS[order[0]] == TEXTS[0]


def test_what_was_drawn_more_often_counts_more() -> None:
    assert minimum_bayes_risk(["zzz", "a cat sat", "a cat sits", "a cat sat"])[:2] == [1, 3]


@pytest.mark.parametrize("texts", [[], ["one"], ["", ""], [" ", "x"]])
def test_nothing_to_choose_from_is_no_trouble(texts: list[str]) -> None:
    assert sorted(minimum_bayes_risk(texts)) == list(range(len(texts)))
