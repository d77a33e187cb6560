"""The training loop: a generator of events. It computes; printing, logging and saving listen to what it yields."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Iterator

import torch
from lightning_fabric import Fabric

from nlpcli.errors import RunFailed
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import PairBatches
from nlpcli.training.checkpoint import random_state, set_random_state
from nlpcli.training.optimisation import learning_rate, set_learning_rate
from nlpcli.training.settings import TrainSettings


@dataclass
class Progress:
    """Where a run is. All of it is part of the state that a resume takes up."""

    step: int = 0  # optimiser steps made
    epoch: int = 0
    batch: int = 0  # batches of this epoch already used
    seconds: float = 0.0
    tokens: int = 0  # real target tokens read
    best_score: float | None = None
    best_step: int = 0
    best_loss: float = 0.0
    best_bleu: float = 0.0
    evaluations_since_best: int = 0
    stopped: str = ""  # why the run ended: epochs, steps, minutes or patience
    log_bytes: int = 0  # length of metrics.jsonl when the state was saved


@dataclass(frozen=True)
class Step:
    """One optimiser step: loss a target token in nats (label-smoothed), norm of the gradient, real target tokens."""

    step: int
    loss: float
    norm: float
    rate: float
    tokens: int
    seconds: float
    progress: float


@dataclass(frozen=True)
class Evaluation:
    """Validation: loss a token without smoothing, and what `evaluate` measured besides (BLEU, samples)."""

    step: int
    loss: float
    bleu: float
    improved: bool
    samples: list[tuple[str, str, str]]


@dataclass(frozen=True)
class SavePoint:
    """The moment to write `state()`; `final` when the run is over."""

    step: int
    final: bool


Event = Step | Evaluation | SavePoint


@dataclass
class Trainer:
    """A model in training: the loop and the state it needs.

    Args:
        measure: returns (loss a token, BLEU, samples) of the model on the validation split.
        stop: asked after each step; True ends the run at a save point as if it had been interrupted.
    """

    fabric: Fabric
    model: TranslationModel
    optimizer: torch.optim.Optimizer
    batches: PairBatches
    settings: TrainSettings
    measure: Callable[[TranslationModel], tuple[float, float, list[tuple[str, str, str]]]]
    stop: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._wrapped, self._optimizer = self.fabric.setup(self.model, self.optimizer)

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
            "random": random_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        set_random_state(state["random"])

    def run(self) -> Iterator[Event]:
        """Train until a budget is used up, patience runs out or `stop` says so."""
        p = self.progress
        clock = time.monotonic() - p.seconds
        while True:
            epoch = self.batches.epoch(p.epoch)
            p.stopped = self._reason_to_stop(len(epoch))
            if p.stopped:  # a finished run was taken up again
                return
            for rows in epoch[p.batch :]:
                share = self._share_used(len(epoch))
                step = self._step(rows, share, clock)
                yield step
                p.stopped = self._reason_to_stop(len(epoch))
                if p.step % self.settings.eval_every == 0 or p.stopped:
                    yield self._evaluate()
                    p.seconds = time.monotonic() - clock
                    p.stopped = p.stopped or self._reason_to_stop(len(epoch))
                    yield SavePoint(p.step, final=bool(p.stopped))
                elif self.stop():
                    yield SavePoint(p.step, final=False)
                if p.stopped or self.stop():
                    return
            p.epoch, p.batch = p.epoch + 1, 0

    def _step(self, rows: list[int], share: float, clock: float) -> Step:
        p, s = self.progress, self.settings
        rate = learning_rate(s, p.step, share)
        set_learning_rate(self.optimizer, rate)
        self.model.train()
        batch = self.batches.load(rows, p.step).to(self.fabric.device)
        loss, tokens = self._wrapped(batch, s.label_smoothing, s.teacher_forcing)
        self._optimizer.zero_grad()
        self.fabric.backward(loss / tokens)
        norm = self._clip()
        mean = loss.item() / tokens
        if not (math.isfinite(mean) and math.isfinite(norm)):
            raise RunFailed(
                f"the loss became {mean} (gradient norm {norm}) at step {p.step + 1}",
                cause=f"training diverged at learning rate {rate:.2g}",
                fix="start again with a lower --learning-rate, a longer --warmup-steps or a smaller --clip-norm",
            )
        self._optimizer.step()
        p.step, p.batch, p.tokens = p.step + 1, p.batch + 1, p.tokens + tokens
        p.seconds = time.monotonic() - clock
        return Step(p.step, mean, norm, rate, tokens, p.seconds, share)

    def _clip(self) -> float:
        bound = self.settings.clip_norm
        norm = self.fabric.clip_gradients(self._wrapped, self._optimizer, max_norm=bound, error_if_nonfinite=False)
        return float(norm) if norm is not None else math.nan

    def _evaluate(self) -> Evaluation:
        p = self.progress
        self.model.eval()
        loss, bleu, samples = self.measure(self.model)
        score = -loss if self.settings.best_by == "loss" else bleu
        improved = p.best_score is None or score > p.best_score
        if improved:
            p.best_score, p.best_step, p.best_loss, p.best_bleu = score, p.step, loss, bleu
        p.evaluations_since_best = 0 if improved else p.evaluations_since_best + 1
        return Evaluation(p.step, loss, bleu, improved, samples)

    def _share_used(self, batches_an_epoch: int) -> float:
        p, s = self.progress, self.settings
        shares = [(p.epoch + p.batch / batches_an_epoch) / s.epochs]
        shares += [p.step / s.max_steps] if s.max_steps else []
        shares += [p.seconds / (60 * s.max_minutes)] if s.max_minutes else []
        return max(shares)

    def _reason_to_stop(self, batches_an_epoch: int) -> str:
        p, s = self.progress, self.settings
        if p.evaluations_since_best >= s.patience:
            return "patience"
        if s.max_steps and p.step >= s.max_steps:
            return "steps"
        if s.max_minutes and p.seconds >= 60 * s.max_minutes:
            return "minutes"
        return "epochs" if p.epoch + p.batch / batches_an_epoch >= s.epochs else ""
