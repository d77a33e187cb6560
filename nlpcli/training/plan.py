"""`nlpcli train … --dry-run`: what would be read, made and trained, without touching anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nlpcli import artifacts
from nlpcli.corpus.names import find_corpus
from nlpcli.models import ARCHITECTURES, check
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.vocabulary import LARGEST_DEFAULT
from nlpcli.training.train import default_out, split_settings


def plan(
    *,
    architecture: str,
    data: str,
    out: Path | None = None,
    tokenizer: Path | None = None,
    src: str | None = None,
    tgt: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check the settings and the data, and return what training would read and make.

    The parameter count is exact with a dataset or a tokenizer, else for the largest default vocabulary.

    Raises:
        UsageError: settings that cannot work.
        BadInput: the data is not there.
    """
    module = ARCHITECTURES[architecture]
    config, _ = split_settings(architecture, settings)
    facts: dict[str, Any] = {"out": str(out or default_out(data, architecture))}
    found = None
    if artifacts.is_artifact(data) and artifacts.read_artifact(data).manifest.kind == "dataset":
        dataset = Dataset.load(data)
        found, src, tgt = dataset.tokenizer, dataset.src, dataset.tgt
        facts["input"] = f"{data} (dataset {dataset.artifact.id}, {src}-{tgt})"
    else:
        corpus = find_corpus(data, src, tgt)
        src, tgt = corpus.src, corpus.tgt
        facts["input"] = f"{corpus.root} ({', '.join(corpus.splits)}, {src}-{tgt})"
        found = Tokenizer.load(tokenizer) if tokenizer else None
    if found:
        check(config, found)
    sizes = [found.vocab_size(lang) for lang in (src, tgt)] if found else [LARGEST_DEFAULT] * 2
    with torch.device("meta"):
        model = module.build(config, *sizes)
    facts["parameters"] = f"{sum(p.numel() for p in model.parameters()):,}"
    if not found:
        facts["parameters"] += f" at most (vocabularies of {LARGEST_DEFAULT:,} pieces; they are learnt from the data)"
    return facts
