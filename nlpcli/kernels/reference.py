"""Attention in plain torch, some queries at a time: memory grows with the length, not with its square.

It runs on every device and in every floating type, is what other tiers are measured against, and computes where none of them
can. Only the forward pass of some queries is written down; its gradient is torch's own, of the same queries computed anew.

Axes as in `problem.py`, and r: query heads that share a key head.
"""

from __future__ import annotations

import math
from typing import Iterator

import torch
from torch import Tensor

from nlpcli.kernels.philox import kept
from nlpcli.kernels.problem import STEPS, Options, Shape, dropout_threshold

ROWS = 128  # queries at a time


class Sequences:
    """Sequences computed together, as tensors [b, length, heads, d]: all of a padded batch, or one of a packed batch."""

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, shape: Shape, packed: int | None = None) -> None:
        self.first = packed or 0  # the number of the first of them
        self.at = [slice(None), slice(None)]  # where they lie, on the side of the queries and on that of the keys
        if packed is not None:
            assert shape.q_offsets is not None
            assert shape.k_offsets is not None
            self.at = [slice(*offsets[packed : packed + 2].tolist()) for offsets in (shape.q_offsets, shape.k_offsets)]
        self.q, self.k, self.v = self.queries(q), self.keys(k), self.keys(v)
        whole = (torch.full((len(x),), x.size(1), device=x.device) for x in (self.q, self.k))
        self.n_q, self.n_k = (
            full if given is None else given.long() for full, given in zip(whole, (shape.q_lengths, shape.k_lengths))
        )

    def queries(self, x: Tensor) -> Tensor:
        """Return the part of a tensor like q that is theirs, with an axis for sequences."""
        return x[self.at[0]][None] if self.at[0] != slice(None) else x

    def keys(self, x: Tensor) -> Tensor:
        """Return the part of a tensor like k that is theirs."""
        return x[self.at[1]][None] if self.at[1] != slice(None) else x

    def in_sight(self, i: slice, options: Options) -> slice:
        """Return the keys that some of these queries may see; others are not computed."""
        low, high = 0, self.k.size(1)
        shift = self.n_k - self.n_q if options.bottom_right else torch.zeros_like(self.n_k)
        if len(shift) and options.causal:
            high = min(high, i.stop + int(shift.max()))
        if len(shift) and options.window is not None:
            low = max(low, i.start + int(shift.min()) - options.window)
            high = min(high, i.stop + int(shift.max()) + options.window)
        return slice(low, max(low, high))

    def positions(self, i: slice, j: slice, options: Options) -> tuple[Tensor, Tensor]:
        """Return the distances j − p [b, i, j] and which of them are allowed."""
        device = self.q.device
        query, key = torch.arange(i.start, i.stop, device=device), torch.arange(j.start, j.stop, device=device)
        shift = self.n_k - self.n_q if options.bottom_right else torch.zeros_like(self.n_k)
        apart = key - (query[:, None] + shift[:, None, None])
        allowed = (key < self.n_k[:, None, None]) & (query[:, None] < self.n_q[:, None, None])
        if options.causal:
            allowed = allowed & (apart <= 0)
        if options.window is not None:
            allowed = allowed & (apart.abs() <= options.window)
        return apart, allowed


def sequences(q: Tensor, k: Tensor, v: Tensor, shape: Shape) -> Iterator[Sequences]:
    """Yield what is computed together."""
    if shape.q_offsets is None:
        yield Sequences(q, k, v, shape)
        return
    for number in range(len(shape.q_offsets) - 1):
        yield Sequences(q, k, v, shape, number)


