"""Optimisers against their papers in numpy, schedules against torch's own, and bounds that hold everywhere."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.optim import lr_scheduler

from nlpcli.training import optimisation
from nlpcli.training.optimisation import (
    Plateau,
    add_penalties,
    clip,
    finish_gradients,
    initialise,
    learning_rate,
    make_optimizer,
    set_learning_rate,
    teacher_forcing,
)
from nlpcli.training.settings import Init, Optimizer, Schedule, TrainSettings

WARMED = [name for name in get_args(Schedule) if name != "one-cycle"]
OPTIMISERS = get_args(Optimizer)
FORCINGS = ["constant", "linear", "exponential", "inverse-sigmoid"]


# --- optimisers ------------------------------------------------------------------------------------------------------


class Paper:
    """One parameter under an optimiser, line by line, in float64.

    Decay is decoupled (Loshchilov & Hutter 2019, algorithms 1 and 2, line 9 and 12), times the learning rate as in
    torch: the paper's schedule multiplier times its α.
    """

    def __init__(self, kind: str, theta: np.ndarray, decay: float = 0.0) -> None:
        self.kind, self.theta, self.decay = kind, theta.copy(), decay
        self.m = self.v = np.zeros_like(theta)
        self.t = 0

    def step(self, g: np.ndarray, alpha: float) -> None:
        self.t += 1
        self.theta = self.theta - alpha * self.decay * self.theta
        self.theta = self.theta - alpha * getattr(self, self.kind)(g)

    def sgd(self, g: np.ndarray) -> np.ndarray:
        return g

    def momentum(self, g: np.ndarray, mu: float = 0.9) -> np.ndarray:  # Polyak 1964, as in Sutskever et al. 2013, eq. 1
        self.m = mu * self.m + g
        return self.m

    def nesterov(self, g: np.ndarray, mu: float = 0.9) -> np.ndarray:  # Bengio et al. 2013, eq. 7
        self.m = mu * self.m + g
        return g + mu * self.m

    def adagrad(self, g: np.ndarray) -> np.ndarray:  # Duchi et al. 2011, diagonal
        self.v = self.v + g * g
        return g / (np.sqrt(self.v) + 1e-10)

    def rmsprop(self, g: np.ndarray, mu: float = 0.9, rho: float = 0.99) -> np.ndarray:  # Hinton 2012, lecture 6e
        self.v = rho * self.v + (1 - rho) * g * g
        self.m = mu * self.m + g / (np.sqrt(self.v) + 1e-8)
        return self.m

    def adam(self, g: np.ndarray, beta1: float = 0.9, beta2: float = 0.98) -> np.ndarray:  # Kingma & Ba 2015, algorithm 1
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g * g
        m_hat, v_hat = self.m / (1 - beta1**self.t), self.v / (1 - beta2**self.t)
        return m_hat / (np.sqrt(v_hat) + 1e-8)

    adamw = adam


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.03, 0.0), (0.0, 0.2), (0.03, 0.2)])
@pytest.mark.parametrize("decay", [0.0, 0.4])
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_steps_are_the_papers(kind: Any, decay: float, l1: float, l2: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).double()
    settings = TrainSettings(optimizer=kind, weight_decay=decay, l1=l1, l2=l2)
    optimizer = make_optimizer(layer, settings)
    weight = Paper(kind, layer.weight.detach().numpy(), decay)
    bias = Paper(kind, layer.bias.detach().numpy())
    for alpha in (0.1, 0.03, 0.2):
        set_learning_rate(optimizer, alpha)
        layer.weight.grad, layer.bias.grad = torch.randn(2, 3).double(), torch.randn(2).double()
        gradient = layer.weight.grad.numpy() + l1 * np.sign(weight.theta) + l2 * weight.theta
        weight.step(gradient, alpha)
        bias.step(layer.bias.grad.numpy().copy(), alpha)
        add_penalties(optimizer, settings)
        optimizer.step()
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight.theta, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.bias.detach().numpy(), bias.theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_float16_takes_other_kernels_with_the_same_steps(kind: Any) -> None:
    """Fused kernels do not let gradients be unscaled before clipping."""
    ends = []
    for precision in ("32", "16"):
        torch.manual_seed(0)
        layer = nn.Linear(3, 2).double()
        optimizer = make_optimizer(layer, TrainSettings(optimizer=kind, precision=precision, learning_rate=0.1))
        for _ in range(3):
            layer.weight.grad, layer.bias.grad = torch.randn(2, 3).double(), torch.randn(2).double()
            optimizer.step()
        ends.append(torch.cat([layer.weight.detach().flatten(), layer.bias.detach()]))
        unscales = getattr(optimizer, "_step_supports_amp_scaling", False)
        assert unscales == (precision == "32" and kind not in ("adagrad", "rmsprop"))
    torch.testing.assert_close(*ends, rtol=0, atol=1e-12)


def test_nesterov_looks_ahead() -> None:
    """Sutskever et al. 2013, eq. 3 and 4: the gradient at θ + μv. torch's weights are that point."""
    curvature = np.array([[3.0, 1.0], [1.0, 2.0]])
    layer = nn.Linear(2, 1, bias=False).double()
    optimizer = make_optimizer(layer, TrainSettings(optimizer="nesterov", momentum=0.8, weight_decay=0.0, learning_rate=0.1))
    theta, v = layer.weight.detach().numpy()[0].copy(), np.zeros(2)
    for _ in range(5):
        v = 0.8 * v - 0.1 * curvature @ (theta + 0.8 * v)
        theta = theta + v
        layer.weight.grad = layer.weight.detach() @ torch.from_numpy(curvature)
        optimizer.step()
        np.testing.assert_allclose(layer.weight.detach().numpy()[0], theta + 0.8 * v, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["momentum", "nesterov"])
