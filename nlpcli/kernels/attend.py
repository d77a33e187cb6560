"""Attention (Vaswani et al. 2017, eq. 1) behind one front door; `choose.py` says which tier computes it.

Axes as in `problem.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from nlpcli.kernels.banded import banded_attention, make_banded_mask
from nlpcli.kernels.check import check
from nlpcli.kernels.choose import Wanted, choose
from nlpcli.kernels.dense import Mask, dense_attention, make_mask
from nlpcli.kernels.operator import attention
from nlpcli.kernels.problem import Options, Shape, default_scale
from nlpcli.kernels.spread import Spread


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    q_lengths: Tensor | None = None,
    k_lengths: Tensor | None = None,
    q_offsets: Tensor | None = None,
    k_offsets: Tensor | None = None,
    causal: bool = False,
    causal_align: Literal["top-left", "bottom-right"] = "top-left",
    window: int | None = None,
    scale: float | None = None,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    relative_bias: Tensor | None = None,
    dropout_p: float = 0.0,
    seed: int | Tensor | None = None,
    deterministic: bool = False,
    precision: Literal["ieee", "tf32x3"] = "ieee",
    tier: Wanted = "auto",
) -> tuple[Tensor, Tensor]:
    """Return each query's weighted mean of the values, and the logarithm of the sum of its weights.

    Query i stands at key p: at i, or with "bottom-right" so that the last query stands at the last key. Its score for key j is
    c · tanh(scale · q·k / c) − slope · |p − j| + bias at the distance j − p; the weights are the softmax over the keys it sees.
    A query that sees none gets 0 and −∞. What stands in padding, NaN included, has no effect.

    Args:
        q: [b, i, h, d]; or packed, one sequence after the other, [i, h, d].
        k, v: [b, j, g, d] or [j, g, d]; h is a multiple of g, and neighbouring query heads share a key head.
        q_lengths, k_lengths: int [b], how many positions of each row are real.
        q_offsets, k_offsets: int64 [b + 1], where each packed sequence begins, and the end of the last.
        causal: a query sees keys j ≤ p alone.
        causal_align: where query 0 stands; it holds for the window and the distances too.
        window: a query sees keys with |p − j| ≤ window alone.
        scale: 1 / √d if not given.
        softcap: c, a bound on the scores; 0 is none.
        alibi_slopes: [h] (Press et al. 2022); has no gradient.
        relative_bias: [h, 2r + 1] for the distances −r to r; what is further out is as far as r (Raffel et al. 2020 learn one
            for buckets of distances).
        dropout_p: share of the weights dropped, the others scaled up; rounded to 1 / 65536.
        seed: of the dropout; the same seed drops the same weights on every device. Drawn from torch's generator if not given.
        deterministic: gradients come out the same to the last bit every time.
        precision: of products of float32; "tf32x3" is faster on tensor cores, and nearly as exact.
        tier: what is to compute it, where that can.

    Returns:
        Output like q, in its type; logarithms [b, h, i] or [h, i], float32 (float64 for float64).

    Raises:
        ValueError: shapes, types, devices or numbers that do not fit together.
    """
    shape = Shape(q_lengths, k_lengths, q_offsets, k_offsets)
    scale = default_scale(q.size(-1)) if scale is None and q.dim() else scale or 0.0
    bottom_right = causal_align == "bottom-right"
    if isinstance(seed, int):
        seed = torch.tensor([seed], device=q.device)
    elif dropout_p and seed is None:
        seed = torch.randint(1 << 62, (1,), device=q.device)
    options = Options(
        scale, causal, bottom_right, window, softcap, alibi_slopes, relative_bias, dropout_p, seed, deterministic, precision
    )
    check(q, k, v, shape, options)
    shape = Shape(*(None if x is None else x.int() for x in shape[:2]), *(None if x is None else x.long() for x in shape[2:]))
    if alibi_slopes is not None:
        options = options._replace(alibi_slopes=alibi_slopes.float().contiguous())
    chosen = choose(q, k.size(-3), shape, options, tier, lse=True).tier
    out, lse = attention(*_cast(q, k, v), *shape, *options, chosen)
    return out, lse


@dataclass
class Sight:
    """Which keys the queries of a batch see, and what distance adds: made once, for all layers of a model.

    What stands in padding must be finite. Packed rows come and go as a batch of one row. Queries of a `spread` are laid out
    before they come, and what they saw is gathered afterwards.
    """

    shape: Shape
    options: Options
    wanted: Wanted = "auto"
    spread: Spread | None = None
    _mask: Mask | None = field(default=None, init=False)

    def lay_out(self, x: Tensor) -> Tensor:
        """Return rows of queries as `attend` takes them."""
        return x if self.spread is None else self.spread.lay_out(x)

    def gather(self, x: Tensor) -> Tensor:
        """Return rows from `attend` as the layers have them."""
        return x if self.spread is None else self.spread.gather(x)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0) -> Tensor:
        """Return each query's weighted mean of the values, like q; see the function `attend`."""
        q, k, v = _cast(q, k, v)
        if self.shape.packed:
            q, k, v = q[0], k[0], v[0]
        options = self.options._replace(dropout_p=dropout)
        chosen = choose(q, k.size(-3), self.shape, options, self.wanted).tier
        if chosen == "banded":
            if self._mask is None:
                self._mask = make_banded_mask(q, self.shape, options)
            return banded_attention(q, k, v, self._mask, options, dropout)
        if chosen in ("plain", "sdpa"):
            fused = chosen == "sdpa"
            if self._mask is None:
                self._mask = make_mask(q, k, self.shape, options, fused)
            return dense_attention(q, k, v, self._mask, options.scale, dropout, fused)
        if dropout:
            options = options._replace(seed=torch.randint(1 << 62, (1,), device=q.device))
        out: Tensor = attention(q, k, v, *self.shape, *options, chosen)[0]
        return out[None] if self.shape.packed else out


def _cast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Cast to the format of automatic mixed precision, as torch's own function is; float64 stays."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device) or tensors[0].dtype == torch.float64:
        return tensors
    return tuple(x.to(torch.get_autocast_dtype(device)) for x in tensors)
