"""Search over the protocol, against enumeration and against plain loops that know no batch, no beam rows and no state."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nlpcli.decoding.engine import Hypothesis, Request
from nlpcli.decoding.greedy import write
from nlpcli.decoding.search import beam_search
from nlpcli.decoding.settings import SearchSettings
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

from .small import EITHER, SRC, Scripted, build, next_logprobs, rescored, search


def naive_beam_search(model: TranslationModel, source: list[int], limit: int, k: int, alpha: float) -> list[Hypothesis]:
    """The search of one sentence with lists: k hypotheses that go on, ends among the k best, over when k have ended.

    Where scores are plain log-probabilities, one must have ended as the best.
    """

    def score(logprob: float, length: int) -> float:
        return float(logprob / ((5 + length) / 6) ** alpha)

    live: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[Hypothesis] = []
    led = False
    for length in range(1, limit + 1):
        grown = [
            (s + p, [*ids, w])
            for s, ids in live
            for w, p in enumerate(next_logprobs(model, source, ids))
            if w not in (PAD, BOS)
        ]
        best = sorted(grown, key=lambda candidate: -candidate[0])[: 2 * k]
        ended += [Hypothesis(ids[:-1], score(s, length), False) for s, ids in best[:k] if ids[-1] == EOS]
        if length == limit:
            ended += [Hypothesis(ids, score(s, limit), True) for s, ids in best[:k] if ids[-1] != EOS]
        live = [candidate for candidate in best if candidate[1][-1] != EOS][:k]
        led = led or best[0][1][-1] == EOS
        if len(ended) >= k and (alpha or led):
            break
    return sorted(ended, key=lambda h: -h.score)[:k]


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(h.ids, h.cut) for h in found] == [(h.ids, h.cut) for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@EITHER
def test_a_beam_as_wide_as_the_space_finds_what_enumeration_finds(kind: str, alpha: float) -> None:
    model = build(kind, vocab=6)
    words, limits = [w for w in range(6) if w not in (PAD, BOS, EOS)], [4, 1, 3]
    space = len(words) ** 4 + sum(len(words) ** n for n in range(4))
    found = search(model, SRC[:3], limits, beam_size=space, length_penalty=alpha)
    for source, limit, hypotheses in zip(SRC, limits, found):
        every = [Hypothesis(list(ids), 0.0, cut=n == limit) for n in range(limit + 1) for ids in product(words, repeat=n)]
        ranked = [h._replace(score=rescored(model, source, h, alpha)) for h in every]
        assert_same(hypotheses, sorted(ranked, key=lambda h: -h.score))


@EITHER
def test_one_beam_is_the_argmax_loop(kind: str) -> None:
    model = build(kind)
    found = search(model, SRC, [8] * len(SRC))
    for source, [hypothesis] in zip(SRC, found):
        ids: list[int] = []
        while len(ids) < 8 and EOS not in ids:
            logprobs = next_logprobs(model, source, ids)
            ids.append(logprobs.index(max(logprobs)))
        assert hypothesis.ids == [word for word in ids if word != EOS]
        assert hypothesis.cut == (EOS not in ids)
        assert hypothesis.score == pytest.approx(rescored(model, source, hypothesis, 1.0), abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beam_size", [2, 3, 5])
@EITHER
def test_it_is_the_naive_beam_search(kind: str, beam_size: int, alpha: float) -> None:
    model = build(kind)
    limits = [7, 3, 7, 5, 1, 7, 6]
    found = search(model, SRC, limits, beam_size=beam_size, length_penalty=alpha)
    for source, limit, hypotheses in zip(SRC, limits, found):
        assert_same(hypotheses, naive_beam_search(model, source, limit, beam_size, alpha))


LIMITS = [9, 2, 12, 5, 7, 1, 10]


@cache
def alone(beam_size: int) -> list[list[Hypothesis]]:
    return [search(build("additive"), [s], [limit], beam_size=beam_size)[0] for s, limit in zip(SRC, LIMITS)]


@settings(max_examples=30)
@given(order=st.lists(st.integers(0, len(SRC) - 1), min_size=1, max_size=10), beam_size=st.sampled_from([1, 4]))
def test_company_and_order_change_no_translation(order: list[int], beam_size: int) -> None:
    """Sentences end at different steps, so this also says that one leaving the batch disturbs no other."""
    found = search(build("additive"), [SRC[i] for i in order], [LIMITS[i] for i in order], beam_size=beam_size)
    for i, hypotheses in zip(order, found):
        assert_same(hypotheses, alone(beam_size)[i])


def test_these_sentences_end_at_different_steps() -> None:
    assert len({len(hypotheses[0].ids) for hypotheses in alone(1)}) >= 4
    assert {h.cut for hypotheses in alone(4) for h in hypotheses} == {True, False}


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@EITHER
def test_the_n_best_are_sorted_distinct_and_rightly_scored(kind: str, alpha: float) -> None:
    model = build(kind)
    for source, hypotheses in zip(SRC, search(model, SRC, [6] * len(SRC), beam_size=5, length_penalty=alpha)):
        scores = [h.score for h in hypotheses]
        assert len(hypotheses) == 5
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.ids) for h in hypotheses}) == 5
        assert scores == pytest.approx([rescored(model, source, h, alpha) for h in hypotheses], abs=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3])
@EITHER
def test_padding_and_bos_are_never_written(kind: str, beam_size: int) -> None:
    model = deepcopy(build(kind))
    with torch.no_grad():
        model.output.bias[[PAD, BOS]] += 100.0
    for hypotheses in search(model, SRC, [6] * len(SRC), beam_size=beam_size):
        assert all(word not in (PAD, BOS, EOS) for h in hypotheses for word in h.ids)
        assert all(h.score > -90 for h in hypotheses)  # what cannot be written takes no probability away


@pytest.mark.parametrize("beam_size", [1, 3])
def test_hypotheses_stop_at_their_limit_and_say_so(beam_size: int) -> None:
    model = build("additive", eos=-100.0)
    for limit, hypotheses in zip(LIMITS, search(model, SRC, LIMITS, beam_size=beam_size)):
        assert {(len(h.ids), h.cut) for h in hypotheses} == {(limit, True)}


def test_what_ends_by_itself_is_not_called_cut() -> None:
    model = build("additive", eos=100.0)
    for hypotheses in search(model, SRC, LIMITS, beam_size=1):
        assert (hypotheses[0].ids, hypotheses[0].cut) == ([], False)
        assert hypotheses[0].score == pytest.approx(0.0, abs=1e-5)


def test_more_beams_than_words_leave_no_gap() -> None:
    model = build("additive", vocab=5)
    [hypotheses] = search(model, SRC[:1], [2], beam_size=50)
    assert sorted(h.ids for h in hypotheses) == sorted([[], [1], [4], [1, 1], [1, 4], [4, 1], [4, 4]])
    assert all(h.score > float("-inf") for h in hypotheses)


def test_the_length_penalty_counts_eos() -> None:
    model = Scripted([{4: 1.0}, {5: 0.5, 6: 0.3, 7: 0.2}, {EOS: 1.0}])
    [[hypothesis]] = search(model, [[4]], [9], length_penalty=1.0)
    assert hypothesis.ids == [4, 5]
    assert hypothesis.score == pytest.approx(float(torch.tensor(0.5).log()) / ((5 + 3) / 6), abs=1e-6)


@pytest.mark.parametrize(("alpha", "length"), [(0.0, 1), (2.0, 5)])
def test_a_length_penalty_favours_longer_translations(alpha: float, length: int) -> None:
    """After one word, the end has 0.55 and four more words together 0.45: they win when length is made up for."""
    table = [{4: 1.0}, {EOS: 0.55, 6: 0.45}, {7: 1.0}, {7: 1.0}, {7: 1.0}, {EOS: 1.0}]
    [[first, *_]] = search(Scripted(table), [[4]], [9], beam_size=2, length_penalty=alpha)
    assert len(first.ids) == length


def test_a_beam_finds_what_greed_passes_by() -> None:
    """A word at 0.6 leads nowhere good; the one at 0.4 leads to a sure end."""

    class Garden(Scripted):
        def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
            rows = torch.where(tokens_n.eq(4), 1, torch.where(tokens_n.eq(BOS), 0, 2))
            return self.logits[rows], {"t": state["t"] + 1}

    model = Garden([{4: 0.6, 5: 0.4}, {EOS: 0.3, 6: 0.3, 7: 0.4}, {EOS: 1.0}])
    [[greedy]] = search(model, [[4]], [9], length_penalty=0.0)
    [[found, *_]] = search(model, [[4]], [9], beam_size=2, length_penalty=0.0)
    assert greedy.ids == [4, 7]
    assert found.ids == [5]
    assert found.score > greedy.score


def test_search_is_over_when_the_beam_has_ended() -> None:
    model = Scripted([{4: 0.6, 5: 0.4}, {EOS: 1.0}, {7: 1.0}, {7: 1.0}])
    [hypotheses] = search(model, [[4]], [50], beam_size=2)
    assert [h.ids for h in hypotheses] == [[4], [5]]
    assert model.steps == 2


def test_a_search_leaves_the_model_as_it_was() -> None:
    model = build("additive")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = search(model, SRC, LIMITS, beam_size=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert search(model, SRC, LIMITS, beam_size=3) == first
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("form", ["wu", "marian"])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@EITHER
def test_stopping_at_the_best_finds_the_optimum(kind: str, alpha: float, form: str) -> None:
    """It ends before everything has been seen, but not before the best of all is certain."""
    model = build(kind, vocab=6)
    words, limits = [1, 4, 5], [4, 1, 3]
    found = search(model, SRC[:3], limits, beam_size=121, n_best=3, length_penalty=alpha, length_penalty_form=form, stop="best")
    for source, limit, hypotheses in zip(SRC, limits, found):
        every = [Hypothesis(list(ids), 0.0, cut=n == limit) for n in range(limit + 1) for ids in product(words, repeat=n)]
        ranked = [h._replace(score=rescored(model, source, h, alpha, form)) for h in every]
        assert_same(hypotheses[:3], sorted(ranked, key=lambda h: -h.score)[:3])


def test_stopping_at_the_first_may_miss_what_stopping_at_the_best_finds() -> None:
    """Two ends are there at once; what goes on is better for its length."""
    table = [{4: 0.9, 5: 0.1}, {EOS: 0.5, 6: 0.5}, {7: 1.0}, {7: 1.0}, {7: 1.0}, {EOS: 1.0}]
    first, best = (
        search(Scripted(table), [[4]], [9], beam_size=2, n_best=1, length_penalty=0.9, stop=stop)[0]
        for stop in ("first", "best")
    )
    assert len(best[0].ids) == 5
    assert best[0].score >= first[0].score


def test_stopping_at_the_best_does_not_go_on_for_nothing() -> None:
    model = Scripted([{4: 0.99, 5: 0.01}, {EOS: 0.99, 6: 0.01}, *[{7: 1.0}] * 40])
    search(model, [[4]], [40], beam_size=2, n_best=1, length_penalty=0.5, stop="best")
    assert model.steps < 10


def test_plain_log_probabilities_need_no_further_search_when_the_best_has_ended() -> None:
    model = Scripted([{4: 0.9, 5: 0.1}, {EOS: 0.9, 6: 0.1}, *[{7: 1.0}] * 40])
    found = search(model, [[4]], [40], beam_size=3, n_best=1, length_penalty=0.0)
    assert (found[0][0].ids, model.steps) == ([4], 2)


@pytest.mark.parametrize(("form", "length"), [("wu", (5 + 3) / 6), ("marian", 3)])
def test_both_length_penalties_count_eos(form: str, length: float) -> None:
    for beam_size in (1, 2):
        model = Scripted([{4: 1.0}, {5: 0.5, 6: 0.3, 7: 0.2}, {EOS: 1.0}])
        options = {"length_penalty": 0.7, "length_penalty_form": form, "beam_size": beam_size}
        [[hypothesis, *_]] = search(model, [[4]], [9], **options)
        assert hypothesis.score == pytest.approx(float(torch.tensor(0.5).log()) / length**0.7, abs=1e-6)


@EITHER
def test_greedy_search_is_beam_search_with_one_beam(kind: str) -> None:
    model = build(kind)
    src_bs, lengths_b = pad([[*ids, EOS] for ids in SRC])
    request = Request([[*ids, EOS] for ids in SRC], LIMITS)
    one = SearchSettings()
    for greedy, beam in zip(write(model, src_bs, lengths_b, request, one), beam_search(model, src_bs, lengths_b, request, one)):
        assert_same(greedy, beam)


@pytest.mark.parametrize("diversity", [0.0, 0.5, 50.0])
@EITHER
def test_diverse_groups_are_those_of_the_naive_search(kind: str, diversity: float) -> None:
    model = build(kind)
    limits = [7, 3, 7, 5, 1, 7, 6]
    options = {"beam_size": 6, "diverse_groups": 3, "diversity": diversity, "length_penalty": 0.6}
    for source, limit, hypotheses in zip(SRC, limits, search(model, SRC, limits, **options)):
        expected = naive_diverse_search(model, source, limit, 2, 3, diversity, 0.6)
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in expected], abs=1e-5)
        assert sorted(h.ids for h in hypotheses) == sorted(h.ids for h in expected)


def naive_diverse_search(
    model: TranslationModel, source: list[int], limit: int, k: int, groups: int, cost: float, alpha: float
) -> list[Hypothesis]:
    """Groups one after the other, with lists (Vijayakumar et al. 2018, algorithm 1, Hamming diversity)."""
    live: list[list[tuple[float, list[int]]]] = [[(0.0, [])] for _ in range(groups)]
    ended: list[list[Hypothesis]] = [[] for _ in range(groups)]
    for length in range(1, limit + 1):
        norm = ((5 + length) / 6) ** alpha
        chosen: list[int] = []
        for g in range(groups):
            if len(ended[g]) >= k:
                continue
            grown = [
                (s + p, s + p - cost * chosen.count(w), [*ids, w])
                for s, ids in live[g]
                for w, p in enumerate(next_logprobs(model, source, ids))
                if w not in (PAD, BOS)
            ]
            best = sorted(grown, key=lambda c: -c[1])[: 2 * k]
            ended[g] += [Hypothesis(ids[:-1], s / norm, False) for s, _, ids in best[:k] if ids[-1] == EOS]
            if length == limit:
                ended[g] += [Hypothesis(ids, s / norm, True) for s, _, ids in best[:k] if ids[-1] != EOS]
            live[g] = [(s, ids) for s, _, ids in best if ids[-1] != EOS][:k]
            chosen += [ids[-1] for _, ids in live[g]] + [EOS for _, _, ids in best[:k] if ids[-1] == EOS]
    return sorted((h for group in ended for h in group), key=lambda h: -h.score)[: groups * k]


def test_diverse_groups_differ_where_beams_do_not() -> None:
    model = build("additive")
    firsts = []
    for diversity in (0.0, 50.0):
        found = search(model, SRC, [6] * len(SRC), beam_size=3, diverse_groups=3, diversity=diversity)
        firsts.append([len({tuple(h.ids) for h in hypotheses}) for hypotheses in found])
    assert firsts == [[1] * len(SRC), [3] * len(SRC)]
