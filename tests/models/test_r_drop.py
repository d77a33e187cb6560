"""R-Drop's loss beside the paper's formula in float64, and its gradients beside finite differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.models.loss import CHUNK, label_smoothed_loss
from nlpcli.models.r_drop import r_drop_loss

from .losses import LargestTensor, in_double, make, torch_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_r_drops_gradients_are_those_of_finite_differences(smoothing: float) -> None:
    targets = torch.tensor([0, 4, 2, 2, 1, 3])

    def loss(*leaves: Tensor) -> Tensor:
        return r_drop_loss(*leaves, targets, smoothing, 0.7)

    assert torch.autograd.gradcheck(loss, tuple(in_double(6)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [0, 1, 7, CHUNK + 3])
def test_r_drop_is_half_of_the_papers_sum(rows: int, smoothing: float) -> None:
    """Liang et al. 2021, eq. 4: L = L_NLL (of both passes) + α·(KL(p‖q) + KL(q‖p)) / 2; here L / 2."""
    alpha, targets = 3.0, torch.randint(5, (rows,), generator=torch.Generator().manual_seed(2))
    features, again, weight, bias = in_double(rows)
    p, q = (F.linear(x, weight, bias).log_softmax(-1) for x in (features, again))
    losses = sum(torch_loss(x, weight, bias, targets, smoothing) for x in (features, again))
    divergences = F.kl_div(q, p, reduction="sum", log_target=True) + F.kl_div(p, q, reduction="sum", log_target=True)
    expected = (losses + alpha / 2 * divergences) / 2
    found = r_drop_loss(features, again, weight, bias, targets, smoothing, alpha)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    leaves = [features, again, weight, bias]
    torch.testing.assert_close(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), rtol=0, atol=1e-9)


def test_r_drop_of_two_equal_passes_is_the_plain_loss() -> None:
    features, _, weight, bias = in_double(40)
    targets = torch.randint(5, (40,), generator=torch.Generator().manual_seed(2))
    found = r_drop_loss(features, features, weight, bias, targets, 0.1, 9.0)
    torch.testing.assert_close(found, label_smoothed_loss(features, weight, bias, targets, 0.1))


def test_r_drop_works_without_a_bias_and_under_autocast() -> None:
    features, again, weight, _ = (t.detach().float().requires_grad_() for t in in_double(40))
    targets = torch.randint(5, (40,), generator=torch.Generator().manual_seed(2))
    exact = r_drop_loss(features, again, weight, None, targets, 0.1, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = r_drop_loss(features, again, weight, None, targets, 0.1, 1.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    loss.backward()
    assert weight.grad is not None


def test_r_drop_never_holds_the_logits_of_all_rows() -> None:
    rows, vocab = 4 * CHUNK, 40
    features, weight, bias, targets = make(rows, 4, vocab)
    with LargestTensor() as largest:
        r_drop_loss(features, features * 1.1, weight, bias, targets, 0.1, 1.0).backward()
    assert CHUNK * vocab <= largest.numel < rows * vocab
