"""One training run: the trainer is made, its events are listened to, and the model is published."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

from nlpcli import console
from nlpcli.artifacts import Artifact, Draft
from nlpcli.environment import peak_memory_bytes
from nlpcli.errors import ArtifactError, Interrupted, RunFailed
from nlpcli.export.support import write_validation
from nlpcli.models.base import Model
from nlpcli.models.load import build_model, sizes
from nlpcli.models.sampled_softmax import SampledSoftmax
from nlpcli.models.transformer import WithAttention
from nlpcli.tokenization.dataset import Dataset
from nlpcli.training.averaging import average
from nlpcli.training.batches import make_batches
from nlpcli.training.checkpoint import load_state, save_weights
from nlpcli.training.interrupts import resume_command, stop_on_signals
from nlpcli.training.loop import Diverged, Evaluation, Event, SavePoint, Step, Trainer, named_weights
from nlpcli.training.optimisation import initialise, make_optimizer, sparse_gradients
from nlpcli.training.processes import stop_together
from nlpcli.training.report import LOG, LOG_EVERY, UNITS, Checkpoints, MetricsLog, ProgressLine
from nlpcli.training.settings import STATE, TrainSettings, differences
from nlpcli.training.sharding import put_together, shard
from nlpcli.training.transfer import freeze, load_embeddings, load_weights
from nlpcli.training.validation import ClassificationValidation, LanguageValidation, TranslationValidation, Validation

FORMATS = {"32": "float32", "bf16": "bfloat16", "16": "float16"}
TIMEOUT = timedelta(days=1)  # of a process with another, which may be making a dataset, or measuring the model
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def make_fabric(settings: TrainSettings, device: str, precision: str) -> Fabric:
    """Return what knows devices and number formats; several devices train by averaging their gradients, each with a copy of
    the model (DDP) or, with `shard`, with a part of it (FSDP)."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # we say ourselves what was chosen
    several = settings.devices * settings.num_nodes > 1
    return Fabric(
        accelerator=device,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=_strategy(settings) if several else "auto",
        precision=PRECISIONS[precision],
    )


def _strategy(settings: TrainSettings) -> DDPStrategy | ModelParallelStrategy:
    if not settings.shard:
        return DDPStrategy(timeout=TIMEOUT)
    processes = settings.devices * settings.num_nodes
    # the model comes spread already: its optimiser is made from the parts
    return ModelParallelStrategy(lambda model, mesh: model, processes, tensor_parallel_size=1, timeout=TIMEOUT)


def run(fabric: Fabric, draft: Draft, dataset: Dataset, model_config: Any, settings: TrainSettings) -> Artifact:
    """Train into `draft` and publish it; `draft.manifest.config` holds the resolved settings.

    Raises:
        Interrupted: SIGINT or SIGTERM; the state is saved.
        RunFailed: the training diverged, again and again.
    """
    draft.logs.add(LOG)
    config = draft.manifest.config
    trainer = make_trainer(fabric, dataset, config, model_config, settings)
    _announce(trainer, config)
    checkpoints = Checkpoints(draft.path, config, [i.id for i in draft.manifest.inputs], keep=settings.average_checkpoints)
    if draft.resumed:
        _take_up(trainer, checkpoints)
    fabric.barrier("ready")  # the others may read the state
    fabric.barrier("begin")
    log, line = MetricsLog(draft.path, trainer), ProgressLine(UNITS[config["task"]])
    with stop_on_signals() as stop:
        trainer.stop = lambda: stop_together(fabric, stop)
        try:
            _listen(trainer, log, line, checkpoints)
            if settings.average_checkpoints > 1 and trainer.progress.stopped:
                _average(trainer, checkpoints)
        except RunFailed as e:
            e.cause += f"; the last good state (step {checkpoints.saved_step}) is in {draft.path}"
            raise
        finally:
            line.close()
            log.close()
            checkpoints.close()
        if not trainer.progress.stopped:
            raise Interrupted(
                f"interrupted at step {trainer.progress.step}; the state is saved in {draft.path}",
                signum=stop.signum or signal.SIGTERM,  # or another process was asked
                fix=resume_command(),
            )
    draft.scratch |= {STATE, *(path.name for path in checkpoints.evaluations())}
    return _publish(draft, trainer, dataset)


