"""The chunked output layer and loss: torch's own cross-entropy in value and gradients, without all logits at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nlpcli.models.loss import CHUNK, label_smoothed_loss, reference_loss

from .losses import Inputs, LargestTensor, in_double, make, torch_loss


def exactly(inputs: Inputs, smoothing: float, scale: float = 1.0) -> tuple[Tensor, list[Tensor]]:
    """Return torch's loss and gradients in float64."""
    features, weight, bias, targets = inputs
    leaves = [t.detach().double().requires_grad_() for t in (features, weight, bias) if t is not None]
    loss = torch_loss(leaves[0], leaves[1], leaves[2] if len(leaves) == 3 else None, targets, smoothing)
    return loss.detach(), list(torch.autograd.grad(loss * scale, leaves))


def ours(inputs: Inputs, smoothing: float, scale: float = 1.0) -> tuple[Tensor, list[Tensor]]:
    loss = label_smoothed_loss(*inputs, smoothing)
    return loss.detach(), list(torch.autograd.grad(loss * scale, [t for t in inputs[:3] if t is not None]))


def assert_same(found: tuple[Tensor, list[Tensor]], expected: tuple[Tensor, list[Tensor]], tolerance: float = 1e-5) -> None:
    for ours_, theirs in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
        size = float(theirs.abs().max()) if theirs.numel() else 0.0
        torch.testing.assert_close(ours_.double(), theirs, rtol=0, atol=tolerance * max(size, 1.0))


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("rows", [0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 77])
def test_it_is_torchs_cross_entropy_in_value_and_gradients(rows: int, smoothing: float, bias: bool) -> None:
    inputs = make(rows, bias=bias)
    assert_same(ours(inputs, smoothing), exactly(inputs, smoothing))


@settings(max_examples=40)
@given(
    rows=st.integers(0, 2 * CHUNK + 3),
    width=st.integers(1, 9),
    vocab=st.integers(2, 40),
    smoothing=st.sampled_from([0.0, 0.1, 0.5, 0.999]),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_is_torchs_cross_entropy_for_any_shape(
    rows: int, width: int, vocab: int, smoothing: float, bias: bool, seed: int
) -> None:
    inputs = make(rows, width, vocab, bias=bias, seed=seed)
    assert_same(ours(inputs, smoothing), exactly(inputs, smoothing))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_formula_is_the_one_of_szegedy(smoothing: float) -> None:
    features, weight, bias, targets = make(7)
    assert bias is not None
    expected = 0.0
    for row, target in zip(features.tolist(), targets.tolist()):
        logits = [sum(a * b for a, b in zip(row, w)) + o for w, o in zip(weight.tolist(), bias.tolist())]
        logprobs = [x - math.log(sum(map(math.exp, logits))) for x in logits]
        expected -= (1 - smoothing) * logprobs[target] + smoothing * sum(logprobs) / len(logprobs)
    assert label_smoothed_loss(features, weight, bias, targets, smoothing).item() == pytest.approx(expected, rel=1e-5)


def test_reference_twin_is_equal() -> None:
    inputs = make(CHUNK + 9)
    torch.testing.assert_close(label_smoothed_loss(*inputs, 0.1), reference_loss(*inputs, 0.1))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1 / 37, 1000.0])
def test_gradients_are_scaled_by_what_comes_from_above(scale: float) -> None:
    inputs = make(33)
    assert_same(ours(inputs, 0.1, scale), exactly(inputs, 0.1, scale))


