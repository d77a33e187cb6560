"""What stands between a gradient and the next weights: initial weights, optimiser, penalties, clipping, schedules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nlpcli.training.settings import TrainSettings
from nlpcli.training.sharding import put_together

FINAL_SHARE = 0.02  # of the peak learning rate, at the end of a cosine or linear schedule
CYCLE_RISE = 0.3  # share of the budget in which a one-cycle schedule rises
CYCLE_START = 1 / 25  # of the peak, where it begins
CYCLE_END = CYCLE_START / 1e4  # of the peak, where it ends
RMS_DECAY = 0.99  # of RMSprop's mean of squares
INIT_STD = 0.02  # of --init normal
FORCING_LEFT = 0.01  # share of the way an exponential would still have before it: its curve is stretched to arrive

Optimizer = torch.optim.Optimizer


def make_optimizer(model: nn.Module, settings: TrainSettings) -> Optimizer:
    """Return the optimiser with two groups: first the matrices, then biases and norms.

    Weight decay is decoupled for every optimiser (Loshchilov & Hutter 2019): before a step each matrix loses its
    share learning rate × `weight_decay`; the gradient's statistics do not see it. A tied parameter is there once.

    The fused kernels run on CPU and GPU alike. They unscale float16 gradients on their own, too late for clipping and
    penalties, so `precision = "16"` takes the foreach ones, as do weights spread over processes (`shard`: fused SGD does
    not know them), gradients of rows (the same), RMSprop (has none) and Adagrad (CPU only at first).
    """
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1]},
    ]
    s = settings
    kernel: Any = {"foreach": True} if s.precision == "16" or s.shard or sparse_gradients(s) else {"fused": True}
    common: Any = {"lr": s.learning_rate, "weight_decay": 0.0}
    optimizer: Optimizer
    if s.optimizer in ("adam", "adamw"):
        kind = torch.optim.AdamW if s.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(groups, betas=(s.adam_beta1, s.adam_beta2), eps=1e-8, **common, **kernel)
    elif s.optimizer == "adagrad":
        optimizer = torch.optim.Adagrad(groups, foreach=True, **common)
        _begin_late(optimizer)
    elif s.optimizer == "rmsprop":
        optimizer = torch.optim.RMSprop(groups, alpha=RMS_DECAY, momentum=s.momentum, foreach=True, **common)
    else:
        momentum = 0.0 if s.optimizer == "sgd" else s.momentum
        nesterov = s.optimizer == "nesterov" and momentum > 0  # torch refuses the case where both are plain descent
        optimizer = torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov, **common, **kernel)
    _decay_weights(optimizer, s)
    return optimizer


def sparse_gradients(settings: TrainSettings) -> bool:
    """Tell whether an embedding's gradient may hold the rows of a step's words alone, as the others have none.

    So it is with a sampled softmax, and only plain descent leaves a row without a gradient as it is (but for weight decay,
    which sees no gradient). A table of 33,000 words takes half of the time of a small model's step where all of it is
    read and written several times.
    """
    s = settings
    elsewhere = s.devices * s.num_nodes > 1 or s.precision == "16" or s.compile
    return s.sampled_softmax > 0 and s.optimizer == "sgd" and not (s.l1 or s.l2) and not elsewhere


def _decay_weights(optimizer: Optimizer, settings: TrainSettings) -> None:
    if settings.optimizer == "adamw":  # does it by itself, within its kernel
        optimizer.param_groups[0]["weight_decay"] = settings.weight_decay
    elif settings.weight_decay:

        @torch.no_grad()
        def shrink(*_: Any) -> None:
            if matrices := _matrices(optimizer):
                torch._foreach_mul_(matrices, 1 - optimizer.param_groups[0]["lr"] * settings.weight_decay)

        optimizer.register_step_pre_hook(shrink)


def _begin_late(optimizer: Optimizer) -> None:
    # Adagrad alone makes its state at once, which stays behind when the model is moved to a GPU or sharded afterwards
    optimizer.state.clear()

    def begin(*_: Any) -> None:
        for p in (p for group in optimizer.param_groups for p in group["params"] if p not in optimizer.state):
            optimizer.state[p] = {"step": torch.tensor(0.0), "sum": torch.zeros_like(p)}

    optimizer.register_step_pre_hook(begin)


def _matrices(optimizer: Optimizer) -> list[Tensor]:
    return [p for p in optimizer.param_groups[0]["params"] if p.grad is not None]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every parameter group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def finish_gradients(fabric: Fabric, optimizer: Any, settings: TrainSettings) -> float:
    """Make the gradients of `backward` ready for the optimiser's step: unscale, add penalties, clip by value, by norm.

    One function as the order matters, and as float16 gradients may be unscaled once only (`fabric.clip_gradients`
    does it at every call).

    Args:
        optimizer: as `fabric.setup_optimizers` returned it.

    Returns:
        The norm of all gradients before it was bounded; not finite where the training diverged, or where float16
        overflowed (there the step is skipped, and the scale lowered).
    """
    fabric.strategy.precision.unscale_gradients(optimizer.optimizer)
    add_penalties(optimizer, settings)
    return clip(optimizer, settings)


@torch.no_grad()
def add_penalties(optimizer: Optimizer, settings: TrainSettings) -> None:
    """Add the gradients of `l1` Σ|w| + `l2` ½Σw² over all matrices of `make_optimizer`'s optimiser that have one."""
    matrices = _matrices(optimizer)
    gradients = [p.grad for p in matrices if p.grad is not None]
    if settings.l1 and matrices:
        torch._foreach_add_(gradients, torch._foreach_sign(matrices), alpha=settings.l1)
    if settings.l2 and matrices:
        torch._foreach_add_(gradients, matrices, alpha=settings.l2)


