"""The output layer and its label-smoothed cross-entropy in one pass over chunks of rows.

Logits over the vocabulary are the largest tensors of training. Computed chunk by chunk, with the gradient taken while
the chunk is at hand, they never exist all at once and are never read back from memory. `reference_loss` is the same in
plain torch; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 512  # rows; 512 × 8,000 logits in fp32 are 16 MB


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float) -> Tensor:
    """Return the summed loss the plain way: `features` [n, h], `weight` [v, h], `targets` [n]."""
    logits = F.linear(features, weight, bias)
    return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="sum")


def label_smoothed_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float) -> Tensor:
    """Return the loss summed over rows, in nats: (1 − ε)·(−log p[target]) + ε·mean over v of (−log p[v]).

    `features` [n, h], `weight` [v, h], `bias` [v] or None, `targets` [n]. Szegedy et al. 2016, §7, with the uniform
    distribution over the vocabulary, as in `torch.nn.functional.cross_entropy`.
    """
    if features.dtype == torch.float64:
        logits = F.linear(features, weight, bias)
        return F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="sum")
    loss: Tensor = _FusedLoss.apply(features, weight, bias, targets, smoothing, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
    return loss


class _FusedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, training: bool
    ) -> Tensor:
        device = features.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        x, w = features.detach().to(dtype), weight.detach().to(dtype)
        needs = training and any(ctx.needs_input_grad[:3])
        grad_x = torch.empty_like(x) if needs else None
        grad_w = torch.zeros_like(weight) if needs else None
        grad_b = torch.zeros_like(bias) if needs and bias is not None else None
        total = torch.zeros((), dtype=torch.float32, device=features.device)
        with torch.autocast(device, enabled=False):
            for begin in range(0, len(x), CHUNK):
                rows, y = x[begin : begin + CHUNK], targets[begin : begin + CHUNK, None]
                logits = F.linear(rows, w).float()
                if bias is not None:
                    logits += bias.detach().float()
                lse = logits.logsumexp(-1, keepdim=True)
                total += (lse - (1 - smoothing) * logits.gather(1, y) - smoothing * logits.mean(-1, keepdim=True)).sum()
                if grad_x is None or grad_w is None:
                    continue
                grad = logits.sub_(lse).exp_().sub_(smoothing / logits.size(1))
                grad.scatter_add_(1, y, torch.full_like(lse, smoothing - 1))
                if grad_b is not None:
                    grad_b += grad.sum(0)
                grad = grad.to(dtype)
                torch.mm(grad, w, out=grad_x[begin : begin + CHUNK])
                grad_w += grad.t() @ rows
        ctx.save_for_backward(grad_x, grad_w, grad_b)
        ctx.dtype = features.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad_outputs[0]
        grad_x, grad_w, grad_b = ctx.saved_tensors
        return (
            grad_x.to(ctx.dtype) * scale,
            grad_w * scale,
            None if grad_b is None else grad_b * scale,
            None,
            None,
            None,
        )
