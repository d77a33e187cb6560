"""How a Transformer is told positions: sinusoidal and learned vectors, rotary turns, ALiBi.

Axes: b sentence, t position, h head, d features of a head, m features of the model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nlpcli.errors import BadInput
from nlpcli.models.rows import Rows

BASE = 10_000.0


def angles(at_t: Tensor, features: int) -> Tensor:
    """Return position / 10000^(2i/features), [t, features / 2], fp32."""
    rates = BASE ** (-torch.arange(0, features, 2, device=at_t.device, dtype=torch.float32) / features)
    return at_t[:, None].float() * rates


def sinusoids(at_t: Tensor, features: int) -> Tensor:
    """Return sines in the first half of the features and cosines in the second, [t, m] (Vaswani et al. 2017, §3.5).

    The paper alternates them; the order of features is free, and halves are what CTranslate2 and fairseq use.
    """
    turned = angles(at_t, features)
    return torch.cat([turned.sin(), turned.cos()], -1)


class Sinusoidal(nn.Module):
    """Adds fixed vectors of sines and cosines."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model

    def forward(self, x_btm: Tensor, rows: Rows) -> Tensor:
        return x_btm + sinusoids(rows.at_t, self.d_model).to(x_btm.dtype)


class Learned(nn.Module):
    """Adds a learned vector a position, up to a longest sequence.

    Raises from `forward`:
        BadInput: the sequence is longer.
    """

    def __init__(self, d_model: int, longest: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, d_model) * 0.02)

    def forward(self, x_btm: Tensor, rows: Rows) -> Tensor:
        longest = len(self.table)
        if rows.longest > longest:
            raise BadInput(
                f"a text of {rows.longest:,} tokens is too long for this model",
                cause=f"its positions are learned up to --max-positions {longest}",
                fix="shorten the text, or train with more positions, or with another kind of --positions",
            )
        return x_btm + self.table[rows.at_t].to(x_btm.dtype)


def rotate(x_bthd: Tensor, turned_td: Tensor) -> Tensor:
    """Turn pairs of features (i, i + d/2) by the angles [t, d/2] (Su et al. 2021, eq. 34, in halves)."""
    cos, sin = (turn[:, None].to(x_bthd.dtype) for turn in (turned_td.cos(), turned_td.sin()))
    first, second = x_bthd.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def alibi_slopes(heads: int, device: torch.device) -> Tensor:
    """Return by how much a score falls with the distance, 2^(−8·i/heads) for i = 1 … heads, [h] (Press et al. 2022, §3)."""
    return torch.exp2(-8.0 / heads * torch.arange(1, heads + 1, device=device, dtype=torch.float32))
