"""What is measured at an evaluation, and what of it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nlpcli.artifacts import open_artifact
from nlpcli.models.load import load_model
from nlpcli.tokenization.dataset import Dataset
from nlpcli.training.batches import make_batches
from nlpcli.training.settings import TrainSettings
from nlpcli.training.validation import TranslationValidation, mean_loss


def test_samples_of_long_texts_are_shortened(tiny_dataset: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, (model, _) = Dataset.load(tiny_dataset), load_model(open_artifact(tiny_model, "model"))
    batches: Any = make_batches(dataset, "valid", "translation", TrainSettings())
    measure = TranslationValidation(dataset, batches, 2, torch.device("cpu"))
    whole = measure(model).samples
    monkeypatch.setattr("nlpcli.training.validation.SHOWN", 8)
    cut = TranslationValidation(dataset, batches, 2, torch.device("cpu"))(model).samples
    for long, short in zip("\n".join(whole).split("\n"), "\n".join(cut).split("\n")):
        text, shown = (line.split(": ", 1)[1] for line in (long, short))
        assert shown == (text if len(text) <= 8 else text[:6] + " …")


def test_the_loss_of_a_split_keeps_nothing_for_gradients(tiny_dataset: Path, tiny_model: Path) -> None:
    dataset, (model, _) = Dataset.load(tiny_dataset), load_model(open_artifact(tiny_model, "model"))
    batches = make_batches(dataset, "valid", "translation", TrainSettings())
    seen: list[bool] = []
    hook = model.register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    assert mean_loss(model, batches, torch.device("cpu")) > 0
    hook.remove()
    assert seen
    assert not any(seen)