def follow(fabric: Fabric, folder: Path, dataset: Dataset, resolved: Any) -> NoReturn:
    """Train beside the first process, which alone writes and speaks, and exit; `folder` is where its state is."""
    trainer = make_trainer(fabric, dataset, resolved.config, resolved.model, resolved.training)
    fabric.barrier("ready")
    state = folder / STATE
    if state.exists():
        trainer.restore(load_state(state))
    fabric.barrier("begin")
    with stop_on_signals() as stop:
        trainer.stop = lambda: stop_together(fabric, stop)
        for event in trainer.run():
            if isinstance(event, Diverged):
                fabric.barrier("saved")
                trainer.recover(load_state(state))
                fabric.barrier("recovered")
            elif resolved.training.shard:
                _take_part(trainer, event)
    if resolved.training.shard and trainer.progress.stopped:
        put_together(named_weights(trainer.model))
    sys.exit(0)  # the first process says what came of it


def _take_part(trainer: Trainer, event: Event) -> None:
    """Give the first process what `_listen` saves there."""
    if isinstance(event, Evaluation) and event.improved:
        trainer.weights()
    elif isinstance(event, SavePoint):
        trainer.state()


def make_trainer(
    fabric: Fabric, dataset: Dataset, config: dict[str, Any], model_config: Any, settings: TrainSettings
) -> Trainer:
    """Put together model, optimiser, batches and validation.

    Raises:
        BadInput: a split has nothing to learn from.
    """
    fabric.seed_everything(settings.seed, verbose=False)
    architecture, task = config["architecture"], config["task"]
    model = build_model(architecture, model_config, task, *sizes(dataset.tokenizer, len(dataset.labels)))
    if isinstance(model, WithAttention):
        model.use_attention(settings.attention_tier)
    initialise(model, settings)
    if settings.from_model:
        load_weights(model, config, settings.from_model)
    if settings.sampled_softmax:
        counts = torch.from_numpy(dataset.word_counts(dataset.languages[-1])).to(fabric.device)
        model.sampled_softmax = SampledSoftmax(counts, settings.sampled_softmax, sparse=sparse_gradients(settings))
        for layer in model.embeddings():
            layer.sparse = model.sampled_softmax.sparse
    streams = getattr(model, "carries", False)
    train, valid = (make_batches(dataset, split, task, settings, streams) for split in ("train", "valid"))
    pretrained = load_embeddings(model, dataset, settings)
    if settings.shard:
        assert isinstance(fabric.strategy, ModelParallelStrategy)
        shard(model.to(fabric.device), fabric.strategy.device_mesh["data_parallel"])
    optimizer = make_optimizer(model, settings)
    if settings.freeze_embeddings:
        freeze(pretrained, optimizer)
    if settings.compile:
        torch._dynamo.config.suppress_errors = True  # what fails runs as it is
        model.compile(dynamic=True)
    if fabric.global_rank:
        torch.manual_seed(settings.seed + fabric.global_rank)  # dropout is not the same in every process
    return Trainer(fabric, model, optimizer, train, settings, _validation(dataset, valid, settings, fabric.device))


def _announce(trainer: Trainer, config: dict[str, Any]) -> None:
    parameters, batches = sum(p.numel() for p in trainer.model.parameters()), len(trainer.batches.epoch(0))
    what, form = f"{config['architecture']} ({config['task']})", FORMATS[config["precision"]]
    console.info(f"model: {what}, {parameters:,} parameters, {config['device']}, {form}, {batches:,} batches an epoch")


def _validation(dataset: Dataset, valid: Any, settings: TrainSettings, device: torch.device) -> Validation:
    if dataset.task == "translation":
        return TranslationValidation(dataset, valid, settings.eval_sentences, device)
    return LanguageValidation(valid, device) if dataset.task == "lm" else ClassificationValidation(valid, device)


