"""Draws: the right shares of tokens, and the same sample of a sentence wherever and whenever it is drawn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nlpcli.decoding.sampling import CANDIDATES, Draws, truncated
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.topk import best

from .small import EITHER, SRC, build, rescored, search

FOUR = [0.5, 0.3, 0.15, 0.05]


def shares(probabilities: Tensor, count: int = 20_000, **options: Any) -> Tensor:
    """Return how often each token is drawn, once for each of `count` sources."""
    draws = Draws([[i] for i in range(count)], SearchSettings(sample=True, **options), 1, torch.device("cpu"))
    drawn = draws(probabilities.log().repeat(count, 1), torch.arange(count), 1)
    return torch.bincount(drawn, minlength=len(probabilities)) / count


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, FOUR),
        ({"temperature": 0.5}, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        ({"top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"top_k": 99}, FOUR),
        ({"top_p": 0.6}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.0}, [1, 0, 0, 0]),
        ({"epsilon": 0.1}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
        ({"epsilon": 0.9}, [1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.85, "epsilon": 0.2}, [0.625, 0.375, 0, 0]),
    ],
)
def test_tokens_are_drawn_as_often_as_they_should_be(options: dict[str, Any], expected: list[float]) -> None:
    assert shares(torch.tensor(FOUR), **options).tolist() == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("options", [{}, {"top_k": 30}, {"top_p": 0.9}])
def test_tokens_without_noise_of_their_own_are_drawn_as_often_as_they_should_be(options: dict[str, Any]) -> None:
    p = torch.linspace(3.0, 1.0, 3 * CANDIDATES).softmax(0)
    allowed = truncated(p.log()[None], options.get("top_k", 0), options.get("top_p", 1.0))[0].softmax(0)
    assert float(allowed[CANDIDATES:].sum()) > 0.2
    found = shares(p, **options)
    torch.testing.assert_close(found, allowed, rtol=0, atol=0.006)
    assert bool((found[allowed == 0] == 0).all())


def test_another_step_sample_or_seed_is_another_draw() -> None:
    flat = torch.full((1, 1000), 0.001).log()

    def drawn(seed: int, sample: int, step: int, source: int) -> int:
        draws = Draws([[source]], SearchSettings(sample=True, seed=seed), 3, torch.device("cpu"))
        return int(draws(flat, torch.tensor([sample]), step))

    assert drawn(1, 0, 1, 5) == drawn(1, 0, 1, 5)
    assert len({drawn(1, 0, 1, 5), drawn(2, 0, 1, 5), drawn(1, 1, 1, 5), drawn(1, 0, 2, 5), drawn(1, 0, 1, 6)}) == 5


@settings(max_examples=25, deadline=None)
@given(order=st.lists(st.integers(0, len(SRC) - 1), min_size=1, max_size=9), kind=st.sampled_from(["additive", "transformer"]))
def test_samples_do_not_depend_on_company_or_order(order: list[int], kind: str) -> None:
    model, options = build(kind), {"sample": True, "n_best": 3, "temperature": 1.3}
    alone = [search(model, [source], [10], **options)[0] for source in SRC]
    for i, hypotheses in zip(order, search(model, [SRC[i] for i in order], [10] * len(order), **options)):
        assert [(h.ids, h.cut) for h in hypotheses] == [(h.ids, h.cut) for h in alone[i]]
    more = search(model, SRC, [10] * len(SRC), **{**options, "n_best": 5})  # and not on how many there are
    for few, many in zip(alone, more):
        assert {tuple(h.ids) for h in few} <= {tuple(h.ids) for h in many}


@EITHER
def test_samples_are_sorted_and_scored_by_the_model(kind: str) -> None:
    """The score is the model's, whatever temperature and truncation they were drawn with."""
    model = build(kind)
    found = search(model, SRC, [8] * len(SRC), sample=True, n_best=4, temperature=0.7, top_k=5)
    for source, hypotheses in zip(SRC, found):
        scores = [h.score for h in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx([rescored(model, source, h, 1.0) for h in hypotheses], abs=1e-5)
    assert any(len({tuple(h.ids) for h in hypotheses}) > 1 for hypotheses in found)


@EITHER
def test_narrow_sampling_is_greedy(kind: str) -> None:
    model, limits = build(kind), [8] * len(SRC)
    greedy = search(model, SRC, limits)
    for options in ({"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-5}, {"epsilon": 1.0}):
        assert [h[0].ids for h in search(model, SRC, limits, sample=True, **options)] == [h[0].ids for h in greedy]


def test_mbr_gives_its_samples() -> None:
    found = search(build("lstm"), SRC, [8] * len(SRC), mbr=6, n_best=1)
    assert [len(hypotheses) for hypotheses in found] == [6] * len(SRC)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.sampled_from([5, 511, 512, 513, 640, 1000]), st.integers(1, 40), st.integers(0, 10**6))
def test_the_best_are_those_of_torch(rows: int, columns: int, k: int, seed: int) -> None:
    x = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    x[x > 1.5] = 1.5  # equal values: any of them will do
    x[:, ::7] = float("-inf")
    values, at = best(x, k)
    torch.testing.assert_close(values, x.topk(min(k, columns)).values, rtol=0, atol=0)
    torch.testing.assert_close(x.gather(1, at), values, rtol=0, atol=0)
    assert all(len(set(row)) == len(row) for row in at.tolist())


@pytest.mark.parametrize("top_p", [0.3, 0.99, 0.9999])
def test_a_wide_nucleus_is_found_too(top_p: float) -> None:
    """More tokens are needed than are looked at first."""
    logits = torch.randn(3, 2000, generator=torch.Generator().manual_seed(1)) * 0.1
    kept = truncated(logits, top_p=top_p).isfinite()
    ordered, order = logits.softmax(-1).sort(-1, descending=True)
    expected = torch.zeros_like(kept).scatter(1, order, ordered.cumsum(-1) - ordered < top_p)
    assert bool((kept == expected).all())
