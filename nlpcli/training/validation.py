"""What is measured at every evaluation: the loss on the validation split, BLEU and some samples."""

from __future__ import annotations

import torch

from nlpcli.decoding.translator import Translator
from nlpcli.evaluation.scores import score
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import PairBatches
from nlpcli.tokenization.dataset import Dataset

Sample = tuple[str, str, str]
SAMPLES = 2


class Validation:
    """Measures a model on the validation split: loss on all of it, BLEU on `sentences` lines spread over it.

    Args:
        precision: the context in which the loss is computed (Fabric's autocast); search is in fp32.
    """

    def __init__(self, dataset: Dataset, batches: PairBatches, sentences: int, device: torch.device) -> None:
        self.dataset, self.batches, self.device = dataset, batches, device
        src, ref = dataset.text("valid", dataset.src), dataset.text("valid", dataset.tgt)
        stride = max(1, len(src) // sentences)
        rows = [i for i in range(0, len(src), stride) if src[i].strip()][:sentences]
        self.src, self.ref = [src[i] for i in rows], [ref[i] for i in rows]
        self.calls = 0

    def __call__(self, model: TranslationModel) -> tuple[float, float, list[Sample]]:
        """Return the loss a target token in nats, greedy BLEU, and samples of (source, reference, translation)."""
        translator = Translator(model, self.dataset.tokenizer, self.dataset.src, self.dataset.tgt, device=str(self.device))
        hypotheses = [t.best for t in translator.translate(self.src)]
        bleu = score(hypotheses, self.ref, self.dataset.tgt, ["BLEU"])[0].value
        first, self.calls = self.calls * SAMPLES, self.calls + 1
        rows = [(first + i) % len(self.src) for i in range(min(SAMPLES, len(self.src)))]
        return self.loss(model), bleu, [(self.src[i], self.ref[i], hypotheses[i]) for i in rows]

    @torch.no_grad()
    def loss(self, model: TranslationModel) -> float:
        """Return the loss a real target token of the whole split, in nats, without label smoothing."""
        total, tokens = 0.0, 0
        for rows in self.batches.in_order():
            batch_loss, count = model(self.batches.load(rows).to(self.device))
            total, tokens = total + float(batch_loss), tokens + count
        return total / max(tokens, 1)
