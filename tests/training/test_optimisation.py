"""Learning rates at points known by hand, and optimiser steps against the papers in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nlpcli.models import attention
from nlpcli.training.optimisation import learning_rate, make_optimizer, set_learning_rate
from nlpcli.training.settings import TrainSettings

DECAYS = ["cosine", "linear", "inverse-sqrt", "none"]


def rate(step: int, progress: float = 0.0, **settings: Any) -> float:
    """Return the learning rate with a peak of 1 (unless given) and 10 steps of warm-up."""
    return learning_rate(TrainSettings(**{"learning_rate": 1.0, "warmup_steps": 10, **settings}), step, progress)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize(("step", "expected"), [(0, 0.1), (1, 0.2), (8, 0.9), (9, 1.0)])
def test_warm_up_rises_linearly_to_the_peak(decay: str, step: int, expected: float) -> None:
    assert rate(step, decay=decay) == pytest.approx(expected)
    assert rate(step, decay=decay, learning_rate=3e-4) == pytest.approx(3e-4 * expected)


@pytest.mark.parametrize("decay", DECAYS)
def test_without_warm_up_the_first_step_has_the_peak(decay: str) -> None:
    assert rate(0, decay=decay, warmup_steps=0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("decay", "progress", "expected"),
    [
        ("cosine", 0.0, 1.0),
        ("cosine", 0.25, 0.02 + 0.98 * (1 + math.sqrt(0.5)) / 2),
        ("cosine", 0.5, 0.51),
        ("cosine", 1.0, 0.02),
        ("linear", 0.0, 1.0),
        ("linear", 0.25, 0.755),
        ("linear", 0.5, 0.51),
        ("linear", 1.0, 0.02),
        ("none", 0.0, 1.0),
        ("none", 1.0, 1.0),
    ],
)
def test_decay_follows_the_share_of_the_budget(decay: str, progress: float, expected: float) -> None:
    assert rate(500, progress, decay=decay) == pytest.approx(expected)


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_a_run_that_overruns_its_budget_stays_at_the_end_of_the_decay(decay: str) -> None:
    assert rate(500, 1.3, decay=decay) == pytest.approx(0.02)


def test_warm_up_and_decay_multiply() -> None:
    assert rate(4, 0.5, decay="linear") == pytest.approx(0.5 * 0.51)


@pytest.mark.parametrize("warmup", [1, 10, 400])
def test_inverse_sqrt_is_vaswanis(warmup: int) -> None:
    """Eq. 3: proportional to min(s^-0.5, s · warmup^-1.5) with s from 1; here scaled so that its peak is the peak."""
    for s in (1, 2, 9, 10, 11, 40, 400, 1600, 10_000):
        expected = min(s**-0.5, s * warmup**-1.5) * math.sqrt(warmup)
        assert rate(s - 1, 0.7, decay="inverse-sqrt", warmup_steps=warmup) == pytest.approx(expected)


@given(st.sampled_from(DECAYS), st.integers(0, 1000), st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_rates_are_positive_and_fall_after_the_warm_up(decay: str, warmup: int, step: int, a: float, b: float) -> None:
    early, late = (
        rate(step, min(a, b), decay=decay, warmup_steps=warmup),
        rate(step, max(a, b), decay=decay, warmup_steps=warmup),
    )
    assert 0 < late <= early * (1 + 1e-12)
    assert early <= 1 + 1e-12
    if step >= warmup:
        assert rate(step + 1, min(a, b), decay=decay, warmup_steps=warmup) <= early * (1 + 1e-12)


def test_every_group_gets_the_rate() -> None:
    optimizer = make_optimizer(nn.Linear(3, 2), TrainSettings())
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


@pytest.mark.parametrize("tie", ["none", "decoder", "all"])
def test_matrices_decay_and_biases_do_not(tie: Any) -> None:
    model = attention.build(attention.Config(d_embed=8, d_model=8, tie_embeddings=tie), 20, 20)
    optimizer = make_optimizer(model, TrainSettings(weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.0 if "bias" in name else 0.3)


class Paper:
    """Adam (Kingma & Ba 2015, algorithm 1) with L2 in the gradient, or AdamW (Loshchilov & Hutter 2019, algorithm 2).

    AdamW's decay is λ times the learning rate, as in torch: the paper's schedule multiplier η times its α.
    """

    def __init__(self, theta: np.ndarray, decay: float, decoupled: bool) -> None:
        self.theta, self.decay, self.decoupled = theta.astype(np.float64), decay, decoupled
        self.m = self.v = np.zeros_like(self.theta)
        self.t = 0

    def step(self, gradient: np.ndarray, alpha: float, beta1: float = 0.9, beta2: float = 0.98, eps: float = 1e-8) -> None:
        self.t += 1
        g = gradient if self.decoupled else gradient + self.decay * self.theta
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g * g
        m_hat, v_hat = self.m / (1 - beta1**self.t), self.v / (1 - beta2**self.t)
        shrink = alpha * self.decay * self.theta if self.decoupled else 0.0
        self.theta = self.theta - alpha * m_hat / (np.sqrt(v_hat) + eps) - shrink


@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_steps_are_the_papers(kind: Any, decay: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = make_optimizer(layer, TrainSettings(optimizer=kind, weight_decay=decay))
    weight = Paper(layer.weight.detach().numpy().copy(), decay, kind == "adamw")
    bias = Paper(layer.bias.detach().numpy().copy(), 0.0, kind == "adamw")
    for alpha in (0.1, 0.03, 0.2):
        set_learning_rate(optimizer, alpha)
        layer.weight.grad, layer.bias.grad = torch.randn(2, 3), torch.randn(2)
        weight.step(layer.weight.grad.numpy().astype(np.float64), alpha)
        bias.step(layer.bias.grad.numpy().astype(np.float64), alpha)
        optimizer.step()
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight.theta, rtol=0, atol=2e-6)
        np.testing.assert_allclose(layer.bias.detach().numpy(), bias.theta, rtol=0, atol=2e-6)


def test_the_first_step_has_the_size_of_the_learning_rate() -> None:
    """Kingma & Ba, §2.1: bias correction makes the first step α in each direction, whatever the gradient's size."""
    layer = nn.Linear(3, 2)
    optimizer = make_optimizer(layer, TrainSettings(weight_decay=0.0))
    set_learning_rate(optimizer, 0.25)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.tensor([[1e-3, -5.0, 100.0], [-1e-2, 1.0, -3.0]])
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before - 0.25 * layer.weight.grad.sign(), rtol=0, atol=1e-4)