@torch.no_grad()
def forward(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> tuple[Tensor, Tensor]:
    """Return the output, like q, and the logarithm of each query's sum of weights, [b, h, i] or, packed, [h, i]."""
    out = torch.zeros_like(q)
    lse = torch.full(q.shape[:-1], -math.inf, device=q.device, dtype=_wide(q))
    for some in sequences(q, k, v, shape):
        for i, j in _steps(some, options):
            found = _attend(some, i, j, options, some.q[:, i], some.k[:, j], some.v[:, j], options.relative_bias)
            some.queries(out)[:, i], some.queries(lse)[:, i] = found
    return out, lse.transpose(-1, -2).contiguous()


def backward(
    dout: Tensor, dlse: Tensor | None, q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients of q, k, v and of the relative bias, if there is one."""
    wide, bias = _wide(q), options.relative_bias
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k, dtype=wide), torch.zeros_like(v, dtype=wide)
    dbias = None if bias is None else torch.zeros_like(bias, dtype=wide)
    dlse_rows = (torch.zeros(()).expand(q.shape[:-1]) if dlse is None else dlse.transpose(-1, -2)).to(q.device, wide)
    for some in sequences(q, k, v, shape):
        for i, j in _steps(some, options):
            q_i, k_j, v_j = (x.detach().requires_grad_() for x in (some.q[:, i], some.k[:, j], some.v[:, j]))
            table = None if bias is None else bias.detach().requires_grad_()
            with torch.enable_grad():
                found = _attend(some, i, j, options, q_i, k_j, v_j, table)
            given = some.queries(dout)[:, i], some.queries(dlse_rows)[:, i]
            grads = torch.autograd.grad(found, [q_i, k_j, v_j, *([] if table is None else [table])], given)
            some.queries(dq)[:, i] = grads[0]
            some.keys(dk)[:, j] += grads[1]
            some.keys(dv)[:, j] += grads[2]
            if dbias is not None:
                dbias += grads[3]
    return dq, dk.to(k.dtype), dv.to(v.dtype), dbias


def _steps(some: Sequences, options: Options) -> Iterator[tuple[slice, slice]]:
    length = some.q.size(1)
    for begin in range(0, length, ROWS):
        i = slice(begin, min(begin + ROWS, length))
        j = some.in_sight(i, options)
        if j.stop > j.start:
            yield i, j


def _attend(
    some: Sequences, i: slice, j: slice, options: Options, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return output and logarithms [b, i, h] of the queries i, of which none sees a key that is not among j."""
    apart, allowed = some.positions(i, j, options)
    real_q, real_k = allowed.any(-1)[..., None, None], allowed.any(1)[..., None, None]
    q, k, v = q.where(real_q, 0), k.where(real_k, 0), v.where(real_k, 0)  # 0 · NaN is NaN
    b, heads, groups = len(q), q.size(2), k.size(2)
    grouped = (q.transpose(1, 2) * options.scale).reshape(b, groups, heads // groups, *q.shape[1::2])
    scores = (grouped @ k.transpose(1, 2)[:, :, None].mT).flatten(1, 2).to(_wide(q))
    if options.softcap:
        scores = options.softcap * torch.tanh(scores / options.softcap)
    if options.alibi_slopes is not None:
        scores = scores - options.alibi_slopes[:, None, None] * apart.abs()[:, None]
    if bias is not None:
        reach = bias.size(1) // 2
        scores = scores + bias.to(scores.dtype)[:, apart.clamp(-reach, reach) + reach].transpose(0, 1)
    scores = scores.masked_fill(~allowed[:, None], -math.inf)
    largest = scores.amax(-1, keepdim=True).detach()
    weights = torch.exp(scores - largest.masked_fill(largest == -math.inf, 0.0))
    total = weights.sum(-1, keepdim=True)
    seen = total > 0
    weights = weights / total.where(seen, 1.0)
    if options.dropout_p:
        assert options.seed is not None
        first = some.first * heads
        rows = torch.arange(first, first + b * heads, device=q.device)
        kept_bhij = kept(
            options.dropout_p, options.seed, rows, torch.arange(i.start, i.stop, device=q.device), j.start, k.size(1)
        )
        share = dropout_threshold(options.dropout_p) / STEPS
        weights = weights * kept_bhij.view(weights.shape) / (1 - share)
    grouped = weights.to(v.dtype).view(b, groups, heads // groups, *weights.shape[2:])
    out = grouped @ v.transpose(1, 2)[:, :, None]
    sums = (largest + total.where(seen, 1.0).log()).masked_fill(~seen, -math.inf)
    return out.flatten(1, 2).transpose(1, 2), sums[..., 0].transpose(1, 2)


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