def test_gradients_add_up_over_two_calls() -> None:
    inputs, more = make(10), make(600, seed=1)
    shared = (more[0], *inputs[1:3], more[3])
    (label_smoothed_loss(*inputs, 0.1) + label_smoothed_loss(*shared, 0.1)).backward()
    both = (torch.cat([inputs[0], more[0]]).detach().requires_grad_(), *inputs[1:3], torch.cat([inputs[3], more[3]]))
    _, expected = exactly(both, 0.1)
    assert inputs[1].grad is not None
    torch.testing.assert_close(inputs[1].grad.double(), expected[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [0, 1, 2], ids=["features", "weight", "bias"])
def test_each_of_its_inputs_can_be_frozen(frozen: int) -> None:
    inputs = make(20)
    _, expected = exactly(inputs, 0.1)
    tensor = inputs[frozen]
    assert tensor is not None
    tensor.requires_grad_(False)
    label_smoothed_loss(*inputs, 0.1).backward()
    for i, (leaf, gradient) in enumerate(zip(inputs, expected)):
        assert leaf is not None
        if i == frozen:
            assert leaf.grad is None
        else:
            assert leaf.grad is not None
            torch.testing.assert_close(leaf.grad.double(), gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_gradients_the_value_is_the_same(dtype: torch.dtype) -> None:
    features, weight, bias, targets = make(CHUNK + 40)
    inputs = features.to(dtype), weight.to(dtype), bias.to(dtype) if bias is not None else None, targets
    with torch.no_grad():
        loss = label_smoothed_loss(*inputs, 0.1)
    assert not loss.requires_grad
    assert loss.dtype == dtype
    torch.testing.assert_close(loss, label_smoothed_loss(*inputs, 0.1).detach(), rtol=0, atol=0)


class CountProducts(TorchDispatchMode):
    """Counts the matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.linear)
        return func(*args, **(kwargs or {}))


def test_without_gradients_none_are_computed() -> None:
    inputs = make(10)
    with torch.no_grad(), CountProducts() as products:
        label_smoothed_loss(*inputs, 0.1)
    assert products.count == 1  # the logits


def test_logits_of_all_rows_never_exist_at_once() -> None:
    rows, vocab = 4 * CHUNK, 40
    inputs = make(rows, 4, vocab)
    with LargestTensor() as largest:
        label_smoothed_loss(*inputs, 0.1).backward()
    assert CHUNK * vocab <= largest.numel < rows * vocab


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32-features", "bf16-features"])
def test_under_bf16_autocast_it_stays_near_fp32(dtype: torch.dtype) -> None:
    """The loss within 1 %, each gradient within 2 % of its norm: bf16 keeps 8 bits, 0.4 % a number."""
    features, weight, bias, targets = make(CHUNK + 100, 16, 30)
    expected, gradients = exactly((features, weight, bias, targets), 0.1)
    leaf = features.detach().to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = label_smoothed_loss(leaf, weight, bias, targets, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=0.01)
    assert bias is not None
    found = torch.autograd.grad(loss, [leaf, weight, bias])
    assert [g.dtype for g in found] == [dtype, torch.float32, torch.float32]
    for ours_, theirs in zip(found, gradients):
        assert float((ours_.double() - theirs).norm() / theirs.norm()) < 0.02


@pytest.mark.parametrize("size", [60.0, 1e4])
def test_large_logits_overflow_nothing(size: float) -> None:
    features, weight, bias, targets = make(6)
    inputs = (features.detach() * size).requires_grad_(), weight, bias, targets
    loss, gradients = ours(inputs, 0.1)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in gradients)
    assert_same((loss, gradients), exactly(inputs, 0.1))


def test_inputs_are_left_as_they_are() -> None:
    inputs = make(30)
    before = [t.detach().clone() for t in inputs if t is not None]
    label_smoothed_loss(*inputs, 0.1).backward()
    assert all(torch.equal(t.detach(), b) for t, b in zip((t for t in inputs if t is not None), before))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_are_those_of_finite_differences(smoothing: float) -> None:
    features, _, weight, bias = in_double(6)
    targets = torch.tensor([0, 4, 2, 2, 1, 3])

    def loss(*leaves: Tensor) -> Tensor:
        return label_smoothed_loss(*leaves, targets, smoothing)

    assert torch.autograd.gradcheck(loss, (features, weight, bias))
