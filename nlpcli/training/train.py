"""`nlpcli train`: from text, or from a dataset, to a model artifact that needs nothing else to translate."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact
from nlpcli.config import checked
from nlpcli.corpus.prepare import prepare_data
from nlpcli.devices import pick_device, pick_precision
from nlpcli.errors import ArtifactError, OutputExists, UsageError
from nlpcli.models import ARCHITECTURES, check
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.train import train_tokenizer
from nlpcli.training.settings import STATE, TrainSettings, differences

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
    model_config, train_settings = split_settings(architecture, settings)
    out = Path(out) if out else default_out(data, architecture)
    _refuse_existing(out, force, resume)
    dataset = Dataset.load(_dataset(data, out, tokenizer, src, tgt, joint=model_config.tie_embeddings == "all"))
    _check_tokenizer(dataset, tokenizer)
    check(model_config, dataset.tokenizer)
    config = _resolved(architecture, dataset, model_config, train_settings)
    inputs = [dataset.artifact.as_input("dataset", out)]
    if train_settings.embeddings:
        from nlpcli.training.transfer import embedding_inputs

        inputs += embedding_inputs(train_settings, out)
    if resume == "auto" and artifacts.is_artifact(out):
        return _already_finished(out, config, [i.id for i in inputs])
    from nlpcli.training.run import run  # Fabric takes seconds to import; what is refused is refused before

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
        return _announced(_result(run(draft, dataset, model_config, train_settings)))


def default_out(data: str, architecture: str) -> Path:
    """Return where a model goes when `--out` is not given: `work/ko-en/seq2seq`."""
    name = Path(data).name.split(".")[0] or "data"
    return Path("work") / name / architecture


def split_settings(architecture: str, settings: dict[str, Any]) -> tuple[Any, TrainSettings]:
    """Return the settings of the model and those of training, checked.

    Raises:
        UsageError: an unknown architecture or setting, or a value out of range.
    """
    if architecture not in ARCHITECTURES:
        raise UsageError(f"unknown architecture: {architecture}", fix=f"choose one of {', '.join(ARCHITECTURES)}")
    model_class = ARCHITECTURES[architecture].Config
    of_model = {k: v for k, v in settings.items() if k in model_class.__struct_fields__}
    of_training = {k: v for k, v in settings.items() if k in TrainSettings.__struct_fields__}
    unknown = sorted(set(settings) - set(of_model) - set(of_training))
    if unknown:
        raise UsageError(f"unknown setting(s): {', '.join(unknown)}", fix=f"see nlpcli train {architecture} --help")
    return checked(model_class, of_model), checked(TrainSettings, of_training)


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


def _dataset(data: str, out: Path, tokenizer: Path | None, src: str | None, tgt: str | None, *, joint: bool) -> Path:
    """Return the dataset to train on, making corpus, tokenizer and dataset beside `out` when `data` is text."""
    kind = artifacts.read_artifact(data).manifest.kind if artifacts.is_artifact(data) else "text"
    if kind == "dataset":
        return Path(data)
    if kind not in ("text", "corpus"):
        raise ArtifactError(f"--data {data} is a {kind}, not a dataset or a corpus", fix="give text, a corpus or a dataset")
    corpus, made, encoded = (out.with_name(f"{out.name}-{part}") for part in ("data", "tokenizer", "dataset"))
    prepare_data(data=data, out=corpus, src=src, tgt=tgt, reuse=True)
    if tokenizer is None:
        train_tokenizer(data=str(corpus), out=made, joint=joint, reuse=True)
    encode_dataset(data=str(corpus), tokenizer=tokenizer or made, out=encoded, reuse=True)
    return encoded


def _check_tokenizer(dataset: Dataset, tokenizer: Path | None) -> None:
    if tokenizer is None:
        return
    given = artifacts.open_artifact(tokenizer, "tokenizer").id
    if given != dataset.tokenizer.id:
        raise ArtifactError(
            f"--tokenizer {tokenizer} ({given}) did not make the dataset {dataset.artifact.path}",
            cause=f"its ids come from tokenizer {dataset.tokenizer.id}",
            fix="leave --tokenizer out, or encode the text with it: nlpcli tokenize dataset",
        )


def _resolved(architecture: str, dataset: Dataset, model_config: Any, settings: TrainSettings) -> dict[str, Any]:
    device = pick_device(settings.device)
    chosen = {"device": device, "precision": pick_precision(settings.precision, device)}
    facts = {"architecture": architecture, "src": dataset.src, "tgt": dataset.tgt, "tokenizer_id": dataset.tokenizer.id}
    plain = [msgspec.json.decode(msgspec.json.encode(part)) for part in (model_config, settings)]
    return {**facts, **plain[0], **plain[1], **chosen}


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
    facts = {k: v for k, v in {**m.metrics, **m.run, "architecture": m.config["architecture"]}.items() if k in named}
    return Trained(path=artifact.path, id=m.id, **facts)


def _announced(r: Trained) -> Trained:
    console.info(
        f"model: {r.path}: best at step {r.best_step:,} of {r.steps:,} (stopped by {r.stopped}), "
        f"valid loss {r.valid_loss:.3f}, BLEU {r.valid_bleu:.1f}, {r.tokens_per_second:,.0f} tokens/s"
    )
    console.info(f"next: nlpcli translate --model {r.path} FILE, or nlpcli evaluate --model {r.path} --data …")
    return r
