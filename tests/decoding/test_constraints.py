"""What a translation may not hold, must begin with and must hold, in every way of searching."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpcli.decoding.constraints import repetitions
from nlpcli.decoding.engine import Hypothesis
from nlpcli.decoding.required import Word, holds
from nlpcli.tokenization.tokenizer import BOS, EOS

from .small import EITHER, SRC, build, next_logprobs, rescored, search

WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beam": {"beam_size": 4},
    "diverse": {"beam_size": 4, "diverse_groups": 2},
    "sample": {"sample": True, "n_best": 3},
    "best": {"beam_size": 3, "stop": "best"},
}
WAY = pytest.mark.parametrize("way", WAYS)
SEARCHING = pytest.mark.parametrize("way", ["greedy", "beam", "best"])
LIMITS = [12] * len(SRC)


def contains(ids: list[int], word: list[int]) -> bool:
    return any(ids[i : i + len(word)] == word for i in range(len(ids) - len(word) + 1))


def repeats(ids: list[int], size: int) -> bool:
    grams = [tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)]
    return len(grams) > len(set(grams))


def all_of(found: list[list[Hypothesis]]) -> list[list[int]]:
    return [h.ids for hypotheses in found for h in hypotheses]


@pytest.mark.parametrize("size", [1, 2, 3])
@WAY
@EITHER
def test_no_ngram_is_written_twice(kind: str, way: str, size: int) -> None:
    model = build(kind, vocab=7, eos=-2.0)
    assert size > 2 or any(repeats(ids, size) for ids in all_of(search(model, SRC, LIMITS, **WAYS[way])))
    assert not any(repeats(ids, size) for ids in all_of(search(model, SRC, LIMITS, no_repeat_ngram=size, **WAYS[way])))


@settings(max_examples=100)
@given(st.lists(st.lists(st.integers(4, 7), min_size=8, max_size=8), min_size=1, max_size=4), st.integers(1, 4))
def test_repetitions_are_those_of_a_plain_loop(rows: list[list[int]], size: int) -> None:
    found, tokens = repetitions(torch.tensor([[BOS, *row] for row in rows]), size)
    expected = {
        (n, row[i + size - 1])
        for n, row in enumerate(rows)
        for i in range(len(row) - size + 1)
        if row[i : i + size - 1] == row[len(row) - size + 1 :]
    }
    assert {pair for pair in zip(found.tolist(), tokens.tolist()) if pair[1] != BOS} == expected


@WAY
@EITHER
def test_suppressed_words_are_never_written(kind: str, way: str) -> None:
    model = build(kind)
    free = all_of(search(model, SRC, LIMITS, **WAYS[way]))
    pairs = {tuple(ids[i : i + 2]) for ids in free for i in range(len(ids) - 1)}
    words = [list(pair) for pair in sorted(pairs)[:3]] + [[free[0][0]]] + [[]]
    found = all_of(search(model, SRC, LIMITS, suppressed=words, **WAYS[way]))
    assert not any(contains(ids, word) for ids in found for word in words if word)
    assert found != free


@WAY
@EITHER
def test_a_translation_begins_as_it_is_told_and_scores_count_it(kind: str, way: str) -> None:
    model = build(kind)
    prefixes = [[4], [], [6, 5, 9], [13, 13], [], [1], [10, 7, 9, 8, 8]]  # of different lengths, and none
    found = search(model, SRC, LIMITS, prefixes=prefixes, **WAYS[way])
    free = search(model, SRC, LIMITS, **WAYS[way])
    for source, prefix, hypotheses, others in zip(SRC, prefixes, found, free):
        assert all(h.ids[: len(prefix)] == prefix for h in hypotheses)
        assert [h.score for h in hypotheses] == pytest.approx([rescored(model, source, h, 1.0) for h in hypotheses], abs=1e-5)
        if not prefix:
            assert [h.ids for h in hypotheses] == [h.ids for h in others]


def test_after_its_beginning_a_translation_is_the_most_probable_one() -> None:
    model = build("additive")
    [[found]] = search(model, SRC[:1], [9], prefixes=[[9, 9]])
    ids = [9, 9]
    while EOS not in ids and len(ids) < 9:
        logprobs = next_logprobs(model, SRC[0], ids)
        ids.append(logprobs.index(max(logprobs)))
    assert found.ids == [i for i in ids if i != EOS]


@WAY
def test_what_is_forced_may_repeat_and_hold_what_is_suppressed(way: str) -> None:
    options = {"no_repeat_ngram": 1, "suppressed": [[9], [5, 6]], **WAYS[way]}
    for hypotheses in search(build("lstm"), SRC, LIMITS, prefixes=[[9, 5, 6, 9]] * len(SRC), **options):
        for h in hypotheses:
            assert h.ids[:4] == [9, 5, 6, 9]
            assert len(h.ids[4:]) == len(set(h.ids[4:]) - {9, 5, 6})


def test_a_beginning_longer_than_the_limit_is_cut() -> None:
    for way in WAYS.values():
        [[found, *_]] = search(build("lstm"), SRC[:1], [2], prefixes=[[9, 8, 7]], **way)
        assert (found.ids, found.cut) == ([9, 8], True)


REQUIRED = [[[6]], [], [[5, 5, 9]], [[4], [13, 1]], [[8, 9], [9, 8]], [[7], [7]], [[12, 12, 12, 11], [10]]]


@SEARCHING
@EITHER
def test_required_words_stand_in_every_translation(kind: str, way: str) -> None:
    model = build(kind)
    found = search(model, SRC, [30] * len(SRC), required=REQUIRED, **WAYS[way])
    free = search(model, SRC, [30] * len(SRC), **{**WAYS[way], "beam_size": 8})
    for source, words, hypotheses, others in zip(SRC, REQUIRED, found, free):
        assert holds(hypotheses[0].ids, words)
        for h in hypotheses:
            assert h.cut or (holds(h.ids, words) and all(contains(h.ids, word) for word in words))
            if not words:
                assert h.score == pytest.approx(rescored(model, source, h, 1.0), abs=1e-5)
        if not words:  # others in the batch change nothing but the number of beams
            assert hypotheses[0].ids == others[0].ids


def test_required_words_are_written_where_the_model_likes_them_best() -> None:
    """With beams enough, the best of all translations that hold the word is found."""
    from itertools import product

    model = build("additive", vocab=6)
    [hypotheses] = search(model, SRC[:1], [4], required=[[[5, 4]]], beam_size=400, stop="best", n_best=1, length_penalty=0.6)
    every = [Hypothesis(list(ids), 0.0, False) for n in range(4) for ids in product([1, 4, 5], repeat=n)]
    held = [h for h in every if contains(h.ids, [5, 4])]

    def score(h: Hypothesis) -> float:  # the end takes no probability while the word is missing
        total, words = 0.0, [*h.ids, EOS]
        for t, word in enumerate(words):
            p = next_logprobs(model, SRC[0], words[:t])
            others = [x for w, x in enumerate(p) if w != EOS]
            rest = 0.0 if contains(words[:t], [5, 4]) else float(torch.tensor(others).logsumexp(0))
            total += p[word] - rest
        return total / ((5 + len(words)) / 6) ** 0.6

    best = max(held, key=score)
    assert hypotheses[0].ids == best.ids
    assert hypotheses[0].score == pytest.approx(score(best), abs=1e-4)


def test_words_that_do_not_fit_under_the_limit_are_cut_off_and_said_so() -> None:
    [hypotheses] = search(build("gru"), SRC[:1], [3], required=[[[9, 8, 7, 6]]])
    assert [(h.cut, len(h.ids)) for h in hypotheses] == [(True, 3)]


def test_required_words_are_spared_from_bans() -> None:
    [hypotheses] = search(build("gru"), SRC[:1], [20], required=[[[9, 9, 9]]], suppressed=[[9]], no_repeat_ngram=2)
    assert contains(hypotheses[0].ids, [9, 9, 9])


def test_required_words_may_stand_in_the_forced_beginning() -> None:
    [hypotheses] = search(build("gru"), SRC[:1], [20], required=[[[9, 8]]], prefixes=[[4, 9, 8]])
    assert hypotheses[0].ids[:3] == [4, 9, 8]
    assert not hypotheses[0].cut


@settings(max_examples=200)
@given(st.lists(st.integers(4, 5), min_size=1, max_size=4), st.lists(st.integers(4, 6), max_size=16), st.integers(1, 3))
def test_a_word_is_followed_as_often_as_it_can_be_found(word: list[int], text: list[int], times: int) -> None:
    left, at = times, 0
    followed = Word.of(tuple(word), times)
    for token in text:
        left, at = followed.follow(left, at, token)
    joined, sought = "".join(map(str, text)), "".join(map(str, word))
    assert left == max(0, times - joined.count(sought))  # str.count, too, counts what does not overlap
    assert holds(text, [word] * times) == (left == 0)
