"""Attention with all scores of a row at hand: torch's fused function, and the products written out.

For short rows on a CPU the second is faster. Both take one dense mask of scores to be added, made once for all layers.

Axes as in `problem.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.dropout import dropout as drop
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.reference import added, in_band


class Mask(NamedTuple):
    """What is added to the scores, and which queries see no key at all; None where there is nothing, or none."""

    scores: Tensor | None  # broadcast to [b, h, i, j]; −∞ where a query must not look
    blind: Tensor | None  # bool, broadcast to [b, i]
    causal: bool = False  # instead of scores, for torch's function: query i sees keys j ≤ i


def make_mask(q: Tensor, k: Tensor, shape: Shape, options: Options, fused: bool = False) -> Mask:
    """Return the mask of a padded batch. Queries in padding are given the keys of their row: what they find is not used.

    Where it is the same for all queries it has one row.

    Args:
        fused: it is for torch's function, which knows what causal is.
    """
    queries, keys, device, o, real = q.size(1), k.size(1), q.device, options, None
    if shape.k_lengths is not None:
        real = torch.arange(keys, device=device) < shape.k_lengths[:, None, None]
        real = None if device.type == "cpu" and bool(real.all()) else real
    if real is None and not o.by_distance and (not o.causal or (fused and not o.bottom_right)):
        return Mask(None, None, o.causal)
    rows = queries if o.by_distance or o.causal else 1
    apart = (
        torch.arange(keys, device=device) - torch.arange(rows, device=device)[:, None] - _shift(queries, keys, shape, o, device)
    )
    near = in_band(apart, o)
    allowed = near if real is None else near & real
    more = added(apart, o)
    scores = torch.zeros((), device=device) if more is None else more
    blind: Tensor | None = ~allowed.any(-1)
    if device.type == "cpu" and blind is not None and not blind.any():
        blind = None  # on a GPU it would take a synchronisation to know
    if blind is not None:
        allowed = allowed | blind[..., None]
    return Mask(scores.where(allowed[:, None], -math.inf).to(q.dtype), blind)


def _shift(queries: int, keys: int, shape: Shape, options: Options, device: torch.device) -> Tensor:
    if not options.bottom_right:
        return torch.zeros(1, 1, 1, dtype=torch.long, device=device)
    n_q = queries if shape.q_lengths is None else shape.q_lengths[:, None, None].long()
    n_k = keys if shape.k_lengths is None else shape.k_lengths[:, None, None].long()
    return torch.as_tensor(n_k - n_q, device=device).reshape(-1, 1, 1)


def dense_attention(q: Tensor, k: Tensor, v: Tensor, mask: Mask, scale: float, dropout: float, fused: bool) -> Tensor:
    """Return softmax(scale · q kᵀ + mask) v, like q [b, i, h, d]; zero for a query that sees nothing.

    Args:
        fused: by torch's function, else by products.
    """
    group = q.size(2) // k.size(2)
    k, v = (x if group == 1 else x.repeat_interleave(group, 2) for x in (k, v))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if fused:
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask.scores, dropout_p=dropout, is_causal=mask.causal, scale=scale
        )
    else:
        out = products(q, k, v, mask.scores, scale, dropout)
    out = out.transpose(1, 2)
    return out if mask.blind is None else out.masked_fill(mask.blind[..., None, None], 0.0)


def products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float, dropout: float) -> Tensor:
    """Return softmax(scale · q kᵀ + mask) v for q [..., i, d] and k, v [..., j, d]."""
    scores = (q * scale) @ k.mT
    weights = torch.softmax(scores if mask is None else scores + mask, -1)
    return (drop(weights, dropout) if dropout else weights) @ v
