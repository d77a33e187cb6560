"""`nlpcli evaluate`: use a model on a split and score it, or score translations that are there already."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Sequence

import msgspec

from nlpcli import artifacts
from nlpcli.artifacts import Artifact, Input, text_input
from nlpcli.config import checked
from nlpcli.corpus.readers import uncompressed
from nlpcli.decoding.settings import EngineName, EngineSettings, SearchSettings, TextSettings
from nlpcli.errors import OutputExists, UsageError
from nlpcli.evaluation.part import Part
from nlpcli.evaluation.scores import (
    LOWER_IS_BETTER,
    METRICS,
    OF_TASK,
    BleuTokenizer,
    Group,
    LengthOf,
    MetricName,
    Scoring,
    choose_bleu_tokenizer,
)
from nlpcli.evaluation.translation import score_files, translate_splits
from nlpcli.files import write_text
from nlpcli.models.config import WEIGHTS, Task

COMMAND = "nlpcli evaluate"

Using = tuple[Sequence[Artifact], str, Sequence[str], str, str]  # models on splits of data: with which weights, on which device

_SCORES, _MODEL = {"--metric", "--bleu-tokenizer", "--length-of"}, {"--split", "--batch-tokens", "--checkpoint", "--device"}
USES = {  # options beyond those that say what to score, by what is scored
    "translations in files": {"--src", "--tgt", *_SCORES},
    "a model for translation": {"--beam-size", "--length-penalty", "--max-input-tokens", "--engine", *_SCORES, *_MODEL},
    "a model for lm": _MODEL,
    "a model for classify": {"--text-column", "--label-column", "--encoding", *_MODEL},
}


@dataclass(frozen=True)
class Evaluated:
    """Scores by split, each with its groups: the whole split first, then domains and lengths of the reference, or classes.

    `confusion` counts, when classifying, by split, true label and predicted label.
    `failed_gates` has one line for each gate of `fail_under` that was not met.
    """

    path: Path | None
    id: str | None
    splits: dict[str, list[Group]]
    confusion: dict[str, dict[str, dict[str, int]]]
    failed_gates: list[str]


def evaluate(
    *,
    model: Path | Sequence[Path] = (),
    data: str | None = None,
    split: Sequence[str] = ("test",),
    hyp: Path | None = None,
    ref: Path | None = None,
    src_file: Path | None = None,
    tgt: str | None = None,
    bleu_tokenizer: BleuTokenizer | Literal["auto"] = "auto",
    metrics: Sequence[str] = (),
    length_of: LengthOf = "reference",
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    out: Path | None = None,
    fail_under: Sequence[str] = (),
    beam_size: int = 1,
    length_penalty: float = 1.0,
    max_input_tokens: int | None = None,
    engine: EngineName = "torch",
    batch_tokens: int = 8192,
    checkpoint: Literal["best", "last"] = "best",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Evaluated:
    """Score a model on splits of data, or translations that are there already, as fits the task.

    Translation: BLEU, chrF2 and TER by domain and length. Language models: perplexity by token and by word, bits per
    character. Classification: accuracy and F1, whole and by class, with the confusion matrix.

    Args:
        model, data, split: use a model, or several that classify or translate together, on these splits of `data`, or
        hyp, ref, src_file: score the lines of `hyp` against `ref`.
        tgt: the language of `ref`; its ending if not given.
        bleu_tokenizer: how BLEU cuts lines into words; "auto" goes by the language, "none" is for text that is cut already.
        metrics: of a translation; all of them if none is given.
        length_of: whose number of words groups translations by length.
        text_column, label_column, encoding: for labelled text, see `prepare_data`.
        fail_under: gates to check, such as `BLEU=25`; `TER=60` and `perplexity=100` are upper bounds, for lower is better.
        max_input_tokens: longer lines are translated in parts; the longest of training if not given.
        engine: what translates; see `translate`.
        out: keep scores and lines as an artifact.

    Raises:
        UsageError: neither model and data nor hyp and ref were given, a gate or an option that the task does not have, or
            lengths of sources that were not given.
    """
    if out is not None and out.exists() and not force:
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    models = [model] if isinstance(model, (str, Path)) else model
    way = [bool(models), data is not None, hyp is not None, ref is not None]
    if way not in ([True, True, False, False], [False, False, True, True]):
        raise UsageError("give --model and --data, or --hyp and --ref", fix="nlpcli evaluate --help shows an example of each")
    opened = [artifacts.open_artifact(path, "model") for path in models]
    made = opened[0].manifest.config if opened else {}
    task: Task = made.get("task", "translation")
    given = {
        "--src": src_file,
        "--tgt": tgt,
        "--metric": metrics,
        "--bleu-tokenizer": bleu_tokenizer != "auto",
        "--length-of": length_of != "reference",
        "--text-column": text_column,
        "--label-column": label_column,
        "--encoding": encoding,
        "--split": list(split) != ["test"],
        "--beam-size": beam_size != 1,
        "--length-penalty": length_penalty != 1.0,
        "--max-input-tokens": max_input_tokens,
        "--engine": engine != "torch",
        "--batch-tokens": batch_tokens != 8192,
        "--checkpoint": checkpoint != "best",
        "--device": device != "auto",
    }
    _refuse_idle(f"a model for {task}" if opened else "translations in files", [flag for flag, value in given.items() if value])
    chosen = _chosen(metrics)
    gates = _gates(fail_under, chosen if task == "translation" else OF_TASK[task])
    config: dict[str, Any] = {"task": task}
    if opened:
        config |= {"checkpoint": checkpoint, "batch_tokens": batch_tokens}
    if task == "translation":
        tgt = made.get("tgt") or tgt or (uncompressed(ref).suffix.lstrip(".") if ref else "") or "en"
        scoring = Scoring(choose_bleu_tokenizer(tgt, bleu_tokenizer), chosen, length_of)
        config |= {"tgt": tgt, "bleu_tokenizer": scoring.tokenizer, "length_of": length_of}
    folder = out or Path()
    if data is None:
        assert hyp is not None
        assert ref is not None
        if length_of == "source" and src_file is None:
            raise UsageError("--length-of source needs the sources", fix="add --src FILE")
        parts = [score_files(hyp, ref, src_file, scoring)]
        roles = (("hyp", hyp), ("ref", ref), ("src", src_file))
        inputs = [text_input(role, path, folder) for role, path in roles if path]
    elif task == "translation":
        searching = {"beam_size": beam_size, "length_penalty": length_penalty}
        search = checked(SearchSettings, searching)
        text = checked(TextSettings, {"max_input_tokens": max_input_tokens})
        config |= searching | ({"max_input_tokens": max_input_tokens} if max_input_tokens else {})
        computing = EngineSettings(engine=engine, batch_tokens=batch_tokens, checkpoint=checkpoint, device=device)
        parts, inputs = translate_splits(opened, data, split, search, computing, text, scoring, folder)
    else:
        columns = (text_column, label_column, encoding or "utf-8")
        parts, inputs = _of_model(task, (opened, data, split, WEIGHTS[checkpoint], device), batch_tokens, columns, folder)
    inputs = [*(artifact.as_input("model", folder) for artifact in opened), *inputs]
    kept = _keep(out, parts, config, config_source, inputs, force) if out else None
    path, id = (kept.path, kept.id) if kept else (None, None)
    splits = {part.name: part.groups for part in parts}
    confusion = {part.name: part.confusion for part in parts if part.confusion}
    return Evaluated(path, id, splits, confusion, _failed(gates, splits))


def _refuse_idle(what: str, given: Sequence[str]) -> None:
    if idle := [flag for flag in given if flag not in USES[what]]:
        raise UsageError(f"no effect on {what}: {', '.join(idle)}", fix=f"leave out {' '.join(idle)}")


def _of_model(
    task: Task, using: Using, batch_tokens: int, columns: tuple[str | None, str | None, str], out: Path
) -> tuple[list[Part], list[Input]]:
    if task == "lm":
        from nlpcli.evaluation.language import read_splits

        return read_splits(*using, batch_tokens, out)
    from nlpcli.evaluation.classification import classify_splits

    return classify_splits(*using, batch_tokens, columns, out)


def _keep(
    out: Path,
    parts: list[Part],
    config: dict[str, Any],
    config_source: dict[str, str] | None,
    inputs: list[Input],
    force: bool,
) -> Artifact:
    with artifacts.create(
        out, "evaluation", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force
    ) as draft:
        for part in parts:
            for ending, lines in part.lines.items():
                write_text(draft.path / f"{part.name}.{ending}", "".join(line + "\n" for line in lines))
            draft.metrics[part.name] = {s.metric: round(s.value, 2) for s in part.groups[0].scores}
        table = {part.name: [asdict(group) for group in part.groups] for part in parts}
        write_text(draft.path / "scores.json", msgspec.json.format(msgspec.json.encode(table)).decode() + "\n")
        if confusion := {part.name: part.confusion for part in parts if part.confusion}:
            write_text(draft.path / "confusion.json", msgspec.json.format(msgspec.json.encode(confusion)).decode() + "\n")
        return draft.publish()


def _chosen(metrics: Sequence[str]) -> Sequence[MetricName]:
    known = {metric.lower(): metric for metric in METRICS}
    if unknown := [metric for metric in metrics if metric.lower() not in known]:
        raise UsageError(f"--metric {unknown[0]} is not known", fix=f"choose of {', '.join(METRICS)}")
    return [known[metric.lower()] for metric in metrics] or METRICS


def _gates(fail_under: Sequence[str], metrics: Sequence[str]) -> dict[str, float]:
    gates = {}
    for gate in fail_under:
        metric, _, bound = gate.partition("=")
        try:
            gates[{m.lower(): m for m in metrics}[metric.lower()]] = _finite(bound)
        except (KeyError, ValueError):
            raise UsageError(
                f"--fail-under {gate}: not METRIC=NUMBER",
                cause=f"metrics are {', '.join(metrics)}",
                fix=f"--fail-under {metrics[0]}=25",
            ) from None
    return gates


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _failed(gates: dict[str, float], splits: dict[str, list[Group]]) -> list[str]:
    failed = []
    for name, groups in splits.items():
        for metric, bound in gates.items():
            value = groups[0].value(metric)
            if value > bound if metric in LOWER_IS_BETTER else value < bound:
                failed.append(f"{name}: {metric} {value:.2f} is {'over' if metric in LOWER_IS_BETTER else 'under'} {bound:g}")
    return failed
