"""Tables of text: some columns of a TSV or JSON Lines file, and pairs from a table or from two aligned files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Iterator

import msgspec

from nlpcli.corpus.readers import UTF8, BadLine, Skipped, numbered_lines, read_aligned, read_lines, refuse, uncompressed
from nlpcli.errors import BadInput


def read_pairs(
    src: Path, tgt: Path, src_column: str, tgt_column: str, skipped: Skipped | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a split: two line-aligned text files, or one TSV / JSON Lines file with two columns.

    Args:
        skipped: takes note of pairs that cannot be read, instead of the error.

    Raises:
        BadInput: unequal sides (with or without `skipped`), a missing column, or a line that is not UTF-8 or not JSON.
    """
    if src != tgt:
        yield from read_aligned(src, tgt, skipped)
        return
    for values in read_records(src, (src_column, tgt_column), skipped):
        yield values[0], values[1]


@dataclass(frozen=True)
class Table:
    """How the rows of a TSV or JSON Lines file become columns; `header` is the number of lines before the first row."""

    path: Path
    parse: Callable[[str], tuple[str, ...]]
    header: int

    def judge(self, number: int, line: str) -> tuple[str, ...] | BadLine:
        """Return the columns of the line of this number, each one line of text, or what is wrong with it."""
        try:
            return self.parse(line)
        except NotARecord as e:
            return BadLine(self.path, number, str(e), line.encode())


def find_table(path: Path, columns: tuple[str, ...], encoding: str = UTF8) -> Table:
    """Find columns in a TSV or JSON Lines file.

    A TSV's first line names its columns, unless they are given as numbers (from 1). Quotes are text, as in the corpora
    that are published this way.

    Raises:
        BadInput: a TSV without such a column.
    """
    if uncompressed(path).suffix == ".jsonl":
        return Table(path, partial(_json_values, columns), 0)
    if all(name.isdecimal() and int(name) > 0 for name in columns):
        return Table(path, partial(_cells, None, [int(name) - 1 for name in columns]), 0)
    header = next(read_lines(path, None, encoding), "").split("\t")
    return Table(path, partial(_cells, len(header), [_column(path, header, name) for name in columns]), 1)


def read_records(
    path: Path, columns: tuple[str, ...], skipped: Skipped | None = None, encoding: str = UTF8
) -> Iterator[tuple[str, ...]]:
    """Yield some columns of a TSV or JSON Lines file, as lines of text; see `find_table`.

    Raises:
        BadInput: a missing column, or a line that is not UTF-8, not JSON or has too few columns.
    """
    table = find_table(path, columns, encoding)
    for number, line in islice(numbered_lines(path, skipped, encoding), table.header, None):
        values = table.judge(number, line)
        if isinstance(values, BadLine):
            refuse(values, skipped)
        else:
            yield values


class NotARecord(Exception):
    """A line that does not have the columns asked for."""


def _cells(width: int | None, at: list[int], line: str) -> tuple[str, ...]:
    cells = line.split("\t")
    if width is not None and len(cells) != width:
        raise NotARecord(f"has {len(cells)} columns, the header {width}")
    if len(cells) <= max(at):
        raise NotARecord(f"has {len(cells)} columns, not {max(at) + 1}")
    return tuple(cells[i] for i in at)


def _column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise BadInput(
            f"{path} has no column {name}",
            cause=f"its first line names {', '.join(header)}",
            fix="name the columns by language (ko, en), or give --src and --tgt",
        )
    return header.index(name)


def _json_values(columns: tuple[str, ...], line: str) -> tuple[str, ...]:
    try:
        record: Any = msgspec.json.decode(line)
        values = tuple(record[name] for name in columns)
    except (msgspec.DecodeError, KeyError, TypeError) as e:
        raise NotARecord(f"is not a record with {' and '.join(columns)} ({type(e).__name__}: {e})") from None
    if not all(isinstance(text, str) and "\n" not in text for text in values):
        raise NotARecord(f"has {' and '.join(columns)} that are not each one line of text")
    return values
