"""A loaded classifier that gives each line a label: batches by token budget, the order of the lines kept."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Sequence

import torch

from nlpcli.artifacts import Artifact
from nlpcli.decoding.load import open_models
from nlpcli.devices import pick_device
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
    """Labels texts with models over one tokenizer, whose probabilities are averaged; texts longer than the models were
    trained for are cut, and say so."""

    def __init__(
        self,
        models: Sequence[Classifier],
        tokenizer: Tokenizer,
        labels: list[str],
        *,
        max_length: int,
        device: str = "cpu",
        batch_tokens: int = 8192,
    ) -> None:
        self.models, self.tokenizer, self.labels, self.max_length = models, tokenizer, labels, max_length
        self.device, self.batch_tokens = torch.device(device), batch_tokens

    @classmethod
    def load(
        cls,
        model: Path | Artifact | Sequence[Path | Artifact],
        *,
        checkpoint: str = "model",
        device: str = "auto",
        batch_tokens: int = 8192,
    ) -> LabelPredictor:
        """Open a model artifact, or several, and put them on `device`.

        Raises:
            ArtifactError: a model does not classify, or does not fit the others.
        """
        artifacts, chosen = open_models(model, "classify"), pick_device(device)
        models = []
        for artifact in artifacts:
            loaded, tokenizer = load_model(artifact, checkpoint)
            assert isinstance(loaded, Classifier)
            models.append(loaded.to(chosen))
        return cls(
            models,
            tokenizer,
            artifacts[0].manifest.config["labels"],
            max_length=min(artifact.manifest.config["max_length"] for artifact in artifacts),
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
            ids_bs = ids_bs.to(self.device)
            each = torch.stack([model.logits(ids_bs, lengths_b).float().softmax(-1) for model in self.models])
            for row, of_text in zip(rows, each.mean(0).cpu()):
                found = dict(zip(self.labels, of_text.tolist()))
                results[kept[row]] = Prediction(self.labels[int(of_text.argmax())], found, len(encoded[row]) > self.max_length)
        return results
