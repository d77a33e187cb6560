"""`nlpcli data prepare`: read a corpus strictly, and keep it as an artifact of plain text files.

Parallel text for translation, plain text for a language model, labelled text for classification.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, Input, reusable
from nlpcli.corpus.classify import write_classes
from nlpcli.corpus.documents import SEPARATOR, by_document, holds_documents, joined, read_documents
from nlpcli.corpus.labelled import Labelled, find_labelled
from nlpcli.corpus.layouts import DOCUMENT
from nlpcli.corpus.names import Corpus, find_corpus, resolve
from nlpcli.corpus.plain import write_text
from nlpcli.corpus.readers import UTF8, known_encoding, read_lines
from nlpcli.corpus.tables import read_pairs
from nlpcli.corpus.tasks import CorpusTask, Task, find_task, refuse_unused
from nlpcli.corpus.text import Text, find_text
from nlpcli.errors import BadInput, UsageError

COMMAND = "nlpcli data prepare"
ALIGN = "align"


@dataclass(frozen=True)
class Prepared:
    """What `data prepare` made: pairs per split."""

    path: Path
    id: str
    src: str
    tgt: str
    pairs: dict[str, int]


@dataclass(frozen=True)
class PreparedText:
    """What `data prepare` made of text in one language: rows per split and, for classification, the classes in order."""

    path: Path
    id: str
    task: Task
    lang: str | None
    rows: dict[str, int]
    labels: list[str]


def prepare_data(
    *,
    data: str,
    out: Path,
    task: CorpusTask = "auto",
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = UTF8,
    fold: str | None = None,
    hold_out: int = 500,
    document_chars: int | None = None,
    resolutions: int = 1,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> Prepared | PreparedText:
    """Make a corpus artifact: `train.ko train.en`, `train.txt`, or `train.txt train.label`, and the other splits.

    Args:
        task: with "auto" a pair of languages is for translation, a label column or one file a class for classification,
            and everything else for a language model.
        src, tgt: of a pair; the name says them if it has the form ko-en.
        lang: of text in one language; `column` of its table, see `find_text`.
        text_column, label_column: of labelled text, by name or by number from 1; `column` means `text_column` too.
        encoding: of text in one language or labelled text.
        fold: "K/N" cuts labelled text without splits: test is part K of N, valid a tenth of the rest. The parts follow from
            the texts, so that they are disjoint and do not depend on the order of the rows.
        hold_out: when the data has no validation split, how many training rows to set aside for it. Rows with the same
            (source) text stay on one side of the cut. Of labelled text a tenth at most, of every class its share; of plain
            text it is always the last tenth.
        document_chars: of parallel documents make rows of whole documents, their segments joined by ␞ and cut between two
            of them so that no side has more characters; else each segment is a row. Documents are JSON Lines of segments,
            or pairs with `train.document` beside them, the name of each line's document.
        resolutions: the documents of train come in rows of so many sizes, see `joined`; the data must have a valid split.
        reuse: return the artifact at `out` if it was made from the same files with the same settings.

    Raises:
        BadInput: unequal sides, lines that are not in this encoding, an empty split; a row without a label, one class only, a
            label that train does not have.
        UsageError: columns or languages that are not clear, options of another task.
    """
    encoding = known_encoding(encoding)
    if resolutions > 1 and document_chars is None:
        raise UsageError("--resolutions is for whole documents", fix="add --document-chars 3000")
    found = find_data(data, task, src, tgt, lang, column, text_column, label_column, fold, encoding)
    again = {"force": force, "config_source": config_source}
    if isinstance(found, Corpus):
        return _prepare_pairs(found, out, hold_out, _Rows(document_chars, resolutions), reuse, again)
    if document_chars is not None:
        raise UsageError("--document-chars is for pairs of documents", fix="leave it out, or say --task translation")
    if isinstance(found, Text):
        return _prepare_text(found, out, encoding, reuse, again)
    return _prepare_classes(found, out, lang, fold, hold_out, reuse, again)


def find_data(
    data: str,
    task: CorpusTask = "auto",
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    fold: str | None = None,
    encoding: str = UTF8,
) -> Corpus | Text | Labelled:
    """Find what `prepare_data` would read, without reading more than the first lines; its arguments are those.

    Raises:
        BadInput: it is not there.
        UsageError: columns or languages that are not clear, options of another task.
    """
    root = resolve(data)
    chosen = find_task(root, task, src, tgt, lang, column or text_column, label_column, fold, encoding)
    given = {"src": src, "tgt": tgt, "lang": lang, "column": column, "text-column": text_column}
    given |= {"label-column": label_column, "fold": fold, "encoding": None if encoding == UTF8 else encoding}
    refuse_unused(chosen, given)
    if chosen == "translation":
        return find_corpus(root, src, tgt)
    return (
        find_text(root, lang, column) if chosen == "lm" else find_labelled(root, text_column or column, label_column, encoding)
    )


class _Rows(NamedTuple):
    """What a row is: a pair of segments, or as much of a document as `document_chars` says, in so many sizes."""

    document_chars: int | None
    resolutions: int

    def check(self, corpus: Corpus) -> None:
        if self.resolutions > 1 and "valid" not in corpus.splits:
            raise UsageError(
                f"--resolutions needs a valid split, which {corpus.name} does not have",
                cause="rows set aside from train would stand in it again, in rows of other sizes",
                fix=f"nlpcli data split --data {corpus.root} --valid 2% --out SPLIT, then prepare --data SPLIT",
            )


def _prepare_pairs(corpus: Corpus, out: Path, hold_out: int, rows: _Rows, reuse: bool, again: dict[str, Any]) -> Prepared:
    rows.check(corpus)
    config: dict[str, Any] = {"data": corpus.name, "src": corpus.src, "tgt": corpus.tgt, "hold_out": hold_out}
    if rows.document_chars is not None:
        config |= {"document_chars": rows.document_chars, "resolutions": rows.resolutions, "separator": SEPARATOR}
    inputs = _inputs(corpus, out)
    if reuse and (found := reusable(out, "corpus", config, inputs, again["force"])):
        return _result(found)
    with artifacts.create(out, "corpus", command=COMMAND, config=config, inputs=inputs, **again) as draft:
        for name in corpus.splits:
            draft.metrics[name] = _write_split(corpus, name, rows if name == "train" else rows._replace(resolutions=1), draft)
        if "train" in corpus.splits and "valid" not in corpus.splits:
            _hold_out(corpus, draft, hold_out)
        return _result(draft.publish())


def _prepare_text(text: Text, out: Path, encoding: str, reuse: bool, again: dict[str, Any]) -> PreparedText:
    config = {"data": text.name, "task": "lm", "kind": "monolingual", "lang": text.language or None}
    config |= {"column": text.column, "encoding": encoding}
    inputs = text.inputs(list(text.splits), out)
    if reuse and (found := reusable(out, "corpus", config, inputs, again["force"])):
        return _text_result(found)
    with artifacts.create(out, "corpus", command=COMMAND, config=config, inputs=inputs, **again) as draft:
        write_text(text, draft, text.language or "txt", encoding)
        return _text_result(draft.publish())


def _prepare_classes(
    labelled: Labelled, out: Path, lang: str | None, fold: str | None, hold_out: int, reuse: bool, again: dict[str, Any]
) -> PreparedText:
    first = labelled.parts[0]
    columns = {"text_column": first.text or None, "label_column": first.label if first.text else None}
    config: dict[str, Any] = {"data": labelled.name, "task": "classify", "kind": "labelled", "lang": lang, **columns}
    config |= {"encoding": labelled.encoding, "fold": fold, "hold_out": hold_out}
    inputs = labelled.inputs(out)
    if reuse and (found := reusable(out, "corpus", config, inputs, again["force"])):
        return _text_result(found)
    with artifacts.create(out, "corpus", command=COMMAND, config=config, inputs=inputs, **again) as draft:
        write_classes(labelled, draft, lang or "txt", hold_out, fold)
        return _text_result(draft.publish())


def _text_result(artifact: Artifact) -> PreparedText:
    config, metrics = artifact.manifest.config, artifact.manifest.metrics
    rows = {name: counts["rows"] for name, counts in metrics.items()}
    labels = sorted(metrics["train"].get("labels", {}))
    return PreparedText(artifact.path, artifact.id, config["task"], config["lang"], rows, labels)


def _inputs(corpus: Corpus, out: Path) -> list[Input]:
    if artifacts.is_artifact(corpus.root):
        return [artifacts.open_artifact(corpus.root, "corpus").as_input("data", out)]
    paths = {path for split in corpus.splits.values() for path in (split.src, split.tgt)}
    paths |= {path for name, split in corpus.splits.items() for path in _beside(split.src, name)}
    return [artifacts.text_input(path.name, path, out) for path in sorted(paths)]


def _pairs(corpus: Corpus, name: str, rows: _Rows) -> Iterator[tuple[str, str]]:
    split = corpus.splits[name]
    ids, documents = split.src.parent / f"{name}.{DOCUMENT}", None
    if split.src == split.tgt and holds_documents(split.src, corpus.src):
        documents = read_documents(split.src, corpus.src, corpus.tgt)
    elif rows.document_chars is not None and ids.is_file():
        documents = by_document(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt), ids)
    if documents is None:
        if rows.document_chars is not None:
            raise BadInput(
                f"{split.src} holds no documents",
                cause=f'expected JSON Lines such as {{"id": "1", "ko": ["…"], "en": ["…"]}}, or {ids.name} beside the pairs',
                fix="leave --document-chars out",
            )
        return read_pairs(split.src, split.tgt, corpus.src, corpus.tgt)
    if rows.document_chars is None:
        return (pair for _, pairs in documents for pair in pairs)
    return joined(documents, rows.document_chars, rows.resolutions)


def _write_split(corpus: Corpus, name: str, rows: _Rows, draft: Draft) -> dict[str, int]:
    split = corpus.splits[name]
    counts = {"pairs": 0, "src_words": 0, "tgt_words": 0}
    with (
        (draft.path / f"{name}.{corpus.src}").open("w", encoding="utf-8", newline="\n") as src_file,
        (draft.path / f"{name}.{corpus.tgt}").open("w", encoding="utf-8", newline="\n") as tgt_file,
    ):
        for src_line, tgt_line in _pairs(corpus, name, rows):
            src_file.write(src_line + "\n")
            tgt_file.write(tgt_line + "\n")
            counts["pairs"] += 1
            counts["src_words"] += len(src_line.split())
            counts["tgt_words"] += len(tgt_line.split())
    if not counts["pairs"]:
        raise BadInput(f"{split.src} is empty", cause=f"the split {name} has no pairs", fix="put text into it, or remove it")
    for path in _beside(split.src, name) if rows.document_chars is None else ():
        _copy_beside(path, split.src, counts["pairs"], draft)
    console.info(f"data: {name}: {counts['pairs']:,} pairs, {counts['src_words']:,} and {counts['tgt_words']:,} words")
    return counts


def _beside(src: Path, name: str) -> list[Path]:
    """Return what may stand beside the pairs, a line each: `test.domain`, by which `evaluate` groups its scores, and
    `train.align`, links of words that attention can be guided by."""
    return [path for ending in ("domain", ALIGN) if (path := src.parent / f"{name}.{ending}").is_file()]


def _copy_beside(path: Path, src: Path, pairs: int, draft: Draft) -> None:
    lines = list(read_lines(path))
    if len(lines) != pairs:
        what = "the domain" if path.suffix == ".domain" else "the linked words"
        raise BadInput(
            f"{path} has {len(lines):,} lines for {pairs:,} pairs",
            cause=f"it names {what} of each pair, one a line",
            fix=f"wc -l {path} {src}",
        )
    (draft.path / path.name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _hold_out(corpus: Corpus, draft: Draft, count: int) -> None:
    """Move the pairs whose source hashes lowest from train to valid: the same choice whatever the order of the file."""
    paths = [draft.path / f"train.{language}" for language in (corpus.src, corpus.tgt)]
    digests = {line: hashlib.sha256(line.encode()).digest() for line in read_lines(paths[0])}
    chosen = set(sorted(digests, key=digests.__getitem__)[: min(count, len(digests) // 5)])
    if (align := draft.path / f"train.{ALIGN}").is_file():
        paths.append(align)
    pairs = list(zip(*(list(read_lines(path)) for path in paths)))
    for name, kept in (("valid", True), ("train", False)):
        part = [pair for pair in pairs if (pair[0] in chosen) is kept]
        if not part:
            raise BadInput(
                f"{corpus.root} has no valid split and too few pairs to hold one out",
                cause=f"it has {len(pairs)} pair(s)",
                fix=f"add valid.{corpus.src} and valid.{corpus.tgt}",
            )
        for path, side in zip(paths, zip(*part)):
            (draft.path / f"{name}{path.suffix}").write_text("".join(s + "\n" for s in side), encoding="utf-8")
        words = (sum(len(line.split()) for line in side) for side in list(zip(*part))[:2])
        draft.metrics[name] = dict(zip(("pairs", "src_words", "tgt_words"), (len(part), *words)))
    (draft.path / "train.domain").unlink(missing_ok=True)
    console.info(f"data: no valid split; {draft.metrics['valid']['pairs']:,} pairs of train were set aside for it")


def _result(artifact: Artifact) -> Prepared:
    m = artifact.manifest
    pairs = {name: counts["pairs"] for name, counts in m.metrics.items()}
    return Prepared(artifact.path, m.id, m.config["src"], m.config["tgt"], pairs)
