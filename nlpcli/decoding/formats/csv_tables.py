"""CSV: one column is translated; all other cells keep their bytes, which the csv module alone would not give back."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.corpus.columns import numbered, parse_csv
from nlpcli.decoding.formats.base import Format, Line, Options, Record, bad_line, kept, whole_lines
from nlpcli.decoding.formats.cells import lines_of, with_lines
from nlpcli.decoding.formats.columns import Columns

_CELL = re.compile(r'"[^"]*(?:""[^"]*)*"|[^,\r\n]*')
_NEEDS_QUOTES = re.compile(r'[,"\r\n]')


class Csv(Format):
    """Rows of cells that may be quoted and hold line ends; a blank line stays one."""

    name = "csv"
    suffixes = (".csv",)

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield the header, if the columns have names, and a record a row; a cell of several lines has as many segments."""
        columns = None if not numbered(options.column) else Columns.by_number(options)
        lines: list[Line] = []  # of the row that is being read
        for _, cells in parse_csv(path, _taken(whole_lines(path), lines)):
            raw, first = "".join(line.raw for line in lines), lines[0]
            lines.clear()
            if not cells:
                yield kept(raw, first.number)
                continue
            row = _Row(raw, first.start)
            if columns is None:
                columns = Columns.by_name(path, cells, options)
                yield kept(row.with_cell(len(cells), columns.into) if columns.target == len(cells) else raw, first.number)
                continue
            if problem := columns.problem(cells):
                raise bad_line(path, first.number, problem)
            value = cells[columns.source]
            yield Record(lines_of(value), partial(_translated, row, value, columns), first.number)


def _taken(lines: Iterator[Line], seen: list[Line]) -> Iterator[str]:
    """Yield the lines for the parser, and note them."""
    for line in lines:
        seen.append(line)
        yield line.text + line.end


def _translated(row: _Row, value: str, columns: Columns, translations: Sequence[str]) -> str:
    text = with_lines(value, translations)
    if text == value and columns.source == columns.target:
        return row.raw
    return row.with_cell(columns.target, text)


class _Row:
    """A row as it stands in the file, and the cells in it."""

    def __init__(self, raw: str, start: str) -> None:
        self.raw = raw
        self.start = start

    def with_cell(self, at: int, text: str) -> str:
        """Return the row with another text in one cell, quoted if that was or has to be; or with one cell more."""
        cells, end = self._cells()
        quoted = at < len(cells) and cells[at].startswith('"')
        if quoted or _NEEDS_QUOTES.search(text) or (not text and len(cells) == 1):  # a lone empty cell would be a blank line
            text = '"' + text.replace('"', '""') + '"'
        return self.start + ",".join([*cells[:at], text, *cells[at + 1 :]]) + end

    def _cells(self) -> tuple[list[str], str]:
        """Return the cells with their quotes, and the row's line end. The parser has found the row to be well-formed."""
        cells, at = [], len(self.start)
        while True:
            cell = _CELL.match(self.raw, at)
            assert cell is not None  # the pattern matches the empty string
            cells.append(cell.group())
            at = cell.end()
            if self.raw[at : at + 1] != ",":
                return cells, self.raw[at:]
            at += 1
