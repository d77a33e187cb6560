"""Architectures, one file each: a `Config` and a `build` that makes the module from it."""

from __future__ import annotations

from typing import Any

import msgspec
from safetensors.torch import load_file

from nlpcli.artifacts import Artifact
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.models import attention, seq2seq
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.tokenizer import Tokenizer

ARCHITECTURES: dict[str, Any] = {"seq2seq": seq2seq, "attention": attention}


def build_model(architecture: str, config: msgspec.Struct, tokenizer: Tokenizer, src: str, tgt: str) -> TranslationModel:
    """Make a model with fresh weights for the two sides of `tokenizer`.

    Raises:
        UsageError: settings that cannot work together.
    """
    check(config, tokenizer)
    sizes = tokenizer.vocab_size(src), tokenizer.vocab_size(tgt)
    model: TranslationModel = ARCHITECTURES[architecture].build(config, *sizes)
    return model


def check(config: Any, tokenizer: Tokenizer) -> None:
    """Refuse combinations of settings that cannot work, all of them at once."""
    problems = []
    if config.bidirectional and config.d_model % 2:
        problems.append(f"--d-model {config.d_model} is odd, but a bidirectional encoder halves it")
    if config.tie_embeddings == "all" and not tokenizer.joint:
        problems.append("--tie-embeddings all needs one vocabulary for both languages (tokenize train --joint)")
    if getattr(config, "attention", "") == "additive" and config.input_feeding:
        problems.append("--input-feeding is Luong's; with --attention additive the context enters the cell already")
    if problems:
        raise UsageError("these settings cannot work", cause="; ".join(problems), fix="change the options named")


def load_model(artifact: Artifact, checkpoint: str = "model") -> tuple[TranslationModel, Tokenizer]:
    """Build the model of an opened artifact and load its weights (`model`, the best ones, or `last`).

    Raises:
        ArtifactError: the weights do not fit the settings, or the tokenizer is not the model's own.
    """
    config = artifact.manifest.config
    tokenizer = Tokenizer.load(artifact.path / "tokenizer")
    if tokenizer.id != config["tokenizer_id"]:
        raise ArtifactError(
            f"{artifact.path}: tokenizer {tokenizer.id} does not belong to this model",
            cause=f"the model was trained with tokenizer {config['tokenizer_id']}",
            fix="restore the folder `tokenizer` of the model",
        )
    module = ARCHITECTURES.get(config["architecture"])
    if module is None:
        raise ArtifactError(
            f"{artifact.path}: unknown architecture {config['architecture']}",
            cause=f"this nlpcli has {', '.join(ARCHITECTURES)}",
            fix="pip install --upgrade nlpcli",
        )
    settings = {key: config[key] for key in module.Config.__struct_fields__}
    model = build_model(
        config["architecture"], msgspec.convert(settings, module.Config), tokenizer, config["src"], config["tgt"]
    )
    try:
        missing = model.load_state_dict(load_file(artifact.path / f"{checkpoint}.safetensors"), strict=False)
    except RuntimeError as e:
        raise ArtifactError(f"{artifact.path}: the weights do not fit", cause=str(e)[:500], fix="train again") from None
    if missing.unexpected_keys or set(missing.missing_keys) - tied_names(model):
        raise ArtifactError(f"{artifact.path}: weights missing or unknown", cause=str(missing)[:500], fix="train again")
    model.eval()
    return model, tokenizer


def tied_names(model: TranslationModel) -> set[str]:
    """Return the names under which a tensor appears a second time; they are stored once."""
    kept = {name for name, _ in model.named_parameters()}
    return {name for name in model.state_dict() if name not in kept}
