"""Attention in plain torch, some queries at a time: memory grows with the length, not with its square.

It runs on every device and in every floating type, is what other tiers are measured against, and computes where none of them
can. The backward pass keeps no weights either: it computes them anew.

Axes as in `problem.py`, and r: query heads that share a key head.
"""

from __future__ import annotations

import math
from typing import Iterator, NamedTuple

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
        query, key = (torch.arange(at.start, at.stop, device=self.q.device) for at in (i, j))
        shift = self.n_k - self.n_q if options.bottom_right else torch.zeros_like(self.n_k)
        apart = key - (query[:, None] + shift[:, None, None])
        real = (key < self.n_k[:, None, None]) & (query[:, None] < self.n_q[:, None, None])
        return apart, real & in_band(apart, options)


def in_band(apart: Tensor, options: Options) -> Tensor:
    """Return which distances j − p are near enough, and not ahead where that is not allowed."""
    allowed = torch.ones_like(apart, dtype=torch.bool)
    if options.causal:
        allowed = allowed & (apart <= 0)
    return allowed if options.window is None else allowed & (apart.abs() <= options.window)


def added(apart: Tensor, options: Options) -> Tensor | None:
    """Return what is added to scores for the distances j − p [b, i, j] alone, as [b, h, i, j]; None if nothing is."""
    total = None
    if options.alibi_slopes is not None:
        total = -options.alibi_slopes[:, None, None] * apart.abs()[:, None]
    if (bias := options.relative_bias) is not None:
        relative = bias[:, _place(bias, apart)].transpose(0, 1)
        total = relative if total is None else total + relative
    return total


def sequences(q: Tensor, k: Tensor, v: Tensor, shape: Shape) -> Iterator[Sequences]:
    """Yield what is computed together."""
    if shape.q_offsets is None:
        yield Sequences(q, k, v, shape)
        return
    for number in range(len(shape.q_offsets) - 1):
        yield Sequences(q, k, v, shape, number)


class Part(NamedTuple):
    """The weights of some queries on the keys they see, and what their gradient is made of."""

    q: Tensor  # scaled, [b, g, r, i, d]; 0 in padding
    k: Tensor  # [b, g, 1, j, d]; 0 in padding
    v: Tensor
    weights: Tensor  # the softmax, [b, h, i, j]
    lse: Tensor  # [b, h, i]
    factor: Tensor  # by which dropout keeps a weight: 0 or 1 / (1 − p); 1 without dropout
    slope: Tensor  # of the soft cap; 1 without it
    apart: Tensor  # j − p, [b, i, j]

    def grouped(self, x: Tensor) -> Tensor:
        """[b, h, i, j] → [b, g, r, i, j]."""
        return x.reshape(*self.q.shape[:3], *x.shape[2:])


