"""Scores of translations: of a split that a model translates, or of lines that are there already."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Sequence

from nlpcli import console
from nlpcli.artifacts import Artifact, Input, text_input
from nlpcli.corpus.documents import without_separators
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.readers import read_aligned, read_lines
from nlpcli.corpus.tables import read_pairs
from nlpcli.decoding.issues import MEANINGS, Kind
from nlpcli.decoding.settings import EngineSettings, SearchSettings, TextSettings
from nlpcli.errors import BadInput
from nlpcli.evaluation.part import Part
from nlpcli.evaluation.scores import LONG, Group, Scorer, Scoring, by_length, looks_tokenized


def translate_splits(
    artifacts: Sequence[Artifact],
    data: str,
    names: Sequence[str],
    search: SearchSettings,
    engine: EngineSettings,
    text: TextSettings,
    scoring: Scoring,
    out: Path,
) -> tuple[list[Part], list[Input]]:
    """Translate splits of `data` with a model, or several, and score them, by domain and by length.

    Raises:
        BadInput: a split is missing or empty.
    """
    from nlpcli.decoding.lines import FILE_WINDOW, windows
    from nlpcli.decoding.load import load_translator

    made = artifacts[0].manifest.config
    corpus = find_corpus(data, made["src"], made["tgt"])
    splits = {name: corpus.split(name) for name in names}
    inputs, parts = [], []
    translator = load_translator(artifacts, search, engine, text)
    for name, split in splits.items():
        pairs = list(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt))
        src, ref = [s for s, _ in pairs], [t for _, t in pairs]
        if not pairs:
            raise BadInput(f"{split.src} is empty", cause=f"the split {name} has no pairs", fix="choose another --split")
        labels = _domains(split.src.parent / f"{name}.domain", len(pairs))
        hyp: list[str] = []
        issues: Counter[Kind] = Counter()
        with console.Progress(f"translate {name}", len(src), "lines") as progress:
            for found in translator.stream((window, ()) for window in windows(src, FILE_WINDOW)):
                hyp += [t.best for t in found]
                issues.update(issue.kind for t in found for issue in t.issues)
                progress.update(len(hyp))
        for kind, count in issues.items():
            console.warn(f"{name}: {count:,} line(s) {MEANINGS[kind]}")
        parts.append(_part(name, src, hyp, ref, labels, scoring))
        inputs += [text_input(path.name, path, out) for path in sorted({split.src, split.tgt})]
    translator.close()
    return parts, inputs


def score_files(hyp: Path, ref: Path, src: Path | None, scoring: Scoring) -> Part:
    """Score the lines of `hyp` against those of `ref`.

    Raises:
        BadInput: there are none, or not as many on each side.
    """
    pairs = list(read_aligned(hyp, ref))
    if not pairs:
        raise BadInput(f"{hyp} and {ref} are empty", fix="translate something first")
    lines = [line for line, _ in read_aligned(src, ref)] if src else None
    return _part("lines", lines, [h for h, _ in pairs], [r for _, r in pairs], None, scoring)


def _part(
    name: str,
    src: list[str] | None,
    hyp: list[str],
    ref: list[str],
    domains: list[str] | None,
    scoring: Scoring,
) -> Part:
    tokenizer, metrics, length_of = scoring
    if tokenizer != "none" and looks_tokenized(ref):
        console.warn(
            f"{name}: the references look cut into words (' .'), but BLEU cuts plain text itself; "
            "--bleu-tokenizer none takes the words as they are"
        )
    lines = {side: x for side, x in (("src", src), ("hyp", hyp), ("ref", ref)) if x is not None}
    hyp, ref = ([without_separators(line) for line in x] for x in (hyp, ref))
    if "TER" in metrics and (longest := max(len(line.split()) for line in ref)) > LONG:
        console.warn(f"{name}: TER of lines of up to {longest:,} words takes long; --metric BLEU --metric chrF2 leaves it out")
    scorer = Scorer(hyp, ref, tokenizer, metrics)
    rows = {domain: [i for i, d in enumerate(domains or []) if d == domain] for domain in dict.fromkeys(domains or [])}
    if length_of == "source":
        rows |= by_length([without_separators(line) for line in src or []], "source words")
    else:
        rows |= by_length(ref)
    groups = [Group(name, len(own), scorer.score(own)) for name, own in rows.items()]
    return Part(name, [Group("all", len(ref), scorer.score()), *groups], lines)


def _domains(path: Path, pairs: int) -> list[str] | None:
    if not path.is_file():
        return None
    domains = list(read_lines(path))
    if len(domains) != pairs:
        raise BadInput(f"{path} has {len(domains):,} lines for {pairs:,} pairs", fix=f"wc -l {path}")
    return domains
