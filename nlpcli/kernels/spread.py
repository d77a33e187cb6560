"""Texts one after the other without padding, laid out in rows of one length for attention alone, and taken up again.

On a CPU products by weights are most of a Transformer's time. Over real tokens alone there are fewer of them, and of few
sizes: oneDNN compiles a product anew for each size that it has not met, which takes longer than the product itself.

Axes: n token, b text, t position, … features.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

AN_OCTAVE = 16  # sizes between a power of two and the next


def few_sizes(n: int) -> int:
    """Return `n` rounded up to one of few sizes, by a sixteenth at most."""
    step = max(1, (1 << max(n - 1, 0).bit_length()) // (2 * AN_OCTAVE))
    return -(-n // step) * step


class Spread(NamedTuple):
    """Where n tokens lie in rows [b, t]. At least one token, the last, is of no text: padding is read from it.

    Such tokens must have no gradient of their own, so that padding gets none.
    """

    places_n: Tensor  # of each token among the b × t places; of no text: any place
    tokens_bt: Tensor  # of each place
    shape: tuple[int, int]
    real: int  # tokens that are of a text

    @classmethod
    def of(cls, real_bt: Tensor) -> Spread:
        """Return how the real tokens, those at the beginning of each row, are spread."""
        places = real_bt.flatten().nonzero()[:, 0]
        real = len(places)
        n = few_sizes(real + 1)
        tokens_bt = places.new_full((real_bt.numel(),), n - 1)
        tokens_bt[places] = torch.arange(real, device=places.device)
        return cls(torch.cat([places, places.new_zeros(n - real)]), tokens_bt, (real_bt.size(0), real_bt.size(1)), real)

    def take_up(self, x_bt: Tensor, filled: Any) -> Tensor:
        """Return what stands at the real places [b, t], and `filled` for tokens of no text; [1, n]."""
        taken = x_bt.flatten()[self.places_n]
        taken[self.real :] = filled
        return taken[None]

    def lay_out(self, x_1n: Tensor) -> Tensor:
        """[1, n, …] → [b, t, …]."""
        rows: Tensor = _Moved.apply(x_1n[0], self.tokens_bt, self.places_n, self.real)  # type: ignore[no-untyped-call]
        return rows.view(*self.shape, *x_1n.shape[2:])

    def gather(self, x_bt: Tensor) -> Tensor:
        """[b, t, …] → [1, n, …]."""
        taken: Tensor = _Moved.apply(x_bt.flatten(0, 1), self.places_n, self.tokens_bt, None)  # type: ignore[no-untyped-call]
        return taken[None]


class _Moved(torch.autograd.Function):
    """Rows in another order. Their gradients come back by the order's inverse, which is faster than adding them up place by
    place; from row `real` on there are none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor, real: int | None) -> Tensor:
        ctx.inverse, ctx.real = inverse, real
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        grad = grads[0].index_select(0, ctx.inverse)
        if ctx.real is not None:
            grad[ctx.real :] = 0.0
        return grad, None, None, None
