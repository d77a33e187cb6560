"""Is a model in another format still the same model? Its probabilities and its translations, beside PyTorch's.

Two things are compared on validation pairs: the log-probability of each token of the references, teacher-forced, and the
scores of greedy translations. A model without validation text is compared on sources drawn from its vocabulary and on what
PyTorch makes of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Iterator, Protocol, Sequence

import numpy as np
import torch

from nlpcli import console
from nlpcli.artifacts import Artifact
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.readers import read_aligned
from nlpcli.corpus.tables import read_pairs
from nlpcli.decoding.engine import Ids, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.decoding.translator import LENGTH_EXTRA, LENGTH_FACTOR
from nlpcli.errors import BadInput, RunFailed
from nlpcli.evaluation.scores import choose_bleu_tokenizer, score
from nlpcli.export.support import KEPT, PAIRS, spread
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, Tokenizer

BATCH = 32
LONGEST = 256  # tokens of a pair's longer side; validation text is seldom longer
DRAWN_LENGTHS = range(4, 36)
LIMITS = {"float32": (1e-4, 1e-3)}  # of the mean and of the largest difference of a token's log-probability, in nats
ROUNDED = (0.05, float("inf"))  # the same of fewer bits, where single improbable tokens may differ by more
DRAWN = 3  # times as much is allowed on drawn sources, as they are none that the model was trained for
CHRF = 0.5  # points that translations with fewer bits may lose


class Scorer(Protocol):
    """A model in another format."""

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        """Return the log-probabilities [t] of the targets' tokens; all ids end with EOS."""
        ...

    def greedy(self, sources: Sequence[Ids], limits: Sequence[int]) -> list[Ids]:
        """Return the most probable translations, token by token, without EOS."""
        ...


@dataclass(frozen=True)
class Sample:
    """Pairs of ids ending with EOS; `references` are empty where the sources are drawn."""

    sources: list[Ids]
    targets: list[Ids]
    references: list[str]
    name: str


