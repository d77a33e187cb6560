"""What is measured at every evaluation, by task: the loss on the validation split, scores, and samples to look at."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch

from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.decoding.translator import Translator
from nlpcli.evaluation.scores import choose_bleu_tokenizer, score
from nlpcli.models.attention import AttentionSeq2Seq
from nlpcli.models.base import Classifier, LanguageModel, Model, TranslationModel
from nlpcli.tokenization.batches import LabelledBatches, PairBatches
from nlpcli.tokenization.blocks import BlockBatches
from nlpcli.tokenization.dataset import Dataset

SAMPLES = 2
SAMPLES_OF_ENTROPY = 8  # batches, spread over all lengths


class Measured(NamedTuple):
    """Loss a target in nats without smoothing; the task's score by name (BLEU, perplexity, accuracy); samples to look at."""

    loss: float
    scores: dict[str, float]
    samples: list[str]

    def value(self, best_by: str) -> float:
        """Return what is larger for a better model, as `--best-by` says."""
        bleu, accuracy = self.scores.get("BLEU"), self.scores.get("accuracy")
        if best_by == "score" and bleu is not None:
            return bleu
        return accuracy if best_by != "loss" and accuracy is not None else -self.loss


class Validation(Protocol):
    """Measures a model on the validation split."""

    def __call__(self, model: Model) -> Measured: ...


SHOWN = 300  # characters of a sample
WHOLE = 1 << 30  # tokens: lines are read whole, however long


class TranslationValidation:
    """Loss on the whole split, and BLEU by greedy search on `sentences` lines spread over it."""

    def __init__(self, dataset: Dataset, batches: PairBatches, sentences: int, device: torch.device) -> None:
        self.dataset, self.batches, self.device = dataset, batches, device
        src, ref = dataset.text("valid", dataset.src), dataset.text("valid", dataset.tgt)
        stride = max(1, len(src) // sentences)
        rows = [i for i in range(0, len(src), stride) if src[i].strip()][:sentences]
        self.src, self.ref = [src[i] for i in rows], [ref[i] for i in rows]
        self.tokenizer = choose_bleu_tokenizer(dataset.tgt)
        self.calls = 0

    def __call__(self, model: Model) -> Measured:
        assert isinstance(model, TranslationModel)
        d = self.dataset
        translator = Translator(TorchEngine([model], str(self.device)), d.tokenizer, d.src, d.tgt, max_input_tokens=WHOLE)
        hypotheses = [t.best for t in translator.translate(self.src)]
        bleu = score(hypotheses, self.ref, self.tokenizer, ["BLEU"])[0].value
        first, self.calls = self.calls * SAMPLES, self.calls + 1
        rows = [(first + i) % len(self.src) for i in range(min(SAMPLES, len(self.src)))]
        shown = [[_shortened(text) for text in (self.src[i], self.ref[i], hypotheses[i])] for i in rows]
        samples = [f"    {d.src}: {src}\n    {d.tgt}: {ref}\n     →: {hypothesis}" for src, ref, hypothesis in shown]
        scores = {"BLEU": bleu}
        if isinstance(model, AttentionSeq2Seq):
            scores["attention entropy"] = self._entropy(model)
        return Measured(mean_loss(model, self.batches, self.device), scores, samples)

    def _entropy(self, model: AttentionSeq2Seq) -> float:
        """Return the mean entropy of attention over some batches, in nats: 0 looks at one word, the logarithm of the source's
        length at all of them alike."""
        rows = self.batches.in_order()
        some = rows[:: max(1, len(rows) // SAMPLES_OF_ENTROPY)]
        found = [model.attention_entropy(self.batches.load(batch).to(self.device)) for batch in some]
        return sum(found) / len(found)


class LanguageValidation:
    """Loss on the whole split; the perplexity is its exponential."""

    def __init__(self, batches: BlockBatches, device: torch.device) -> None:
        self.batches, self.device = batches, device

    def __call__(self, model: Model) -> Measured:
        assert isinstance(model, LanguageModel)
        kept = model.carried()
        loss = mean_loss(model, self.batches, self.device)
        model.carry(kept)
        return Measured(loss, {"perplexity": math.exp(min(loss, 700.0))}, [])


class ClassificationValidation:
    """Loss and accuracy in per cent on the whole split."""

    def __init__(self, batches: LabelledBatches, device: torch.device) -> None:
        self.batches, self.device = batches, device

    @torch.no_grad()
    def __call__(self, model: Model) -> Measured:
        assert isinstance(model, Classifier)
        right = texts = 0
        for rows in self.batches.in_order():
            batch = self.batches.load(rows).to(self.device)
            right += int(model.logits(batch.ids_bs, batch.lengths_b).argmax(-1).eq(batch.labels_b).sum())
            texts += batch.count
        return Measured(mean_loss(model, self.batches, self.device), {"accuracy": 100 * right / max(texts, 1)}, [])


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 2] + " …"


@torch.no_grad()
def mean_loss(model: Model, batches: PairBatches | BlockBatches | LabelledBatches, device: torch.device) -> float:
    """Return the loss a real target of a whole split, in nats, without label smoothing."""
    total, count = 0.0, 0
    for rows in batches.in_order():
        batch = batches.load(rows)  # type: ignore[arg-type]
        total, count = total + float(model(batch.to(device))), count + batch.count
    return total / max(count, 1)
