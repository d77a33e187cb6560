"""The columns of tables that hold texts and labels: what the first line calls them, and which is which; CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Iterable, Iterator

import msgspec

from nlpcli.corpus.kinds import TEXT_COLUMNS
from nlpcli.corpus.readers import LONGEST_LINE, UTF8, numbered_lines, read_lines, uncompressed
from nlpcli.errors import BadInput, UsageError, first_five

LABEL_COLUMNS = ("label", "class")


def header_of(path: Path, encoding: str = UTF8) -> list[str]:
    """Return what the first line of a table calls its columns; empty if it is no table."""
    ending = uncompressed(path).suffix
    try:
        if ending == ".csv":
            return next(csv_rows(path, encoding), (0, []))[1]
        line = next(read_lines(path, None, encoding), "")
    except BadInput:
        return []
    if ending == ".jsonl":
        try:
            return list(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.MsgspecError, RecursionError):
            return []
    cells = line.split("\t")
    return cells if len(cells) > 1 else []


def csv_rows(path: Path, encoding: str = UTF8) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file, quoted as the csv module reads it, each with the number of its last line.

    Raises:
        BadInput: a line that is not in this encoding, or not CSV.
    """
    for number, cells in parse_csv(path, (line + "\n" for _, line in numbered_lines(path, None, encoding))):
        if cells:
            yield number, cells


def parse_csv(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of CSV lines (with their ends; `path` is for the error), a blank line's too, which has no cells.

    Of the lines no more are taken than the row needs.

    Raises:
        BadInput: the lines are not CSV.
    """
    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(lines, strict=True)
    try:
        for cells in rows:
            yield rows.line_num, cells
    except csv.Error as e:
        raise BadInput(
            f"{path}: line {rows.line_num} is not CSV",
            cause=str(e),
            fix=f"sed -n {rows.line_num}p {path}; a table whose quotes are text must be called .tsv and have tabs",
        ) from None


def numbered(*columns: str | None) -> bool:
    """Tell whether all columns are given by number, so that the table has no header."""
    return all(name is not None and name.isdecimal() and int(name) > 0 for name in columns)


def find_column(path: Path, header: list[str], given: str | None, found: list[str], what: str) -> str:
    """Return a column's name: as given, or the only one found."""
    listed = f"its columns are {first_five(header)}" if header else "its first line names no columns"
    if given:
        if given not in header and numbered(given) and int(given) <= len(header):
            return header[int(given) - 1]
        if given not in header:
            raise UsageError(
                f"{path} has no column {given}",
                cause=listed,
                fix=f"give one of them as --{what}-column, or both columns by number if there is no header",
            )
        return given
    if len(found) == 1:
        return found[0]
    example = (found or [name for name in header if name != "id"] or ["1"])[0]
    raise UsageError(
        f"{path}: which column holds the {what}?",
        cause=f"{listed}; {'several of them' if found else 'none of them'} could be the {what}",
        fix=f"add --{what}-column {example} (its name, or its number from 1)",
    )


def label_candidates(header: list[str]) -> list[str]:
    """Return the columns that hold the label by their name."""
    return _known(header, LABEL_COLUMNS)


def text_candidates(header: list[str]) -> list[str]:
    """Return the columns that hold the text by their name, or else the only one that is left."""
    others = [name for name in header if name.casefold() not in (*LABEL_COLUMNS, "id", "")]
    return _known(header, TEXT_COLUMNS) or (others if len(others) == 1 else [])


def _known(header: list[str], names: tuple[str, ...]) -> list[str]:
    return [name for name in header if name.casefold() in names]
