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

from nlpcli.environment import LARGEST_KEPT
from nlpcli.models.sampled_softmax import SampledSoftmax

CHUNK = 1024  # rows of a product; 1,024 × 8,000 logits in bf16 are 16 MB
BLOCK = 32  # rows of a softmax on a CPU; 32 × 8,000 probabilities in fp32 are 1 MB


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float) -> Tensor:
    """Return the summed loss the plain way: `features` [n, h], `weight` [v, h], `targets` [n]."""
    logits = F.linear(features, weight, bias)
    return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="sum")


def sampled_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, softmax: SampledSoftmax) -> Tensor:
    """Return the loss over a sample of the vocabulary, summed over rows; arguments as for `label_smoothed_loss`."""
    words, log_inclusion, places = softmax.sample(targets)
    offsets = -log_inclusion if bias is None else bias[words] - log_inclusion
    return label_smoothed_loss(features, weight[words], offsets, places, 0.0)


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
    results and needs no pass over the vocabulary. The bias is one more column of the weights, and a feature that is 1."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, training: bool
    ) -> Tensor:
        device, (words, width) = features.device.type, weight.shape
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        x, w = _with_bias(features.detach().to(dtype), None), _with_bias(weight.detach().to(dtype), bias)
        needs = training and any(ctx.needs_input_grad[:3])
        grads = (torch.empty_like(x), torch.zeros(w.shape, device=w.device)) if needs else None
        with torch.autocast(device, enabled=False):
            losses_n1, own_n1 = _over_vocabulary(x, w, targets, 1 - smoothing, grads)
            total = losses_n1.sum()
            if smoothing:
                mean_h, wide = w.float().mean(0), x.float()
                total = total + smoothing * (own_n1.sum() - (wide @ mean_h).sum())
                if grads is not None:
                    grads[0].sub_((smoothing * mean_h).to(dtype))
                    grads[1].sub_(smoothing / words * wide.sum(0))
        if grads is not None:
            ctx.save_for_backward(*grads)
        ctx.dtype, ctx.width, ctx.weight_dtype = features.dtype, width, weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        grad_x, grad_w = (grad.mul_(grad_outputs[0]) for grad in ctx.saved_tensors)
        h = ctx.width
        of_bias = grad_w[:, h].to(ctx.weight_dtype) if ctx.needs_input_grad[2] else None
        return grad_x[:, :h].to(ctx.dtype), grad_w[:, :h].to(ctx.weight_dtype), of_bias, None, None, None


def _with_bias(rows: Tensor, bias: Tensor | None) -> Tensor:
    """Append the bias (None: ones) as a column, and zeros up to a multiple of 8, which products like."""
    added = rows.new_zeros(len(rows), 8 - rows.size(1) % 8)
    added[:, 0] = 1.0 if bias is None else bias.detach()
    return torch.cat([rows, added], 1)


def _over_vocabulary(
    x: Tensor, w: Tensor, targets: Tensor, wanted: float, grads: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Return −log p[target] and the target's logit, each [n, 1] in fp32.

    Add to the gradients those of the logits, softmax − `wanted`·onehot(target), the subtraction in fp32: where the model is
    sure the difference is far smaller than either. One buffer of a chunk's logits serves all chunks, and the softmax goes
    over blocks of it that fit into the processor's cache: memory that is new or far costs more than the arithmetic.
    """
    on_cpu = x.device.type == "cpu"
    size = min(CHUNK, max(BLOCK, LARGEST_KEPT // (len(w) * x.element_size()))) if on_cpu else CHUNK
    buffer = torch.empty(min(size, len(x)), len(w), dtype=x.dtype, device=x.device)
    losses, own = (torch.empty(len(x), 1, device=x.device) for _ in range(2))
    block = BLOCK if on_cpu else size
    for begin in range(0, len(x), size):
        chunk = slice(begin, begin + size)
        logits = torch.mm(x[chunk], w.t(), out=buffer[: len(x[chunk])])
        y = targets[chunk, None]
        own[chunk] = logits.gather(1, y).float()
        for i in range(0, len(logits), block):
            rows = slice(i, i + block)
            e = logits[rows].float()
            largest, p = e.amax(-1, keepdim=True), torch.softmax(e, -1)
            # log Σ exp by the largest, whose probability never vanishes
            losses[begin + i : begin + i + len(p)] = largest - p.amax(-1, keepdim=True).log_() - e.gather(1, y[rows])
            if grads is not None:
                logits[rows] = p.scatter_add_(1, y[rows], p.new_full((len(p), 1), -wanted))
        if grads is not None:
            torch.mm(logits, w, out=grads[0][chunk])
            grads[1].add_(logits.t() @ x[chunk])
    return losses, own
