"""Labelled text as it is published: a table with a text and a label column, one file a class, or labels line by line.

`data check` reads the same data block by block and names all that is wrong (`kinds.py`); here the first thing that is wrong
is an error, and columns, encoding and CSV are as the user says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Iterator, Literal, NamedTuple

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Input
from nlpcli.corpus.class_files import class_files, is_plain, label_beside
from nlpcli.corpus.columns import csv_rows, find_column, header_of, label_candidates, numbered, text_candidates
from nlpcli.corpus.kinds import split_of
from nlpcli.corpus.readers import (
    UTF8,
    BadLine,
    numbered_lines,
    refuse,
    uncompressed,
    unequal_sides,
)
from nlpcli.corpus.tables import find_table
from nlpcli.errors import BadInput, UsageError, first_five

LINE_ENDS = re.compile(r"\r\n|\n|\r")


class Example(NamedTuple):
    """One text with its label and the number of its line in the file."""

    number: int
    text: str
    label: str


@dataclass(frozen=True)
class Part:
    """Where the rows of one split are, or some of them.

    Attributes:
        paths: a table, a file of texts of the class `label`, or a file of texts and one of labels.
        text, label: the columns of a table, by name or number.
    """

    split: str
    paths: tuple[Path, ...]
    form: Literal["tsv", "csv", "jsonl", "class", "beside"]
    text: str = ""
    label: str = ""

    def examples(self, encoding: str = UTF8) -> Iterator[Example]:
        """Yield the rows, each text in one line, labels without white space around them.

        Raises:
            BadInput: a line that is not in this encoding or no record, a row without a label.
        """
        read = {"tsv": self._lines, "jsonl": self._lines, "csv": self._csv, "class": self._class, "beside": self._beside}
        for number, text, label in read[self.form](encoding):
            if not (label := LINE_ENDS.sub(" ", label).strip()):
                raise BadInput(
                    f"{self.paths[-1]}: line {number} has no label",
                    cause="every text of classification needs its class",
                    fix=f"sed -n {number}p {self.paths[-1]}; give the row a label, or remove it",
                )
            yield Example(number, LINE_ENDS.sub(" ", text), label)

    def _lines(self, encoding: str) -> Iterator[tuple[int, str, str]]:
        path = self.paths[0]
        table = find_table(path, (self.text, self.label), encoding)
        for number, line in numbered_lines(path, None, encoding):
            if number <= table.header:
                continue
            values = _json_row(path, number, line, self) if self.form == "jsonl" else table.judge(number, line)
            if isinstance(values, BadLine):
                refuse(values, None)
            else:
                yield number, values[0], values[1]

    def _csv(self, encoding: str) -> Iterator[tuple[int, str, str]]:
        path, rows = self.paths[0], csv_rows(self.paths[0], encoding)
        header = [] if numbered(self.text, self.label) else next(rows, (0, []))[1]
        at = [header.index(name) if header else int(name) - 1 for name in (self.text, self.label)]
        for number, cells in rows:
            if (header and len(cells) != len(header)) or len(cells) <= max(at):
                wanted = f"the header {len(header)}" if header else f"not {max(at) + 1}"
                refuse(BadLine(path, number, f"has {len(cells)} columns, {wanted}", b""), None)
            yield number, cells[at[0]], cells[at[1]]

    def _class(self, encoding: str) -> Iterator[tuple[int, str, str]]:
        for number, line in numbered_lines(self.paths[0], None, encoding):
            yield number, line, self.label

    def _beside(self, encoding: str) -> Iterator[tuple[int, str, str]]:
        counts = [0, 0]
        for found in zip_longest(*(numbered_lines(path, None, encoding) for path in self.paths)):
            counts = [count + (line is not None) for count, line in zip(counts, found)]
            if counts[0] == counts[1]:
                yield *found[0], found[1][1]
        if counts[0] != counts[1]:
            raise unequal_sides(self.paths[0], self.paths[1], counts[0], counts[1], what="the label of")


@dataclass(frozen=True)
class Labelled:
    """Labelled text as found on disk; nothing of it has been read yet but the first line of tables."""

    name: str
    root: Path
    parts: tuple[Part, ...]
    encoding: str

    @property
    def splits(self) -> list[str]:
        """The names of the splits, train first."""
        return [name for name in ("train", "valid", "test") if any(part.split == name for part in self.parts)]

    def examples(self, split: str) -> Iterator[tuple[Part, Example]]:
        """Yield the rows of a split with the part they stand in; see `Part.examples`."""
        for part in self.parts:
            if part.split == split:
                for example in part.examples(self.encoding):
                    yield part, example

    def inputs(self, out: Path) -> list[Input]:
        """Return the corpus artifact, or else each file, as lineage of the artifact that will stand at `out`."""
        if artifacts.is_artifact(self.root):
            return [artifacts.open_artifact(self.root, "corpus").as_input("data", out)]
        return [artifacts.text_input(path.name, path, out) for path in sorted({p for part in self.parts for p in part.paths})]


def find_labelled(root: Path, text: str | None = None, label: str | None = None, encoding: str = UTF8) -> Labelled:
    """Find labelled text: a table, or a folder of tables, of files of one class each, or of texts with labels beside them.

    Tables are TSV whose quotes are text (`.tsv .txt`), CSV (`.csv`) or JSON Lines (`.jsonl`). A folder has one for each split,
    which its name speaks of: `test.tsv`, `ratings_test.txt`.

    Args:
        text, label: columns by name, or both by number from 1 in a table without a header.

    Raises:
        BadInput: there is no labelled text.
        UsageError: the columns are not clear.
    """
    name = uncompressed(root).stem if root.is_file() else root.resolve().name
    if root.is_file():
        return Labelled(name, root, (_table("train", root, text, label, encoding),), encoding)
    files = [path for path in sorted(root.iterdir()) if path.is_file()]
    if not text and not label and (beside := label_beside(files)):
        parts = [Part(split, paths, "beside") for split, paths in beside.items()]
    elif tables := [path for path in files if _has_label(path, label, encoding)]:
        parts = _tables(root, tables, text, label, encoding)
    elif not text and not label and (classes := class_files(files, anything=True)):
        parts = [Part(split_of(path) or "train", (path,), "class", label=_ending(path)) for path in classes]
    else:
        raise _no_labels(root, files, label, encoding)
    used = {path for part in parts for path in part.paths}
    for path in files:
        if path not in used and is_plain(path):
            console.info(f"data: left out {path.name} (it has no label column, or names no split)")
    return Labelled(name, root, tuple(parts), encoding)


def looks_labelled(root: Path, encoding: str = UTF8) -> bool:
    """Tell whether a file or folder is labelled text beyond doubt: both columns are known by name, or files name classes."""
    files = [root] if root.is_file() else [path for path in sorted(root.iterdir()) if path.is_file()]
    if root.is_dir() and (label_beside(files) or class_files(files)):
        return True
    headers = [header_of(path, encoding) for path in files if is_plain(path)]
    return any(len(label_candidates(header)) == 1 and text_candidates(header) for header in headers)


def _table(split: str, path: Path, text: str | None, label: str | None, encoding: str) -> Part:
    ending = uncompressed(path).suffix
    form: Literal["tsv", "csv", "jsonl"] = "csv" if ending == ".csv" else "jsonl" if ending == ".jsonl" else "tsv"
    if text and label and form != "jsonl" and numbered(text, label):
        return Part(split, (path,), form, text, label)
    header = header_of(path, encoding)
    label = find_column(path, header, label, label_candidates(header), "label")
    text = find_column(path, header, text, text_candidates([name for name in header if name != label]), "text")
    return Part(split, (path,), form, text, label)


def _has_label(path: Path, label: str | None, encoding: str) -> bool:
    if not is_plain(path):
        return False
    header = header_of(path, encoding)
    if label and numbered(label) and label not in header:
        return len(header) >= int(label)
    return label in header if label else bool(label_candidates(header))


def _tables(root: Path, tables: list[Path], text: str | None, label: str | None, encoding: str) -> list[Part]:
    """Give each table its split: the one its name speaks of; a table alone is train."""
    named = {path: split_of(path) for path in tables}
    if not any(named.values()) and len(tables) == 1:
        named = {tables[0]: "train"}
    chosen = {path: split for path, split in named.items() if split}
    twice = [path.name for path, split in chosen.items() if list(chosen.values()).count(split) > 1]
    if twice or not chosen:
        raise BadInput(
            f"{root}: which table is which split?",
            cause=f"{first_five(twice)} are of one split" if twice else f"{first_five(p.name for p in tables)} name no split",
            fix="call them train.tsv, valid.tsv and test.tsv, or give one of the files as --data",
        )
    return [_table(split, path, text, label, encoding) for path, split in chosen.items()]


def _no_labels(root: Path, files: list[Path], label: str | None, encoding: str) -> BadInput | UsageError:
    for path in files:
        if is_plain(path) and (header := header_of(path, encoding)):
            return UsageError(
                f"{path} has no column {label or 'label'}",
                cause=f"its columns are {first_five(header)}",
                fix="name the one that holds the label: --label-column NAME, or its number from 1",
            )
    return BadInput(
        f"{root} holds no labelled text",
        cause="expected tables with a column label (train.tsv, test.tsv), or one file a class (reviews.pos, reviews.neg)",
        fix=f"ls {root}",
    )


def _json_row(path: Path, number: int, line: str, part: Part) -> tuple[str, ...] | BadLine:
    """Return text and label of a JSON record; a label may be a number, and a text may have several lines."""
    try:
        record: Any = msgspec.json.decode(line)
        text, label = record[part.text], record[part.label]
        if isinstance(text, str) and not isinstance(label, (list, dict)):
            return text, "" if label is None else label if isinstance(label, str) else msgspec.json.encode(label).decode()
    except (msgspec.MsgspecError, RecursionError, LookupError, TypeError):
        pass
    return BadLine(path, number, f"is not a record with a text {part.text} and a label {part.label}", line.encode())


def _ending(path: Path) -> str:
    return uncompressed(path).suffix.lstrip(".")
