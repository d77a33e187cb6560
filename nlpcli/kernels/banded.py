"""Attention in a window, by products of blocks: each block of queries with its own keys and those of its neighbours.

A block is at least as long as the window, so that no query sees further. On a CPU this is the fastest way for rows much longer
than the window; memory grows with the length, times the window.

Axes as in `problem.py`, and n: block, r: position in a block.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.dense import Mask, products
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.reference import added, in_band

SMALLEST = 64  # positions of a block; smaller products are no faster
STEP = 32  # a block's length is a multiple of it, as oneDNN's tiles want


def block_length(window: int) -> int:
    """Return the positions of a block."""
    return max(SMALLEST, -(-window // STEP) * STEP)


def make_banded_mask(q: Tensor, shape: Shape, options: Options) -> Mask:
    """Return what is added to the scores [b, n, h, r, j] (b and h may be 1) of padded rows q that look at themselves.

    The keys of a block are those of the block before, its own and, unless causal, those of the block after. Queries that see
    nothing (`blind` [b, n, r]) are given all of them: what they find is not used.
    """
    assert options.window is not None
    size, length, device = block_length(options.window), q.size(1), q.device
    at_r, at_j = torch.arange(size, device=device), torch.arange(-size, (1 if options.causal else 2) * size, device=device)
    apart = at_j - at_r[:, None]
    key_nj = torch.arange(0, length, size, device=device)[:, None] + at_j
    end = torch.tensor([length], device=device) if shape.k_lengths is None else shape.k_lengths.clamp(max=length)
    real = (key_nj >= 0) & (key_nj < end[:, None, None])
    allowed = in_band(apart, options) & real[:, :, None]
    blind = ~allowed.any(-1)
    more = added(apart[None], options)
    scores = torch.zeros((), device=device) if more is None else more[:, None]
    return Mask(scores.where((allowed | blind[..., None])[:, :, None], -math.inf).to(q.dtype), blind if blind.any() else None)


def banded_attention(q: Tensor, k: Tensor, v: Tensor, mask: Mask, options: Options, dropout: float) -> Tensor:
    """Return softmax(scale · q kᵀ + mask) v over each query's window, like q [b, i, h, d]; zero for one that sees nothing."""
    assert options.window is not None
    size, length, group = block_length(options.window), q.size(1), q.size(2) // k.size(2)
    k, v = (x if group == 1 else x.repeat_interleave(group, 2) for x in (k, v))
    more = -length % size
    q, k, v = (F.pad(x, (0, 0, 0, 0, 0, more)).reshape(len(x), -1, size, *x.shape[2:]).transpose(2, 3) for x in (q, k, v))
    k, v = (_with_neighbours(x, options.causal) for x in (k, v))
    out = products(q, k, v, mask.scores, options.scale, dropout)
    if mask.blind is not None:
        out = out.masked_fill(mask.blind[:, :, None, :, None], 0.0)
    return out.transpose(2, 3).flatten(1, 2)[:, :length]


def _with_neighbours(x: Tensor, causal: bool) -> Tensor:
    """[b, n, h, r, d] → [b, n, h, j, d]: the block before, the block itself and, unless causal, the one after."""
    none = torch.zeros_like(x[:, :1])
    parts = [torch.cat([none, x[:, :-1]], 1), x]
    return torch.cat(parts if causal else [*parts, torch.cat([x[:, 1:], none], 1)], 3)
