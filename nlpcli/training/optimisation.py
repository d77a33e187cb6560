"""Optimisers and the learning rate over a run's progress."""

from __future__ import annotations

import math

import torch
from torch import nn

from nlpcli.training.settings import TrainSettings

FINAL_SHARE = 0.02  # of the peak learning rate, at the end of a cosine or linear decay


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019); matrices decay, biases and norms do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate, betas=(0.9, 0.98), eps=1e-8, fused=True)


def learning_rate(settings: TrainSettings, step: int, progress: float) -> float:
    """Return the learning rate of `step` (from 0): linear warm-up, then decay.

    Args:
        progress: the share of the run's budget (steps, epochs or minutes, whichever ends it first) used up, 0 to 1.
            Inverse-sqrt (Vaswani et al. 2017, eq. 3) looks at the step alone.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    progress = min(max(progress, 0.0), 1.0)
    if settings.decay == "inverse-sqrt":
        return peak * warm * math.sqrt(max(warmup, 1) / max(step + 1, warmup, 1))
    if settings.decay == "cosine":
        return peak * warm * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
    if settings.decay == "linear":
        return peak * warm * (1 - (1 - FINAL_SHARE) * progress)
    return peak * warm


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