def test_without_momentum_they_are_plain_descent(kind: Any) -> None:
    layer = nn.Linear(3, 2)
    optimizer = make_optimizer(layer, TrainSettings(optimizer=kind, momentum=0.0, weight_decay=0.0, learning_rate=0.5))
    for _ in range(2):
        before = layer.weight.detach().clone()
        layer.weight.grad = torch.ones(2, 3)
        optimizer.step()
        torch.testing.assert_close(layer.weight.detach(), before - 0.5)


def test_the_settings_reach_the_optimisers() -> None:
    adam = make_optimizer(nn.Linear(3, 2), TrainSettings(optimizer="adam", adam_beta1=0.5, adam_beta2=0.7))
    assert adam.defaults["betas"] == (0.5, 0.7)
    for kind in ("momentum", "rmsprop"):
        assert make_optimizer(nn.Linear(3, 2), TrainSettings(optimizer=kind, momentum=0.3)).defaults["momentum"] == 0.3
    assert make_optimizer(nn.Linear(3, 2), TrainSettings(optimizer="sgd", momentum=0.3)).defaults["momentum"] == 0.0


def test_the_first_step_has_the_size_of_the_learning_rate() -> None:
    """Kingma & Ba, §2.1: bias correction makes the first step α in each direction, whatever the gradient's size."""
    layer = nn.Linear(3, 2)
    optimizer = make_optimizer(layer, TrainSettings(weight_decay=0.0))
    set_learning_rate(optimizer, 0.25)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.tensor([[1e-3, -5.0, 100.0], [-1e-2, 1.0, -3.0]])
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before - 0.25 * layer.weight.grad.sign(), rtol=0, atol=1e-4)


