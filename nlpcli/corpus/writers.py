"""Rows back to files of the layout they came in: aligned text, lines, a table with the same columns, documents."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Callable, Iterator

import msgspec

from nlpcli.corpus.blocks import Block
from nlpcli.corpus.examine import Examined
from nlpcli.corpus.kinds import LABEL, Material, Part, first_line
from nlpcli.corpus.readers import uncompressed

Write = Callable[[Examined, list[int]], None]


@contextmanager
def open_writer(folder: Path, material: Material, part: Part) -> Iterator[Write]:
    """Open the files that take a part's rows, and yield the function that writes some rows of a block."""
    stem = part.split if sum(p.split == part.split for p in material.parts) == 1 else uncompressed(part.paths[0]).stem
    with ExitStack() as stack:

        def create(name: str) -> IO[str]:
            return stack.enter_context((folder / name).open("x", encoding="utf-8", newline="\n"))

        if material.kind == "parallel":
            yield _lines([create(f"{part.split}.{side}") for side in material.sides])
        elif part.labelled and part.form == "lines":
            yield _with_labels(*(create(uncompressed(path).name) for path in part.paths))
        elif part.label:
            yield _lines([create(uncompressed(part.paths[0]).name)])
        elif material.kind == "monolingual":
            yield _lines([create(f"{stem}.txt")])
        elif part.form == "tsv":
            header = first_line(part.paths[0]).split("\t")
            file = create(f"{stem}.tsv")
            file.write("\t".join(header) + "\n")
            yield _cells(file, header, part)
        else:
            yield _objects(create(f"{stem}.jsonl"), part)


def _lines(files: list[IO[str]]) -> Write:
    def write(examined: Examined, rows: list[int]) -> None:
        for file, texts in zip(files, examined.texts):
            chosen = texts if len(rows) == len(texts) else [texts[row] for row in rows]
            file.write("".join([text + "\n" for text in chosen]))

    return write


def _with_labels(texts: IO[str], labels: IO[str]) -> Write:
    def write(examined: Examined, rows: list[int]) -> None:
        texts.write("".join([examined.texts[0][row] + "\n" for row in rows]))
        labels.write("".join([(examined.labels or [])[row] + "\n" for row in rows]))

    return write


def _cells(file: IO[str], header: list[str], part: Part) -> Write:
    text_at, label_at = header.index(part.columns[0]), header.index(LABEL)

    def write(examined: Examined, rows: list[int]) -> None:
        labels = examined.labels or []
        for row in rows:
            cells = _record(examined.block, row)
            cells[text_at], cells[label_at] = examined.texts[0][row], labels[row]
            file.write("\t".join(cells) + "\n")

    return write


def _objects(file: IO[str], part: Part) -> Write:
    """Write JSON objects back; of a document, the segments that are kept."""

    def write(examined: Examined, rows: list[int]) -> None:
        numbers = examined.block.numbers
        for _, of_one in groupby(rows, key=lambda row: numbers[row]):
            group = list(of_one)
            record = dict(_record(examined.block, group[0]))
            for column, texts in zip(part.columns, examined.texts):
                record[column] = [texts[row] for row in group] if part.form == "documents" else texts[group[0]]
            if isinstance(record.get(LABEL), str) and examined.labels:
                record[LABEL] = examined.labels[group[0]]
            file.write(msgspec.json.encode(record).decode() + "\n")

    return write


def _record(block: Block, row: int) -> Any:
    assert block.records is not None  # a table's rows have one each
    return block.records[row]
