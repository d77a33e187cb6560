"""Dropout (Srivastava et al. 2014) that does not cost more than the matrix products around it on a CPU.

torch draws one number of a slow generator for every feature, on one thread. Here 16 random bits decide on a feature, drawn
64 at a time, and whole-number arithmetic turns them into the factor 0 or 1 / (1 − p) without a branch.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

BITS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
STEPS = 1 << 16  # the share that is dropped is a multiple of 1 / STEPS


def keep_factors(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Return a tensor of 0 (with probability p) and 1 / (1 − p), on the CPU; drawn from torch's generator by way of a seed.

    `dtype` is bfloat16 or float32.
    """
    bits = _bits(shape.numel())
    threshold = min(round(p * STEPS), STEPS - 1) - STEPS // 2
    factor = torch.tensor(1 / (1 - p), dtype=dtype).view(BITS[dtype])
    kept = bits.clamp_(threshold - 1, threshold).sub_(threshold - 1) if threshold > -STEPS // 2 else bits.fill_(1)
    return kept.to(BITS[dtype]).mul_(factor).view(dtype).view(shape)


def drop_in_place(x: Tensor, p: float) -> None:
    """Set features of bfloat16 on the CPU to zero with probability p, those that `keep_factors` would; scale none."""
    threshold = min(round(p * STEPS), STEPS - 1) - STEPS // 2
    if threshold > -STEPS // 2:
        kept = _bits(x.numel()).clamp_(threshold - 1, threshold).sub_(threshold - 1).neg_()  # 0, or all bits
        x.view(torch.int16).bitwise_and_(kept.view(x.shape))


def _bits(count: int) -> Tensor:
    seed = int(torch.randint(1 << 62, ()))
    words = np.random.SFC64(seed).random_raw(-(-count // 4))
    return torch.from_numpy(words.view(np.int16))[:count]


def dropout(x: Tensor, p: float) -> Tensor:
    """Set features to zero with probability p and scale the others by 1 / (1 − p)."""
    if x.device.type == "cpu" and x.dtype in BITS:
        return x * keep_factors(x.shape, p, x.dtype)
    return F.dropout(x, p)


def add_dropped(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Return x + dropout(y)."""
    if p and y.device.type == "cpu" and y.dtype in BITS and x.dtype == y.dtype:
        return torch.addcmul(x, y, keep_factors(y.shape, p, y.dtype))
    return x + (dropout(y, p) if p else y)


class Dropout(nn.Module):
    """`dropout` in training, nothing else."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p) if self.training and self.p else x
