"""The output layer and its label-smoothed cross-entropy in one pass over chunks of rows.

Logits over the vocabulary are the largest tensors of training. Computed chunk by chunk, with the gradient taken while
the chunk is at hand, they never exist all at once and are never read back from memory. `reference_loss` is the same in
plain torch; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.environment import LARGEST_KEPT
from nlpcli.kernels.spread import few_sizes
from nlpcli.models.sampled_softmax import SampledSoftmax

CHUNK = 1024  # rows of a product; 1,024 × 8,000 logits in bf16 are 16 MB
TINY = 1e-30  # a probability that fp32 holds with all its digits
BLOCK = 32  # rows of a softmax on a CPU; 32 × 8,000 probabilities in fp32 are 1 MB


def reference_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float) -> Tensor:
    """Return the summed loss the plain way: `features` [n, h], `weight` [v, h], `targets` [n]."""
    logits = F.linear(features, weight, bias)
    return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="sum")


def sampled_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, softmax: SampledSoftmax) -> Tensor:
    """Return the loss over a sample of the vocabulary, summed over rows; arguments as for `label_smoothed_loss`."""
    words, log_inclusion, places = softmax.sample(targets)
    offsets = -log_inclusion if bias is None else bias[words] - log_inclusion
    return label_smoothed_loss(features, F.embedding(words, weight, sparse=softmax.sparse), offsets, places, 0.0)


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
    """The smoothing's part of the gradient is the same for every word of the vocabulary, so it is added to the products'
    results and needs no pass over the vocabulary."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, training: bool
    ) -> Tensor:
        device, words = features.device.type, len(weight)
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        x, w = of_few_sizes(features.detach().to(dtype)), weight.detach().to(dtype)
        b = w.new_zeros(words) if bias is None else bias.detach().to(dtype)
        needs = training and any(ctx.needs_input_grad[:3])
        grads = _Gradients.like(x, w) if needs else None
        with torch.autocast(device, enabled=False):
            losses_n1, own_n1 = _over_vocabulary(x, w, b, targets, 1 - smoothing, grads)
            total = losses_n1.sum()
            if smoothing:
                mean_h, summed_h = weight.detach().float().mean(0), x.sum(0, dtype=torch.float32)
                total = total + smoothing * (own_n1.sum() - summed_h @ mean_h - len(targets) * b.float().mean())
                if grads is not None:
                    grads.x.sub_((smoothing * mean_h).to(dtype))
                    grads.w.sub_(smoothing / words * summed_h)
                    grads.b.sub_(smoothing / words * len(targets))
        if grads is not None:
            ctx.save_for_backward(*grads)
        ctx.rows = len(features)
        ctx.dtypes = features.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        found = [grad.mul_(grad_outputs[0]).to(dtype) if dtype else None for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes)]
        of_features, *others = found
        return of_features if of_features is None else of_features[: ctx.rows], *others, None, None, None


class _Gradients(NamedTuple):
    """Of features [n, h], in their format, of weights [v, h] and of the bias [v], both in fp32."""

    x: Tensor
    w: Tensor
    b: Tensor

    @classmethod
    def like(cls, x: Tensor, w: Tensor) -> _Gradients:
        return cls(torch.empty_like(x), torch.empty(w.shape, device=w.device), torch.zeros(len(w), device=w.device))


def chunk_size(w: Tensor) -> int:
    """Return how many rows' logits over the words of `w` [v, h] are computed at once."""
    return min(CHUNK, max(BLOCK, LARGEST_KEPT // (len(w) * w.element_size()))) if w.device.type == "cpu" else CHUNK


def of_few_sizes(x: Tensor) -> Tensor:
    """Append rows of zeros on a CPU, so that the last chunk's products have one of few sizes (see `spread.py`)."""
    return x if x.device.type != "cpu" else F.pad(x, (0, 0, 0, few_sizes(len(x) % CHUNK) - len(x) % CHUNK))


def _surprise(logits: Tensor, p: Tensor, y: Tensor, own: Tensor) -> Tensor:
    """Return −log p[target], [n, 1], by the target's probability, or where one vanishes by the largest, which never does."""
    of_target = p.gather(1, y)
    if p.device.type == "cpu" and of_target.min() >= TINY:  # on a GPU it would take a synchronisation to know
        return of_target.log_().neg_()
    return logits.amax(-1, keepdim=True) - p.amax(-1, keepdim=True).log_() - own


def _over_vocabulary(
    x: Tensor, w: Tensor, b: Tensor, targets: Tensor, wanted: float, grads: _Gradients | None
) -> tuple[Tensor, Tensor]:
    """Return −log p[target] and the target's logit, each [n, 1] in fp32; rows beyond the targets count for nothing.

    Fill the gradients with those of the logits, softmax − `wanted`·onehot(target), the subtraction in fp32: where the model
    is sure the difference is far smaller than either. One buffer of a chunk's logits serves all chunks, and the softmax goes
    over blocks of it that fit into the processor's cache: memory that is new or far costs more than the arithmetic.
    """
    size = chunk_size(w)
    buffer = torch.empty(min(size, len(x)), len(w), dtype=x.dtype, device=x.device)
    losses, own = (torch.empty(len(targets), 1, device=x.device) for _ in range(2))
    block = BLOCK if x.device.type == "cpu" else size
    for begin in range(0, max(1, len(x)), size):  # of no rows too: their gradient is zero
        chunk = slice(begin, begin + size)
        logits = torch.addmm(b, x[chunk], w.t(), out=buffer[: len(x[chunk])])
        y = targets[chunk, None]
        for i in range(0, len(y), block):
            rows = slice(i, min(i + block, len(y)))
            e = logits[rows].float()
            p, place = torch.softmax(e, -1), slice(begin + i, begin + i + len(y[rows]))
            own[place] = e.gather(1, y[rows])
            losses[place] = _surprise(e, p, y[rows], own[place])
            if grads is not None:
                logits[rows] = p.scatter_add_(1, y[rows], p.new_full((len(p), 1), -wanted))
                grads.b.add_(p.sum(0))
        if grads is not None:
            logits[len(y) :] = 0.0
            torch.mm(logits, w, out=grads.x[chunk])
            of_weights = logits.t() @ x[chunk]
            (grads.w.add_ if begin else grads.w.copy_)(of_weights)
    return losses, own