@dataclass(frozen=True)
class Figures:
    """What was found: differences of log-probabilities a token in nats, and scores of greedy translations against the
    references (PyTorch's first); `equal` is the share of translations that are PyTorch's to the last token."""

    sample: str
    pairs: int
    tokens: int
    mean_difference: float
    largest_difference: float
    equal: float
    bleu: tuple[float, float] | None
    chrf: tuple[float, float] | None

    def to_metrics(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def sample_of(
    artifact: Artifact, tokenizer: Tokenizer, model: TranslationModel, data: str | None = None, split: str = "valid"
) -> Sample:
    """Return up to 200 pairs of `data`, of the text that the model keeps, or drawn ones.

    Raises:
        BadInput: the split has no pairs.
    """
    config = artifact.manifest.config
    src, tgt = config["src"], config["tgt"]
    kept = [artifact.path / name for name in KEPT]
    if data:
        of_split = find_corpus(data, src, tgt).split(split)
        pairs, name = spread(list(read_pairs(of_split.src, of_split.tgt, src, tgt))), f"{split} pairs of {data}"
    elif kept[0].is_file():
        pairs, name = list(read_aligned(kept[0], kept[1])), "validation pairs"
    else:
        return _drawn(model, tokenizer.vocab_size(src))
    ids = zip(tokenizer.encode([s for s, _ in pairs], src), tokenizer.encode([t for _, t in pairs], tgt), pairs)
    rows = [([*s, EOS], [*t, EOS], pair[1]) for s, t, pair in ids if s and max(len(s), len(t)) < LONGEST]
    if not rows:
        raise BadInput("there is nothing to compare on", cause=f"{name}: no pair has text", fix="choose other --data")
    sources, targets, references = map(list, zip(*rows))
    return Sample(sources, targets, references, name)


def check(scorer: Scorer, model: TranslationModel, tokenizer: Tokenizer, sample: Sample, tgt: str) -> Figures:
    """Compare a model in another format with itself in PyTorch."""
    reference = TorchScorer(model)
    ours, theirs = (np.concatenate(_in_batches(s.score, sample.sources, sample.targets)) for s in (reference, scorer))
    differences = np.abs(theirs - ours)
    limits = [LENGTH_FACTOR * len(ids) + LENGTH_EXTRA for ids in sample.sources]
    written = [_in_batches(s.greedy, sample.sources, limits) for s in (reference, scorer)]
    equal = sum(a == b for a, b in zip(*written)) / len(limits)
    bleu = chrf = None
    if sample.references:
        name = choose_bleu_tokenizer(tgt)
        found = [score(tokenizer.decode(ids, tgt), sample.references, name, ["BLEU", "chrF2"]) for ids in written]
        (bleu, chrf) = ((round(found[0][i].value, 2), round(found[1][i].value, 2)) for i in range(2))
    mean, largest = float(f"{differences.mean():.3g}"), float(f"{differences.max():.3g}")
    return Figures(sample.name, len(limits), len(differences), mean, largest, round(equal, 4), bleu, chrf)


def refuse_drift(figures: Figures, what: str, quantization: str, fix: str) -> None:
    """Print the figures, and refuse a model that has become another one.

    Args:
        what: the format, in words.

    Raises:
        RunFailed: probabilities or scores are too far from PyTorch's.
    """
    f, (mean, largest) = figures, LIMITS.get(quantization, ROUNDED)
    mean *= 1 if f.chrf else DRAWN
    told = f"log-probabilities differ by {f.mean_difference:.2g} a token (at most {f.largest_difference:.2g})"
    scores = ""
    if f.bleu and f.chrf:
        scores = f"; BLEU {f.bleu[1]:.2f} (PyTorch {f.bleu[0]:.2f}), chrF2 {f.chrf[1]:.2f} ({f.chrf[0]:.2f})"
    told += f"; {f.equal:.1%} of greedy translations are equal{scores}"
    console.info(f"{what}, {quantization}: {f.pairs} {f.sample}, {f.tokens:,} tokens: {told}")
    drifts = [
        (not f.mean_difference <= mean, f"{f.mean_difference:.2g} nats a token, where {mean:g} is allowed"),
        (not f.largest_difference <= largest, f"a token differs by {f.largest_difference:.2g} nats, {largest:g} is allowed"),
        (f.chrf is not None and f.chrf[1] < f.chrf[0] - CHRF, f"chrF2 falls by more than {CHRF}: {f.chrf}"),
    ]
    if problems := [problem for drifted, problem in drifts if drifted]:
        raise RunFailed(f"{what} ({quantization}) does not translate as PyTorch does", cause="; ".join(problems), fix=fix)


def check_packed(
    artifact: Artifact, model: TranslationModel, packed: TranslationModel, tokenizer: Tokenizer, quantization: str
) -> None:
    """Refuse a model in PyTorch with fewer bits whose probabilities are not those of float32; so few pairs are compared that
    it can be done at every start.

    Raises:
        RunFailed: it has drifted.
    """
    if quantization == "float32":
        return
    whole = sample_of(artifact, tokenizer, model)
    sample = replace(whole, sources=whole.sources[:BATCH], targets=whole.targets[:BATCH], references=whole.references[:BATCH])
    found = [TorchScorer(each).score(sample.sources, sample.targets) for each in (model, packed)]
    differences = np.abs(np.concatenate(found[0]) - np.concatenate(found[1]))
    mean, limit = float(differences.mean()), ROUNDED[0] * (1 if sample.references else DRAWN)
    console.detail(f"{quantization}: log-probabilities differ by {mean:.2g} a token on {len(sample.sources)} {sample.name}")
    if not mean <= limit:
        raise RunFailed(
            f"with {quantization} {artifact.path} is not the same model",
            cause=f"log-probabilities differ by {mean:.2g} nats a token, where {limit:g} is allowed",
            fix="use --quantization float32",
        )


class TorchScorer:
    """PyTorch itself."""

    def __init__(self, model: TranslationModel) -> None:
        self.model = model

    @torch.inference_mode()
    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        src_bs, lengths_b = pad(sources)
        tgt_in_bt, tgt_out_bt = pad([[BOS, *ids[:-1]] for ids in targets])[0], pad(targets)[0]
        features = self.model.decode(tgt_in_bt, self.model.encode(src_bs, lengths_b))
        logits_btv = self.model.output(features).float()
        logits_btv[..., [PAD, BOS]] = float("-inf")  # as in the search
        logprobs = logits_btv.log_softmax(-1).gather(2, tgt_out_bt[..., None])[..., 0]
        return [row[: len(ids)] for row, ids in zip(logprobs.numpy(), targets)]

    def greedy(self, sources: Sequence[Ids], limits: Sequence[int]) -> list[Ids]:
        found = TorchEngine([self.model]).search(Request(sources, limits), SearchSettings())
        return [hypotheses[0].ids for hypotheses in found]


def _drawn(model: TranslationModel, vocab_size: int) -> Sample:
    """Draw sources from the vocabulary, always the same, and translate them."""
    rng = np.random.default_rng(1)
    lengths = [int(rng.choice(DRAWN_LENGTHS)) for _ in range(PAIRS // 8)]
    sources = [[*rng.integers(EOS + 1, vocab_size, length).tolist(), EOS] for length in lengths]
    limits = [LENGTH_FACTOR * len(ids) + LENGTH_EXTRA for ids in sources]
    targets = [[*ids, EOS] for ids in _in_batches(TorchScorer(model).greedy, sources, limits)]
    return Sample(sources, targets, [], "drawn sources")


def _in_batches(compute: Any, sources: Sequence[Ids], others: Sequence[Any]) -> list[Any]:
    """Give a function rows of about the same length together; return its results in the rows' order."""
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    results: list[Any] = [None] * len(sources)
    for rows in _batches(order):
        for i, found in zip(rows, compute([sources[i] for i in rows], [others[i] for i in rows])):
            results[i] = found
    return results


def _batches(order: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(order), BATCH):
        yield order[first : first + BATCH]
