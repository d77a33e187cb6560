"""The training loop: a generator of events. It computes; printing, logging and saving listen to what it yields."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Iterator

import torch
from lightning_fabric import Fabric

from nlpcli import console
from nlpcli.errors import RunFailed
from nlpcli.models.base import Model
from nlpcli.training.averaging import Ema
from nlpcli.training.gradients import Gradients
from nlpcli.training.optimisation import Plateau, finish_gradients, learning_rate, set_learning_rate
from nlpcli.training.prefetch import prefetched
from nlpcli.training.processes import gathered
from nlpcli.training.settings import TrainSettings
from nlpcli.training.sharding import load_optimizer, put_together, spread, whole
from nlpcli.training.validation import Measured, Validation

UNUSABLE = 3  # steps in a row without a finite gradient, after which the run goes back to its last save point
UNUSABLE_16 = 20  # the same in float16, whose scale is found by overflowing
RECOVERIES = 3  # returns to a save point, each at half the learning rate, before the run is given up


@dataclass
class Progress:
    """Where a run is. All of it is part of the state that a resume takes up."""

    step: int = 0  # optimiser steps made
    epoch: int = 0
    batch: int = 0  # batches of this epoch already used
    seconds: float = 0.0
    count: int = 0  # real targets read: target tokens, or labels
    best_value: float | None = None
    best_step: int = 0
    best_loss: float = 0.0
    best_scores: dict[str, float] = field(default_factory=dict)
    evaluations_since_best: int = 0
    stopped: str = ""  # why the run ended: epochs, steps, minutes or patience
    log_bytes: int = 0  # length of metrics.jsonl when the state was saved
    unusable: int = 0  # steps in a row that were left out because the gradient was not finite
    recoveries: int = 0
    rate_scale: float = 1.0  # halved at each recovery


@dataclass(frozen=True)
class Step:
    """One optimiser step: loss a target in nats (as it is minimised), norm of the gradient, real targets."""

    step: int
    loss: float
    norm: float
    rate: float
    count: int
    seconds: float
    progress: float


@dataclass(frozen=True)
class Evaluation:
    """Validation: loss a target without smoothing, the task's scores, samples to look at."""

    step: int
    measured: Measured
    improved: bool


@dataclass(frozen=True)
class SavePoint:
    """The moment to write `state()`; `final` when the run is over."""

    step: int
    final: bool


@dataclass(frozen=True)
class Diverged:
    """Nothing usable came for several steps: the listener puts the last saved state back (see `Trainer.recover`)."""

    step: int


Event = Step | Evaluation | SavePoint | Diverged


