"""`nlpcli train … --dry-run`: what would be read, made and trained, without touching anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from nlpcli import artifacts
from nlpcli.corpus.names import Corpus
from nlpcli.corpus.prepare import find_data
from nlpcli.corpus.text import Text
from nlpcli.models.config import TASKS
from nlpcli.models.load import build_model, sizes
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.vocabulary import LARGEST_DEFAULT
from nlpcli.training.resolve import check_early, resolve, settings_of_model, split_settings
from nlpcli.training.train import default_out
from nlpcli.training.transfer import check_shapes

OF_DATA = ("lang", "column", "text_column", "label_column", "fold", "encoding")


def plan(
    *,
    architecture: str,
    data: str,
    out: Path | None = None,
    tokenizer: Path | None = None,
    task: Literal["auto", "translation", "lm", "classify"] = "auto",
    preset: Any = "auto",
    src: str | None = None,
    tgt: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Check the settings and the data, and return what training would read and make.

    `settings` are those that nobody gave, each with its source: of the model to begin from and, where the data is a dataset,
    of the preset. From a dataset the parameter count is exact; from text it is that of the settings given, with the largest
    default vocabulary.

    Raises:
        UsageError: settings that cannot work.
        BadInput: the data is not there.
    """
    of_data = {name: settings.pop(name) for name in OF_DATA if settings.get(name) is not None}
    of_model = settings_of_model(architecture, settings)
    settings |= of_model
    model, training = split_settings(architecture, settings)
    if training.from_model:
        check_shapes(architecture, model, training.from_model)
        tokenizer = tokenizer or Path(training.from_model) / "tokenizer"
    facts: dict[str, Any] = {"out": str(out or default_out(data, architecture))}
    exact = artifacts.is_artifact(data) and artifacts.read_artifact(data).manifest.kind == "dataset"
    if exact:
        dataset = Dataset.load(data)
        resolved = resolve(architecture, dataset, preset, settings, dict.fromkeys(of_model, "model"))
        model, chosen = resolved.model, dataset.task
        facts["input"] = f"{data} (dataset {dataset.artifact.id}, {'-'.join(dataset.languages)}, {chosen})"
        facts["settings"] = {name: (resolved.config[name], source) for name, source in resolved.sources.items()}
        inputs, outputs = sizes(dataset.tokenizer, len(dataset.labels))
    else:
        if task == "auto" and len(TASKS[architecture]) == 1:
            task = TASKS[architecture][0]
        text = find_data(data, task, src, tgt, **of_data)
        chosen = "translation" if isinstance(text, Corpus) else "lm" if isinstance(text, Text) else "classify"
        found = Tokenizer.load(tokenizer) if tokenizer else None
        check_early(architecture, chosen, preset, settings, found)
        languages = f", {text.src}-{text.tgt}" if isinstance(text, Corpus) else ""
        facts["settings"] = {name: (value, "model") for name, value in of_model.items()}
        facts["input"] = f"{text.root} ({', '.join(text.splits)}{languages}, {chosen})"
        inputs, outputs = sizes(found) if found else (LARGEST_DEFAULT, LARGEST_DEFAULT)
        outputs = 2 if chosen == "classify" else outputs  # as many classes as the labels will show; they are few
    with torch.device("meta"):
        made = build_model(architecture, model, chosen, inputs, outputs)
    facts["parameters"] = f"{sum(p.numel() for p in made.parameters()):,}"
    if not exact and not tokenizer:
        facts["parameters"] += f" at most (a vocabulary of {LARGEST_DEFAULT:,} pieces; it is learnt from the data)"
    return facts
