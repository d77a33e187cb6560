"""Philox 4×32-10 (Salmon et al. 2011): random numbers that are a function of a seed and a place, in plain torch.

Attention's dropout draws from it, so that every tier drops the same weights, whatever its tiles, and the backward pass
need not be told which.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nlpcli.kernels.problem import dropout_threshold

MASK = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
WORD = 8  # keys that share one counter: four words of 32 bits, of which each decides on two


def philox(counters: tuple[Tensor, Tensor, Tensor, Tensor], seed: Tensor) -> tuple[Tensor, ...]:
    """Return four random words for each counter; all are int64 tensors that hold unsigned 32-bit numbers.

    Args:
        counters: four tensors; their shapes broadcast to one.
        seed: int64; its lower and upper half are the key.
    """
    c0, c1, c2, c3 = counters
    k0, k1 = seed & MASK, (seed >> 32) & MASK
    for _ in range(ROUNDS):
        (high0, low0), (high1, low1) = _multiplied(c0, MULTIPLIERS[0]), _multiplied(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def _multiplied(x: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """Return the upper and lower half of a product of two 32-bit numbers, which int64 cannot hold in one."""
    upper = (x * (multiplier >> 16) + ((x * (multiplier & 0xFFFF)) >> 16)) >> 16
    return upper, (x * multiplier) & MASK


def kept(p: float, seed: Tensor, rows: Tensor, queries: Tensor, first_key: int, keys: int) -> Tensor:
    """Return which attention weights are kept, as bool [rows, queries, keys].

    Args:
        rows: number of sequence × heads + head, int64 [r].
        queries: their numbers within the sequence, int64 [q].
        first_key: number of the first key within the sequence; `keys` follow.
    """
    first, last = first_key // WORD, -(-(first_key + keys) // WORD)
    groups = torch.arange(first, last, device=rows.device)
    words = philox((groups, queries[:, None], rows[:, None, None], torch.zeros_like(groups)), seed)
    numbers = torch.stack([w & 0xFFFF for w in words] + [w >> 16 for w in words], -1)
    skipped = first_key - first * WORD
    return numbers.flatten(-2)[..., skipped : skipped + keys] >= dropout_threshold(p)