def clip(optimizer: Optimizer, settings: TrainSettings) -> float:
    """Bound each gradient to ±`clip_value`, then the norm of all to `clip_norm` (0 is none); return the norm between."""
    parameters = [_with_gradient(p) for group in optimizer.param_groups for p in group["params"]]
    if settings.clip_value:
        nn.utils.clip_grad_value_(parameters, settings.clip_value)
    norm = put_together(nn.utils.clip_grad_norm_(parameters, settings.clip_norm or math.inf))
    return float(norm)


def _with_gradient(parameter: Tensor) -> Tensor:
    """Return what bears the gradient to clip: of a sparse one a stand-in for the rows it holds, each once."""
    if parameter.grad is None or not parameter.grad.is_sparse:
        return parameter
    parameter.grad = parameter.grad.coalesce()
    rows = parameter.grad.values()
    stand_in = rows.detach()
    stand_in.grad = rows
    return stand_in


def learning_rate(settings: TrainSettings, step: int, progress: float, scale: float = 1.0) -> float:
    """Return the learning rate of `step` (from 0): linear warm-up times the schedule.

    Args:
        progress: the share of the run's budget (steps, epochs or minutes, whichever ends it first) used up, 0 to 1.
            Inverse-sqrt (Vaswani et al. 2017, eq. 3) looks at the step alone. One-cycle (Smith & Topin 2018) looks at
            the progress alone: it has a warm-up of its own, by cosine.
        scale: what `Plateau` has come to; other schedules do not look at it.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    progress = min(max(progress, 0.0), 1.0)
    if settings.schedule == "one-cycle":
        if progress <= CYCLE_RISE:
            return peak * _cosine(CYCLE_START, 1.0, progress / CYCLE_RISE)
        return peak * _cosine(1.0, CYCLE_END, (progress - CYCLE_RISE) / (1 - CYCLE_RISE))
    if settings.schedule == "inverse-sqrt":
        return peak * warm * math.sqrt(max(warmup, 1) / max(step + 1, warmup, 1))
    if settings.schedule == "cosine":
        return peak * warm * _cosine(1.0, FINAL_SHARE, progress)
    if settings.schedule == "linear":
        return peak * warm * (1 - (1 - FINAL_SHARE) * progress)
    return peak * warm * (scale if settings.schedule == "plateau" else 1.0)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass
class Plateau:
    """Halves the learning rate when the validation loss no longer falls; the rule of torch's ReduceLROnPlateau.

    Its fields are plain values, part of a run's state.
    """

    factor = 0.5
    patience = 2  # evaluations without a better loss that are borne
    threshold = 1e-4  # share by which a loss must be lower to be better

    best: float | None = None  # loss
    bad: int = 0  # evaluations since the best, or since the last halving
    scale: float = 1.0  # of the learning rate

    def observe(self, loss: float) -> bool:
        """Take in the loss of an evaluation; return whether the learning rate was lowered."""
        if loss < (math.inf if self.best is None else self.best * (1 - self.threshold)):
            self.best, self.bad = loss, 0
            return False
        self.bad += 1
        if self.bad <= self.patience:
            return False
        self.bad, self.scale = 0, self.scale * self.factor
        return True


INITIALISERS: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,  # Glorot & Bengio 2010, eq. 16
    "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),  # He et al. 2015, eq. 10
    "normal": lambda w: nn.init.normal_(w, std=INIT_STD),  # Devlin et al. 2019
    "orthogonal": nn.init.orthogonal_,  # Saxe et al. 2014
}


@torch.no_grad()
def initialise(model: nn.Module, settings: TrainSettings) -> None:
    """Draw the weight matrices anew as `settings.init` says, from torch's global generator; "default" draws nothing.

    Embeddings (also where an output layer shares them), tables that are no layer's weight, biases and norms stay as
    they are. The gates of a recurrent layer, stacked in one tensor, are drawn one by one: their fans are one gate's.
    """
    if settings.init == "default":
        return
    done = {id(m.weight) for m in model.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))}
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            if "weight" in name and weight.ndim > 1 and id(weight) not in done:
                done.add(id(weight))
                for gate in weight.chunk(_gates(module, name, weight)):
                    INITIALISERS[settings.init](gate)


def _gates(module: nn.Module, name: str, weight: Tensor) -> int:
    if isinstance(module, nn.MultiheadAttention) and name == "in_proj_weight":
        return 3
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)) and name.startswith(("weight_ih", "weight_hh")):
        return weight.size(0) // module.hidden_size
    return 1


def teacher_forcing(settings: TrainSettings, progress: float) -> float:
    """Return the probability of feeding the reference's word (Bengio et al. 2015, §2.4), 0 to 1.

    It falls from 1 at progress 0 to `settings.teacher_forcing` at progress 1, or is that all the time ("constant").
    The paper's exponential kⁱ and inverse sigmoid k / (k + exp(i / k)) never arrive at an end and count steps; here the
    part of the curve that falls from 1 to 0.01 (the sigmoid: from 0.99 to 0.01) is stretched over the run.
    """
    end, decay = settings.teacher_forcing, settings.teacher_forcing_decay
    x, k = min(max(progress, 0.0), 1.0), FORCING_LEFT
    if decay == "constant":
        return end
    if decay == "exponential":
        left = (math.pow(k, x) - k) / (1 - k)
    elif decay == "inverse-sigmoid":
        left = (1 / (1 + math.pow(k, 1 - 2 * x)) - k / (1 + k)) * (1 + k) / (1 - k)
    else:
        left = 1 - x
    return min(max(end + (1 - end) * left, end), 1.0)
