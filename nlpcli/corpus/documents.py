"""Whole documents as rows: their segments, joined by a sign that stands in no text, in rows of a bounded length."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any, Iterable, Iterator

import msgspec

from nlpcli import artifacts
from nlpcli.corpus.readers import BadLine, numbered_lines, read_lines, refuse, uncompressed
from nlpcli.errors import BadInput

SEPARATOR = "␞"  # between two segments, with blanks around it
Pairs = list[tuple[str, str]]


def holds_documents(path: Path, src: str) -> bool:
    """Tell by its first line whether a JSON Lines file holds documents: lists of segments."""
    if uncompressed(path).suffix != ".jsonl":
        return False
    try:
        record = msgspec.json.decode(next(read_lines(path), ""))
    except msgspec.DecodeError:
        return False
    return isinstance(record, dict) and isinstance(record.get(src), list)


def read_documents(path: Path, src: str, tgt: str) -> Iterator[tuple[str, Pairs]]:
    """Yield each document of JSON Lines {"id", src: [segments], tgt: [segments]}: its id and its pairs of segments.

    Raises:
        BadInput: a line that is no such document.
    """
    for number, line in numbered_lines(path):
        try:
            record: Any = msgspec.json.decode(line)
            at, sides = record["id"], (record[src], record[tgt])
            problem = _problem(at, sides)
        except (msgspec.DecodeError, KeyError, TypeError) as e:
            problem = f"is no document with id, {src} and {tgt} ({type(e).__name__}: {e})"
        if problem:
            refuse(BadLine(path, number, problem, line.encode()), None)
        yield at, list(zip(*sides))


def _problem(at: Any, sides: tuple[Any, Any]) -> str:
    if not isinstance(at, str) or not at or "\n" in at:
        return "has an id that is not one line of text"
    if not all(isinstance(side, list) and all(isinstance(s, str) and "\n" not in s for s in side) for side in sides):
        return f"(document {at!r}) has segments that are not each one line of text"
    if len(sides[0]) != len(sides[1]):
        return f"(document {at!r}) has {len(sides[0]):,} and {len(sides[1]):,} segments"
    return ""


def by_document(pairs: Iterable[tuple[str, str]], ids: Path) -> Iterator[tuple[str, Pairs]]:
    """Put neighbouring pairs of the same document together; `ids` has the name of each pair's document, one a line.

    Raises:
        BadInput: it has more or fewer lines.
    """
    try:
        for at, members in groupby(zip(read_lines(ids), pairs, strict=True), key=lambda member: member[0]):
            yield at, [pair for _, pair in members]
    except ValueError:
        raise BadInput(f"{ids} does not have one line for each pair", fix=f"wc -l {ids.with_suffix('.*')}") from None


def joined(documents: Iterable[tuple[str, Pairs]], chars: int, resolutions: int = 1) -> Iterator[tuple[str, str]]:
    """Yield the documents as rows, cut between segments so that no side is longer than `chars`, unless one segment is.

    With more `resolutions` each document comes again in rows of half, a quarter, … of `chars`; rows that it had before are
    left out. A model learns from short rows how to translate, and from long ones how to find its way (Sun et al. 2022, §3).

    Raises:
        BadInput: a text has the separator in it.
    """
    for at, pairs in documents:
        if any(SEPARATOR in side for pair in pairs for side in pair):
            raise BadInput(f"document {at!r} has {SEPARATOR} in it", cause="it stands between segments", fix="replace it")
        known: set[tuple[str, str]] = set()
        for i in range(resolutions):
            rows = [(_line(row, 0), _line(row, 1)) for row in _rows(pairs, chars >> i)]
            yield from (row for row in rows if row not in known)
            known.update(rows)


def _rows(pairs: Pairs, chars: int) -> Iterator[Pairs]:
    row: Pairs = []
    for pair in pairs:
        if row and any(len(_line([*row, pair], side)) > chars for side in (0, 1)):
            yield row
            row = []
        row.append(pair)
    if row:
        yield row


def _line(pairs: Pairs, side: int) -> str:
    return f" {SEPARATOR} ".join(pair[side] for pair in pairs)


def separator_of(data: str | Path) -> str | None:
    """Return what separates the segments of a corpus of whole documents; None of any other."""
    return artifacts.read_artifact(data).manifest.config.get("separator") if artifacts.is_artifact(data) else None


def without_separators(line: str) -> str:
    """Return the text of a row alone."""
    return " ".join(line.replace(SEPARATOR, " ").split()) if SEPARATOR in line else line
