"""Rows that are moved whole: parallel lines, documents, tables or plain lines, each with what tells whether it leaks.

`data split` reads every form of data through this: the texts of a row are what must not stand on both sides of the cut,
its id is what keeps a document together, and its lines are what is written, one to each file of a split.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Iterator, Mapping

from nlpcli import artifacts
from nlpcli.artifacts import Input
from nlpcli.corpus.documents import holds_documents, read_documents
from nlpcli.corpus.names import SPLIT_NAMES, find_corpus, find_splits, resolve
from nlpcli.corpus.readers import read_lines, uncompressed
from nlpcli.corpus.tables import read_pairs, read_records
from nlpcli.corpus.text import find_text
from nlpcli.errors import BadInput, UsageError

DOMAIN, DOCUMENT = "domain", "document"


@dataclass(frozen=True)
class Row:
    """One row: its texts, its id ("" if it has none), and its lines, one a file."""

    texts: tuple[str, ...]
    id: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Data as found on disk; nothing of it has been read yet.

    `splits` gives the files of each: two sides (the same file twice if it has columns) and what stands beside them
    (`train.domain`, `train.document`). `endings` are those of the files to write, in the order of a row's lines; `header` is
    the first line of a table.
    """

    name: str
    root: Path
    kind: str
    src: str
    tgt: str
    splits: Mapping[str, tuple[Path, ...]]
    endings: tuple[str, ...]
    column: str = ""
    group_by: str = ""
    header: str = ""

    @property
    def texts(self) -> int:
        """How many texts a row has: two if it is a pair."""
        return 2 if self.kind in ("parallel", "documents") else 1

    @property
    def has_ids(self) -> bool:
        """Whether rows have an id that keeps them together."""
        return DOCUMENT in self.endings or bool(self.group_by)

    def endings_of(self, split: str) -> tuple[str, ...]:
        """Return the endings of the files of one split: not every one has all that train has beside it."""
        beside = self.splits[split][2:]
        return (*self.endings[:2], *(path.suffix[1:] for path in beside)) if beside or self.plain else self.endings

    @property
    def plain(self) -> bool:
        """Whether the two sides are plain files."""
        paths = self.splits["train"]
        return len(paths) > 1 and paths[0] != paths[1]

    def rows(self, split: str) -> Iterator[Row]:
        """Yield the rows of a split.

        Raises:
            BadInput: unequal sides, a line that is not UTF-8 or not a record.
        """
        paths = self.splits[split]
        if self.kind == "documents":
            for at, pairs in read_documents(paths[0], self.src, self.tgt):
                yield from (Row(pair, at, (*pair, at)) for pair in pairs)
        elif self.kind == "table":
            yield from _table_rows(paths[0], self.column, self.group_by)
        elif self.kind == "text":
            yield from (Row((line,), "", (line,)) for line in read_lines(paths[0]))
        elif self.group_by:
            for src, tgt, at in read_records(paths[0], (self.src, self.tgt, self.group_by)):
                yield Row((src, tgt), at, (src, tgt, at))
        else:
            yield from self._pair_rows(paths)

    def _pair_rows(self, paths: tuple[Path, ...]) -> Iterator[Row]:
        pairs = read_pairs(paths[0], paths[1], self.src, self.tgt)
        for found in zip_longest(pairs, *map(read_lines, paths[2:])):
            pair: Any = found[0]
            beside: Any = found[1:]
            if None in found:
                raise BadInput(
                    f"{' and '.join(map(str, paths[2:]))} have not as many lines as {paths[0]}",
                    cause="they name the domain or the document of each pair, one a line",
                    fix=f"wc -l {' '.join(map(str, [*paths[2:], paths[0]]))}",
                )
            named = dict(zip((path.suffix[1:] for path in paths[2:]), beside))
            yield Row(pair, named.get(DOCUMENT, ""), (*pair, *beside))

    def inputs(self, out: Path) -> list[Input]:
        """Return the corpus artifact, or else each file, as lineage of the artifact that will stand at `out`."""
        if artifacts.is_artifact(self.root):
            return [artifacts.open_artifact(self.root, "corpus").as_input("data", out)]
        files = sorted({path for paths in self.splits.values() for path in paths})
        return [artifacts.text_input(path.name, path, out) for path in files]


