"""`nlpcli data prepare`: read a parallel corpus once, strictly, and keep it as an artifact of plain text files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, Input, reusable
from nlpcli.corpus.names import Corpus, find_corpus
from nlpcli.corpus.readers import read_lines
from nlpcli.corpus.tables import read_pairs
from nlpcli.errors import BadInput

COMMAND = "nlpcli data prepare"


@dataclass(frozen=True)
class Prepared:
    """What `data prepare` made: pairs per split."""

    path: Path
    id: str
    src: str
    tgt: str
    pairs: dict[str, int]


def prepare_data(
    *,
    data: str,
    out: Path,
    src: str | None = None,
    tgt: str | None = None,
    hold_out: int = 500,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> Prepared:
    """Make a corpus artifact (`train.ko`, `train.en`, …) from any form of parallel data.

    Args:
        hold_out: when the data has no validation split, how many training pairs to set aside for it. Pairs with the
            same source sentence stay on one side of the cut.
        reuse: return the artifact at `out` if it was made from the same files with the same settings.

    Raises:
        BadInput: unequal sides, lines that are not UTF-8, an empty split.
    """
    corpus = find_corpus(data, src, tgt)
    config = {"data": corpus.name, "src": corpus.src, "tgt": corpus.tgt, "hold_out": hold_out}
    inputs = _inputs(corpus, out)
    if reuse and (found := reusable(out, "corpus", config, inputs)):
        return _result(found)
    with artifacts.create(
        out, "corpus", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force or reuse
    ) as draft:
        for name in corpus.splits:
            draft.metrics[name] = _write_split(corpus, name, draft)
        if "train" in corpus.splits and "valid" not in corpus.splits:
            _hold_out(corpus, draft, hold_out)
        return _result(draft.publish())


def _inputs(corpus: Corpus, out: Path) -> list[Input]:
    if artifacts.is_artifact(corpus.root):
        return [artifacts.open_artifact(corpus.root, "corpus").as_input("data", out)]
    paths = {path for split in corpus.splits.values() for path in (split.src, split.tgt)}
    paths |= {path for name, split in corpus.splits.items() if (path := _domains(split.src, name)).is_file()}
    return [artifacts.text_input(path.name, path, out) for path in sorted(paths)]


def _write_split(corpus: Corpus, name: str, draft: Draft) -> dict[str, int]:
    split = corpus.splits[name]
    counts = {"pairs": 0, "src_words": 0, "tgt_words": 0}
    with (
        (draft.path / f"{name}.{corpus.src}").open("w", encoding="utf-8", newline="\n") as src_file,
        (draft.path / f"{name}.{corpus.tgt}").open("w", encoding="utf-8", newline="\n") as tgt_file,
    ):
        for src_line, tgt_line in read_pairs(split.src, split.tgt, corpus.src, corpus.tgt):
            src_file.write(src_line + "\n")
            tgt_file.write(tgt_line + "\n")
            counts["pairs"] += 1
            counts["src_words"] += len(src_line.split())
            counts["tgt_words"] += len(tgt_line.split())
    if not counts["pairs"]:
        raise BadInput(f"{split.src} is empty", cause=f"the split {name} has no pairs", fix="put text into it, or remove it")
    _copy_domains(split.src, name, counts["pairs"], draft)
    console.info(f"data: {name}: {counts['pairs']:,} pairs, {counts['src_words']:,} and {counts['tgt_words']:,} words")
    return counts


def _domains(src: Path, name: str) -> Path:
    return src.parent / f"{name}.domain"


def _copy_domains(src: Path, name: str, pairs: int, draft: Draft) -> None:
    """Keep `test.domain` (one name a line), by which `evaluate` groups its scores."""
    path = _domains(src, name)
    if not path.is_file():
        return
    domains = list(read_lines(path))
    if len(domains) != pairs:
        raise BadInput(
            f"{path} has {len(domains):,} lines for {pairs:,} pairs",
            cause="it names the domain of each pair, one a line",
            fix=f"wc -l {path} {src}",
        )
    (draft.path / path.name).write_text("".join(d + "\n" for d in domains), encoding="utf-8")


def _hold_out(corpus: Corpus, draft: Draft, count: int) -> None:
    """Move the pairs whose source hashes lowest from train to valid: the same choice whatever the order of the file."""
    paths = [draft.path / f"train.{language}" for language in (corpus.src, corpus.tgt)]
    digests = {line: hashlib.sha256(line.encode()).digest() for line in read_lines(paths[0])}
    chosen = set(sorted(digests, key=digests.__getitem__)[: min(count, len(digests) // 5)])
    pairs = list(zip(*(list(read_lines(path)) for path in paths)))
    for name, kept in (("valid", True), ("train", False)):
        part = [pair for pair in pairs if (pair[0] in chosen) is kept]
        if not part:
            raise BadInput(
                f"{corpus.root} has no valid split and too few pairs to hold one out",
                cause=f"it has {len(pairs)} pair(s)",
                fix=f"add valid.{corpus.src} and valid.{corpus.tgt}",
            )
        for path, side in zip(paths, _sides(part)):
            (draft.path / f"{name}{path.suffix}").write_text("".join(s + "\n" for s in side), encoding="utf-8")
        words = (sum(len(line.split()) for line in side) for side in _sides(part))
        draft.metrics[name] = dict(zip(("pairs", "src_words", "tgt_words"), (len(part), *words)))
    (draft.path / "train.domain").unlink(missing_ok=True)
    console.info(f"data: no valid split; {draft.metrics['valid']['pairs']:,} pairs of train were set aside for it")


def _sides(pairs: list[tuple[str, str]]) -> Iterator[list[str]]:
    yield [src for src, _ in pairs]
    yield [tgt for _, tgt in pairs]


def _result(artifact: Artifact) -> Prepared:
    m = artifact.manifest
    pairs = {name: counts["pairs"] for name, counts in m.metrics.items()}
    return Prepared(artifact.path, m.id, m.config["src"], m.config["tgt"], pairs)
