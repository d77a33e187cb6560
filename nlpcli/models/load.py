"""From settings to a model with fresh weights, and from a model artifact to the model that was trained."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import msgspec
from safetensors.torch import load_file

from nlpcli.artifacts import Artifact
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.models.base import Model
from nlpcli.models.config import CONFIGS, TASKS, Config, Task
from nlpcli.tokenization.tokenizer import Tokenizer


def build_model(architecture: str, config: Config, task: Task, inputs: int, outputs: int) -> Model:
    """Make a model with fresh weights.

    Args:
        inputs: size of the vocabulary that is read.
        outputs: number of what is predicted: the target vocabulary, or the classes.
    """
    model: Model = import_module(f"nlpcli.models.{architecture}").build(config, task, inputs, outputs)
    return model


def sizes(tokenizer: Tokenizer, labels: int = 0) -> tuple[int, int]:
    """Return what `build_model` calls inputs and outputs, for a tokenizer and, when classifying, so many labels."""
    inputs = tokenizer.vocab_size(tokenizer.languages[0])
    return inputs, labels or tokenizer.vocab_size(tokenizer.languages[-1])


def check(architecture: str, config: Any, task: Task, tokenizer: Tokenizer | None = None, longest: int | None = None) -> None:
    """Refuse combinations of settings that cannot work, all of them at once.

    Args:
        longest: tokens of the longest row there may be in training.

    Raises:
        UsageError: one or more.
    """
    problems = []
    if task not in TASKS[architecture]:
        problems.append(f"{architecture} does not do {task}, but {' and '.join(TASKS[architecture])}")
    if getattr(config, "bidirectional", False) and config.d_model % 2 and task != "lm":
        problems.append(f"--d-model {config.d_model} is odd, but a bidirectional encoder halves it")
    joint = tokenizer is None or tokenizer.joint
    if task == "translation" and getattr(config, "tie_embeddings", "") == "all" and not joint:
        problems.append("--tie-embeddings all needs one vocabulary for both languages (tokenize train --joint)")
    if architecture == "rnn" and task == "lm" and config.tie_embeddings and config.d_embed != config.d_model:
        problems.append(f"--tie-embeddings needs --d-embed {config.d_embed} and --d-model {config.d_model} to be equal")
    if architecture == "attention":
        problems += _attention_problems(config)
    if architecture == "transformer":
        problems += _transformer_problems(config)
        if config.positions == "learned" and longest and longest > config.max_positions:
            problems.append(f"--positions learned know {config.max_positions} positions, but rows have up to {longest} tokens")
    if problems:
        raise UsageError("these settings cannot work", cause="; ".join(problems), fix="change the options named")


def _attention_problems(config: Any) -> list[str]:
    problems = []
    if config.attention == "additive" and config.input_feeding:
        problems.append("--input-feeding is Luong's; with --attention additive the context enters the cell already")
    if config.coverage and config.attention not in ("additive", "concat"):
        problems.append(f"--coverage enters the additive and concat scores, not --attention {config.attention}")
    return problems


def _transformer_problems(config: Any) -> list[str]:
    problems = []
    heads, kv_heads = config.num_heads, config.num_kv_heads or config.num_heads
    if config.d_model % heads:
        problems.append(f"--num-heads {heads} does not divide --d-model {config.d_model}")
    elif config.positions == "rotary" and config.d_model // heads % 2:
        problems.append(f"--positions rotary turns pairs of features, but a head has {config.d_model // heads}")
    if heads % kv_heads:
        problems.append(f"--num-kv-heads {kv_heads} does not divide --num-heads {heads}")
    if config.positions == "sinusoidal" and config.d_model % 2:
        problems.append(f"--positions sinusoidal needs an even --d-model, not {config.d_model}")
    return problems


def load_model(artifact: Artifact, checkpoint: str = "model") -> tuple[Model, Tokenizer]:
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
    name, task = config["architecture"], config.get("task", "translation")
    if name not in CONFIGS:
        raise ArtifactError(
            f"{artifact.path}: unknown architecture {name}",
            cause=f"this nlpcli has {', '.join(CONFIGS)}",
            fix="pip install --upgrade nlpcli",
        )
    settings = {key: config[key] for key in CONFIGS[name].__struct_fields__ if key in config}
    resolved = msgspec.convert(settings, CONFIGS[name])
    check(name, resolved, task, tokenizer)
    model = build_model(name, resolved, task, *sizes(tokenizer, len(config.get("labels", []))))
    try:
        missing = model.load_state_dict(load_file(artifact.path / f"{checkpoint}.safetensors"), strict=False)
    except RuntimeError as e:
        raise ArtifactError(f"{artifact.path}: the weights do not fit", cause=str(e)[:500], fix="train again") from None
    if missing.unexpected_keys or set(missing.missing_keys) - tied_names(model):
        raise ArtifactError(f"{artifact.path}: weights missing or unknown", cause=str(missing)[:500], fix="train again")
    model.eval()
    return model, tokenizer


def tied_names(model: Model) -> set[str]:
    """Return the names under which a tensor appears a second time; they are stored once."""
    kept = {name for name, _ in model.named_parameters()}
    return {name for name in model.state_dict() if name not in kept}
