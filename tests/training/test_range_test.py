"""The learning-rate range test where the limit is known: descent on a quadratic diverges above 2 / L."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.errors import RunFailed, UsageError
from nlpcli.training.range_test import RangeTest, range_test


class Quadratic:
    """Gradient descent on ½ Σ cᵢ xᵢ² from x = 1; with noise, each loss is off by up to its share."""

    def __init__(self, curvatures: list[float], noise: float = 0.0) -> None:
        self.curvatures, self.x, self.noise = np.array(curvatures), np.ones(len(curvatures)), noise
        self.random = np.random.default_rng(0)

    def __call__(self, rate: float) -> float:
        loss = 0.5 * float(self.curvatures @ self.x**2)
        self.x = self.x - rate * self.curvatures * self.x
        return loss * (1 + self.noise * self.random.uniform(-1, 1))


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("largest", [1.0, 30.0, 1000.0])
def test_the_suggestion_is_below_the_limit_and_not_far(largest: float, noise: float) -> None:
    result = range_test(Quadratic([largest, largest / 10, largest / 100], noise), lowest=1e-7, highest=100.0, steps=200)
    limit = 2 / largest
    assert result.suggestion is not None
    assert limit / 100 < result.suggestion < limit / 2
    assert result.diverged
    assert limit < result.points[-1][0] < 20 * limit  # goes on for some steps, until the loss has come back up


def test_rates_grow_by_one_factor_between_the_bounds() -> None:
    tried: list[float] = []

    def step(rate: float) -> float:
        tried.append(rate)
        return 1.0

    result = range_test(step, lowest=1e-4, highest=1e-1, steps=31)
    assert tried == pytest.approx(np.geomspace(1e-4, 1e-1, 31).tolist())
    assert [rate for rate, _ in result.points] == tried
    assert not result.diverged
    assert result.suggestion is None  # the loss never fell


@given(st.lists(st.floats(0.1, 0.3), min_size=2, max_size=50))
def test_the_smoothed_loss_is_a_mean_without_bias(losses: list[float]) -> None:
    given_losses = iter(losses)
    points = range_test(lambda _: next(given_losses), steps=len(losses)).points
    for i, (_, smoothed) in enumerate(points):
        kept = 0.8 ** np.arange(i, -1, -1)
        assert smoothed == pytest.approx(float(kept @ losses[: i + 1] / kept.sum()))
    assert len(points) == len(losses)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    """A logistic fall over log rate is steepest in its middle, here 1e-3; the smoothing lags by less than 4 steps."""
    result = range_test(lambda rate: 1 / (1 + (rate / 1e-3) ** 2), lowest=1e-6, highest=1.0, steps=100)
    assert result.suggestion is not None
    assert 1e-3 / 1.2 < result.suggestion < 1e-3 * 10 ** (6 / 99 * 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e6])
def test_it_ends_where_the_loss_blows_up(bad: float) -> None:
    losses = iter([3.0, 2.9, 2.5, 2.0, bad])
    result = range_test(lambda _: next(losses), steps=20)
    assert len(result.points) == 4
    assert result.diverged
    assert result.suggestion is not None


def test_it_prints_as_json() -> None:
    losses = iter([3.0, 2.0, math.nan])
    result = range_test(lambda _: next(losses), lowest=0.01, highest=1.0, steps=3)
    written = msgspec.json.encode(result)
    assert msgspec.json.decode(written, type=RangeTest) == result
    assert set(msgspec.json.decode(written)) == {"points", "suggestion", "diverged"}


@pytest.mark.parametrize("before", [[3.0], [3.0, 2.0]])
def test_two_points_are_too_few_for_a_suggestion(before: list[float]) -> None:
    losses = iter([*before, math.inf])
    result = range_test(lambda _: next(losses), steps=5)
    assert (len(result.points), result.suggestion, result.diverged) == (len(before), None, True)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_bad_from_the_start_is_an_error(loss: float) -> None:
    with pytest.raises(RunFailed, match=f"the loss is {loss} at the first step") as e:
        range_test(lambda _: loss)
    assert "lower rate" in e.value.fix


@pytest.mark.parametrize(
    ("lowest", "highest", "steps"), [(0.0, 1.0, 10), (1.0, 1.0, 10), (1.0, 0.1, 10), (0.1, math.inf, 10), (0.1, 1.0, 1)]
)
def test_an_empty_range_is_an_error(lowest: float, highest: float, steps: int) -> None:
    with pytest.raises(UsageError, match="no range of learning rates") as e:
        range_test(lambda _: 1.0, lowest=lowest, highest=highest, steps=steps)
    assert e.value.fix == "the lowest rate must be above 0 and below the highest, with at least 2 steps"
