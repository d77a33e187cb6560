"""Rows of text, one language or a pair a row, from whatever `--data` means: what tokenizers read."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Iterator

from nlpcli import artifacts
from nlpcli.artifacts import Input
from nlpcli.corpus.class_files import label_beside
from nlpcli.corpus.decode import raw_blocks
from nlpcli.corpus.names import FORMATS, find_corpus, find_splits, resolve
from nlpcli.corpus.readers import (
    COMPRESSED,
    BadLine,
    Skipped,
    numbered_lines,
    refuse,
    text_or_bad,
    uncompressed,
    unequal_sides,
)
from nlpcli.corpus.tables import Table, find_table
from nlpcli.corpus.text import find_text
from nlpcli.errors import BadInput


@dataclass(frozen=True)
class Source:
    """Where the rows of one split are: a file a language, line by line, or one table.

    With `classes` the last file holds the label of each row, which must be one of them.
    """

    paths: tuple[Path, ...]
    table: Table | None = None
    classes: frozenset[str] = frozenset()

    def blocks(self) -> Iterator[list[list[bytes]]]:
        """Yield the lines of each file, a table's header too, without their ends, in blocks of as many on each side.

        Raises:
            BadInput: unequal sides.
        """
        counts = [0] * len(self.paths)
        yield from raw_blocks(self.paths, counts)
        if len(set(counts)) > 1:
            what = "the label of" if self.classes else "the translation of"
            raise unequal_sides(self.paths[0], self.paths[1], counts[0], counts[1], what)

    def raw(self) -> Iterator[tuple[bytes, ...]]:
        """Yield the rows as they stand in the files, to be judged by `judge`.

        Raises:
            BadInput: unequal sides.
        """
        rows = (row for block in self.blocks() for row in zip(*block))
        yield from islice(rows, self.header, None)

    @property
    def megabytes(self) -> float | None:
        """The size of the text, or None if that of its files does not tell, because they are compressed."""
        if any(path.suffix in COMPRESSED for path in self.paths):
            return None
        return sum(path.stat().st_size for path in self.paths) / 1e6

    @property
    def header(self) -> int:
        """The number of lines before the first row."""
        return self.table.header if self.table else 0

    def judge(self, number: int, row: tuple[bytes, ...]) -> tuple[str, ...] | list[BadLine]:
        """Return the texts of the row of this number, from 1, or what is wrong with its lines."""
        number += self.header
        lines = [text_or_bad(path, number, line) for path, line in zip(self.paths, row)]
        if bad := [line for line in lines if isinstance(line, BadLine)]:
            return bad
        texts = tuple(line for line in lines if isinstance(line, str))
        if self.classes and texts[-1] not in self.classes:
            return [BadLine(self.paths[-1], number, "names a class that train does not have", row[-1])]
        if self.table is None:
            return texts
        values = self.table.judge(number, texts[0])
        return [values] if isinstance(values, BadLine) else values

    def texts(self, skipped: Skipped | None = None) -> Iterator[tuple[str, ...]]:
        """Yield the rows' texts; with `skipped`, without those of which a line cannot be read.

        Raises:
            BadInput: unequal sides, or a line that cannot be read (all that are not UTF-8 are counted).
        """
        rows = self.raw()
        for number, row in enumerate(rows, 1):
            texts = self.judge(number, row)
            if isinstance(texts, tuple):
                yield texts
                continue
            for bad in texts:
                refuse(bad, skipped, (lines[self.paths.index(bad.path)] for lines in rows))


@dataclass(frozen=True)
class Rows:
    """Text in one language or a pair as found on disk; nothing of it has been read yet.

    `labels` are the files that stand beside the texts of each split and name their classes line by line.
    """

    root: Path
    languages: tuple[str, ...]
    splits: dict[str, Source]
    labels: dict[str, Path] = field(default_factory=dict)

    def source(self, split: str) -> Source:
        """Return the rows of a split.

        Raises:
            BadInput: there is no such split.
        """
        if split not in self.splits:
            raise BadInput(
                f"{self.root} has no split {split}",
                cause=f"it has {', '.join(self.splits)}",
                fix=f"add {split}.{self.languages[0]} to the folder, or choose another split",
            )
        return self.splits[split]

    def classes(self) -> list[str]:
        """Return the labels of train in order; none if there are no labels.

        Raises:
            BadInput: a line of labels is empty.
        """
        if "train" not in self.labels:
            return []
        path = self.labels["train"]
        found: dict[str, int] = {}
        for number, label in numbered_lines(path):
            found.setdefault(label, number)
        if "" in found:
            raise BadInput(f"{path}: line {found['']} has no label", fix=f"sed -n {found['']}p {self.source('train').paths[0]}")
        return sorted(found)

    def labelled(self, split: str, classes: list[str]) -> Source:
        """Return the rows of a split, each with its label as the last text.

        Raises:
            BadInput: there is no such split, or no file of its labels.
        """
        source = self.source(split)
        if split not in self.labels:
            raise BadInput(
                f"{self.root} has no labels of {split}",
                cause=f"{', '.join(self.labels)} has some",
                fix=f"add {split}.label, line by line beside {source.paths[0].name}",
            )
        return Source((*source.paths, self.labels[split]), None, frozenset(classes))

    def alignment(self) -> Path | None:
        """Return the file beside the training pairs that links their words, if it is there."""
        path = self.source("train").paths[0].parent / "train.align"
        return path if len(self.languages) == 2 and path.is_file() else None

    def inputs(self, splits: list[str], out: Path, *, beside: bool = False) -> list[Input]:
        """Return the corpus artifact, or else each file, as lineage of the artifact that will stand at `out`.

        Args:
            beside: what stands beside the texts (labels, alignment) is read too.
        """
        if artifacts.is_artifact(self.root):
            return [artifacts.open_artifact(self.root, "corpus").as_input("data", out)]
        found = {path for name in splits for path in self.source(name).paths}
        if beside:
            found |= {self.labels[name] for name in splits if name in self.labels}
            found |= {path} if "train" in splits and (path := self.alignment()) else set()
        files = sorted(found)
        return [artifacts.text_input(path.name, path, out) for path in files]


def find_rows(
    data: str, src: str | None = None, tgt: str | None = None, lang: str | None = None, column: str | None = None
) -> Rows:
    """Resolve `--data` to a pair of languages, or to one: with `lang` or `column`, or where there is only one.

    Raises:
        BadInput, UsageError: as `find_corpus` and `find_text`.
    """
    root = resolve(data)
    if lang or column or _is_monolingual(root):
        text = find_text(root, lang, column)
        columns = (text.column,) if text.column else None
        paths = {name: (path,) for name, path in text.splits.items()}
        beside = label_beside(sorted(root.iterdir())) if root.is_dir() and not columns else {}
        labels = {name: label for name, (path, label) in beside.items() if text.splits.get(name) == path}
        return Rows(text.root, (text.language or "text",), {name: _source(p, columns) for name, p in paths.items()}, labels)
    corpus = find_corpus(root, src, tgt)
    languages = corpus.src, corpus.tgt
    sides = {name: (s.src,) if s.src == s.tgt else (s.src, s.tgt) for name, s in corpus.splits.items()}
    return Rows(corpus.root, languages, {name: _source(p, languages) for name, p in sides.items()})


def _source(paths: tuple[Path, ...], columns: tuple[str, ...] | None) -> Source:
    return Source(paths, find_table(paths[0], columns) if columns and len(paths) == 1 else None)


def _is_monolingual(root: Path) -> bool:
    """Tell whether a file is no table, or a folder holds text in no two languages."""
    if root.is_file():
        return uncompressed(root).suffix not in FORMATS
    found = find_splits(sorted(root.iterdir()), alone=False)
    languages = {language for sides in found.values() for language in sides}
    return len(languages) < 2 and "" not in languages
