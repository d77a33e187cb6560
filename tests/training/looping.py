"""A trainer without files: batches by hand, a model that can be made to fail, and a listener that keeps states in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nlpcli.models.base import PLAIN, Model, Objective
from nlpcli.models.config import CONFIGS
from nlpcli.models.load import build_model
from nlpcli.tokenization.batches import Batch, TextBatch, pad
from nlpcli.tokenization.tokenizer import BOS, EOS
from nlpcli.training.loop import Diverged, Evaluation, Event, SavePoint, Step, Trainer
from nlpcli.training.optimisation import make_optimizer
from nlpcli.training.settings import TrainSettings
from nlpcli.training.validation import Measured

WORDS = 20  # in the vocabulary
SIZES: dict[str, dict[str, int]] = {
    "rnn": {"d_embed": 8, "d_model": 8},
    "seq2seq": {"d_embed": 8, "d_model": 8},
    "attention": {"d_embed": 8, "d_model": 8},
    "transformer": {"d_model": 8, "d_ff": 8, "num_heads": 2, "encoder_layers": 1, "decoder_layers": 1},
    "cnn": {"d_embed": 8, "num_filters": 4},
}


class Rows:
    """Batches of rows given by their numbers, the same in every epoch; row i is a pair, or a text with a class."""

    def __init__(self, batches: Sequence[Sequence[int]], task: str = "translation") -> None:
        self.batches, self.task = batches, task
        self.loaded: list[int | None] = []

    def epoch(self, number: int) -> list[Any]:
        return list(self.batches)

    def in_order(self) -> list[Any]:
        return list(self.batches)

    def load(self, rows: Sequence[int], step: int | None = None) -> Any:
        self.loaded.append(step)
        texts = [[4 + (7 * i + j * j) % (WORDS - 4) for j in range(2 + i % 4)] for i in rows]
        ids_bs, lengths_b = pad([[*ids, EOS] for ids in texts])
        if self.task == "classify":
            return TextBatch(ids_bs, lengths_b, torch.tensor([i % 3 for i in rows]))
        tgt = [ids[::-1] for ids in texts]
        return Batch(ids_bs, lengths_b, pad([[BOS, *ids] for ids in tgt])[0], pad([[*ids, EOS] for ids in tgt])[0])


class Failing(nn.Module):
    """Wraps a model's loss: at a step and piece that `fails` names it raises, or gives NaN."""

    def __init__(self, model: Model, fails: Callable[[int, Tensor], Tensor]) -> None:
        super().__init__()
        self.calls = 0
        original = model.forward

        def forward(batch: Any, objective: Objective = PLAIN) -> Tensor:
            self.calls += model.training
            return fails(self.calls, original(batch, objective)) if model.training else original(batch, objective)

        model.forward = forward  # type: ignore[method-assign]


def build(architecture: str = "seq2seq", task: Any = "translation", seed: int = 1, **config: Any) -> Model:
    torch.manual_seed(seed)
    made: Any = CONFIGS[architecture](**{"dropout": 0.0, **SIZES[architecture], **config})
    return build_model(architecture, made, task, WORDS, 3 if task == "classify" else WORDS)


def script(losses: Sequence[float]) -> Callable[[Model], Measured]:
    """Return a measure that gives these losses one after the other."""
    left = list(losses)
    return lambda model: Measured(left.pop(0) if left else 1.0, {}, [])


def make(
    batches: Any, model: Model | None = None, measure: Callable[[Model], Measured] | None = None, **settings: Any
) -> Trainer:
    given = {"warmup_steps": 0, "schedule": "constant", "learning_rate": 0.01, "clip_norm": 0.0, "patience": 1000, **settings}
    chosen = TrainSettings(**given)
    model = model or build()
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    return Trainer(fabric, model, make_optimizer(model, chosen), batches, chosen, measure or script([]))


def listen(trainer: Trainer, on: Callable[[Event], None] = lambda event: None) -> list[Event]:
    """Run to the end as `run._listen` does, with the saved state in memory; return the events."""
    events, state = [], {}
    for event in trainer.run():
        events.append(event)
        if isinstance(event, SavePoint):
            state = deepcopy(trainer.state())
        elif isinstance(event, Diverged):
            trainer.recover(deepcopy(state))
        on(event)
    return events


def steps(events: list[Event]) -> list[Step]:
    return [event for event in events if isinstance(event, Step)]


def evaluations(events: list[Event]) -> list[Evaluation]:
    return [event for event in events if isinstance(event, Evaluation)]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], atol: float = 0.0) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=atol)
