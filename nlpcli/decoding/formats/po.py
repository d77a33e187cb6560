"""gettext's PO files: the entries without a translation get one, marked `fuzzy`, as what no one has reviewed is.

All other entries, comments and wrapping stay. A translation is written a line of text a line, not wrapped. An entry with
plural forms has the singular's translation as its first form and the plural's as all others, as many as the file provides
for; where there is one form only (Korean) it is the plural's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.decoding.formats.base import Format, Options, Record, kept
from nlpcli.decoding.formats.cells import lines_of, with_lines
from nlpcli.decoding.formats.po_entries import Entry, Field, entries
from nlpcli.errors import BadInput


class Po(Format):
    """Entries of a catalogue, each with its comments and the blank lines after it."""

    name = "po"
    suffixes = (".po", ".pot")

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield a record an entry; a message of several lines has as many segments."""
        for entry in entries(path):
            if entry.is_header:
                _check_encoding(path, entry)
            wanted = _wanted(entry, options.again)
            if not wanted:
                yield kept(entry.raw, entry.line)
                continue
            sources = {_source(entry, field).name: _source(entry, field).text for field in wanted}
            segments = tuple(line for text in sources.values() for line in lines_of(text))
            yield Record(segments, partial(_translated, entry, wanted, sources), entry.line)


def _check_encoding(path: Path, header: Entry) -> None:
    """Refuse a catalogue that says it is not UTF-8: with a translation in it, gettext would not read it any more.

    Raises:
        BadInput: it is, or is a template whose encoding is to be filled in.
    """
    said = header.translations[0].text.partition("charset=")[2].split("\n")[0].strip() if header.translations else ""
    if said and said.upper() not in ("UTF-8", "UTF8"):
        raise BadInput(
            f"{path}: its header says charset={said}",
            cause="a translation in UTF-8 would be taken for that",
            fix=f"sed -i s/charset={said}/charset=UTF-8/ {path}",
        )


def _wanted(entry: Entry, again: bool) -> list[Field]:
    """Return the translations that are to be filled in."""
    if entry.is_header or entry.message is None:
        return []
    return [field for field in entry.translations if again or not field.text]


def _source(entry: Entry, translation: Field) -> Field:
    """Return the message that a field translates."""
    assert entry.message is not None  # or nothing would be wanted
    if entry.plural is None or (translation.name == "msgstr[0]" and len(entry.translations) > 1):
        return entry.message
    return entry.plural


def _translated(entry: Entry, wanted: list[Field], sources: dict[str, str], translations: Sequence[str]) -> str:
    texts, at = {}, 0
    for name, source in sources.items():
        count = len(lines_of(source))
        texts[name] = with_lines(source, translations[at : at + count])
        at += count
    assert at == len(translations)  # a translation a segment
    changed = {field.name: texts[_source(entry, field).name] for field in wanted}
    changed = {name: text for name, text in changed.items() if text.strip()}
    return entry.with_translations(changed) if changed else entry.raw
