"""From what the user said to all settings of a run: bounds, preset, combinations, and where each value came from."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nlpcli import artifacts, console
from nlpcli.config import checked
from nlpcli.devices import pick_device, pick_precision
from nlpcli.errors import UsageError
from nlpcli.models.config import CONFIGS, TASKS, Config
from nlpcli.models.load import check
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.training.presets import SIZES, Preset, choose_preset, preset_settings
from nlpcli.training.settings import STATE, TrainSettings


class Resolved(NamedTuple):
    """All settings of a run: the model's, training's, the flat table of both, and where each came from."""

    model: Config
    training: TrainSettings
    config: dict[str, Any]
    sources: dict[str, str]


def split_settings(architecture: str, settings: dict[str, Any]) -> tuple[Config, TrainSettings]:
    """Return the settings of the model and those of training, checked.

    Raises:
        UsageError: an unknown architecture or setting, or a value out of range.
    """
    if architecture not in CONFIGS:
        raise UsageError(f"unknown architecture: {architecture}", fix=f"choose one of {', '.join(CONFIGS)}")
    model_class = CONFIGS[architecture]
    of_model = {k: v for k, v in settings.items() if k in model_class.__struct_fields__}
    of_training = {k: v for k, v in settings.items() if k in TrainSettings.__struct_fields__}
    unknown = sorted(set(settings) - set(of_model) - set(of_training))
    if unknown:
        raise UsageError(f"unknown setting(s): {', '.join(unknown)}", fix=f"see nlpcli train {architecture} --help")
    return checked(model_class, of_model), checked(TrainSettings, of_training)


def settings_of_model(architecture: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the model that training begins from, but for those given; nothing if it begins from none.

    Raises:
        UsageError: the model is of another architecture.
    """
    if not (path := settings.get("from_model")):
        return {}
    config = artifacts.read_artifact(path, "model").manifest.config
    if config["architecture"] != architecture:
        raise UsageError(
            f"--from-model {path} is of the architecture {config['architecture']}, not {architecture}",
            fix=f"nlpcli train {config['architecture']} --from-model {path} …",
        )
    return {k: config[k] for k in CONFIGS[architecture].__struct_fields__ if k in config and k not in settings}


def check_early(architecture: str, task: str, preset: Preset, settings: dict[str, Any], tokenizer: Tokenizer | None) -> None:
    """Refuse, before text is read, what cannot work whichever preset is chosen and whatever the data is for.

    Raises:
        UsageError: settings that cannot work.
    """
    problem = None
    tasks = TASKS[architecture] if task == "auto" else (task,)
    names = list(SIZES[architecture]) if preset == "auto" else [choose_preset(preset, architecture, 0, "cpu")]
    for name, one in product(names, tasks):
        parts = split_settings(architecture, {**preset_settings(name, architecture, one, 0), **settings})  # type: ignore[arg-type]
        try:
            check(architecture, parts[0], one, tokenizer)  # type: ignore[arg-type]
            return _check_training(architecture, one, parts[1])
        except UsageError as e:
            problem = problem or e
    if problem:
        raise problem


def resolve(architecture: str, dataset: Dataset, preset: Preset, settings: dict[str, Any], sources: dict[str, str]) -> Resolved:
    """Fill in the preset, check that everything works together, and return the settings with their sources.

    Raises:
        UsageError: settings that cannot work; a task that the architecture does not do.
    """
    device = pick_device(settings.get("device", "auto"))
    rows = len(dataset.side("train", dataset.languages[0])) if "train" in dataset.splits else 0
    chosen = choose_preset(preset, architecture, rows, device)
    from_preset = {
        name: value for name, value in preset_settings(chosen, architecture, dataset.task, rows).items() if name not in settings
    }
    why = "" if preset != "auto" else f", for {rows:,} rows on {device}"
    console.info(f"preset: {chosen}{why}")
    model, training = split_settings(architecture, {**from_preset, **settings})
    longest = training.context_length if dataset.task == "lm" else training.max_length + 1  # with EOS
    check(architecture, model, dataset.task, dataset.tokenizer, longest)
    _check_training(architecture, dataset.task, training)
    facts = {
        "architecture": architecture,
        "task": dataset.task,
        "tokenizer_id": dataset.tokenizer.id,
        "preset": chosen,
        **({"src": dataset.src, "tgt": dataset.tgt} if dataset.task == "translation" else {"lang": dataset.languages[0]}),
        **({"labels": dataset.labels} if dataset.task == "classify" else {}),
    }
    plain = [msgspec.json.decode(msgspec.json.encode(part)) for part in (model, training)]
    on = {"device": device, "precision": pick_precision(training.precision, device)}
    config = {**facts, **plain[0], **plain[1], **on}
    return Resolved(model, training, config, {**sources, **dict.fromkeys(from_preset, "preset")})


def _check_training(architecture: str, task: str, training: TrainSettings) -> None:
    problems = []
    for name in ("guided_alignment", "coverage_loss"):
        if getattr(training, name) and architecture != "attention":
            problems.append(f"--{name.replace('_', '-')} is for the architecture attention, not {architecture}")
    if training.freeze_embeddings and not training.embeddings:
        problems.append("--freeze-embeddings needs --embeddings")
    if training.sampled_softmax:
        needs_all = {name: f"--{name.replace('_', '-')}" for name in ("label_smoothing", "r_drop", "shard")}
        problems += [f"--sampled-softmax has no {flag}" for name, flag in needs_all.items() if getattr(training, name)]
        problems += ["--sampled-softmax is for models that predict words, not classes"] if task == "classify" else []
    if training.shard:
        problems += _check_sharding(training)
    if problems:
        raise UsageError("these settings cannot work", cause="; ".join(problems), fix="change the options named")


def _check_sharding(training: TrainSettings) -> list[str]:
    refused = {
        "--shard needs --devices or --num-nodes": training.devices * training.num_nodes == 1,
        "--shard has no --precision 16; bf16 has the same speed": training.precision == "16",
        "--shard has no --average-checkpoints; --ema is another average": training.average_checkpoints > 1,
        "--shard has no --freeze-embeddings": training.freeze_embeddings,
    }
    return [problem for problem, is_so in refused.items() if is_so]


def with_batch_tokens(resolved: Resolved, tokens: int) -> Resolved:
    """Return the same settings with so many tokens a batch, which were found out."""
    training = msgspec.structs.replace(resolved.training, batch_tokens=tokens)
    return resolved._replace(training=training, config={**resolved.config, "batch_tokens": tokens})


def batch_tokens_before(out: Path) -> int | None:
    """Return what an unfinished or finished run at `out` found: it goes on with the same, whatever the machine does now."""
    if artifacts.is_artifact(out):
        return int(artifacts.read_artifact(out).manifest.config["batch_tokens"])
    if not (state := artifacts.partial_path(out) / STATE).exists():
        return None
    from nlpcli.training.checkpoint import load_state

    return int(load_state(state)["config"]["batch_tokens"])
