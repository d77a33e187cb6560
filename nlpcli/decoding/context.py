"""A document's segments translated together, by a model that has been trained on whole documents."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Iterator, Sequence

from nlpcli.decoding.formats.base import Record
from nlpcli.decoding.formats.documents import as_row, from_row
from nlpcli.decoding.issues import Issue
from nlpcli.decoding.translator import Translation, Translator
from nlpcli.decoding.windows import Window


def in_rows(window: Window, translator: Translator) -> list[str]:
    """Return a window's documents as the lines that the model reads."""
    return [as_row(row) for record in window.records for row in _rows(record, translator)]


def by_segment(window: Window, translations: Sequence[Translation], translator: Translator) -> list[Translation]:
    """Return the translations of a window's segments, given those of its lines.

    Where a row's segments did not come out one for one, each of them is translated alone.
    """
    rows = [row for record in window.records for row in _rows(record, translator)]
    settled = _of_rows(rows, translations, translator)
    segments = [segment for record in window.records for segment in record.segments]
    return [next(settled) if segment.strip() else Translation([]) for segment in segments]


def _of_rows(
    rows: Sequence[Sequence[str]], translations: Sequence[Translation], translator: Translator
) -> Iterator[Translation]:
    found = [from_row(translation.best, len(row)) for row, translation in zip(rows, translations)]
    alone = iter(translator.translate([segment for row, texts in zip(rows, found) if texts is None for segment in row]))
    for row, translation, texts in zip(rows, translations, found):
        if texts is None:
            yield from (replace(t, issues=[*t.issues, Issue("context")]) for t in islice(alone, len(row)))
        else:
            yield Translation(texts[:1], [], translation.issues)  # what is wrong with the row is told with its first segment
            yield from (Translation([text]) for text in texts[1:])


def _rows(record: Record, translator: Translator) -> list[list[str]]:
    segments = [segment for segment in record.segments if segment.strip()]
    return list(rows_of(segments, translator.count(segments), translator.max_input_tokens))


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
