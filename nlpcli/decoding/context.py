"""A document's segments translated together, by a model that has been trained on whole documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Iterator, Sequence

from nlpcli.corpus.documents import without_separators
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
    settled: list[Translation] = []
    each = iter(translations)
    for record in window.records:
        found = iter([t for row in _rows(record, translator) for t in _of_row(row, next(each), translator)])
        settled += [next(found) if segment.strip() else Translation([]) for segment in record.segments]
    return settled


def _of_row(row: Sequence[str], translation: Translation, translator: Translator) -> list[Translation]:
    texts = from_row(translation.best, len(row))
    if texts is None:
        alone = translator.translate(row)  # in which a model of documents may see several segments
        return [replace(t, texts=[*map(without_separators, t.texts)], issues=[*t.issues, Issue("context")]) for t in alone]
    first, *others = texts  # what is wrong with the row is told with its first segment
    return [Translation([first], [], translation.issues), *(Translation([text]) for text in others)]


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
