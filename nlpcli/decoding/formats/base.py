"""What a format is: a file as a stream of records, each of which writes itself once its segments are translated.

The texts of all records, one after the other, are the output file. What is not translated comes out as it stood, to the
byte: other columns and keys, quotes, numbers, comments, blank lines, line ends, a byte order mark, a missing last line end.
A translation that is equal to its source leaves the source's bytes too. Plain text alone is written anew (`text.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Callable, Iterable, Iterator, Literal, NamedTuple, Sequence

import msgspec

from nlpcli.corpus.columns import text_candidates
from nlpcli.corpus.readers import BOM, open_bytes, raw_lines, refuse, text_or_bad
from nlpcli.errors import BadInput, UsageError, first_five

FormatName = Literal["text", "tsv", "csv", "jsonl", "srt", "po", "documents"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a format can be told.

    Args:
        src: the source language's code; names the column of a table and the key of a document if `column` does not.
        tgt: the target language's code; the key that takes a document's translation.
        column: of TSV, CSV and JSON Lines, the column to translate: its name, or its number from 1 in a table without a
            header.
        into: the column that takes the translation, added as the last one if it is not there; else `column` itself.
        again: of PO files, translate entries that have a translation already, too.
    """

    src: str = ""
    tgt: str = ""
    column: str | None = None
    into: str | None = None
    again: bool = False


class Record(NamedTuple):
    """One unit of a file: a line, a row, a cue, an entry, a document, or something between them without text.

    Args:
        segments: what is to be translated, each one line of text without its end; some may be blank.
        render: gives the record's text in the output, line end included, from the translations of all segments.
        line: where it begins in the file, from 1.
    """

    segments: tuple[str, ...]
    render: Callable[[Sequence[str]], str]
    line: int


class Format(ABC):
    """How the files of one kind are read. A format holds no state, and reads in memory that does not grow with the file."""

    name: FormatName
    suffixes: tuple[str, ...]

    @abstractmethod
    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield the records of a file, or of stdin (`-`), as soon as their last line is there.

        Raises:
            BadInput: a line that is not UTF-8, is too long or does not belong into such a file; its number is given.
            UsageError: the column asked for is not there.
        """


class Line(NamedTuple):
    """A line of a file and all that stands around its text: `start` is a byte order mark or nothing, `end` what ends it."""

    number: int
    text: str
    start: str
    end: str

    @property
    def raw(self) -> str:
        """The line as it stands in the file."""
        return self.start + self.text + self.end


def whole_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file with their ends, read as strictly as by `read_lines`.

    Raises:
        BadInput: as `read_lines`.
    """
    with open_bytes(path) as stream:
        lines = raw_lines(stream)
        for number, raw in enumerate(lines, 1):
            text = text_or_bad(path, number, raw)
            if isinstance(text, str):
                start = "\ufeff" if number == 1 and raw.startswith(BOM) else ""
                yield Line(number, text, start, _end(raw))
            else:
                refuse(text, None, lines)


def _end(raw: bytes) -> str:
    if raw.endswith(b"\n"):
        return "\r\n" if raw.endswith(b"\r\n") else "\n"
    return "\r" if raw.endswith(b"\r") else ""


def bad_line(path: Path, number: int, reason: str, cause: str = "") -> BadInput:
    """Return the error for a line that does not belong into a file of its format."""
    return BadInput(f"{path}: line {number} {reason}", cause=cause, fix=f"sed -n {number}p {path} | head -c 300")


def kept(raw: str, line: int) -> Record:
    """Return a record of text that is not translated."""
    return Record((), lambda _: raw, line)


def one_line(text: str) -> str:
    """Return a translation as one line, as a record needs it: a model that spells bytes could write a line end."""
    return text.replace("\n", " ") if "\n" in text else text


def chosen_column(path: Path, header: Iterable[str], options: Options) -> str:
    """Return the column to translate: as given, or named as the source language, or the one that is named like text.

    Raises:
        UsageError: there is no such column, or none that is surely meant.
    """
    names = list(header)
    wanted = options.column or (options.src if options.src in names else None)
    found = [wanted] if wanted else text_candidates(names)
    if len(found) == 1 and found[0] in names:
        return found[0]
    listed = f"its columns are {first_five(names)}" if names else "its first line names no columns"
    if options.column:
        message, fix = f"{path} has no column {wanted}", "give one of them as --column, or its number if there is no header"
    else:
        example = (found or names or ["1"])[0]
        message, fix = f"{path}: which column is to be translated?", f"add --column {example}"
    raise UsageError(message, cause=listed, fix=fix)