@dataclass
class Trainer:
    """A model in training: the loop and the state it needs.

    Args:
        measure: measures the model on the validation split.
        stop: asked after each step; True ends the run at a save point as if it had been interrupted.
    """

    fabric: Fabric
    model: Model
    optimizer: torch.optim.Optimizer
    batches: Any
    settings: TrainSettings
    measure: Validation
    stop: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._wrapped: Any = self.fabric.setup_module(self.model)
        self._optimizer: Any = self.fabric.setup_optimizers(self.optimizer)
        self.ema = Ema(self.model, self.settings.ema) if self.settings.ema else None
        self.plateau = Plateau()
        self.gradients = Gradients(self.fabric, self.model, self._wrapped, self.settings)
        self._processes: list[dict[str, Any]] = []  # what each process had at the last save point

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on, as tensors and plain values; where the model is spread over processes,
        all of them must call it."""
        return {
            "model": put_together(self.model.state_dict()),
            "optimizer": put_together(self.optimizer.state_dict()),
            "precision": self.fabric.strategy.precision.state_dict(),
            "ema": put_together(self.ema.state_dict()) if self.ema else {},
            "plateau": asdict(self.plateau),
            "progress": asdict(self.progress),
            "processes": self._processes or [self.gradients.state()],
        }

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights to keep, their moving average if there is one; as for `state`, all processes must call it."""
        return put_together(self.ema.weights if self.ema else named_weights(self.model))

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned."""
        self.model.load_state_dict(spread(state["model"], self.model.state_dict()))
        load_optimizer(self.optimizer, state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.plateau = Plateau(**state["plateau"])
        self.progress = Progress(**state["progress"])
        self.gradients.restore(state["processes"][self.fabric.global_rank])

    def recover(self, state: dict[str, Any]) -> None:
        """Go on from a saved state at half the learning rate.

        Raises:
            RunFailed: it has been tried often enough.
        """
        p, step = self.progress, self.progress.step
        if p.recoveries >= RECOVERIES:
            rate = self.optimizer.param_groups[0]["lr"]
            raise RunFailed(
                f"the loss became infinite or NaN at step {step + 1}, {p.recoveries} times at ever lower learning rates",
                cause=f"the training diverges even at learning rate {rate:.3g}",
                fix="start again with a lower --learning-rate, a longer --warmup-steps or a smaller --clip-norm",
            )
        self.restore(state)
        self.progress.recoveries, self.progress.rate_scale, self.progress.unusable = p.recoveries + 1, p.rate_scale / 2, 0
        console.warn(
            f"no finite gradient since step {step}: going on from step {self.progress.step} "
            f"at {self.progress.rate_scale:g} times the learning rate"
        )

    def run(self) -> Iterator[Event]:
        """Train until a budget is used up, patience runs out or `stop` says so."""
        clock = time.monotonic() - self.progress.seconds
        if not self.progress.step:
            yield self._save_point()
        while True:
            epoch = self.batches.epoch(self.progress.epoch)
            self.progress.stopped = self._reason_to_stop(len(epoch))
            if self.progress.stopped:  # a finished run was taken up again
                return
            went_back = False
            for batches in self._loaded(epoch):
                event = self._step(batches, self._share_used(len(epoch)), clock)
                yield event
                if isinstance(event, Diverged):  # the listener has put a saved state back
                    went_back = True
                    break
                asked = self.stop()
                yield from self._after(len(epoch), clock, asked)
                if self.progress.stopped or asked:
                    return
            if not went_back:
                self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def _after(self, batches_an_epoch: int, clock: float, asked: bool) -> Iterator[Event]:
        p = self.progress
        p.stopped = self._reason_to_stop(batches_an_epoch)
        if p.step % self.settings.eval_every == 0 or p.stopped:
            evaluation = self._evaluate()
            yield evaluation
            p.seconds = self._seconds(clock)
            p.stopped = p.stopped or self._reason_to_stop(batches_an_epoch)
            if math.isfinite(evaluation.measured.loss) or p.stopped or asked:  # else nothing to go back to
                yield self._save_point()
        elif asked:
            yield self._save_point()

    def _save_point(self) -> SavePoint:
        if self.fabric.world_size > 1:
            self._processes = gathered(self.fabric, self.gradients.state())
        return SavePoint(self.progress.step, final=bool(self.progress.stopped))

    def _seconds(self, clock: float) -> float:
        """Return the seconds of training; where they end a run, those of the first process, so that all end together."""
        seconds = time.monotonic() - clock
        return self.fabric.broadcast(seconds) if self.settings.max_minutes else seconds

    def _loaded(self, epoch: list[Any]) -> Iterator[list[Any]]:
        """Yield the batches of each step that is left of an epoch, loaded ahead."""
        p, many = self.progress, self.settings.accumulate
        first = p.step - p.batch // many

        def load(begin: int) -> list[Any]:
            draw = (first + begin // many) * many
            return [self.batches.load(rows, draw + i) for i, rows in enumerate(epoch[begin : begin + many])]

        return prefetched(load, range(p.batch, len(epoch), many))

    def _step(self, batches: list[Any], share: float, clock: float) -> Step | Diverged:
        p, s = self.progress, self.settings
        rate = learning_rate(s, p.step, share, self.plateau.scale) * p.rate_scale
        set_learning_rate(self.optimizer, rate)
        self.model.train()
        count = sum(batch.count for batch in batches)
        loss = self.gradients.add(batches, share)
        norm = finish_gradients(self.fabric, self._optimizer, s)
        usable = math.isfinite(loss) and math.isfinite(norm)
        if usable or s.precision == "16":  # its scaler leaves out the step by itself, and must see it
            self._optimizer.step()
        self._optimizer.zero_grad()
        if usable and self.ema:
            self.ema.update(self.model)
        p.unusable = 0 if usable else p.unusable + 1
        if not usable and s.precision != "16":
            console.warn(f"step {p.step + 1}: no finite gradient; the step is left out")
        if p.unusable >= (UNUSABLE_16 if s.precision == "16" else UNUSABLE):
            return Diverged(p.step)
        p.step, p.batch, p.count = p.step + 1, p.batch + len(batches), p.count + count
        p.seconds = self._seconds(clock)
        return Step(p.step, loss, norm, rate, count, p.seconds, share)

    def step_at(self, rate: float) -> float:
        """Make one plain step of the first epoch at a learning rate; return the loss before it, for a range test."""
        p = self.progress
        epoch = self.batches.epoch(p.epoch)
        batch = self.batches.load(epoch[p.batch], p.step)
        p.step += 1
        p.epoch, p.batch = (p.epoch, p.batch + 1) if p.batch + 1 < len(epoch) else (p.epoch + 1, 0)
        set_learning_rate(self.optimizer, rate)
        self.model.train()
        loss = self.gradients.add_once([batch], 0.0)
        finish_gradients(self.fabric, self._optimizer, self.settings)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def _evaluate(self) -> Evaluation:
        p = self.progress
        self.model.eval()
        measured: Any = None
        with self.ema.applied(self.model) if self.ema else nullcontext(), whole(self.model):
            if not self.fabric.global_rank:
                measured = self.measure(self.model)
        measured = self.fabric.broadcast(measured)  # what ends a run must be the same for all processes
        if self.settings.schedule == "plateau" and self.plateau.observe(measured.loss):
            console.info(f"step {p.step:,}: no better loss; the learning rate is now {self.plateau.scale:g} times its peak")
        value = measured.value(self.settings.best_by)
        value = -math.inf if math.isnan(value) else value  # which nothing would ever exceed
        improved = p.best_value is None or value > p.best_value
        if improved:
            p.best_value, p.best_step = value, p.step
            p.best_loss, p.best_scores = measured.loss, measured.scores
        p.evaluations_since_best = 0 if improved else p.evaluations_since_best + 1
        return Evaluation(p.step, measured, improved)

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


def named_weights(model: Model) -> dict[str, torch.Tensor]:
    """Return a model's parameters, a tied one once."""
    return {name: p.detach() for name, p in model.named_parameters()}