def find_layout(data: str, src: str | None, tgt: str | None, column: str | None, group_by: str | None) -> Layout:
    """Resolve `--data` to documents, a parallel corpus, plain text, or with `column` a table.

    Raises:
        BadInput, UsageError: as `find_corpus` and `find_text`; a `group_by` where there are no columns.
    """
    root = resolve(data)
    if column:
        return _table(root, column, group_by or "")
    found = find_splits([root] if root.is_file() else sorted(root.iterdir()), alone=root.is_file())
    languages = {name for sides in found.values() for name in sides}
    if not languages or (len(languages) == 1 and "" not in languages):
        _refuse_ids(group_by, root)
        text = find_text(data)
        ending = text.language or "txt"
        return Layout(text.name, root, "text", "", "", {name: (path,) for name, path in text.splits.items()}, (ending,))
    corpus = find_corpus(data, src, tgt)
    sides: dict[str, tuple[Path, ...]] = {name: (split.src, split.tgt) for name, split in corpus.splits.items()}
    pair = (corpus.src, corpus.tgt)
    tables = [paths[0] for paths in sides.values() if paths[0] == paths[1]]
    if tables and holds_documents(tables[0], corpus.src):
        _refuse_ids(group_by, root)
        return Layout(corpus.name, root, "documents", *pair, sides, (*pair, DOCUMENT))
    if group_by:
        if len(tables) < len(sides):
            _refuse_ids(group_by, root)
        return Layout(corpus.name, root, "parallel", *pair, sides, (*pair, DOCUMENT), group_by=group_by)
    if not tables:
        sides = {name: (*paths, *_beside(paths[0], name)) for name, paths in sides.items()}
    endings = (*pair, *(path.suffix[1:] for path in sides.get("train", ())[2:]))
    return Layout(corpus.name, root, "parallel", *pair, sides, endings)


def _beside(src: Path, split: str) -> list[Path]:
    """Return the files that name the domain and the document of each pair, as far as they are there."""
    return [path for ending in (DOMAIN, DOCUMENT) if (path := src.parent / f"{split}.{ending}").is_file()]


def _table(root: Path, column: str, group_by: str) -> Layout:
    """Find the tables of a folder (`train.tsv`, `test.tsv`, …), or take the one file."""
    files = {"train": root}
    if root.is_dir():
        found = find_splits(sorted(root.iterdir()), alone=False)
        files = {name: sides[""] for name, sides in found.items() if "" in sides}
    if not files:
        raise BadInput(f"{root} has no train.tsv or train.jsonl", fix=f"give one of its files: ls {root}")
    first = next(iter(files.values()))
    name = uncompressed(first).stem if root.is_file() else root.resolve().name
    ending = "jsonl" if uncompressed(first).suffix == ".jsonl" else "tsv"
    header = "" if ending == "jsonl" or column.isdigit() else next(read_lines(first), "")
    splits: dict[str, tuple[Path, ...]] = {split: (path,) for split, path in files.items()}
    return Layout(name, root, "table", "", "", splits, (ending,), column=column, group_by=group_by, header=header)


def _table_rows(path: Path, column: str, group_by: str) -> Iterator[Row]:
    """Yield the rows of a TSV or JSON Lines file with their whole line; read twice side by side, once for the columns."""
    columns = (column, group_by) if group_by else (column,)
    lines = read_lines(path)
    if uncompressed(path).suffix != ".jsonl" and not column.isdigit():
        next(lines, None)  # the header
    for values, line in zip(read_records(path, columns), lines):
        yield Row(values[:1], values[1] if group_by else "", (line,))


def _refuse_ids(group_by: str | None, root: Path) -> None:
    if group_by:
        raise UsageError(
            f"--group-by {group_by} needs a table with this column",
            cause=f"{root} has none (documents in JSON Lines are kept whole by their id as it is)",
            fix="leave --group-by out, or give a TSV or JSON Lines file",
        )


def split_of(name: str) -> str:
    """Return which of train, valid and test a split's name belongs to: test for test.news."""
    return SPLIT_NAMES[name.split(".", 1)[0]]
