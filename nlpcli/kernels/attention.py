"""Scaled dot-product attention (Vaswani et al. 2017, eq. 1) behind one front door.

Axes: b sentence, h head, q query, k key, d features of a head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.dropout import dropout as drop

SHORT = 256  # keys up to which plain products beat the fused function on a CPU


def attention(q_bhqd: Tensor, k_bhkd: Tensor, v_bhkd: Tensor, bias: Tensor | None = None, *, dropout: float = 0.0) -> Tensor:
    """Return softmax(q kᵀ / √d + bias) v, as [b, h, q, d].

    Args:
        bias: added to the scores; broadcast to [b, h, q, k]; −∞ where a query must not look (but never for all its keys).
        dropout: share of weights dropped.
    """
    if q_bhqd.device.type == "cpu" and k_bhkd.size(2) <= SHORT:
        return plain_attention(q_bhqd, k_bhkd, v_bhkd, bias, dropout=dropout)
    if bias is not None:
        bias = bias.to(q_bhqd.dtype)
    return F.scaled_dot_product_attention(q_bhqd, k_bhkd, v_bhkd, attn_mask=bias, dropout_p=dropout)


def plain_attention(
    q_bhqd: Tensor, k_bhkd: Tensor, v_bhkd: Tensor, bias: Tensor | None = None, *, dropout: float = 0.0
) -> Tensor:
    """The same as explicit products: on a CPU the faster way for short rows, and the reference for every other."""
    scores = (q_bhqd * (1 / math.sqrt(q_bhqd.size(-1)))) @ k_bhkd.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = torch.softmax(scores, -1)
    if dropout:
        weights = drop(weights, dropout)
    return weights @ v_bhkd
