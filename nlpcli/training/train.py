"""`nlpcli train`: from text, or from a dataset, to a model artifact that needs nothing else to translate."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Callable, ContextManager, Literal, NamedTuple

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Input
from nlpcli.corpus.prepare import prepare_data
from nlpcli.devices import pick_device, pick_precision
from nlpcli.errors import ArtifactError, OutputExists, UsageError
from nlpcli.models.config import TASKS
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.train import train_tokenizer
from nlpcli.training.presets import Preset
from nlpcli.training.range_test import RangeTest, range_test
from nlpcli.training.resolve import (
    Resolved,
    batch_tokens_before,
    check_early,
    resolve,
    settings_of_model,
    split_settings,
    with_batch_tokens,
)
from nlpcli.training.settings import STATE, TrainSettings, differences

COMMAND = "nlpcli train"

Resume = Literal["never", "auto"]


@dataclass(frozen=True)
class Trained:
    """What `train` made; `valid_loss` is in nats a target, the other scores are those that the task has."""

    path: Path
    id: str
    architecture: str
    task: str
    parameters: int
    steps: int
    epochs: float
    best_step: int
    valid_loss: float
    stopped: str
    seconds: float
    valid_bleu: float | None = None
    valid_attention_entropy: float | None = None
    valid_perplexity: float | None = None
    valid_accuracy: float | None = None
    tokens_per_second: float | None = None
    texts_per_second: float | None = None


def train(
    *,
    architecture: str,
    data: str,
    out: Path | None = None,
    tokenizer: Path | None = None,
    task: Literal["auto", "translation", "lm", "classify"] = "auto",
    preset: Preset = "auto",
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    fold: str | None = None,
    find_learning_rate: bool = False,
    force: bool = False,
    resume: Resume = "never",
    config_source: dict[str, str] | None = None,
    **settings: Any,
) -> Trained | RangeTest:
    """Train a model of `architecture` on `data` and publish it at `out` (default `work/<data>/<architecture>`).

    Args:
        data: text in any form `data prepare` reads, or a dataset artifact. From text, a corpus, a tokenizer and a
            dataset are made beside `out` and kept.
        task: what is learnt; "auto" follows from the data (pairs: translation, labels: classify, else lm).
        preset: fills the settings that are not given; "auto" goes by the number of training rows and the device.
        lang, column: for text in one language, see `find_text`.
        text_column, label_column, encoding, fold: for labelled text, see `prepare_data`.
        find_learning_rate: train nothing; return what the learning-rate range test found.
        resume: with "auto" an interrupted run goes on, bit for bit as if it had not been interrupted (same machine,
            same number of threads); a finished one with the same settings is returned as it is.
        settings: fields of the architecture's `Config` and of `TrainSettings`.

    Raises:
        UsageError: unknown settings, or settings that cannot work.
        OutputExists: `out`, or an unfinished run for it, is there.
        Interrupted: SIGINT or SIGTERM; the state is saved.
        RunFailed: the training diverged.
    """
    from_model = settings_of_model(architecture, settings)
    settings, config_source = {**settings, **from_model}, {**(config_source or {}), **dict.fromkeys(from_model, "model")}
    model_config, train_settings = split_settings(architecture, settings)  # what is out of range ends it here
    if task == "auto" and len(TASKS[architecture]) == 1:
        task = TASKS[architecture][0]
    check_early(architecture, task, preset, settings, None)
    out = Path(out) if out else default_out(data, architecture)
    device = pick_device(train_settings.device)
    precision = pick_precision(train_settings.precision, device)
    if not find_learning_rate:
        _refuse_existing(out, force, resume)
    if train_settings.from_model:
        from nlpcli.training.transfer import check_shapes  # with torch, which takes seconds

        check_shapes(architecture, model_config, train_settings.from_model)
        tokenizer = tokenizer or Path(train_settings.from_model) / "tokenizer"
    source = _Source(data, tokenizer, task, src, tgt, lang, column, text_column, label_column, encoding, fold)
    joint = getattr(model_config, "tie_embeddings", "") == "all"
    fabric, together = _launch(train_settings, device, precision)
    with together:
        dataset = Dataset.load(_once(fabric, lambda: _dataset(source, out, joint=joint, force=force)))
        _check_tokenizer(dataset, tokenizer)
        resolved = resolve(architecture, dataset, preset, settings, config_source)
        inputs = _inputs(dataset, resolved.training, out)
        if resolved.training.batch_tokens == "auto" and resume == "auto" and (tokens := batch_tokens_before(out)):
            resolved = with_batch_tokens(resolved, tokens)
        if resume == "auto" and artifacts.is_artifact(out) and not find_learning_rate:
            return _already_finished(out, resolved.config, [i.id for i in inputs])
        from nlpcli.training import run as running  # Fabric takes seconds to import; what is refused is refused before

        fabric = fabric or running.make_fabric(resolved.training, device, precision)
        if resolved.training.batch_tokens == "auto":
            resolved = with_batch_tokens(resolved, _find_batch_tokens(fabric, dataset, resolved))
        if find_learning_rate:
            return _range_test(running.make_trainer(fabric, dataset, resolved.config, resolved.model, resolved.training))
        if fabric.global_rank:
            running.follow(fabric, artifacts.partial_path(out), dataset, resolved)
        return _run(fabric, dataset, resolved, out, inputs, architecture=architecture, force=force, resume=resume == "auto")


def default_out(data: str, architecture: str) -> Path:
    """Return where a model goes when `--out` is not given: `work/ko-en/seq2seq`."""
    name = Path(data).name.split(".")[0] or "data"
    return Path("work") / name / architecture


def _inputs(dataset: Dataset, training: TrainSettings, out: Path) -> list[Input]:
    """Return what the model is made from."""
    inputs = [dataset.artifact.as_input("dataset", out)]
    if training.from_model:
        inputs.append(artifacts.open_artifact(training.from_model, "model").as_input("from_model", out))
    return inputs + [artifacts.open_artifact(path, "embedding").as_input("embedding", out) for path in training.embeddings]


def _run(
    fabric: Any,
    dataset: Dataset,
    resolved: Resolved,
    out: Path,
    inputs: list[Input],
    *,
    architecture: str,
    force: bool,
    resume: bool,
) -> Trained:
    """Train, and publish the model at `out`."""
    from nlpcli.training.run import run

    with artifacts.create(
        out,
        "model",
        command=f"{COMMAND} {architecture}",
        config=resolved.config,
        config_source=resolved.sources,
        inputs=inputs,
        seed=resolved.training.seed,
        force=force,
        keep=True,
        resume=resume,
    ) as draft:
        return _announced(_result(run(fabric, draft, dataset, resolved.model, resolved.training)))


def _find_batch_tokens(fabric: Any, dataset: Dataset, resolved: Resolved) -> int:
    from nlpcli.training.batch_size import find_batch_tokens
    from nlpcli.training.run import make_trainer

    def make(tokens: int) -> Any:
        tried = with_batch_tokens(resolved, tokens)
        return make_trainer(fabric, dataset, tried.config, tried.model, tried.training)

    if fabric.world_size > 1:  # each process would find another number
        raise UsageError("--batch-tokens auto is for one process", fix="find it without --devices, then give the number")
    return find_batch_tokens(make)


class _Source(NamedTuple):
    """Where the data comes from, as the user said it."""

    data: str
    tokenizer: Path | None
    task: Literal["auto", "translation", "lm", "classify"]
    src: str | None
    tgt: str | None
    lang: str | None
    column: str | None
    text_column: str | None
    label_column: str | None
    encoding: str | None
    fold: str | None


def _launch(settings: TrainSettings, device: str, precision: str) -> tuple[Any, ContextManager[None]]:
    """Start the other processes, or find them where torchrun has started them; return what they train in together."""
    if settings.devices * settings.num_nodes == 1:
        return None, nullcontext()
    from nlpcli.training.processes import in_step
    from nlpcli.training.run import make_fabric

    fabric = make_fabric(settings, device, precision)
    fabric.launch()
    return fabric, in_step(fabric)


def _once(fabric: Any, make: Callable[[], Path]) -> Path:
    if fabric is None:
        return make()
    from nlpcli.training.processes import made_by_first

    return made_by_first(fabric, make)


def _refuse_existing(out: Path, force: bool, resume: Resume) -> None:
    """Refuse early, before minutes are spent on text, what would be refused at the end."""
    if force or resume == "auto":
        return
    if out.exists():
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    unfinished = artifacts.partial_path(out)
    if (unfinished / STATE).exists():
        raise OutputExists(
            f"an unfinished run for {out} is in {unfinished}",
            cause="training was interrupted there",
            fix="add --resume auto to go on with it, or --force to start anew",
        )


def _dataset(source: _Source, out: Path, *, joint: bool, force: bool) -> Path:
    """Return the dataset to train on, making corpus, tokenizer and dataset beside `out` when `data` is text."""
    s = source
    kind = artifacts.read_artifact(s.data).manifest.kind if artifacts.is_artifact(s.data) else "text"
    if kind == "dataset":
        return Path(s.data)
    if kind not in ("text", "corpus"):
        raise ArtifactError(f"--data {s.data} is a {kind}, not a dataset or a corpus", fix="give text, a corpus or a dataset")
    corpus, made, encoded = (out.with_name(f"{out.name}-{part}") for part in ("data", "tokenizer", "dataset"))
    given = {name: value for name, value in s._asdict().items() if value is not None and name not in ("data", "tokenizer")}
    prepare_data(data=s.data, out=corpus, **given, reuse=True, force=force)
    if s.tokenizer is None:
        train_tokenizer(data=str(corpus), out=made, joint=joint, reuse=True, force=force)
    encode_dataset(data=str(corpus), tokenizer=s.tokenizer or made, out=encoded, reuse=True, force=force)
    return encoded


def _check_tokenizer(dataset: Dataset, tokenizer: Path | None) -> None:
    if tokenizer is None:
        return
    given = artifacts.open_artifact(tokenizer, "tokenizer").id
    if given != dataset.tokenizer.id:
        raise ArtifactError(
            f"tokenizer {tokenizer} ({given}) did not make the dataset {dataset.artifact.path}",
            cause=f"its ids come from tokenizer {dataset.tokenizer.id}",
            fix=f"give text as --data, or encode it: nlpcli tokenize dataset --tokenizer {tokenizer}",
        )


def _already_finished(out: Path, config: dict[str, Any], inputs: list[str]) -> Trained:
    found = artifacts.open_artifact(out, "model")
    differing = differences(found.manifest.config, config)
    if differing or [i.id for i in found.manifest.inputs] != inputs:
        raise OutputExists(
            f"{out} is finished, with other settings or data",
            cause="; ".join(differing) or "it was trained on another dataset",
            fix="choose another --out, or add --force to replace it",
        )
    console.info(f"{out} is finished already; nothing to do")
    return _result(found)


def _result(artifact: Artifact) -> Trained:
    m = artifact.manifest
    named = {f.name for f in fields(Trained)}
    facts = {k: v for k, v in {**m.config, **m.metrics, **m.run}.items() if k in named}
    return Trained(path=artifact.path, id=m.id, **facts)


def _announced(r: Trained) -> Trained:
    scores = {"BLEU": r.valid_bleu, "perplexity": r.valid_perplexity, "accuracy": r.valid_accuracy}
    said = "".join(f", {name} {value:.1f}" for name, value in scores.items() if value is not None)
    speed = f"{r.tokens_per_second or r.texts_per_second:,.0f} {'tokens' if r.tokens_per_second else 'texts'}/s"
    console.info(
        f"model: {r.path}: best at step {r.best_step:,} of {r.steps:,} (stopped by {r.stopped}), "
        f"valid loss {r.valid_loss:.3f}{said}, {speed}"
    )
    use = {
        "translation": f"nlpcli translate --model {r.path} FILE",
        "lm": f"nlpcli generate --model {r.path}",
        "classify": f"nlpcli classify --model {r.path} FILE",
    }
    console.info(f"next: {use[r.task]}, or nlpcli evaluate --model {r.path} --data …")
    return r


def _range_test(trainer: Any) -> RangeTest:
    return range_test(trainer.step_at)