def forward(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> tuple[Tensor, Tensor]:
    """Return the output, like q, and the logarithm of each query's sum of weights, [b, h, i] or, packed, [h, i]."""
    out = torch.zeros_like(q, memory_format=torch.contiguous_format)
    lse = torch.full(q.shape[:-1], -math.inf, device=q.device, dtype=_wide(q))
    for some in sequences(q, k, v, shape):
        for i, j in _steps(some, options):
            part = _part(some, i, j, options)
            found = part.grouped((part.weights * part.factor).to(v.dtype)) @ part.v
            some.queries(out)[:, i] = found.flatten(1, 2).transpose(1, 2)
            some.queries(lse)[:, i] = part.lse.transpose(1, 2)
    return out, lse.transpose(-1, -2).contiguous()


def backward(
    dout: Tensor, dlse: Tensor | None, q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients of q, k, v and of the relative bias, if there is one (Dao et al. 2022, appendix B.2)."""
    wide, bias = _wide(q), options.relative_bias
    dq, dk, dv = (torch.zeros_like(x, dtype=wide, memory_format=torch.contiguous_format) for x in (q, k, v))
    dbias = None if bias is None else torch.zeros_like(bias, dtype=wide)
    dlse_rows = None if dlse is None else dlse.transpose(-1, -2)
    for some in sequences(q, k, v, shape):
        for i, j in _steps(some, options):
            part = _part(some, i, j, options)
            dout_i = part.grouped(some.queries(dout)[:, i].transpose(1, 2).masked_fill(part.lse[..., None] == -math.inf, 0.0))
            dropped = part.grouped((part.weights * part.factor).to(v.dtype))
            some.keys(dv)[:, j] += (dropped.mT @ dout_i).sum(2).transpose(1, 2)
            dweights = (dout_i @ part.v.mT).flatten(1, 2).to(wide) * part.factor
            delta = (dweights * part.weights).sum(-1, keepdim=True)
            if dlse_rows is not None:
                delta = delta - some.queries(dlse_rows)[:, i].transpose(1, 2)[..., None]
            dscores = part.weights * (dweights - delta)
            if dbias is not None:
                _add_by_distance(dbias, dscores, part.apart)
            before = part.grouped((dscores * part.slope).to(q.dtype))
            some.queries(dq)[:, i] = ((before @ part.k) * options.scale).flatten(1, 2).transpose(1, 2)
            some.keys(dk)[:, j] += (before.mT @ part.q).sum(2).transpose(1, 2)
    return dq.to(q.dtype), dk.to(k.dtype), dv.to(v.dtype), dbias


def _steps(some: Sequences, options: Options) -> Iterator[tuple[slice, slice]]:
    length = some.q.size(1)
    for begin in range(0, length, ROWS):
        i = slice(begin, min(begin + ROWS, length))
        j = some.in_sight(i, options)
        if j.stop > j.start:
            yield i, j


def _part(some: Sequences, i: slice, j: slice, options: Options) -> Part:
    """Compute the weights of the queries i, of which none sees a key that is not among j."""
    apart, allowed = some.positions(i, j, options)
    real_i, real_j = allowed.any(-1)[..., None, None], allowed.any(1)[..., None, None]
    q, k, v = (
        x.where(real, 0).transpose(1, 2) for x, real in ((some.q[:, i], real_i), (some.k[:, j], real_j), (some.v[:, j], real_j))
    )
    groups, ones = k.size(1), torch.ones((), device=q.device)  # 0 · NaN is NaN, hence the zeros
    q, k, v = (q * options.scale).reshape(len(q), groups, -1, *q.shape[2:]), k[:, :, None], v[:, :, None]
    scores, slope = (q @ k.mT).flatten(1, 2).to(_wide(q)), ones
    if options.softcap:
        bent = torch.tanh(scores / options.softcap)
        scores, slope = options.softcap * bent, 1 - bent * bent
    if (more := added(apart, options)) is not None:
        scores = scores + more
    scores = scores.masked_fill(~allowed[:, None], -math.inf)
    largest = scores.amax(-1, keepdim=True)
    weights = torch.exp(scores - largest.masked_fill(largest == -math.inf, 0.0))
    total = weights.sum(-1, keepdim=True)
    lse = (largest + total.log()).masked_fill(total == 0, -math.inf)[..., 0]
    weights = weights / total.masked_fill(total == 0, 1.0)
    factor = _factor(some, i, j, options).view(weights.shape).to(weights.dtype) if options.dropout_p else ones
    return Part(q, k, v, weights, lse, factor, slope, apart)


def _factor(some: Sequences, i: slice, j: slice, options: Options) -> Tensor:
    assert options.seed is not None
    heads, device = some.q.size(2), some.q.device
    rows = torch.arange(some.first * heads, (some.first + len(some.q)) * heads, device=device)
    queries = torch.arange(i.start, i.stop, device=device)
    share = dropout_threshold(options.dropout_p) / STEPS
    return kept(options.dropout_p, options.seed, rows, queries, j.start, j.stop - j.start) / (1 - share)


def _place(bias: Tensor, apart: Tensor) -> Tensor:
    """Return which entry of the relative bias is that of a distance."""
    reach = bias.size(1) // 2
    return apart.clamp(-reach, reach) + reach


def _add_by_distance(dbias: Tensor, dscores: Tensor, apart: Tensor) -> None:
    place = _place(dbias, apart).flatten()
    for head in range(len(dbias)):
        dbias[head].index_add_(0, place, dscores[:, head].flatten())


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
