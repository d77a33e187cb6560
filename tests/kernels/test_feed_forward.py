"""Feed-forward in one function, beside its layers one by one and the formula in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nlpcli.kernels.dropout import drop_in_place, dropout, keep_factors
from nlpcli.kernels.feed_forward import fits
from nlpcli.models.blocks import FeedForward
from nlpcli.models.config import TransformerConfig

pytestmark = pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN")


def layer(p: float) -> FeedForward:
    torch.manual_seed(1)
    made = FeedForward(TransformerConfig(d_model=24, d_ff=96, num_heads=4, ff_dropout=p))
    with torch.no_grad():
        for bias in (made.inner.bias, made.out.bias):
            bias.normal_(std=0.3)
    return made


def gradients(out: Tensor, x: Tensor, made: FeedForward) -> list[Tensor]:
    weights = torch.arange(out.numel()).view_as(out).sin()
    return [out, *torch.autograd.grad((out.double() * weights).sum(), [x, *made.parameters()])]


@pytest.mark.parametrize("shape", [(1, 1, 24), (3, 7, 24), (64, 24)])
@pytest.mark.parametrize("p", [0.0, 0.25])
def test_it_is_as_near_the_formula_as_the_layers_one_by_one(
    p: float, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, x = layer(p), torch.randn(shape, requires_grad=True)

    def computed() -> list[Tensor]:
        torch.manual_seed(5)
        with torch.autocast("cpu", torch.bfloat16):
            return gradients(made(x), x, made)

    def formula() -> list[Tensor]:
        torch.manual_seed(5)
        factors = keep_factors(torch.Size([*shape[:-1], 96]), p, torch.bfloat16).double() if p else 1.0
        w1, b1, w2, b2 = (parameter.double() for parameter in made.parameters())
        inner = torch.relu(x.double() @ w1.t() + b1) * (factors.ne(0) / (1 - p) if isinstance(factors, Tensor) else 1.0)
        return gradients(inner @ w2.t() + b2, x, made)

    fused = computed()
    monkeypatch.setattr("nlpcli.models.blocks.fits", lambda x: False)
    for ours, plain, exact in zip(fused, computed(), formula()):
        assert (ours.dtype, ours.shape) == (plain.dtype, plain.shape)
        wrong, usual = ((found.double() - exact).norm() for found in (ours, plain))
        assert wrong <= 1.5 * usual + 1e-6 * exact.double().norm()


def test_what_is_dropped_is_what_dropout_drops() -> None:
    x, found = torch.ones(50, 40, dtype=torch.bfloat16), torch.ones(50, 40, dtype=torch.bfloat16)
    torch.manual_seed(3)
    drop_in_place(found, 0.3)
    torch.manual_seed(3)
    assert torch.equal(found.ne(0), dropout(x, 0.3).ne(0))
    assert set(found.flatten().tolist()) == {0.0, 1.0}
    drop_in_place(x, 1e-9)  # rounds to none
    assert x.all()


def test_it_is_for_training_in_bf16_on_a_cpu() -> None:
    x = torch.randn(2, 24)
    assert not fits(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert fits(x)
        assert not fits(x.to("meta"))
        with torch.no_grad():
            assert not fits(x)
