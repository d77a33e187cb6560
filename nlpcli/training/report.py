"""The listeners of the loop: the progress line, `metrics.jsonl`, and the best and last checkpoints."""

from __future__ import annotations

import math
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import torch

from nlpcli import console
from nlpcli.training.checkpoint import load_state, save_state, save_weights
from nlpcli.training.loop import Evaluation, Step, Trainer
from nlpcli.training.settings import STATE

LOG = "metrics.jsonl"
LOG_EVERY = 25  # steps between lines of metrics.jsonl
RECENT = 50  # steps over which loss and speed are averaged for the eye
PLACES = {"BLEU": 1, "accuracy": 1}
UNITS = {"translation": "tokens", "lm": "tokens", "classify": "texts"}


class MetricsLog:
    """Appends to `metrics.jsonl`; after a resume it goes on where the saved state left it, so that no step stands twice."""

    def __init__(self, folder: Path, trainer: Trainer) -> None:
        self.trainer = trainer
        self.file = (folder / LOG).open("ab")
        self.go_back()

    def go_back(self) -> None:
        """Cut off what was written after the state that the trainer goes on from."""
        self.file.truncate(self.trainer.progress.log_bytes)
        self.file.seek(0, os.SEEK_END)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        self.file.write(msgspec.json.encode(record) + b"\n")
        self.file.flush()
        self.trainer.progress.log_bytes = self.file.tell()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class ProgressLine:
    """Shows where training is: share of the budget, loss, targets a second, and the time left."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.recent: deque[Step] = deque(maxlen=RECENT)
        self.bar: console.Progress | None = None

    def step(self, event: Step) -> None:
        """Take note of a step."""
        self.recent.append(event)
        done = 100 * event.progress
        if self.bar is None:
            self.bar = console.Progress("train", 100, "%", done=done)
        self.bar.update(done, f"step {event.step:,}, loss {self.loss:.3f}, {self.speed:,.0f} {self.unit}/s")

    @property
    def loss(self) -> float:
        """Mean loss of the recent steps, without those that were left out."""
        losses = [s.loss for s in self.recent if math.isfinite(s.loss)]
        return sum(losses) / len(losses) if losses else math.nan

    @property
    def speed(self) -> float:
        """Real targets a second over the recent steps."""
        if len(self.recent) < 2:
            return 0.0
        seconds = self.recent[-1].seconds - self.recent[0].seconds
        return sum(s.count for s in list(self.recent)[1:]) / max(seconds, 1e-9)

    def evaluation(self, event: Evaluation) -> None:
        """Print an evaluation with one sample (all of them with -v)."""
        best = " (best)" if event.improved else ""
        scores = "".join(f", {name} {value:.{PLACES.get(name, 2)}f}" for name, value in event.measured.scores.items())
        console.info(f"step {event.step:,}: valid loss {event.measured.loss:.3f}{scores}{best}")
        for i, sample in enumerate(event.measured.samples):
            say = console.info if i == 0 else console.detail
            say(sample)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()


class Checkpoints:
    """Keeps the best weights and the state to resume from in the unfinished artifact's folder.

    The state is copied and then written by a thread, so that training goes on meanwhile; what goes wrong there is raised by
    the next save, or by `wait`.
    """

    def __init__(self, folder: Path, config: dict[str, Any], inputs: list[str], keep: int = 0) -> None:
        self.folder, self.config, self.inputs, self.keep = folder, config, inputs, keep
        self.state_path = folder / STATE
        self.saved_step = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def best(self, trainer: Trainer) -> None:
        """Keep the weights (their moving average, if there is one) as the best so far."""
        self._weights("model", trainer)

    def last(self, trainer: Trainer) -> None:
        """Keep the weights of this evaluation for the average at the end, and forget the oldest."""
        self._weights(f"{EVALUATION}{trainer.progress.step:08d}", trainer)
        for path in self.evaluations()[: -self.keep]:
            path.unlink()

    def evaluations(self) -> list[Path]:
        """Return the weights kept for the average, the oldest first."""
        return sorted(self.folder.glob(f"{EVALUATION}*.safetensors"))

    def _weights(self, name: str, trainer: Trainer) -> None:
        save_weights(self.folder / f"{name}.safetensors", trainer.weights())

    def save(self, trainer: Trainer) -> None:
        """Copy the state and begin to write it."""
        self.wait()
        state = {**_copied(trainer.state()), "config": self.config, "inputs": self.inputs}
        self._pending = self._thread.submit(save_state, self.state_path, state)
        self.saved_step = trainer.progress.step

    def load(self) -> dict[str, Any]:
        """Return the state saved last."""
        self.wait()
        return load_state(self.state_path)

    def wait(self) -> None:
        """Wait until the state is on disk; raise what went wrong."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait for the state, and end the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()


EVALUATION = "evaluation-"


def _copied(value: Any) -> Any:
    """Copy the tensors in a state to the CPU, so that training may change them while they are written."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value
