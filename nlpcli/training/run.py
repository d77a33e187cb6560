"""One training run: the trainer is made, its events are listened to, and the model is published."""

from __future__ import annotations

import logging
import shutil
from typing import Any

from lightning_fabric import Fabric

from nlpcli import console
from nlpcli.artifacts import Artifact, Draft
from nlpcli.environment import peak_memory_bytes
from nlpcli.errors import ArtifactError, BadInput, Interrupted, RunFailed
from nlpcli.models import build_model
from nlpcli.tokenization.batches import PairBatches, SubwordSampling
from nlpcli.tokenization.dataset import Dataset
from nlpcli.training.checkpoint import load_state, save_weights
from nlpcli.training.interrupts import resume_command, stop_on_signals
from nlpcli.training.loop import Evaluation, SavePoint, Step, Trainer
from nlpcli.training.optimisation import make_optimizer
from nlpcli.training.report import LOG, LOG_EVERY, Checkpoints, MetricsLog, ProgressLine
from nlpcli.training.settings import STATE, TrainSettings, differences
from nlpcli.training.transfer import load_embeddings
from nlpcli.training.validation import Validation

SPLITS = ("train", "valid")


def run(draft: Draft, dataset: Dataset, model_config: Any, settings: TrainSettings) -> Artifact:
    """Train into `draft` and publish it; `draft.manifest.config` holds the resolved settings.

    Raises:
        Interrupted: SIGINT or SIGTERM; the state is saved.
        RunFailed: the loss became NaN or infinite.
    """
    draft.logs.add(LOG)
    draft.scratch.add(STATE)
    trainer = make_trainer(dataset, draft.manifest.config, model_config, settings)
    checkpoints = Checkpoints(draft.path, draft.manifest.config, [i.id for i in draft.manifest.inputs])
    if draft.resumed:
        _take_up(draft, trainer, checkpoints)
    log, line = MetricsLog(draft.path, trainer), ProgressLine()
    with stop_on_signals() as stop:
        trainer.stop = stop
        try:
            _listen(trainer, log, line, checkpoints, dataset)
        except RunFailed as e:
            e.cause += f"; the last good state (step {checkpoints.saved_step}) is in {draft.path}"
            raise
        finally:
            line.close()
            log.close()
        if stop.signum is not None and not trainer.progress.stopped:
            raise Interrupted(
                f"interrupted at step {trainer.progress.step}; the state is saved in {draft.path}",
                signum=stop.signum,
                fix=resume_command(),
            )
    return _publish(draft, trainer, dataset)


def make_trainer(dataset: Dataset, config: dict[str, Any], model_config: Any, settings: TrainSettings) -> Trainer:
    """Put together model, optimiser, batches and validation on the device and in the precision that `config` names.

    Raises:
        BadInput: a split has no usable pairs.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # we say ourselves what was chosen
    precision: Any = "bf16-mixed" if config["precision"] == "bf16" else "32-true"
    fabric = Fabric(accelerator=config["device"], devices=1, precision=precision)
    fabric.seed_everything(settings.seed, verbose=False)
    model = build_model(config["architecture"], model_config, dataset.tokenizer, dataset.src, dataset.tgt)
    train, valid = (_batches(dataset, split, settings) for split in SPLITS)
    validation = Validation(dataset, valid, settings.eval_sentences, fabric.device)
    console.info(
        f"model: {config['architecture']}, {sum(p.numel() for p in model.parameters()):,} parameters, {config['device']}, "
        f"{'bfloat16' if config['precision'] == 'bf16' else 'float32'}, {len(train.epoch(0)):,} batches an epoch"
    )
    optimizer = make_optimizer(model, settings)
    load_embeddings(model, optimizer, dataset, settings)
    return Trainer(fabric, model, optimizer, train, settings, validation)


def _batches(dataset: Dataset, split: str, settings: TrainSettings) -> PairBatches:
    if split not in dataset.splits:
        raise _no_pairs(dataset, split, "the split is missing")
    languages = dataset.src, dataset.tgt
    src, tgt = (dataset.side(split, language) for language in languages)
    sampling = None
    if settings.subword_sampling:
        sampling = SubwordSampling(dataset.tokenizer, languages, settings.subword_sampling, settings.seed)
    batches = PairBatches(
        src,
        tgt,
        batch_tokens=settings.batch_tokens,
        max_length=settings.max_length,
        seed=settings.seed,
        sampling=sampling,
    )
    if not len(batches.rows):
        raise _no_pairs(dataset, split, f"all are empty on one side or longer than --max-length {settings.max_length} tokens")
    if len(batches.empty) or len(batches.too_long):
        console.warn(
            f"{split}: {len(batches.too_long):,} of {len(batches.src):,} pairs are longer than {settings.max_length} tokens "
            f"and {len(batches.empty):,} have an empty side; they are left out"
        )
    return batches


def _no_pairs(dataset: Dataset, split: str, cause: str) -> BadInput:
    return BadInput(
        f"{dataset.artifact.path} has no usable pairs in its split {split}",
        cause=cause,
        fix=f"add {split}.{dataset.src} and {split}.{dataset.tgt} to the data, or raise --max-length",
    )


def _take_up(draft: Draft, trainer: Trainer, checkpoints: Checkpoints) -> None:
    if not checkpoints.state_path.exists():  # interrupted before the first evaluation
        return
    state = load_state(checkpoints.state_path)
    differing = differences(state["config"], checkpoints.config)
    if state["inputs"] != checkpoints.inputs:
        differing.append("the data has changed")
    if differing:
        raise ArtifactError(
            f"the unfinished run in {draft.path} has other settings",
            cause="; ".join(differing),
            fix="give the settings of then, or --force to start anew",
        )
    trainer.restore(state)
    checkpoints.saved_step = trainer.progress.step
    console.info(f"resumed at step {trainer.progress.step:,}, {console.duration(trainer.progress.seconds)} into training")


def _listen(trainer: Trainer, log: MetricsLog, line: ProgressLine, checkpoints: Checkpoints, dataset: Dataset) -> None:
    for event in trainer.run():
        if isinstance(event, Step):
            line.step(event)
            if event.step % LOG_EVERY == 0:
                record = {"step": event.step, "loss": line.loss, "norm": event.norm, "rate": event.rate}
                log.write({**record, "seconds": event.seconds, "tokens_per_second": line.speed})
        elif isinstance(event, Evaluation):
            line.evaluation(event, dataset.src, dataset.tgt)
            record = {"step": event.step, "valid_loss": event.loss, "valid_bleu": event.bleu, "best": event.improved}
            log.write({**record, "seconds": trainer.progress.seconds})
            if event.improved:
                checkpoints.best(trainer)
        elif isinstance(event, SavePoint):
            checkpoints.save(trainer)


def _publish(draft: Draft, trainer: Trainer, dataset: Dataset) -> Artifact:
    p = trainer.progress
    save_weights(draft.path / "last.safetensors", trainer.model)
    shutil.copytree(dataset.tokenizer.artifact.path, draft.path / "tokenizer", dirs_exist_ok=True)
    draft.manifest.metrics = {
        "parameters": sum(t.numel() for t in trainer.model.parameters()),
        "steps": p.step,
        "epochs": round(p.epoch + p.batch / len(trainer.batches.epoch(p.epoch)), 2),
        "best_step": p.best_step,
        "valid_loss": p.best_loss,
        "valid_bleu": p.best_bleu,
        "stopped": p.stopped,
    }
    draft.manifest.run = {
        "seconds": round(p.seconds, 3),
        "tokens_per_second": round(p.tokens / max(p.seconds, 1e-9), 1),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return draft.publish()
