"""`nlpcli evaluate`: translate a split and score it, or score lines that are there already."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Sequence

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Input, text_input
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.readers import read_aligned, read_lines, uncompressed
from nlpcli.corpus.tables import read_pairs
from nlpcli.errors import BadInput, OutputExists, UsageError
from nlpcli.evaluation.scores import METRICS, Score, by_length, score
from nlpcli.files import write_text

COMMAND = "nlpcli evaluate"


@dataclass(frozen=True)
class Group:
    """Some lines and their scores: all of them, one domain's, or those of a certain length."""

    name: str
    lines: int
    scores: list[Score]

    def value(self, metric: str) -> float:
        return next(s.value for s in self.scores if s.metric == metric)


@dataclass(frozen=True)
class Evaluated:
    """Scores by split, each with its groups: the whole split first, then domains, then lengths of the reference.

    `failed_gates` has one line for each gate of `fail_under` that was not met.
    """

    path: Path | None
    id: str | None
    splits: dict[str, list[Group]]
    failed_gates: list[str]


@dataclass(frozen=True)
class _Lines:
    """What is scored together."""

    name: str
    src: list[str] | None
    hyp: list[str]
    ref: list[str]
    domains: list[str] | None = None


def evaluate(
    *,
    model: Path | None = None,
    data: str | None = None,
    split: Sequence[str] = ("test",),
    hyp: Path | None = None,
    ref: Path | None = None,
    src_file: Path | None = None,
    tgt: str | None = None,
    out: Path | None = None,
    fail_under: Sequence[str] = (),
    beam_size: int = 1,
    length_penalty: float = 1.0,
    batch_tokens: int = 8192,
    checkpoint: Literal["best", "last"] = "best",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Evaluated:
    """Score translations with BLEU, chrF2 and TER.

    Args:
        model, data, split: translate these splits of `data` with `model` and score them, or
        hyp, ref, src_file: score the lines of `hyp` against `ref`.
        tgt: the language of `ref`, which chooses BLEU's tokenizer; the ending of `ref` if not given.
        fail_under: gates to check, such as `BLEU=25`; `TER=60` is an upper bound, for lower is better there.
        out: keep scores and lines as an artifact.

    Raises:
        UsageError: neither model and data nor hyp and ref were given.
    """
    gates = _gates(fail_under)
    if out is not None and out.exists() and not force:
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    searching = {"beam_size": beam_size, "length_penalty": length_penalty, "batch_tokens": batch_tokens}
    if model is not None and data is not None and hyp is None and ref is None:
        parts, tgt, inputs = _translate_splits(model, data, split, checkpoint, device, searching, out)
    elif hyp is not None and ref is not None and model is None:
        parts, tgt, inputs = [_read_files(hyp, ref, src_file)], tgt or uncompressed(ref).suffix.lstrip(".") or "en", []
        inputs = [
            text_input(role, path, out or Path()) for role, path in (("hyp", hyp), ("ref", ref), ("src", src_file)) if path
        ]
    else:
        raise UsageError("give --model and --data, or --hyp and --ref", fix="nlpcli evaluate --help shows an example of each")
    splits = {part.name: _groups(part, tgt) for part in parts}
    config = {"tgt": tgt, "checkpoint": checkpoint, **searching} if model else {"tgt": tgt}
    artifact = _keep(out, parts, splits, config, config_source, inputs, force) if out else None
    path, id = (artifact.path, artifact.id) if artifact else (None, None)
    return Evaluated(path, id, splits, _failed(gates, splits))


def _translate_splits(
    model: Path,
    data: str,
    names: Sequence[str],
    checkpoint: Literal["best", "last"],
    device: str,
    searching: Any,
    out: Path | None,
) -> tuple[list[_Lines], str, list[Input]]:
    from nlpcli.decoding.translate import FILE_WINDOW, WEIGHTS, windows
    from nlpcli.decoding.translator import Translator

    artifact = artifacts.open_artifact(model, "model")
    made = artifact.manifest.config
    corpus = find_corpus(data, made["src"], made["tgt"])
    splits = {name: corpus.split(name) for name in names}
    translator = Translator.load(artifact, checkpoint=WEIGHTS[checkpoint], device=device, **searching)
    inputs, parts = [artifact.as_input("model", out or Path())], []
    for name, split in splits.items():
        pairs = list(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt))
        src, ref = [s for s, _ in pairs], [t for _, t in pairs]
        if not pairs:
            raise BadInput(f"{split.src} is empty", cause=f"the split {name} has no pairs", fix="choose another --split")
        labels = _domains(split.src.parent / f"{name}.domain", len(pairs))
        hyp: list[str] = []
        with console.Progress(f"translate {name}", len(src), "lines") as progress:
            for window in windows(src, FILE_WINDOW):
                hyp += [t.best for t in translator.translate(window)]
                progress.update(len(hyp))
        parts.append(_Lines(name, src, hyp, ref, labels))
        inputs += [text_input(path.name, path, out or Path()) for path in sorted({split.src, split.tgt})]
    return parts, made["tgt"], inputs


