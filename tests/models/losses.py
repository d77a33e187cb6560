"""What the tests of losses share: inputs, torch's own loss, and a look at the tensors that are made."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Inputs = tuple[Tensor, Tensor, Tensor | None, Tensor]


def make(rows: int, width: int = 8, vocab: int = 13, *, bias: bool = True, seed: int = 0) -> Inputs:
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, width, generator=g).requires_grad_()
    weight = torch.randn(vocab, width, generator=g).requires_grad_()
    offsets = torch.randn(vocab, generator=g).requires_grad_() if bias else None
    return features, weight, offsets, torch.randint(vocab, (rows,), generator=g)


def in_double(rows: int, seed: int = 0) -> list[Tensor]:
    """Return features of two passes, weight and bias in float64."""
    features, weight, bias, _ = make(rows, 4, 5, seed=seed)
    assert bias is not None
    again = make(rows, 4, 5, seed=seed + 1)[0]
    return [t.detach().double().requires_grad_() for t in (features, again, weight, bias)]


def torch_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float) -> Tensor:
    logits = F.linear(features, weight, bias)
    return F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="sum")


class LargestTensor(TorchDispatchMode):
    """Remembers the largest tensor made."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.numel = max(self.numel, made.numel() if isinstance(made, Tensor) else 0)
        return made
