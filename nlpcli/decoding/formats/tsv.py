"""Tab-separated tables: one column is translated; quotes are text, as everywhere in nlpcli."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.corpus.columns import numbered
from nlpcli.decoding.formats.base import Format, Line, Options, Record, bad_line, kept, one_line, whole_lines
from nlpcli.decoding.formats.columns import Columns


class Tsv(Format):
    """Lines of cells; a blank line stays one."""

    name = "tsv"
    suffixes = (".tsv", ".tab")

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield the header, if the columns have names, and a record a row."""
        columns = None if not numbered(options.column) else Columns.by_number(options)
        for line in whole_lines(path):
            cells = line.text.split("\t")
            if columns is None:
                columns = Columns.by_name(path, cells, options)
                yield kept(_joined(line, columns.header(cells)), line.number)
            elif line.text or columns.width == 1:
                if problem := columns.problem(cells):
                    raise bad_line(path, line.number, problem)
                yield Record((cells[columns.source],), partial(_row, line, cells, columns), line.number)
            else:
                yield kept(line.raw, line.number)


def _row(line: Line, cells: list[str], columns: Columns, translations: Sequence[str]) -> str:
    return _joined(line, columns.put(cells, one_line(translations[0]).replace("\t", " ")))


def _joined(line: Line, cells: list[str]) -> str:
    return line.start + "\t".join(cells) + line.end
