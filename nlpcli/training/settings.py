"""How a model is trained; what the model is stands in its own `Config`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from nlpcli.config import NotNegative, NotNegativeFloat, Positive, PositiveFloat, Probability, Share

Decay = Literal["cosine", "linear", "inverse-sqrt", "none"]


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Budget, batches, optimisation, evaluation and device."""

    epochs: Positive = 30
    max_steps: Positive | None = None
    max_minutes: PositiveFloat | None = None
    batch_tokens: Positive = 4096
    max_length: Positive = 256
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: NotNegative = 200
    decay: Decay = "cosine"
    weight_decay: NotNegativeFloat = 0.01
    clip_norm: PositiveFloat = 1.0
    label_smoothing: Probability = 0.1
    teacher_forcing: Share = 1.0
    subword_sampling: Share = 0.0
    embeddings: tuple[str, ...] = ()
    freeze_embeddings: bool = False
    eval_every: Positive = 250
    eval_sentences: Positive = 200
    patience: Positive = 8
    best_by: Literal["loss", "bleu"] = "loss"
    seed: NotNegative = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"


STATE = "state.pt"  # what an unfinished run is taken up from
MAY_CHANGE = {"epochs", "max_steps", "max_minutes", "patience"}  # on resume: how long to train, not how


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List what differs between two resolved settings, without the bounds of the run."""
    changed = [k for k in sorted(then | now) if k not in MAY_CHANGE and then.get(k) != now.get(k)]
    return [f"{k}: {then.get(k)} then, {now.get(k)} now" for k in changed]
