"""A document's segments translated together, by a model that has been trained on whole documents."""

from __future__ import annotations

from typing import Iterator, Sequence

from nlpcli.decoding.formats.documents import as_row, from_row


def rows_of(segments: Sequence[str], tokens: Sequence[int], longest: int) -> Iterator[list[str]]:
    """Cut a document between segments into rows of at most `longest` tokens, unless one segment alone has more.

    Args:
        segments: none of them blank, since a model would not give it back.
        tokens: the number of each one's tokens.
    """
    row: list[str] = []
    size = 0
    for segment, count in zip(segments, tokens):
        if row and size + count > longest:
            yield row
            row, size = [], 0
        row.append(segment)
        size += count + 1  # and one between them
    if row:
        yield row


def joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of segments as the lines that the model reads."""
    return [as_row(row) for row in rows]


def divided(rows: Sequence[Sequence[str]], translations: Sequence[str]) -> list[str] | None:
    """Return the translations of the segments, or None if a row came out with more or fewer than it has."""
    found: list[str] = []
    for row, translation in zip(rows, translations):
        segments = from_row(translation, len(row))
        if segments is None:
            return None
        found += segments
    return found
