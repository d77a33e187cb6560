"""The listeners of the loop: the progress line, `metrics.jsonl`, and the best and last checkpoints."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from nlpcli import console
from nlpcli.training.checkpoint import save_state, save_weights
from nlpcli.training.loop import Evaluation, Step, Trainer
from nlpcli.training.settings import STATE

LOG = "metrics.jsonl"
LOG_EVERY = 25  # steps between lines of metrics.jsonl
RECENT = 50  # steps over which loss and speed are averaged for the eye


class MetricsLog:
    """Appends to `metrics.jsonl`; after a resume it goes on where the saved state left it, so that no step stands twice."""

    def __init__(self, folder: Path, trainer: Trainer) -> None:
        self.trainer = trainer
        self.file = (folder / LOG).open("ab")
        self.file.truncate(trainer.progress.log_bytes)
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
    """Shows where training is: share of the budget, loss, target tokens a second, and the time left."""

    def __init__(self) -> None:
        self.recent: deque[Step] = deque(maxlen=RECENT)
        self.bar: console.Progress | None = None

    def step(self, event: Step) -> None:
        """Take note of a step."""
        self.recent.append(event)
        done = 100 * event.progress
        if self.bar is None:
            self.bar = console.Progress("train", 100, "%", done=done)
        self.bar.update(done, f"step {event.step:,}, loss {self.loss:.3f}, {self.speed:,.0f} tokens/s")

    @property
    def loss(self) -> float:
        """Mean loss of the recent steps."""
        return sum(s.loss for s in self.recent) / len(self.recent)

    @property
    def speed(self) -> float:
        """Real target tokens a second over the recent steps."""
        if len(self.recent) < 2:
            return 0.0
        seconds = self.recent[-1].seconds - self.recent[0].seconds
        return sum(s.tokens for s in list(self.recent)[1:]) / max(seconds, 1e-9)

    def evaluation(self, event: Evaluation, src: str, tgt: str) -> None:
        """Print an evaluation with one sample (all of them with -v)."""
        best = " (best)" if event.improved else ""
        console.info(f"step {event.step:,}: valid loss {event.loss:.3f}, BLEU {event.bleu:.1f}{best}")
        for i, (source, reference, hypothesis) in enumerate(event.samples):
            say = console.info if i == 0 else console.detail
            say(f"    {src}: {source}\n    {tgt}: {reference}\n     →: {hypothesis}")

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()


class Checkpoints:
    """Keeps the best weights and the state to resume from in the unfinished artifact's folder."""

    def __init__(self, folder: Path, config: dict[str, Any], inputs: list[str]) -> None:
        self.folder, self.config, self.inputs = folder, config, inputs
        self.state_path = folder / STATE
        self.saved_step = 0

    def best(self, trainer: Trainer) -> None:
        """Keep the weights as the best so far."""
        save_weights(self.folder / "model.safetensors", trainer.model)

    def save(self, trainer: Trainer) -> None:
        """Write the state."""
        save_state(self.state_path, {**trainer.state(), "config": self.config, "inputs": self.inputs})
        self.saved_step = trainer.progress.step