def _domains(path: Path, pairs: int) -> list[str] | None:
    if not path.is_file():
        return None
    domains = list(read_lines(path))
    if len(domains) != pairs:
        raise BadInput(f"{path} has {len(domains):,} lines for {pairs:,} pairs", fix=f"wc -l {path}")
    return domains


def _read_files(hyp: Path, ref: Path, src: Path | None) -> _Lines:
    pairs = list(read_aligned(hyp, ref))
    if not pairs:
        raise BadInput(f"{hyp} and {ref} are empty", fix="translate something first")
    lines = [line for line, _ in read_aligned(src, ref)] if src else None
    return _Lines("lines", lines, [h for h, _ in pairs], [r for _, r in pairs])


def _groups(part: _Lines, tgt: str) -> list[Group]:
    groups = [Group("all", len(part.ref), score(part.hyp, part.ref, tgt))]
    for domain in dict.fromkeys(part.domains or []):
        rows = [i for i, d in enumerate(part.domains or []) if d == domain]
        groups.append(Group(domain, len(rows), score([part.hyp[i] for i in rows], [part.ref[i] for i in rows], tgt)))
    for name, (lines, scores) in by_length(part.hyp, part.ref, tgt).items():
        groups.append(Group(name, lines, scores))
    return groups


def _keep(
    out: Path,
    parts: list[_Lines],
    splits: dict[str, list[Group]],
    config: dict[str, Any],
    config_source: dict[str, str] | None,
    inputs: list[Input],
    force: bool,
) -> Artifact:
    with artifacts.create(
        out, "evaluation", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force
    ) as draft:
        for part in parts:
            for side, lines in (("src", part.src), ("hyp", part.hyp), ("ref", part.ref)):
                if lines is not None:
                    write_text(draft.path / f"{part.name}.{side}", "".join(line + "\n" for line in lines))
        table = {name: [asdict(group) for group in groups] for name, groups in splits.items()}
        write_text(draft.path / "scores.json", msgspec.json.format(msgspec.json.encode(table)).decode() + "\n")
        for name, groups in splits.items():
            draft.metrics[name] = {m: round(groups[0].value(m), 2) for m in METRICS}
        return draft.publish()


def _gates(fail_under: Sequence[str]) -> dict[str, float]:
    gates = {}
    for gate in fail_under:
        metric, _, bound = gate.partition("=")
        try:
            gates[{m.lower(): m for m in METRICS}[metric.lower()]] = _finite(bound)
        except (KeyError, ValueError):
            raise UsageError(
                f"--fail-under {gate}: not METRIC=NUMBER", cause=f"metrics are {', '.join(METRICS)}", fix="--fail-under BLEU=25"
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
            if value > bound if metric == "TER" else value < bound:
                failed.append(f"{name}: {metric} {value:.2f} is {'over' if metric == 'TER' else 'under'} {bound:g}")
    return failed
