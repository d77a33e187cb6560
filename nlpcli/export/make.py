"""One way for all formats: load the model, write it, read it back, compare it with PyTorch, refuse it if it has drifted."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from nlpcli.artifacts import Artifact, Draft
from nlpcli.decoding.ctranslate2_engine import CTranslate2Engine
from nlpcli.decoding.engine import Ids, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.export.support import transformer_config
from nlpcli.export.verify import Figures, Scorer, check, refuse_drift, sample_of
from nlpcli.models.config import TransformerConfig
from nlpcli.models.load import load_model
from nlpcli.models.transformer import TransformerTranslation
from nlpcli.tokenization.tokenizer import Tokenizer

NAMES = {
    "ctranslate2": "CTranslate2",
    "onnx": "ONNX",
    "huggingface": "Hugging Face",
    "torchscript": "TorchScript",
    "torch-export": "torch.export",
}
Write = Callable[[TransformerTranslation, TransformerConfig, Tokenizer, Path, dict[str, Any]], Scorer]


def make(artifact: Artifact, draft: Draft, fix: str, data: str | None = None, split: str = "valid") -> Figures:
    """Write an opened model into a draft whose `config` says into what, and compare it; the figures become its metrics.

    Args:
        fix: what to do when it has drifted.
        data, split: the pairs to compare on, if not those that the model keeps.

    Raises:
        RunFailed: it does not translate as PyTorch does.
    """
    wanted = draft.manifest.config
    model, tokenizer = load_model(artifact, wanted["checkpoint"])
    assert isinstance(model, TransformerTranslation)
    sample = sample_of(artifact, tokenizer, model, data, split)
    scorer = writer(wanted["to"])(model, transformer_config(artifact), tokenizer, draft.path, wanted)
    figures = check(scorer, model, tokenizer, sample, artifact.manifest.config["tgt"])
    draft.metrics.update(figures.to_metrics())
    refuse_drift(figures, NAMES[wanted["to"]], wanted["quantization"], fix)
    return figures


def writer(to: str) -> Write:
    """Return the function that writes a format."""
    if to == "ctranslate2":
        return _write_ctranslate2
    room = {"huggingface": "huggingface", "onnx": "onnx"}.get(to, "graphs")
    found: Write = import_module(f"nlpcli.export.{room}").write
    return found


def _write_ctranslate2(
    model: TransformerTranslation, config: TransformerConfig, tokenizer: Tokenizer, folder: Path, wanted: dict[str, Any]
) -> Scorer:
    from nlpcli.export.ctranslate2 import convert

    src, tgt = (pieces(tokenizer, language) for language in tokenizer.languages)
    convert(model, config, (src, tgt), folder, wanted["quantization"])
    return EngineScorer(CTranslate2Engine(folder, compute_type=wanted["quantization"], device=wanted["device"]))


def pieces(tokenizer: Tokenizer, language: str) -> list[str]:
    """Return the names of all ids; SentencePiece has no two alike."""
    processor = tokenizer.of(language)
    return [processor.id_to_piece(i) for i in range(processor.vocab_size())]


class EngineScorer:
    """CTranslate2, to be compared."""

    def __init__(self, engine: CTranslate2Engine) -> None:
        self.engine = engine

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        return self.engine.score(sources, targets)

    def greedy(self, sources: Sequence[Ids], limits: Sequence[int]) -> list[Ids]:
        return [found[0].ids for found in self.engine.search(Request(sources, limits), SearchSettings())]
