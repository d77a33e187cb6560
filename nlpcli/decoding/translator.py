"""A loaded model that turns lines into translations: batches by token budget, the order of the lines kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

import torch

from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.decoding.search import Hypothesis, beam_search
from nlpcli.devices import pick_device
from nlpcli.models.base import TranslationModel, with_end
from nlpcli.models.load import load_model
from nlpcli.tokenization.batches import by_token_budget, pad
from nlpcli.tokenization.tokenizer import UNK, Tokenizer

LENGTH_FACTOR, LENGTH_EXTRA = 2, 20  # a translation may have this many tokens a source token, and so many more


@dataclass(frozen=True)
class Translation:
    """One line's hypotheses, the best first; empty for a blank line."""

    texts: list[str]
    hypotheses: list[Hypothesis]
    unknown: bool = False  # the source holds tokens that the vocabulary does not have

    @property
    def best(self) -> str:
        return self.texts[0] if self.texts else ""


class Translator:
    """Translates lines with a model and its tokenizer."""

    def __init__(
        self,
        model: TranslationModel,
        tokenizer: Tokenizer,
        src: str,
        tgt: str,
        *,
        device: str = "cpu",
        beam_size: int = 1,
        length_penalty: float = 1.0,
        n_best: int = 1,
        batch_tokens: int = 8192,
    ) -> None:
        self.model, self.tokenizer, self.src, self.tgt = model, tokenizer, src, tgt
        self.device = torch.device(device)
        self.beam_size, self.length_penalty, self.n_best = beam_size, length_penalty, n_best
        self.batch_tokens = batch_tokens

    @classmethod
    def load(cls, model: Path | Artifact, *, checkpoint: str = "model", device: str = "auto", **options: float) -> Translator:
        """Open the model artifact at `model` and put it on `device`; `options` are those of the constructor."""
        artifact = model if isinstance(model, Artifact) else open_artifact(model, "model")
        chosen = pick_device(device)
        loaded, tokenizer = load_model(artifact, checkpoint)
        config = artifact.manifest.config
        return cls(loaded.to(chosen), tokenizer, config["src"], config["tgt"], device=chosen, **options)  # type: ignore[arg-type]

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """Translate lines; blank ones (nothing but white space) stay blank. One result a line, in their order."""
        kept = [i for i, line in enumerate(lines) if line.strip()]
        sources = [with_end(ids) for ids in self.tokenizer.encode([lines[i] for i in kept], self.src)]
        results = [Translation([], []) for _ in lines]
        for rows in self._batches(sources):
            found = self._search([sources[row] for row in rows])
            best = [hypotheses[: self.n_best] for hypotheses in found]
            texts = iter(self.tokenizer.decode([h.ids for hypotheses in best for h in hypotheses], self.tgt))
            for row, hypotheses in zip(rows, best):
                written = [_one_line(next(texts)) for _ in hypotheses]
                results[kept[row]] = Translation(written, hypotheses, unknown=UNK in sources[row])
        return results

    def _batches(self, sources: list[list[int]]) -> Iterator[list[int]]:
        lengths = [len(ids) for ids in sources]
        longest_first = sorted(range(len(sources)), key=lambda i: -lengths[i])
        yield from by_token_budget(longest_first, lengths, max(1, self.batch_tokens // self.beam_size))

    def _search(self, sources: list[list[int]]) -> list[list[Hypothesis]]:
        src_bs, lengths_b = pad(sources)
        return beam_search(
            self.model,
            src_bs.to(self.device),
            lengths_b,
            limits=[LENGTH_FACTOR * len(ids) + LENGTH_EXTRA for ids in sources],
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
        )


def _one_line(text: str) -> str:
    """A translation is one line whatever the model writes: line breaks in it become blanks."""
    return text.replace("\r", " ").replace("\n", " ")
