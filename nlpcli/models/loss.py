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
from torch.utils.checkpoint import checkpoint

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


def r_drop_loss(
    features: Tensor, again: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, alpha: float
) -> Tensor:
    """Return R-Drop's loss of two passes over the same rows (Liang et al. 2021, eq. 4), summed over rows.

    The mean of the two passes' losses, plus α/4 times the divergences KL(p‖q) + KL(q‖p): half of the paper's sum of both
    losses and α/2 of the divergences, so that α keeps its meaning and the loss stays that of one pass.
    """
    total = features.new_zeros((), dtype=torch.promote_types(features.dtype, torch.float32))
    for begin in range(0, max(1, len(features)), CHUNK):  # of no rows too, so that it has a gradient
        rows = slice(begin, begin + CHUNK)
        total = total + checkpoint(
            _r_drop_chunk, features[rows], again[rows], weight, bias, targets[rows], smoothing, alpha, use_reentrant=False
        )
    return total


def _r_drop_chunk(
    x: Tensor, again: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, smoothing: float, alpha: float
) -> Tensor:
    at_least_fp32 = torch.promote_types(x.dtype, torch.float32)
    p, q = (F.linear(features, weight, bias).to(at_least_fp32).log_softmax(-1) for features in (x, again))
    losses = [F.nll_loss(s, y, reduction="sum") * (1 - smoothing) - smoothing * s.mean(-1).sum() for s in (p, q)]
    divergences = ((p.exp() - q.exp()) * (p - q)).sum()
    return (losses[0] + losses[1]) / 2 + alpha / 4 * divergences


class _FusedLoss(torch.autograd.Function):
    """The smoothing's part of the gradient is the same for every word of the vocabulary, so it is added to the products'
    results and needs no pass over the vocabulary; nor does the division of the softmax."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, training: bool
    ) -> Tensor:
        device = features.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        bias = torch.zeros_like(weight[:, 0]) if bias is None else bias
        x, w, b = features.detach().to(dtype), weight.detach().to(dtype), bias.detach().to(dtype)
        needs = training and any(ctx.needs_input_grad[:3])
        grads = (torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(bias)) if needs else None
        with torch.autocast(device, enabled=False):
            lse_n1, own_n1 = _over_vocabulary(x, w, b, targets, 1 - smoothing, grads)
            mean_h, wide = weight.detach().float().mean(0), x.float()
            mean_n = wide @ mean_h + bias.detach().float().mean()
            total = (lse_n1 - (1 - smoothing) * own_n1).sum() - smoothing * mean_n.sum()
            if grads is not None:
                grad_x, grad_w, grad_b = grads
                grad_x -= (smoothing * mean_h).to(dtype)
                grad_w -= smoothing / len(w) * wide.sum(0)
                grad_b -= smoothing / len(w) * len(x)
        if grads is not None:
            ctx.save_for_backward(*grads)
        ctx.dtype = features.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_x, grad_w, grad_b = (grad.mul_(grad_outputs[0]) for grad in ctx.saved_tensors)
        return grad_x.to(ctx.dtype), grad_w, grad_b if ctx.needs_input_grad[2] else None, None, None, None


def _over_vocabulary(
    x: Tensor, w: Tensor, b: Tensor, targets: Tensor, wanted: float, grads: tuple[Tensor, Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Return log Σ exp(logits) and the target's logit, each [n, 1] in fp32.

    Add to the gradients those of the logits, softmax − `wanted`·onehot(target), the subtraction in fp32: where the model is
    sure the difference is far smaller than either.

    Two buffers of a chunk's logits serve all chunks: memory that is new costs more than the arithmetic.
    """
    rows = min(CHUNK, len(x))
    narrow = torch.empty(rows, len(w), dtype=x.dtype, device=x.device)
    wide = narrow if x.dtype == torch.float32 else torch.empty(rows, len(w), device=x.device)
    lse, own = (torch.empty(len(x), 1, device=x.device) for _ in range(2))
    for begin in range(0, len(x), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        r = x[chunk]
        logits, e = narrow[: len(r)], wide[: len(r)]
        torch.addmm(b, r, w.t(), out=logits)
        own[chunk] = logits.gather(1, targets[chunk, None]).float()
        e.copy_(logits)
        largest = e.amax(-1, keepdim=True)
        e.sub_(largest).exp_()
        z = e.sum(-1, keepdim=True)
        lse[chunk] = z.log() + largest
        if grads is not None:
            logits.copy_(e.scatter_add_(1, targets[chunk, None], -wanted * z))
            share = (1 / z).to(x.dtype)
            grads[0][chunk] = (logits @ w) * share
            grads[1].add_(logits.t() @ (r * share))
            grads[2].add_((share.t() @ logits)[0])
    return lse, own
