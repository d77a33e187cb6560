"""How a Transformer is told positions: sinusoidal and learned vectors, rotary turns, ALiBi.

Axes: b sentence, t position, h head, q query, k key, d features of a head, m features of the model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nlpcli.errors import BadInput

BASE = 10_000.0


def angles(length: int, features: int, device: torch.device, first: int = 0) -> Tensor:
    """Return position / 10000^(2i/features), [t, features / 2], fp32, for positions from `first` on."""
    positions = torch.arange(first, first + length, device=device, dtype=torch.float32)
    rates = BASE ** (-torch.arange(0, features, 2, device=device, dtype=torch.float32) / features)
    return positions[:, None] * rates


def sinusoids(length: int, features: int, device: torch.device, first: int = 0) -> Tensor:
    """Return sines in the first half of the features and cosines in the second, [t, m] (Vaswani et al. 2017, §3.5).

    The paper alternates them; the order of features is free, and halves are what CTranslate2 and fairseq use.
    """
    turned = angles(length, features, device, first)
    return torch.cat([turned.sin(), turned.cos()], -1)


class Sinusoidal(nn.Module):
    """Adds fixed vectors of sines and cosines."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model

    def forward(self, x_btm: Tensor, first: int = 0) -> Tensor:
        return x_btm + sinusoids(x_btm.size(1), self.d_model, x_btm.device, first).to(x_btm.dtype)


class Learned(nn.Module):
    """Adds a learned vector a position, up to a longest sequence.

    Raises from `forward`:
        BadInput: the sequence is longer.
    """

    def __init__(self, d_model: int, longest: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, d_model) * 0.02)

    def forward(self, x_btm: Tensor, first: int = 0) -> Tensor:
        needed, longest = first + x_btm.size(1), len(self.table)
        if needed > longest:
            raise BadInput(
                f"a text of {needed:,} tokens is too long for this model",
                cause=f"its positions are learned up to --max-positions {longest}",
                fix="shorten the text, or train with more positions, or with another kind of --positions",
            )
        return x_btm + self.table[first:needed].to(x_btm.dtype)


def rotate(x_bhtd: Tensor, turned_td: Tensor) -> Tensor:
    """Turn pairs of features (i, i + d/2) by the angles [t, d/2] (Su et al. 2021, eq. 34, in halves)."""
    cos, sin = turned_td.cos().to(x_bhtd.dtype), turned_td.sin().to(x_bhtd.dtype)
    first, second = x_bhtd.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def alibi(heads: int, queries: int, keys: int, device: torch.device) -> Tensor:
    """Return −slope·|distance|, [h, q, k], the last query at the last key (Press et al. 2022, §3).

    The slopes are 2^(−8·i/heads) for i = 1 … heads.
    """
    slopes = torch.exp2(-8.0 / heads * torch.arange(1, heads + 1, device=device, dtype=torch.float32))
    at = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    return -slopes[:, None, None] * at.abs()


def causal_bias(queries: int, keys: int, device: torch.device) -> Tensor:
    """Return [q, k]: 0 up to a query's own position, −∞ behind it; the last query stands at the last key."""
    ahead = torch.ones(queries, keys, device=device, dtype=torch.bool).triu(keys - queries + 1)
    return torch.zeros(queries, keys, device=device).masked_fill(ahead, -math.inf)
