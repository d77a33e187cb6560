"""From model artifacts to a translator: which engine computes, and why."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Sequence

import msgspec

from nlpcli import console
from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.decoding.engine import Engine, Request
from nlpcli.decoding.glossary import read_glossary, read_words
from nlpcli.decoding.settings import EngineName, EngineSettings, SearchSettings, TextSettings, check_search
from nlpcli.decoding.translator import Translator
from nlpcli.environment import keep_freed_memory, processors
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.models.config import WEIGHTS, Task
from nlpcli.tokenization.tokenizer import Tokenizer

USE: dict[Task, tuple[str, str]] = {  # what a model does, and with which command
    "translation": ("translate", "nlpcli translate"),
    "classify": ("classify", "nlpcli classify"),
    "lm": ("write on", "nlpcli generate"),
}
LONGEST = 256  # tokens of a line, for models that do not say how long those of their training were


def open_models(model: Path | Artifact | Sequence[Path | Artifact], task: Task = "translation") -> list[Artifact]:
    """Open a model, or several that are to work together.

    Raises:
        ArtifactError: one was trained for another task, or their vocabularies or labels are not the same.
    """
    given = [model] if isinstance(model, (str, Path, Artifact)) else model
    opened = [each if isinstance(each, Artifact) else open_artifact(each, "model") for each in given]
    for artifact in opened:
        config = artifact.manifest.config
        if (trained_for := config.get("task", "translation")) != task:
            does, _ = USE[task]
            raise ArtifactError(
                f"{artifact.path} does not {does}", cause=f"it was trained for {trained_for}", fix=USE[trained_for][1]
            )
        if config["tokenizer_id"] != opened[0].manifest.config["tokenizer_id"]:
            raise ArtifactError(
                f"{artifact.path} and {opened[0].path} cannot work together",
                cause="their tokenizers differ, so the same number is not the same piece of text",
                fix="train both on the same dataset (nlpcli tokenize dataset)",
            )
        if config.get("labels") != opened[0].manifest.config.get("labels"):
            raise ArtifactError(
                f"{artifact.path} and {opened[0].path} cannot work together",
                cause="their labels differ",
                fix="train both on the same dataset (nlpcli tokenize dataset)",
            )
    return opened


def longest_input(artifact: Artifact) -> int:
    """Return the tokens of the longest line that a model was trained on, which is the longest it reads at once."""
    config = artifact.manifest.config
    longest: int = config.get("max_length", LONGEST)
    return min(longest, config["max_positions"] - 1) if config.get("positions") == "learned" else longest


def load_translator(
    models: Sequence[Path | Artifact],
    search: SearchSettings = SearchSettings(),
    engine: EngineSettings = EngineSettings(),
    text: TextSettings = TextSettings(),
    *,
    attention: bool = False,
) -> Translator:
    """Load a translator; close it when done, as its engine may have processes.

    Args:
        models: one, or several whose probabilities are averaged.
        attention: whether translations are to tell what they paid attention to.

    Raises:
        UsageError: settings that contradict each other, or that the engine asked for cannot do.
        ArtifactError: a model does not translate, or does not fit the others.
        Unavailable: the device or the number format is not there.
    """
    check_search(search)
    artifacts = open_models(models)
    config = artifacts[0].manifest.config
    tokenizer = Tokenizer.load(artifacts[0].path / "tokenizer")
    suppressed = read_words(text.suppress_words) if text.suppress_words else []
    asked = Request(
        [], [], [[]] if text.prefixes else (), [[]] if text.glossary or text.require_words else (), [[]] * len(suppressed)
    )
    loaded = load_engine(artifacts, search, engine, asked)
    return Translator(
        loaded,
        tokenizer,
        config["src"],
        config["tgt"],
        search=search,
        on_long=text.on_long,
        max_input_tokens=text.max_input_tokens or longest_input(artifacts[0]),
        batch_tokens=engine.batch_tokens or _batch_tokens(loaded.name, search.beam_size),
        keep_tags=text.keep_tags,
        attention=attention,
        glossary=read_glossary(text.glossary) if text.glossary else None,
        suppressed=suppressed,
    )


def load_engine(artifacts: Sequence[Artifact], search: SearchSettings, settings: EngineSettings, asked: Request) -> Engine:
    """Load the engine asked for, or CTranslate2 where it can do all that is asked.

    Args:
        asked: a request with something in each list that will be used.
    """
    fault = _ctranslate2_fault(artifacts, search, settings, asked)
    if settings.engine == "ctranslate2" and fault:
        raise UsageError("--engine ctranslate2 cannot do this", cause=fault, fix="use --engine torch, or auto")
    name: EngineName = "torch" if settings.engine == "torch" or fault else "ctranslate2"
    console.detail(f"engine: {'PyTorch' if name == 'torch' else 'CTranslate2'} ({fault or 'it can do what is asked'})")
    if settings.cluster is None:
        return _engine(name, settings, artifacts)
    from nlpcli.decoding.cluster_engine import ClusterEngine

    alone = msgspec.structs.replace(settings, workers=1, cluster=None)
    return ClusterEngine(
        partial(_engine_at, name, alone),
        [artifact.path for artifact in artifacts],
        settings.cluster,
        name=name,
        aligns=all(artifact.manifest.config["architecture"] != "seq2seq" for artifact in artifacts),
        workers=settings.workers,
    )


def _engine_at(name: EngineName, settings: EngineSettings, models: list[Path]) -> Engine:
    return _engine(name, settings, open_models(models))


def _engine(name: EngineName, settings: EngineSettings, artifacts: Sequence[Artifact]) -> Engine:
    """Load an engine that works on this machine."""
    keep_freed_memory()
    if name == "torch":
        return _torch_engine(artifacts, settings)
    from nlpcli.export.cache import ready_engine

    return ready_engine(
        artifacts[0],
        WEIGHTS[settings.checkpoint],
        settings.quantization,
        workers=settings.workers or max(1, processors() // settings.threads),
        threads=settings.threads,
        device=settings.device,
    )


def _batch_tokens(engine: str, beams: int) -> int:
    """Return the size of a batch that was the fastest on a CPU: PyTorch needs many rows to be busy, CTranslate2 few."""
    return 1024 * beams if engine == "ctranslate2" else 4096


def _ctranslate2_fault(artifacts: Sequence[Artifact], search: SearchSettings, settings: EngineSettings, asked: Request) -> str:
    """Say why CTranslate2 cannot do what is asked; nothing if it can."""
    if settings.engine == "torch":
        return ""
    if settings.attention_tier != "auto":
        return "its attention is its own"
    if len(artifacts) > 1:
        return "it has no ensembles"
    from nlpcli.decoding.ctranslate2_engine import lacks
    from nlpcli.export.support import why_not

    return why_not(artifacts[0]) or lacks(search, asked)


def _torch_engine(artifacts: Sequence[Artifact], settings: EngineSettings) -> Engine:
    """Load models into PyTorch; on a CPU into several processes that share them."""
    import torch

    from nlpcli.decoding.pool import PooledEngine
    from nlpcli.decoding.torch_engine import TorchEngine
    from nlpcli.devices import pick_device
    from nlpcli.export.verify import check_packed
    from nlpcli.models.base import TranslationModel
    from nlpcli.models.load import load_model
    from nlpcli.models.precision import quantize
    from nlpcli.models.transformer import TransformerTranslation

    device = pick_device(settings.device)
    if device == "cpu":
        torch.set_num_threads(settings.threads)
    models = []
    for artifact in artifacts:
        model, tokenizer = load_model(artifact, WEIGHTS[settings.checkpoint])
        assert isinstance(model, TranslationModel)
        if isinstance(model, TransformerTranslation):
            model.use_attention(settings.attention_tier)
        elif settings.attention_tier != "auto":
            fix = "leave it out"
            raise UsageError(f"--attention-tier is for Transformers, which {artifact.path} is not", fix=fix)
        models.append(quantize(model.to(device), settings.quantization))
        check_packed(artifact, model, models[-1], tokenizer, settings.quantization)
    engine = TorchEngine(models, device)
    workers = settings.workers or max(1, processors() // settings.threads)
    return PooledEngine(engine, workers) if device == "cpu" and workers > 1 else engine
