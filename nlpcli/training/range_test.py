"""The learning-rate range test (Smith 2017): raise the rate at every step, and see where the loss falls fastest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable

import numpy as np

from nlpcli.errors import RunFailed, UsageError

SMOOTHING = 0.8  # weight of the losses before in the moving average
WINDOW = 0.1  # share of the steps over which a slope is measured
DIVERGED = 4.0  # times the best smoothed loss


@dataclass(frozen=True)
class RangeTest:
    """Learning rates tried and the smoothed loss at each.

    `suggestion` is the rate around which the loss fell fastest, None if it never fell or if there are fewer than three
    points; `diverged` tells whether the test ended before the highest rate. All are plain finite values, so
    `msgspec.json.encode` writes it.
    """

    points: list[tuple[float, float]]
    suggestion: float | None
    diverged: bool


def range_test(step: Callable[[float], float], *, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100) -> RangeTest:
    """Train with a learning rate that grows by the same factor at each step, until the loss blows up.

    The loss is smoothed by a moving average (without its bias towards 0), as batches differ. Afterwards the weights
    are of no use: the caller puts the old ones back.

    Args:
        step: makes one optimiser step at the learning rate given and returns the loss (measured before the step).
        lowest, highest: bounds of the rates, both tried.

    Raises:
        UsageError: `lowest` is not above 0 and below `highest`, or there are fewer than 2 steps.
        RunFailed: the loss is not finite from the start.
    """
    if not (0 < lowest < highest < math.inf and steps >= 2):
        raise UsageError(
            f"no range of learning rates: {lowest:g} to {highest:g} in {steps} steps",
            fix="the lowest rate must be above 0 and below the highest, with at least 2 steps",
        )
    points: list[tuple[float, float]] = []
    smoothed, best, diverged = 0.0, math.inf, False
    for i in range(steps):
        rate = lowest * (highest / lowest) ** (i / (steps - 1))
        smoothed += (step(rate) - smoothed) * (1 - SMOOTHING) / (1 - SMOOTHING ** (i + 1))
        if not math.isfinite(smoothed) or smoothed > DIVERGED * best:
            diverged = True
            break
        best = min(best, smoothed)
        points.append((rate, smoothed))
    if not points:
        raise RunFailed(
            f"the loss is {smoothed} at the first step",
            cause="the model diverges at the lowest learning rate, or its input is damaged",
            fix="start the range test from a lower rate",
        )
    return RangeTest(points, _steepest(points, max(1, round(WINDOW * steps / 2))), diverged)


def _steepest(points: list[tuple[float, float]], half: int) -> float | None:
    # across a window, as neighbours differ by the batch more than by the rate; most of all the first few
    half = min(half, (len(points) - 1) // 2)
    if half < 1:
        return None
    rates, losses = np.array(points).T
    slopes = (losses[2 * half :] - losses[: -2 * half]) / np.log(rates[2 * half :] / rates[: -2 * half])
    lowest = int(slopes.argmin())
    return float(rates[lowest + half]) if slopes[lowest] < 0 else None
