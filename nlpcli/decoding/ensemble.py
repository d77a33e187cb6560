"""Several models as one: at each step the arithmetic mean of their probabilities (Sutskever et al. 2014, §3.6)."""

from __future__ import annotations

import math
from typing import Any, Sequence

import torch
from torch import Tensor, nn

from nlpcli.models.base import Memory, State, TranslationModel


class Ensemble(TranslationModel):
    """Models over one vocabulary, of any architectures.

    Its features are the logarithms of the mean probabilities, so its output layer has nothing left to do. What each model
    remembers stands under its number.
    """

    def __init__(self, models: Sequence[TranslationModel]) -> None:
        super().__init__()
        self.models: Any = nn.ModuleList(models)
        self.output: Any = nn.Identity()
        self.aligns = any(model.aligns for model in models)

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return tuple(embedding for model in self.models for embedding in model.embeddings())

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        return _joined([model.encode(src_bs, src_lengths_b) for model in self.models])

    def start(self, memory: Memory, beams: int) -> State:
        return _joined([model.start(own, beams) for model, own in self._each(memory)])

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        pairs = [
            (model, model.step(tokens_n, own, before))
            for (model, own), (_, before) in zip(self._each(memory), self._each(state))
        ]
        features = _mean([model.output(feature) for model, (feature, _) in pairs])
        return features, _joined([after for _, (_, after) in pairs])

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        return _mean([model.output(model.decode(tgt_in_bt, own)) for model, own in self._each(memory)])

    def alignment(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        """Return the mean over the models that have attention."""
        found = [model.alignment(tgt_in_bt, own) for model, own in self._each(memory) if model.aligns]
        return torch.stack(found).mean(0)

    def reorder(self, state: State, rows_n: Tensor) -> State:
        return _joined([model.reorder(own, rows_n) for model, own in self._each(state)])

    def select(self, memory: Memory, sentences_b: Tensor) -> Memory:
        return _joined([model.select(own, sentences_b) for model, own in self._each(memory)])

    def _each(self, joined: dict[str, Tensor]) -> list[tuple[TranslationModel, dict[str, Tensor]]]:
        """Return each model with what is its own."""
        own: list[dict[str, Tensor]] = [{} for _ in self.models]
        for name, tensor in joined.items():
            number, _, rest = name.partition(".")
            own[int(number)][rest] = tensor
        return list(zip(self.models, own))


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{i}.{name}": tensor for i, part in enumerate(parts) for name, tensor in part.items()}


def _mean(logits: list[Tensor]) -> Tensor:
    """Return the logarithm of the mean of the probabilities."""
    logprobs = torch.stack([x.float().log_softmax(-1) for x in logits])
    return logprobs.logsumexp(0) - math.log(len(logits))
