"""The training loop: a generator of events. It computes; printing, logging and saving listen to what it yields."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Iterator

import torch
from lightning_fabric import Fabric

from nlpcli import console
from nlpcli.errors import RunFailed
from nlpcli.models.base import LanguageModel, Model, Objective
from nlpcli.training.averaging import Ema
from nlpcli.training.checkpoint import random_state, set_random_state
from nlpcli.training.optimisation import Plateau, finish_gradients, learning_rate, set_learning_rate, teacher_forcing
from nlpcli.training.prefetch import prefetched
from nlpcli.training.processes import gathered
from nlpcli.training.settings import TrainSettings
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
    pieces: int = 1  # into how many parts a batch is cut so that it fits into memory
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
        self._wrapped, self._optimizer = self.fabric.setup(self.model, self.optimizer)
        self.ema = Ema(self.model, self.settings.ema) if self.settings.ema else None
        self.plateau = Plateau()
        self._carried: list[dict[str, torch.Tensor]] = []
        self._processes: list[dict[str, Any]] = []  # what each process had at the last save point

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "ema": self.ema.state_dict() if self.ema else {},
            "plateau": asdict(self.plateau),
            "progress": asdict(self.progress),
            "processes": self._processes or [self._own_state()],
        }

    def _own_state(self) -> dict[str, Any]:
        """Return what no two processes have in common."""
        return {"carried": to_cpu(self._carried), "pieces": self.progress.pieces, "random": random_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.plateau = Plateau(**state["plateau"])
        own = state["processes"][self.fabric.global_rank]
        self._carried = own["carried"]
        self.progress = replace(Progress(**state["progress"]), pieces=own["pieces"])
        set_random_state(own["random"])

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
            self._processes = gathered(self.fabric, self._own_state())
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
        loss = self._gradients(batches, count, share)
        norm = finish_gradients(self.fabric, self._wrapped, self._optimizer, s)
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

    def _gradients(self, batches: list[Any], count: int, share: float) -> float:
        """Add up the gradients of the mean loss over all of the batches; out of memory, cut them into more pieces."""
        before, carried = random_state(), list(self._carried)
        while True:
            try:
                return self._try_gradients(batches, count, share)
            except RuntimeError as e:
                if not out_of_memory(e):
                    raise
                if self.progress.pieces >= max(len(batch[0]) for batch in batches):
                    raise RunFailed(
                        "out of memory, even for one row at a time",
                        cause=str(e).split("\n")[0][:200],
                        fix="lower --max-length or --context-length, or choose a smaller --preset",
                    ) from None
            self._optimizer.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            set_random_state(before)
            self._carried = carried = halved(carried)
            self.progress.pieces *= 2
            console.warn(
                f"out of memory: from now on a batch is computed in {self.progress.pieces} pieces, with the same result"
            )

    def _try_gradients(self, batches: list[Any], count: int, share: float) -> float:
        s, fabric = self.settings, self.fabric
        objective = Objective(
            s.label_smoothing, s.r_drop, s.word_dropout, teacher_forcing(s, share), s.guided_alignment, s.coverage_loss
        )
        ranks, pieces = fabric.world_size, self.progress.pieces
        parts = [part for batch in batches for part in self._pieces(batch)]
        total = torch.zeros((), device=fabric.device)
        for i, (part, weight) in enumerate(parts):
            self._put_back(i % pieces)
            last = i == len(parts) - 1
            with fabric.no_backward_sync(self._wrapped, enabled=not last) if ranks > 1 else nullcontext():
                loss = self._wrapped(part.to(fabric.device), objective) * weight
                fabric.backward(loss * (ranks / count))  # processes average their gradients
            total += loss.detach()
            self._keep(i % pieces)
        if ranks > 1:
            total = fabric.all_reduce(total, reduce_op="sum")  # type: ignore[assignment]
        return float(total) / count

    def _pieces(self, batch: Any) -> Iterator[tuple[Any, float]]:
        """Cut a batch by rows, for this process and for memory; each part with the weight of its loss.

        The rows of a process do not depend on how many pieces it needs. If none is left for a piece it computes the first one
        without weight, as all processes must take part in every step.
        """
        ranks, pieces = self.fabric.world_size, self.progress.pieces
        for i in range(pieces):
            first = self.fabric.global_rank + i * ranks
            left = first < len(batch[0])
            yield rows_of(batch, slice(first, None, ranks * pieces) if left else slice(0, 1)), float(left)

    def _put_back(self, piece: int) -> None:
        if isinstance(self.model, LanguageModel) and self._carried:
            self.model.carry(self._carried[piece])

    def _keep(self, piece: int) -> None:
        if isinstance(self.model, LanguageModel) and (state := self.model.carried()):
            if len(self._carried) != self.progress.pieces:
                self._carried = [{} for _ in range(self.progress.pieces)]
            self._carried[piece] = state

    def step_at(self, rate: float) -> float:
        """Make one plain step of the first epoch at a learning rate; return the loss before it, for a range test."""
        p = self.progress
        epoch = self.batches.epoch(p.epoch)
        batch = self.batches.load(epoch[p.batch], p.step)
        p.step += 1
        p.epoch, p.batch = (p.epoch, p.batch + 1) if p.batch + 1 < len(epoch) else (p.epoch + 1, 0)
        set_learning_rate(self.optimizer, rate)
        loss = self.gradients_of(batch)
        finish_gradients(self.fabric, self._wrapped, self._optimizer, self.settings)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def gradients_of(self, batch: Any) -> float:
        """Add the gradients of one batch to those there are, and return its mean loss.

        Raises:
            RuntimeError: out of memory (see `out_of_memory`).
        """
        self.model.train()
        return self._try_gradients([batch], batch.count, 0.0)

    def _evaluate(self) -> Evaluation:
        p = self.progress
        self.model.eval()
        measured: Any = None
        if not self.fabric.global_rank:
            with self.ema.applied(self.model) if self.ema else nullcontext():
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


def rows_of(batch: Any, rows: slice) -> Any:
    """Return some rows of a batch: of each tensor in it."""
    return type(batch)(*(x[rows] if isinstance(x, torch.Tensor) else x for x in batch))


def halved(carried: list[dict[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    """Cut the carried state of each piece in two, as `Trainer._pieces` cuts the rows: first all even ones, then all odd."""
    return [{name: x[odd::2] for name, x in piece.items()} for odd in (0, 1) for piece in carried]


def to_cpu(carried: list[dict[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    """Copy the carried state off a GPU, where it is no use to another process."""
    return [{name: x.cpu() for name, x in piece.items()} for piece in carried]


def out_of_memory(e: BaseException) -> bool:
    """Tell whether torch could not get memory, on a GPU or on the CPU."""
    return isinstance(e, torch.OutOfMemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(e)
