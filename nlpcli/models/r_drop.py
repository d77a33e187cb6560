"""R-Drop's loss of two passes with dropout over the same rows (Liang et al. 2021), chunk by chunk as in `loss.py`.

For logits a and c of the two passes, p = softmax a, q = softmax c and u = log p − log q, the divergences have the gradients

    ∂/∂a (KL(p‖q) + KL(q‖p)) = p (u − KL(p‖q)) + p − q
    ∂/∂c (KL(p‖q) + KL(q‖p)) = q (−u − KL(q‖p)) + q − p

so that both gradients are at hand with the loss, and no chunk is computed twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nlpcli.models.loss import BLOCK, chunk_size, of_few_sizes


class Weighing(NamedTuple):
    """ε of label smoothing, and α of the divergence."""

    smoothing: float
    alpha: float


def r_drop_loss(
    features: Tensor, again: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float, alpha: float
) -> Tensor:
    """Return R-Drop's loss of two passes over the same rows (eq. 4), summed over rows.

    The mean of the two passes' losses, plus α/4 times the divergences KL(p‖q) + KL(q‖p): half of the paper's sum of both
    losses and α/2 of the divergences, so that α keeps its meaning and the loss stays that of one pass.

    `features`, `again` [n, h], `weight` [v, h], `bias` [v] or None, `targets` [n].
    """
    weighing = Weighing(smoothing, alpha)
    loss: Tensor = _RDrop.apply(features, again, weight, bias, targets, weighing)  # type: ignore[no-untyped-call]
    return loss


class _RDrop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, again: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, weighing: Weighing
    ) -> Tensor:
        device = features.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        wide = torch.promote_types(dtype, torch.float32)
        passes = [of_few_sizes(x.detach().to(dtype)) for x in (features, again)]
        w = weight.detach().to(dtype)
        b = w.new_zeros(len(w)) if bias is None else bias.detach().to(dtype)
        grads = [torch.empty_like(x) for x in passes]
        grad_w, grad_b = (torch.zeros(shape, dtype=wide, device=w.device) for shape in (w.shape, b.shape))
        total = torch.zeros((), dtype=wide, device=w.device)
        with torch.autocast(device, enabled=False):
            size = chunk_size(w)
            for begin in range(0, len(passes[0]), size):
                chunk = slice(begin, begin + size)
                a, c = (torch.addmm(b, x[chunk], w.t()) for x in passes)
                total += _to_gradients(a, c, targets[chunk, None], weighing, grad_b)
                for x, of_logits, grad in zip(passes, (a, c), grads):
                    torch.mm(of_logits, w, out=grad[chunk])
                    grad_w.add_(of_logits.t() @ x[chunk])
        ctx.save_for_backward(*grads, grad_w, grad_b)
        ctx.rows, ctx.dtypes = len(features), [None if x is None else x.dtype for x in (features, again, weight, bias)]
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        found = [(grad * grad_outputs[0]).to(dtype) if dtype else None for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes)]
        of_rows = [None if grad is None else grad[: ctx.rows] for grad in found[:2]]
        return *of_rows, *found[2:], None, None


def _to_gradients(a: Tensor, c: Tensor, y: Tensor, weighing: Weighing, grad_b: Tensor) -> Tensor:
    """Put the gradients of a chunk's logits [n, v] in their place, add up the bias's, and return the loss.

    Over blocks of rows that fit into the processor's cache; rows beyond the targets `y` [n, 1] get no gradient.
    """
    block = BLOCK if a.device.type == "cpu" else len(a)
    total = grad_b.new_zeros(())
    for i in range(0, len(y), block):
        rows = slice(i, min(i + block, len(y)))
        of_a, of_c, loss = _of_block(a[rows].to(grad_b.dtype), c[rows].to(grad_b.dtype), y[rows], weighing)
        a[rows], c[rows] = of_a, of_c
        grad_b += (of_a + of_c).sum(0)
        total += loss
    for logits in (a, c):
        logits[len(y) :] = 0.0
    return total


def _of_block(a: Tensor, c: Tensor, y: Tensor, weighing: Weighing) -> tuple[Tensor, Tensor, Tensor]:
    smoothing, alpha = weighing
    words = a.size(1)
    log_p, log_q = a.log_softmax(-1), c.log_softmax(-1)
    p, q, u = log_p.exp(), log_q.exp(), log_p - log_q
    p_from_q, q_from_p = (p * u).sum(-1, keepdim=True), -(q * u).sum(-1, keepdim=True)
    loss = alpha / 4 * (p_from_q + q_from_p).sum()
    apart = (p - q).mul_(alpha / 4)
    of_a = p * (0.5 + alpha / 4 * (u - p_from_q)) + apart
    of_c = q * (0.5 - alpha / 4 * (u + q_from_p)) - apart
    for logs, of_logits in ((log_p, of_a), (log_q, of_c)):
        loss -= (1 - smoothing) / 2 * logs.gather(1, y).sum()
        of_logits.scatter_add_(1, y, of_logits.new_full((len(y), 1), (smoothing - 1) / 2))
        if smoothing:
            loss -= smoothing / 2 * logs.mean(-1).sum()
            of_logits.sub_(smoothing / 2 / words)
    return of_a, of_c, loss