def _take_up(trainer: Trainer, checkpoints: Checkpoints) -> None:
    if not checkpoints.state_path.exists():  # interrupted before the first step
        return
    state = checkpoints.load()
    differing = differences(state["config"], checkpoints.config)
    if state["inputs"] != checkpoints.inputs:
        differing.append("the data has changed")
    if differing:
        raise ArtifactError(
            f"the unfinished run in {checkpoints.folder} has other settings",
            cause="; ".join(differing),
            fix="give the settings of then, or --force to start anew",
        )
    trainer.restore(state)
    checkpoints.saved_step = trainer.progress.step
    console.info(f"resumed at step {trainer.progress.step:,}, {console.duration(trainer.progress.seconds)} into training")


def _listen(trainer: Trainer, log: MetricsLog, line: ProgressLine, checkpoints: Checkpoints) -> None:
    for event in trainer.run():
        if isinstance(event, Step):
            line.step(event)
            if event.step % LOG_EVERY == 0:
                record = {"step": event.step, "loss": line.loss, "norm": event.norm, "rate": event.rate}
                log.write({**record, "seconds": event.seconds, f"{line.unit}_per_second": line.speed})
        elif isinstance(event, Evaluation):
            line.evaluation(event)
            scores = {metric(name): value for name, value in event.measured.scores.items()}
            record = {"step": event.step, "valid_loss": event.measured.loss, **scores, "best": event.improved}
            log.write({**record, "seconds": trainer.progress.seconds})
            if event.improved:
                checkpoints.best(trainer)
            if checkpoints.keep > 1:
                checkpoints.last(trainer)
        elif isinstance(event, SavePoint):
            checkpoints.save(trainer)
        elif isinstance(event, Diverged):
            state = checkpoints.load()
            trainer.fabric.barrier("saved")
            trainer.recover(state)
            trainer.fabric.barrier("recovered")
            log.go_back()


def _average(trainer: Trainer, checkpoints: Checkpoints) -> None:
    """Keep the average of the last evaluations' weights as the best model if it is better than any of them."""
    paths = checkpoints.evaluations()
    own = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    _put(trainer.model, average(paths))
    trainer.model.eval()
    measured, p = trainer.measure(trainer.model), trainer.progress
    better = p.best_value is None or measured.value(trainer.settings.best_by) > p.best_value
    console.info(f"average of {len(paths)} checkpoints: valid loss {measured.loss:.3f}{', kept' if better else ', not better'}")
    if better:
        p.best_step, p.best_loss, p.best_scores = p.step, measured.loss, measured.scores
        save_weights(checkpoints.folder / "model.safetensors", named_weights(trainer.model))
    _put(trainer.model, own)


def metric(name: str) -> str:
    """Return the name of a validation score in logs and manifests: valid_attention_entropy."""
    return f"valid_{name.lower().replace(' ', '_')}"


@torch.no_grad()
def _put(model: Model, weights: dict[str, torch.Tensor]) -> None:
    for name, p in model.named_parameters():
        p.copy_(weights[name])


def _publish(draft: Draft, trainer: Trainer, dataset: Dataset) -> Artifact:
    p = trainer.progress
    save_weights(draft.path / "last.safetensors", put_together(named_weights(trainer.model)))
    shutil.copytree(dataset.tokenizer.artifact.path, draft.path / "tokenizer", dirs_exist_ok=True)
    if dataset.task == "translation":
        write_validation(draft.path, dataset.text("valid", dataset.src), dataset.text("valid", dataset.tgt))
    draft.manifest.metrics = {
        "parameters": sum(t.numel() for t in trainer.model.parameters()),
        "steps": p.step,
        "epochs": round(p.epoch + p.batch / len(trainer.batches.epoch(p.epoch)), 2),
        "best_step": p.best_step,
        "valid_loss": p.best_loss,
        **{metric(name): value for name, value in p.best_scores.items()},
        "stopped": p.stopped,
    }
    draft.manifest.run = {
        "seconds": round(p.seconds, 3),
        f"{UNITS[dataset.task]}_per_second": round(p.count / max(p.seconds, 1e-9), 1),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return draft.publish()
