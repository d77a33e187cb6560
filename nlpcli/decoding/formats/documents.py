"""Documents as JSON Lines, `{"id", "ko": [segments]}` a line: the translations become a list under the target language."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Sequence

from nlpcli.corpus.documents import SEPARATOR
from nlpcli.decoding.formats.base import Format, Line, Options, Record, bad_line, kept, one_line, whole_lines
from nlpcli.decoding.formats.json_lines import Member, is_text, members_of, with_value
from nlpcli.errors import UsageError


class Documents(Format):
    """A document a line; its segments are the record's. A translation that is there already is replaced."""

    name = "documents"
    suffixes = ()

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield a record a document."""
        source, target = options.column or options.src, options.into or options.tgt
        if not source or not target:
            raise UsageError("a document needs both its languages", fix="give the keys as --column and --into")
        for line in whole_lines(path):
            if not line.text.strip(" \t\r"):
                yield kept(line.raw, line.number)
                continue
            members = members_of(path, line)
            segments = _segments(members.get(source))
            if segments is None:
                raise bad_line(
                    path, line.number, f"is no document with a list of segments as {source}", "each is one line of text"
                )
            yield Record(segments, partial(_translated, line, members, source, target), line.number)


def _segments(member: Member | None) -> tuple[str, ...] | None:
    values: Any = member.value if member else None
    if not isinstance(values, list):
        return None
    good = all(isinstance(value, str) and "\n" not in value and is_text(value) for value in values)
    return tuple(values) if good else None


def _translated(line: Line, members: dict[str, Member], source: str, target: str, translations: Sequence[str]) -> str:
    assert len(translations) == len(members[source].value)  # a translation a segment
    return with_value(line, members, source, target, [one_line(text) for text in translations])


def as_row(segments: Sequence[str]) -> str:
    """Return segments as the one line that a model of whole documents reads; a sign that stands in the text is dropped."""
    return f" {SEPARATOR} ".join(segment.replace(SEPARATOR, " ") for segment in segments)


def from_row(row: str, count: int) -> list[str] | None:
    """Return the segments of a translated row, or None if they are not as many as they should be."""
    segments = [segment.strip(" ") for segment in row.split(SEPARATOR)]
    return segments if len(segments) == count else None
