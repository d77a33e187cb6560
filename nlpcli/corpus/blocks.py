"""Rows of any kind of text, in blocks of bounded size. What cannot be read is marked with its reason, not raised.

A row is a pair of texts, a text with its label, or a line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import msgspec

from nlpcli.corpus.decode import Decoder, Lines, Recoding, raw_blocks
from nlpcli.corpus.kinds import LABEL, Part
from nlpcli.errors import BadInput

Spot = tuple[int, int]  # row of the block, side
Texts = tuple[str, ...]  # of one row, one a side


@dataclass
class Block:
    """Some rows of one part. A row that cannot be read has empty texts, and in `unread` what there is to show of it."""

    part: Part
    numbers: Sequence[int]  # each row's line in its file, from 1
    sides: list[list[str]]
    labels: list[str] | None = None
    records: list[Any] | None = None  # the whole row of a table: its cells, or the JSON object
    unread: dict[int, list[str]] = field(default_factory=dict)
    marks: dict[str, list[Spot]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)


class Reader:
    """Reads one part. After the blocks, `counts` holds the number of lines of each file, and `header` a TSV's first line."""

    def __init__(self, part: Part, recodings: dict[Path, Recoding] | None = None) -> None:
        self.part = part
        self.decoders = [Decoder(path, (recodings or {}).get(path)) for path in part.paths]
        self.counts = [0] * len(part.paths)
        self.header: list[str] | None = None

    def blocks(self) -> Iterator[Block]:
        """Yield the part's rows.

        Raises:
            BadInput: a file cannot be opened or unpacked, or a table has no such column.
        """
        done = 0
        parse = {"lines": self._lines, "tsv": self._cells, "jsonl": self._objects, "documents": self._objects}[self.part.form]
        for raws in raw_blocks(self.part.paths, self.counts):
            lines = [decoder.decode(side) for decoder, side in zip(self.decoders, raws)]
            yield parse(done + 1, lines)
            done += len(raws[0])

    @property
    def unequal(self) -> bool:
        """Whether one file has more lines than the other. (Those of UTF-16 are not to be counted by their bytes.)"""
        return len(set(self.counts)) > 1 and not any(decoder.utf16 for decoder in self.decoders)

    def _lines(self, number: int, lines: list[Lines]) -> Block:
        count = len(lines[0].texts)
        block = Block(self.part, range(number, number + count), [side.texts for side in lines])
        for side, found in enumerate(lines):
            for rule, rows in found.marks.items():
                block.marks.setdefault(rule, []).extend((row, side) for row in rows)
        for row in sorted({row for side in lines for row in side.unread}):
            block.unread[row] = [side.unread.get(row, side.texts[row]) for side in lines]
            for texts in block.sides:
                texts[row] = ""
        if self.part.labelled:
            block.labels = block.sides.pop()
        if self.part.label:
            block.labels = [self.part.label] * count
        return block

    def _cells(self, number: int, lines: list[Lines]) -> Block:
        (found,) = lines
        numbered = all(name.isdecimal() for name in self.part.columns)
        first = int(number == 1 and not numbered)  # a header is no row
        if first:
            self.header = found.texts[0].split("\t")
            found = _without_first(found)
        columns = (*self.part.columns, LABEL) if self.part.labelled else self.part.columns
        at = [self._column(name) if not numbered or int(name) == 0 else int(name) - 1 for name in columns]
        records = [text.split("\t") for text in found.texts]

        def parse(i: int) -> tuple[list[Texts | str], Any]:
            cells = records[i]
            fits = len(cells) == len(self.header) if self.header else len(cells) > max(at)
            return [tuple(cells[column] for column in at) if fits else "record"], cells

        return self._rows(number + first, found, parse)

    def _column(self, name: str) -> int:
        names = self.header or []
        if name not in names:
            raise BadInput(
                f"{self.part.paths[0]} has no column {name}",
                cause=f"its first line names {', '.join(names)[:200]}",
                fix="--column names the column of a text, --src and --tgt those of a pair",
            )
        return names.index(name)

    def _objects(self, number: int, lines: list[Lines]) -> Block:
        texts = lines[0].texts
        return self._rows(number, lines[0], lambda i: self._object(texts[i]))

    def _object(self, line: str) -> tuple[list[Texts | str], Any]:
        """Return the rows that a JSON object holds (several if it is a document), or the rule that it breaks."""
        try:
            record: Any = msgspec.json.decode(line)
            values = [record[name] for name in self.part.columns]
            if self.part.labelled:
                label = record[LABEL]
                values.append(label if isinstance(label, str) else msgspec.json.encode(label).decode())
        except (msgspec.MsgspecError, RecursionError, LookupError, TypeError):
            return ["record"], None
        rows: list[Texts] = [tuple(values)]
        if self.part.form == "documents":
            if not all(isinstance(segments, list) and segments for segments in values):
                return ["record"], record
            if len({len(segments) for segments in values}) > 1:
                return ["unequal"], record
            rows = list(zip(*values))
        fine = all(isinstance(text, str) and "\n" not in text for row in rows for text in row)
        return (list(rows) if fine else ["record"]), record

    def _rows(self, number: int, lines: Lines, parse: Callable[[int], tuple[list[Texts | str], Any]]) -> Block:
        """Make a block of lines that hold some rows each (a document), or one, or none that can be read."""
        block = Block(self.part, [], [[] for _ in self.part.columns], records=[])
        marked: dict[int, list[str]] = {}
        for rule, marks in lines.marks.items():
            for i in marks:
                marked.setdefault(i, []).append(rule)
        numbers: list[int] = []
        labels: list[str] = []
        columns = [*block.sides, labels] if self.part.labelled else block.sides
        nothing = ("",) * len(columns)
        for i, text in enumerate(lines.texts):
            rows, record = ([""], None) if i in lines.unread else parse(i)
            for rule in marked.get(i, ()):
                block.marks.setdefault(rule, []).append((len(numbers), 0))
            for row in rows:
                if isinstance(row, str):
                    block.unread[len(numbers)] = [lines.unread.get(i, text)]
                    if row:
                        block.marks.setdefault(row, []).append((len(numbers), 0))
                for column, value in zip(columns, nothing if isinstance(row, str) else row):
                    column.append(value)
                numbers.append(number + i)
                block.records.append(record)  # type: ignore[union-attr]
        block.numbers = numbers
        block.labels = labels if self.part.labelled else None
        return block


def _without_first(lines: Lines) -> Lines:
    marks = {rule: [row - 1 for row in rows if row] for rule, rows in lines.marks.items()}
    if "bom" in lines.marks:
        marks["bom"] = [0]
    unread = {row - 1: raw for row, raw in lines.unread.items() if row}
    return Lines(lines.texts[1:], {rule: rows for rule, rows in marks.items() if rows}, unread)
