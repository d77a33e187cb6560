"""What one call of the attention kernel has to compute; the same words for every tier.

Axes: b sequence, i query, j key, h query head, g key/value head (h // (H // G)), d feature of a head. No Triton here: every
tier, the CPU's too, reads this.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from torch import Tensor

STEPS = 1 << 16  # the share that dropout drops is a multiple of 1 / STEPS


class Shape(NamedTuple):
    """Where the sequences lie in memory.

    Padded, `q [B, Lq, H, D]` and `k`, `v [B, Lk, G, D]`: the first `lengths[b]` positions of row b are real; None: all are.
    Packed, `q [Tq, H, D]` and `k`, `v [Tk, G, D]`: sequence b is rows `offsets[b]` to `offsets[b + 1]`. Offsets are given for
    both sides or for neither, and never with lengths. All lie on the device of q.
    """

    q_lengths: Tensor | None = None  # int32 [B]
    k_lengths: Tensor | None = None  # int32 [B]
    q_offsets: Tensor | None = None  # int64 [B + 1], the first 0, the last Tq
    k_offsets: Tensor | None = None  # int64 [B + 1], the first 0, the last Tk

    @property
    def packed(self) -> bool:
        """Whether the sequences of a batch follow one another without padding."""
        return self.q_offsets is not None


class Options(NamedTuple):
    """What becomes of the scores: s = cap(scale · q kᵀ) − slope · |p − j| + bias(j − p), where p = i + shift."""

    scale: float  # 1 / √D is usual
    causal: bool = False  # a query sees keys j ≤ p alone
    bottom_right: bool = False  # shift = n_k − n_q, so that the last query stands at the last key; else shift = 0
    window: int | None = None  # a query sees keys with |p − j| ≤ window alone
    softcap: float = 0.0  # cap(s) = c · tanh(s / c); 0: none
    alibi_slopes: Tensor | None = None  # float32 [H]
    relative_bias: Tensor | None = None  # float32 or q's dtype, [H, 2R + 1]; further apart than R is as far as R
    dropout_p: float = 0.0  # share of weights dropped
    seed: Tensor | None = None  # int64 [1] on the device, where dropout_p > 0
    deterministic: bool = False  # gradients are the same bits every time
    precision: Literal["ieee", "tf32x3"] = "ieee"  # products of float32; never TF32 alone

    @property
    def by_distance(self) -> bool:
        """Whether it matters how far apart a query and a key are, besides which comes first."""
        return self.window is not None or self.alibi_slopes is not None or self.relative_bias is not None


def default_scale(head_size: int) -> float:
    """Return 1 / √D (Vaswani et al. 2017)."""
    return 1 / math.sqrt(head_size)


def dropout_threshold(p: float) -> int:
    """Return the number below which 16 random bits drop a weight; the share dropped is this / `STEPS`."""
    return min(round(p * STEPS), STEPS - 1)  # or every weight would be dropped
