"""`nlpcli train`: from text, or from a dataset, to a model artifact that needs nothing else to translate."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft
from nlpcli.config import checked
from nlpcli.errors import ArtifactError, BadInput, Interrupted, OutputExists, RunFailed, UsageError
from nlpcli.training.settings import MAY_CHANGE, TrainSettings

COMMAND = "nlpcli train"

Resume = Literal["never", "auto"]


@dataclass(frozen=True)
class Trained:
    """What `train` made; `valid_loss` is in nats a target token, `valid_bleu` by greedy search on a sample of lines."""

    path: Path
    id: str
    architecture: str
    parameters: int
    steps: int
    epochs: float
    best_step: int
    valid_loss: float
    valid_bleu: float
    stopped: str
    seconds: float
    tokens_per_second: float


def train(
    *,
    architecture: str,
    data: str,
    out: Path | None = None,
    tokenizer: Path | None = None,
    src: str | None = None,
    tgt: str | None = None,
    force: bool = False,
    resume: Resume = "never",
    config_source: dict[str, str] | None = None,
    **settings: Any,
) -> Trained:
    """Train a model of `architecture` on `data` and publish it at `out` (default `work/<data>/<architecture>`).

    Args:
        data: text in any form `data prepare` reads, or a dataset artifact. From text, a corpus, a tokenizer and a
            dataset are made beside `out` and kept.
        resume: with "auto" an interrupted run goes on, bit for bit as if it had not been interrupted (same machine,
            same number of threads); a finished one with the same settings is returned as it is.
        settings: fields of the architecture's `Config` and of `TrainSettings`.

    Raises:
        UsageError: unknown settings, or settings that cannot work.
        OutputExists: `out`, or an unfinished run for it, is there.
        Interrupted: SIGINT or SIGTERM; the state is saved.
        RunFailed: the loss became NaN or infinite.
    """
    from nlpcli.models import ARCHITECTURES, check
    from nlpcli.tokenization.dataset import Dataset

    model_config, train_settings = split_settings(ARCHITECTURES[architecture].Config, settings)
    out = Path(out) if out else default_out(data, architecture)
    _refuse_existing(out, force, resume)
    dataset = Dataset.load(_dataset(data, out, tokenizer, src, tgt, joint=model_config.tie_embeddings == "all"))
    _check_tokenizer(dataset, tokenizer)
    check(model_config, dataset.tokenizer)
    config = _resolved(architecture, dataset, model_config, train_settings)
    inputs = [dataset.artifact.as_input("dataset", out)]
    if resume == "auto" and artifacts.is_artifact(out):
        return _already_finished(out, config, dataset.artifact.id)
    with artifacts.create(
        out,
        "model",
        command=f"{COMMAND} {architecture}",
        config=config,
        config_source=config_source,
        inputs=inputs,
        seed=train_settings.seed,
        force=force,
        keep=True,
        resume=resume == "auto",
    ) as draft:
        return _train_into(draft, dataset, config, train_settings)


def default_out(data: str, architecture: str) -> Path:
    """Return where a model goes when `--out` is not given: `work/ko-en/seq2seq`."""
    name = Path(data).name.split(".")[0] or "data"
    return Path("work") / name / architecture


def split_settings(model_class: Any, settings: dict[str, Any]) -> tuple[Any, TrainSettings]:
    of_model = {k: v for k, v in settings.items() if k in model_class.__struct_fields__}
    of_training = {k: v for k, v in settings.items() if k in TrainSettings.__struct_fields__}
    unknown = sorted(set(settings) - set(of_model) - set(of_training))
    if unknown:
        raise UsageError(f"unknown setting(s): {', '.join(unknown)}", fix="see nlpcli train --help")
    return checked(model_class, of_model), checked(TrainSettings, of_training)


def _refuse_existing(out: Path, force: bool, resume: Resume) -> None:
    """Refuse early, before minutes are spent on text, what would be refused at the end."""
    if force or resume == "auto":
        return
    if out.exists():
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    unfinished = artifacts.partial_path(out)
    if (unfinished / "state.pt").exists():
        raise OutputExists(
            f"an unfinished run for {out} is in {unfinished}",
            cause="training was interrupted there",
            fix="add --resume auto to go on with it, or --force to start anew",
        )


def _dataset(data: str, out: Path, tokenizer: Path | None, src: str | None, tgt: str | None, *, joint: bool) -> Path:
    """Return the dataset to train on, making corpus, tokenizer and dataset beside `out` when `data` is text."""
    if artifacts.is_artifact(data):
        kind = artifacts.read_artifact(data).manifest.kind
        if kind == "dataset":
            return Path(data)
        if kind != "corpus":
            raise ArtifactError(
                f"--data {data} is a {kind}, not a dataset or a corpus", fix="give text, a corpus or a dataset artifact"
            )
    from nlpcli.corpus.prepare import prepare_data
    from nlpcli.tokenization.dataset import encode_dataset
    from nlpcli.tokenization.train import train_tokenizer

    corpus, made, encoded = (out.with_name(f"{out.name}-{part}") for part in ("data", "tokenizer", "dataset"))
    prepare_data(data=data, out=corpus, src=src, tgt=tgt, reuse=True)
    if tokenizer is None:
        train_tokenizer(data=str(corpus), out=made, joint=joint, reuse=True)
    encode_dataset(data=str(corpus), tokenizer=tokenizer or made, out=encoded, reuse=True)
    return encoded


def _check_tokenizer(dataset: Any, tokenizer: Path | None) -> None:
    if tokenizer is None:
        return
    given = artifacts.open_artifact(tokenizer, "tokenizer").id
    if given != dataset.tokenizer.id:
        raise ArtifactError(
            f"--tokenizer {tokenizer} ({given}) did not make the dataset {dataset.artifact.path}",
            cause=f"its ids come from tokenizer {dataset.tokenizer.id}",
            fix="leave --tokenizer out, or encode the text with it: nlpcli tokenize dataset",
        )


def _resolved(architecture: str, dataset: Any, model_config: Any, settings: TrainSettings) -> dict[str, Any]:
    from nlpcli.devices import pick_device, pick_precision

    device = pick_device(settings.device)
    chosen = {"device": device, "precision": pick_precision(settings.precision, device)}
    facts = {"architecture": architecture, "src": dataset.src, "tgt": dataset.tgt, "tokenizer_id": dataset.tokenizer.id}
    return {**facts, **msgspec.to_builtins(model_config), **msgspec.to_builtins(settings), **chosen}


def _already_finished(out: Path, config: dict[str, Any], dataset_id: str) -> Trained:
    found = artifacts.open_artifact(out, "model")
    differing = _differences(found.manifest.config, config)
    if differing or [i.id for i in found.manifest.inputs] != [dataset_id]:
        raise OutputExists(
            f"{out} is finished, with other settings or data",
            cause="; ".join(differing) or "it was trained on another dataset",
            fix="choose another --out, or add --force to replace it",
        )
    console.info(f"{out} is finished already; nothing to do")
    return _result(found)


def _differences(old: dict[str, Any], new: dict[str, Any], ignored: set[str] = MAY_CHANGE) -> list[str]:
    changed = [k for k in sorted(old | new) if k not in ignored and old.get(k) != new.get(k)]
    return [f"{k}: {old.get(k)} then, {new.get(k)} now" for k in changed]


def _train_into(draft: Draft, dataset: Any, config: dict[str, Any], settings: TrainSettings) -> Trained:
    from nlpcli.training.interrupts import resume_command, stop_on_signals
    from nlpcli.training.report import LOG, Checkpoints, MetricsLog, ProgressLine

    draft.logs.add(LOG)
    draft.scratch.add("state.pt")
    trainer = _make_trainer(dataset, config, settings)
    checkpoints = Checkpoints(draft.path, config, [dataset.artifact.id])
    if draft.resumed:
        _take_up(draft, trainer, checkpoints)
    log, line = MetricsLog(draft.path, trainer), ProgressLine()
    with stop_on_signals() as stop:
        trainer.stop = stop
        try:
            _listen(trainer, log, line, checkpoints, dataset)
        except RunFailed as e:
            e.cause += f"; the last good state (step {_saved_step(checkpoints)}) is in {draft.path}"
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


def _make_trainer(dataset: Any, config: dict[str, Any], settings: TrainSettings) -> Any:
    from lightning_fabric import Fabric

    from nlpcli.models import ARCHITECTURES, build_model
    from nlpcli.tokenization.batches import PairBatches
    from nlpcli.training.loop import Trainer
    from nlpcli.training.optimisation import make_optimizer
    from nlpcli.training.validation import Validation

    precision: Any = "bf16-mixed" if config["precision"] == "bf16" else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # we say ourselves what was chosen
    fabric = Fabric(accelerator=config["device"], devices=1, precision=precision)
    fabric.seed_everything(settings.seed, verbose=False)
    names = ARCHITECTURES[config["architecture"]].Config
    model_config = msgspec.convert({k: config[k] for k in names.__struct_fields__}, names)
    model = build_model(config["architecture"], model_config, dataset.tokenizer, dataset.src, dataset.tgt)
    batches = {
        split: PairBatches(
            dataset.side(split, dataset.src),
            dataset.side(split, dataset.tgt),
            batch_tokens=settings.batch_tokens,
            max_length=settings.max_length,
            seed=settings.seed,
        )
        for split in ("train", "valid")
        if split in dataset.splits
    }
    _check_batches(batches, dataset, settings)
    validation = Validation(dataset, batches["valid"], settings.eval_sentences, fabric.device)
    parameters = sum(p.numel() for p in model.parameters())
    console.info(
        f"model: {config['architecture']}, {parameters:,} parameters, {config['device']}, "
        f"{'bfloat16' if config['precision'] == 'bf16' else 'float32'}, {len(batches['train'].epoch(0)):,} batches an epoch"
    )
    return Trainer(fabric, model, make_optimizer(model, settings), batches["train"], settings, validation)


def _check_batches(batches: dict[str, Any], dataset: Any, settings: TrainSettings) -> None:
    for split in ("train", "valid"):
        if split not in batches or not len(batches[split].rows):
            raise BadInput(
                f"{dataset.artifact.path} has no usable pairs in its split {split}",
                cause=f"all are missing, empty on one side, or longer than --max-length {settings.max_length} tokens",
                fix=f"add {split}.{dataset.src} and {split}.{dataset.tgt} to the data, or raise --max-length",
            )
        b = batches[split]
        if len(b.empty) or len(b.too_long):
            console.warn(
                f"{split}: {len(b.too_long):,} of {len(b.src):,} pairs are longer than {settings.max_length} tokens and "
                f"{len(b.empty):,} have an empty side; they are left out"
            )


def _take_up(draft: Draft, trainer: Any, checkpoints: Any) -> None:
    from nlpcli.training.checkpoint import load_state

    path = checkpoints.state_path(draft.path)
    if not path.exists():  # interrupted before the first evaluation
        return
    state = load_state(path)
    differing = _differences(state["config"], checkpoints.config)
    if state["inputs"] != checkpoints.inputs:
        differing.append("the data has changed")
    if differing:
        raise ArtifactError(
            f"the unfinished run in {draft.path} has other settings",
            cause="; ".join(differing),
            fix="give the settings of then, or --force to start anew",
        )
    trainer.restore(state)
    console.info(f"resumed at step {trainer.progress.step:,}, {trainer.progress.seconds / 60:.1f} minutes into training")


def _listen(trainer: Any, log: Any, line: Any, checkpoints: Any, dataset: Any) -> None:
    from nlpcli.training.loop import Evaluation, SavePoint, Step
    from nlpcli.training.report import LOG_EVERY

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


def _saved_step(checkpoints: Any) -> str:
    path = checkpoints.state_path(checkpoints.folder)
    if not path.exists():
        return "none yet"
    from nlpcli.training.checkpoint import load_state

    return str(load_state(path)["progress"]["step"])


def _publish(draft: Draft, trainer: Any, dataset: Any) -> Trained:
    from nlpcli.training.checkpoint import save_weights

    p = trainer.progress
    save_weights(draft.path / "last.safetensors", trainer.model)
    shutil.copytree(dataset.tokenizer.artifact.path, draft.path / "tokenizer", dirs_exist_ok=True)
    draft.manifest.metrics = {
        "parameters": sum(t.numel() for t in trainer.model.parameters()),
        "steps": p.step,
        "epochs": round(p.epoch + p.batch / max(len(trainer.batches.epoch(p.epoch)), 1), 2),
        "best_step": p.best_step,
        "valid_loss": p.best_loss,
        "valid_bleu": p.best_bleu,
        "stopped": p.stopped,
    }
    draft.manifest.run = {
        "seconds": round(p.seconds, 3),
        "tokens_per_second": round(p.tokens / max(p.seconds, 1e-9), 1),
        "peak_memory_bytes": artifacts.peak_memory_bytes(),
    }
    result = _result(draft.publish())
    console.info(
        f"model: {result.path}: best at step {result.best_step:,} of {result.steps:,} (stopped by {result.stopped}), "
        f"valid loss {result.valid_loss:.3f}, BLEU {result.valid_bleu:.1f}, {result.tokens_per_second:,.0f} tokens/s"
    )
    console.info(f"next: nlpcli translate --model {draft.out} FILE, or nlpcli evaluate --model {draft.out} --data …")
    return result


def _result(artifact: Artifact) -> Trained:
    m = artifact.manifest
    named = {f.name for f in fields(Trained)}
    facts = {k: v for k, v in {**m.metrics, **m.run, "architecture": m.config["architecture"]}.items() if k in named}
    return Trained(path=artifact.path, id=m.id, **facts)