class Tied(nn.Module):
    """An embedding whose table is also the output layer's, a recurrent layer and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.rnn = nn.LSTM(4, 4, num_layers=2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.output = nn.Linear(4, 7)
        self.output.weight = self.embed.weight

    def forward(self, ids_bt: Tensor) -> Tensor:
        out: Tensor = self.output(self.norm(self.rnn(self.embed(ids_bt))[0]))
        return out


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_matrices_decay_and_biases_and_norms_do_not(kind: Any) -> None:
    """With no gradient but zeros only the decay is left: one factor for each matrix, a tied one once."""
    model = Tied()
    optimizer = make_optimizer(model, TrainSettings(optimizer=kind, weight_decay=0.3, learning_rate=0.5))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (0.85 if p.ndim > 1 else 1.0))
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(before)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_what_has_no_gradient_stays(kind: Any) -> None:
    model = Tied()
    settings = TrainSettings(optimizer=kind, weight_decay=0.3, learning_rate=0.5, l1=0.1, l2=0.1)
    optimizer = make_optimizer(model, settings)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.norm.bias.grad = torch.ones(4)
    add_penalties(optimizer, settings)
    optimizer.step()
    assert {name for name, p in model.named_parameters() if not torch.equal(p, before[name])} == {"norm.bias"}


def test_every_group_gets_the_rate() -> None:
    optimizer = make_optimizer(nn.Linear(3, 2), TrainSettings())
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_the_model_may_change_its_place_after_the_optimiser_is_made(kind: Any) -> None:
    """Fabric moves it to the GPU then; here it changes its type, which is as much of a change."""
    model = Tied()
    optimizer = make_optimizer(model, TrainSettings(optimizer=kind))
    model.double()
    model(torch.tensor([[1, 2, 3]])).sum().backward()
    optimizer.step()
    kept = [t.dtype for state in optimizer.state.values() for name, t in state.items() if torch.is_tensor(t) and t.ndim]
    assert set(kept) <= {torch.float64}


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_a_saved_optimiser_goes_on_to_the_last_bit(kind: Any) -> None:
    settings = TrainSettings(optimizer=kind, learning_rate=0.1)
    torch.manual_seed(0)
    whole, gradients = nn.Linear(3, 2), [torch.randn(2, 3) for _ in range(4)]
    optimizer, saved = make_optimizer(whole, settings), None
    for i, gradient in enumerate(gradients):
        if i == 2:
            saved = {k: v.clone() for k, v in whole.state_dict().items()}, _through_a_file(optimizer.state_dict())
        whole.weight.grad, whole.bias.grad = gradient.clone(), gradient[:, 0].clone()
        optimizer.step()
    assert saved is not None
    resumed = nn.Linear(3, 2)
    optimizer = make_optimizer(resumed, settings)
    resumed.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    for gradient in gradients[2:]:
        resumed.weight.grad, resumed.bias.grad = gradient.clone(), gradient[:, 0].clone()
        optimizer.step()
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)


def _through_a_file(state: Any) -> Any:
    torch.save(state, "state.pt")
    return torch.load("state.pt", weights_only=True)


# --- penalties and clipping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.5), (0.3, 0.5)])
def test_penalties_are_what_autograd_makes_of_their_formula(l1: float, l2: float) -> None:
    model = Tied()
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    penalty = sum(l1 * p.abs().sum() + l2 * 0.5 * (p * p).sum() for p in model.parameters() if p.ndim > 1)
    (model(ids).square().mean() + penalty).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    settings = TrainSettings(l1=l1, l2=l2)
    optimizer = make_optimizer(model, settings)
    model(ids).square().mean().backward()
    add_penalties(optimizer, settings)
    assert len(expected) == len(list(model.parameters()))
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, expected[name])


def with_gradient(values: list[float], **settings: Any) -> tuple[nn.Module, Any, TrainSettings]:
    """Return a layer without bias that has this gradient, with its optimiser."""
    layer, chosen = nn.Linear(len(values), 1, bias=False), TrainSettings(**settings)
    layer.weight.grad = torch.tensor([values])
    return layer, make_optimizer(layer, chosen), chosen


@pytest.mark.parametrize(
    ("clip_value", "clip_norm", "expected", "norm"),
    [
        (0.0, 0.0, [3.0, -4.0], 5.0),
        (0.0, 10.0, [3.0, -4.0], 5.0),
        (0.0, 1.0, [0.6, -0.8], 5.0),
        (3.5, 0.0, [3.0, -3.5], math.hypot(3, 3.5)),
        (3.0, 1.0, [math.sqrt(0.5), -math.sqrt(0.5)], math.sqrt(18)),
    ],
)
def test_values_are_bounded_then_the_norm(clip_value: float, clip_norm: float, expected: list[float], norm: float) -> None:
    layer, optimizer, settings = with_gradient([3.0, -4.0], clip_value=clip_value, clip_norm=clip_norm)
    assert clip(optimizer, settings) == pytest.approx(norm)
    torch.testing.assert_close(layer.weight.grad, torch.tensor([expected]), rtol=1e-5, atol=0)


def test_a_sparse_gradient_is_bounded_like_a_full_one_also_where_a_row_is_there_twice() -> None:
    weight = nn.Parameter(torch.ones(6, 2))
    sparse, full = (
        nn.Embedding.from_pretrained(weight.detach().clone(), freeze=False, sparse=is_so) for is_so in (True, False)
    )
    settings = TrainSettings(
        optimizer="sgd", learning_rate=1.0, weight_decay=0.0, clip_value=1.5, clip_norm=2.0, sampled_softmax=1
    )
    norms = []
    for layer in (sparse, full):
        optimizer = make_optimizer(layer, settings)
        layer(torch.tensor([1, 4, 1])).sum().backward()
        norms.append(clip(optimizer, settings))
        optimizer.step()
    assert sparse.weight.grad is not None
    assert sparse.weight.grad.is_sparse
    assert norms[0] == pytest.approx(norms[1]) == pytest.approx(math.sqrt(2 * 1.5**2 + 2))
    torch.testing.assert_close(sparse.weight, full.weight)


@pytest.mark.parametrize("more", [{"optimizer": "adam"}, {"optimizer": "momentum"}, {"l1": 0.1}, {"l2": 0.1}, {"devices": 2}])
def test_what_changes_every_row_takes_full_gradients(more: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"optimizer": "sgd", "weight_decay": 0.0, "sampled_softmax": 10}
    assert optimisation.sparse_gradients(TrainSettings(**plain))
    assert not optimisation.sparse_gradients(TrainSettings(**{**plain, **more}))


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_told(bad: float, clip_norm: float) -> None:
    _, optimizer, settings = with_gradient([3.0, bad], clip_norm=clip_norm)
    assert not math.isfinite(clip(optimizer, settings))


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8), st.floats(0.01, 10), st.floats(0.01, 10))
def test_clipped_gradients_keep_their_bounds_and_signs(values: list[float], clip_value: float, clip_norm: float) -> None:
    layer, optimizer, settings = with_gradient(values, clip_value=clip_value, clip_norm=clip_norm)
    norm = clip(optimizer, settings)
    clipped = layer.weight.grad[0]
    assert clipped.abs().max() <= clip_value * (1 + 1e-5)
    assert clipped.norm() <= min(norm, clip_norm) * (1 + 1e-5)
    assert (clipped * torch.tensor(values) >= 0).all()


@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_are_unscaled_then_penalised_then_clipped(scaled: bool) -> None:
    """With float16's loss scaling and without it, the same gradients come out, and the same weights."""
    torch.manual_seed(0)
    settings = TrainSettings(
        precision="16" if scaled else "32", l1=0.2, l2=0.5, clip_value=0.7, clip_norm=0.9, learning_rate=0.1
    )
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=1024.0))
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[scaler] if scaled else [])
    layer = nn.Linear(3, 2, bias=False)
    before, x = layer.weight.detach().clone(), torch.tensor([[0.5, -1.0, 2.0]])
    _, optimizer = fabric.setup(layer, make_optimizer(layer, settings))
    fabric.backward((layer.weight * x).sum())  # not through autocast, so that both are exact
    norm = finish_gradients(fabric, optimizer, settings)
    expected = (x.expand(2, 3) + 0.2 * before.sign() + 0.5 * before).clamp(-0.7, 0.7)
    assert norm == pytest.approx(expected.norm().item())
    torch.testing.assert_close(layer.weight.grad, expected * 0.9 / expected.norm(), rtol=1e-5, atol=0)
    optimizer.step()
    moved = 0.1 * layer.weight.grad.sign()
    torch.testing.assert_close(layer.weight.detach(), before * (1 - 0.1 * 0.01) - moved, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_where_float16_overflows_the_step_is_skipped(kind: Any) -> None:
    settings = TrainSettings(precision="16", optimizer=kind, l2=0.5, weight_decay=0.5, learning_rate=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    _, optimizer = fabric.setup(layer, make_optimizer(layer, settings))
    fabric.backward((layer.weight * math.inf).sum())
    assert not math.isfinite(finish_gradients(fabric, optimizer, settings))
    optimizer.step()
    assert torch.equal(layer.weight, before)
    assert scaler.get_scale() == 512.0


# --- learning rate -----------------------------------------------------------------------------------------------------


def rate(step: int, progress: float = 0.0, scale: float = 1.0, **settings: Any) -> float:
    """Return the learning rate with a peak of 1 (unless given) and 10 steps of warm-up."""
    return learning_rate(TrainSettings(**{"learning_rate": 1.0, "warmup_steps": 10, **settings}), step, progress, scale)


def of_torch(scheduler: Any, steps: int) -> list[float]:
    """Return the learning rates of the first `steps` steps under one of torch's schedulers."""
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def plain(peak: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)


@pytest.mark.parametrize("schedule", WARMED)
@pytest.mark.parametrize("warmup", [2, 10, 37])
def test_warm_up_is_torchs(schedule: Any, warmup: int) -> None:
    expected = of_torch(lr_scheduler.LinearLR(plain(3e-4), 1 / warmup, 1.0, warmup - 1), warmup)
    found = [rate(i, schedule=schedule, warmup_steps=warmup, learning_rate=3e-4) for i in range(warmup)]
    assert found == pytest.approx(expected)
    assert found[-1] == pytest.approx(3e-4)


@pytest.mark.parametrize("schedule", WARMED)
def test_without_warm_up_the_first_step_has_the_peak(schedule: Any) -> None:
    assert rate(0, schedule=schedule, warmup_steps=0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("schedule", "scheduler"),
    [
        ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 50, eta_min=0.02)),
        ("linear", lambda o: lr_scheduler.LinearLR(o, 1.0, 0.02, 50)),
        ("constant", lambda o: lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_schedules_are_torchs(schedule: Any, scheduler: Any) -> None:
    expected = of_torch(scheduler(plain(1.0)), 51)
    assert [rate(i, i / 50, schedule=schedule, warmup_steps=0) for i in range(51)] == pytest.approx(expected)


def test_one_cycle_is_torchs() -> None:
    """torch counts from step 0 to step T - 1 and turns at 0.3 T - 1; here both stand on shares of the budget."""
    cycle = lr_scheduler.OneCycleLR(plain(1.0), max_lr=0.5, total_steps=100, cycle_momentum=False)
    turn, last = 29, 99
    for i, expected in enumerate(of_torch(cycle, 99)):
        progress = 0.3 * i / turn if i <= turn else 0.3 + 0.7 * (i - turn) / (last - turn)
        found = rate(0, progress, schedule="one-cycle", learning_rate=0.5, warmup_steps=500)
        assert found == pytest.approx(expected)
    assert rate(0, 1.0, schedule="one-cycle") == pytest.approx(1 / 25e4)


@pytest.mark.parametrize("warmup", [1, 10, 400])
def test_inverse_sqrt_is_vaswanis(warmup: int) -> None:
    """Eq. 3: proportional to min(s^-0.5, s · warmup^-1.5) with s from 1; here scaled so that its peak is the peak."""
    for s in (1, 2, 9, 10, 11, 40, 400, 1600, 10_000):
        expected = min(s**-0.5, s * warmup**-1.5) * math.sqrt(warmup)
        assert rate(s - 1, 0.7, schedule="inverse-sqrt", warmup_steps=warmup) == pytest.approx(expected)


def test_plateau_is_the_peak_times_what_the_losses_left_of_it() -> None:
    assert rate(4, 0.9, 0.25, schedule="plateau") == pytest.approx(0.5 * 0.25)
    assert rate(40, 0.9, 0.25, schedule="plateau") == pytest.approx(0.25)
    assert rate(40, 0.9, 0.25, schedule="constant") == 1.0


@pytest.mark.parametrize("schedule", ["cosine", "linear", "one-cycle"])
def test_a_run_that_overruns_its_budget_stays_at_the_end_of_the_schedule(schedule: Any) -> None:
    assert rate(500, 1.3, schedule=schedule) == rate(500, 1.0, schedule=schedule) > 0


def test_warm_up_and_schedule_multiply() -> None:
    assert rate(4, 0.5, schedule="linear") == pytest.approx(0.5 * 0.51)


@given(st.sampled_from(WARMED), st.integers(0, 1000), st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_rates_are_positive_and_fall_after_the_warm_up(schedule: Any, warmup: int, step: int, a: float, b: float) -> None:
    early = rate(step, min(a, b), schedule=schedule, warmup_steps=warmup)
    late = rate(step, max(a, b), schedule=schedule, warmup_steps=warmup)
    assert 0 < late <= early * (1 + 1e-12)
    assert early <= 1 + 1e-12
    if step >= warmup:
        assert rate(step + 1, min(a, b), schedule=schedule, warmup_steps=warmup) <= early * (1 + 1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10_000))
def test_one_cycle_rises_then_falls(a: float, b: float, step: int) -> None:
    early, late = (rate(step, share, schedule="one-cycle") for share in (min(a, b), max(a, b)))
    assert min(early, late) >= 1 / 25e4 * (1 - 1e-9)
    assert max(early, late) <= 1
    if max(a, b) <= 0.3:
        assert late >= early
    if min(a, b) >= 0.3:
        assert late <= early


LOSSES = st.lists(
    st.one_of(st.floats(0, 10), st.sampled_from([1.0, 1.00005, 0.99995, 0.9998, math.nan, math.inf])), max_size=40
)


@given(LOSSES)
def test_plateau_is_torchs(losses: list[float]) -> None:
    optimizer = plain(1.0)
    reference = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=1e-4, eps=0.0)
    plateau = Plateau()
    for loss in losses:
        before = optimizer.param_groups[0]["lr"]
        reference.step(loss)
        assert plateau.observe(loss) == (optimizer.param_groups[0]["lr"] < before)
        assert plateau.scale == optimizer.param_groups[0]["lr"]


def test_a_plateau_can_be_saved_and_goes_on() -> None:
    plateau = Plateau()
    for loss in (3.0, 3.0, 3.0):
        assert not plateau.observe(loss)
    assert asdict(plateau) == {"best": 3.0, "bad": 2, "scale": 1.0}
    for again in (Plateau(**asdict(plateau)), msgspec.json.decode(msgspec.json.encode(plateau), type=Plateau)):
        assert again.observe(3.0)
        assert again == Plateau(best=3.0, bad=0, scale=0.5)


# --- initial weights ---------------------------------------------------------------------------------------------------


def drawn(init: Any, model: nn.Module, seed: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    initialise(model, TrainSettings(init=init))
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_default_draws_nothing() -> None:
    model = Tied()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    after = drawn("default", model, seed=5)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("init", ["xavier", "he", "normal", "orthogonal"])
def test_embeddings_tables_biases_and_norms_stay_and_the_rest_follows_the_seed(init: Any) -> None:
    model = nn.ModuleDict({"tied": Tied(), "out": nn.Linear(5, 3)})
    model.table = nn.Parameter(torch.randn(6, 4))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    after = drawn(init, model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    recurrent = {f"tied.rnn.weight_{part}_l{layer}" for part in ("ih", "hh") for layer in (0, 1)}
    assert changed == recurrent | {"out.weight"}
    assert all(torch.equal(a, b) for a, b in zip(after.values(), drawn(init, model).values()))
    assert not torch.equal(after["out.weight"], drawn(init, model, seed=2)["out.weight"])


@pytest.mark.parametrize(
    ("init", "function"),
    [
        ("xavier", nn.init.xavier_uniform_),
        ("he", lambda w: nn.init.normal_(w, std=math.sqrt(2 / w.size(1)))),
        ("normal", lambda w: nn.init.normal_(w, std=0.02)),
        ("orthogonal", nn.init.orthogonal_),
    ],
)
def test_gates_are_drawn_one_by_one(init: Any, function: Any) -> None:
    for layer, gates in ((nn.LSTM(3, 5), 4), (nn.GRU(3, 5), 3), (nn.RNN(3, 5), 1), (nn.LSTMCell(3, 5), 4)):
        found = [w for name, w in drawn(init, layer).items() if "weight" in name]
        torch.manual_seed(1)
        expected = [torch.cat([function(torch.empty(5, width)) for _ in range(gates)]) for width in (3, 5)]
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)


def test_projections_and_stacked_attention_have_their_own_shapes() -> None:
    lstm = drawn("orthogonal", nn.LSTM(3, 6, proj_size=2))
    assert {name: tuple(w.shape) for name, w in lstm.items() if "weight" in name} == {
        "weight_ih_l0": (24, 3),
        "weight_hh_l0": (24, 2),
        "weight_hr_l0": (2, 6),
    }
    for gate in lstm["weight_hh_l0"].chunk(4):
        torch.testing.assert_close(gate.T @ gate, torch.eye(2), rtol=0, atol=1e-5)
    for part in drawn("orthogonal", nn.MultiheadAttention(4, 2))["in_proj_weight"].chunk(3):
        torch.testing.assert_close(part @ part.T, torch.eye(4), rtol=0, atol=1e-5)


def test_every_name_in_the_settings_is_there() -> None:
    assert ["default", *optimisation.INITIALISERS] == list(get_args(Init))


# --- teacher forcing ---------------------------------------------------------------------------------------------------


def forcing(decay: Any, progress: float, end: float = 0.2) -> float:
    return teacher_forcing(TrainSettings(teacher_forcing=end, teacher_forcing_decay=decay), progress)


@pytest.mark.parametrize("end", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("decay", FORCINGS)
def test_teacher_forcing_starts_at_one_and_arrives(decay: Any, end: float) -> None:
    assert forcing(decay, 0.0, end) == pytest.approx(end if decay == "constant" else 1.0)
    assert forcing(decay, 1.0, end) == pytest.approx(end, abs=1e-15)
    assert forcing(decay, 1.5, end) == forcing(decay, 1.0, end)


def test_teacher_forcing_has_bengios_curves() -> None:
    """ε = 1 - ci; kⁱ; k / (k + exp(i / k)): each but for the linear map that brings its ends to 1 and 0."""
    shares = np.linspace(0, 1, 21)
    k = 100.0
    curves = {
        "linear": 1 - shares,
        "exponential": (0.01 ** (1 / 1000)) ** (shares * 1000),  # k = 0.9954 over 1000 steps
        "inverse-sigmoid": k / (k + np.exp(shares * 2 * k * np.log(k) / k)),  # over 2 k ln k = 921 steps
    }
    for decay, curve in curves.items():
        mapped = (curve - curve[-1]) / (curve[0] - curve[-1])
        assert [forcing(decay, share, 0.0) for share in shares] == pytest.approx(mapped.tolist(), abs=1e-12)
        assert [forcing(decay, share, 0.4) for share in shares] == pytest.approx((0.4 + 0.6 * mapped).tolist(), abs=1e-12)


@given(st.sampled_from(FORCINGS), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_teacher_forcing_never_rises_nor_leaves_its_bounds(decay: str, end: float, a: float, b: float) -> None:
    early, late = forcing(decay, min(a, b), end), forcing(decay, max(a, b), end)
    assert end <= late <= early + 1e-12
    assert early <= 1
