"""A loaded classifier that gives each line a label: batches by token budget, the order of the lines kept."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence

import torch

from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.devices import pick_device
from nlpcli.errors import ArtifactError
from nlpcli.models.base import Classifier, with_end
from nlpcli.models.load import load_model
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.cut import by_token_budget
from nlpcli.tokenization.tokenizer import Tokenizer


class Prediction(NamedTuple):
    """The most probable label of a text, and the probability of every label; empty for a blank line."""

    label: str
    probabilities: dict[str, float]
    cut: bool = False


BLANK = Prediction("", {})


class LabelPredictor:
    """Labels texts with a model and its tokenizer; texts longer than the model was trained for are cut, and say so."""

    def __init__(
        self,
        model: Classifier,
        tokenizer: Tokenizer,
        labels: list[str],
        *,
        max_length: int,
        device: str = "cpu",
        batch_tokens: int = 8192,
    ) -> None:
        self.model, self.tokenizer, self.labels, self.max_length = model, tokenizer, labels, max_length
        self.device, self.batch_tokens = torch.device(device), batch_tokens

    @classmethod
    def load(
        cls, model: Path | Artifact, *, checkpoint: str = "model", device: str = "auto", batch_tokens: int = 8192
    ) -> LabelPredictor:
        """Open the model artifact at `model` and put it on `device`.

        Raises:
            ArtifactError: the model does not classify.
        """
        artifact = model if isinstance(model, Artifact) else open_artifact(model, "model")
        config = artifact.manifest.config
        if config.get("task") != "classify":
            raise ArtifactError(
                f"{artifact.path} does not classify",
                cause=f"it was trained for {config.get('task', 'translation')}",
                fix="give a model made by `nlpcli train … --task classify`",
            )
        chosen = pick_device(device)
        loaded, tokenizer = load_model(artifact, checkpoint)
        assert isinstance(loaded, Classifier)
        return cls(
            loaded.to(chosen),
            tokenizer,
            config["labels"],
            max_length=config["max_length"],
            device=chosen,
            batch_tokens=batch_tokens,
        )

    @torch.inference_mode()
    def predict(self, lines: Sequence[str]) -> list[Prediction]:
        """Label lines; blank ones get no label. One result a line, in their order."""
        kept = [i for i, line in enumerate(lines) if line.strip()]
        encoded = self.tokenizer.encode([lines[i] for i in kept], self.tokenizer.languages[0])
        texts = [with_end(ids[: self.max_length]) for ids in encoded]
        results = [BLANK for _ in lines]
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for rows in by_token_budget(order, [len(ids) for ids in texts], self.batch_tokens):
            ids_bs, lengths_b = pad([texts[row] for row in rows])
            probabilities = self.model.logits(ids_bs.to(self.device), lengths_b).float().softmax(-1).cpu()
            for row, of_text in zip(rows, probabilities):
                found = dict(zip(self.labels, of_text.tolist()))
                results[kept[row]] = Prediction(self.labels[int(of_text.argmax())], found, len(encoded[row]) > self.max_length)
        return results
