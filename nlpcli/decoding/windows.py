"""Records in windows, which are sorted by length and translated together; where they are cut depends on the input alone."""

from __future__ import annotations

import re
from itertools import repeat
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple, Sequence

from nlpcli.corpus.readers import read_lines
from nlpcli.decoding.formats.base import Record
from nlpcli.decoding.translator import Hint
from nlpcli.errors import BadInput, UsageError


class Window(NamedTuple):
    """Records of one file.

    Args:
        file: the number of the file.
        number: of the window in all files, from 0.
        hints: what is asked of each segment; empty if nothing.
    """

    file: int
    number: int
    records: list[Record]
    hints: Sequence[Hint]

    @property
    def segments(self) -> list[str]:
        return [segment for record in self.records for segment in record.segments]


def cut(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """Cut records into windows of `size` segments, or some more where a record has several."""
    window: list[Record] = []
    segments = 0
    for record in records:
        window.append(record)
        segments += max(1, len(record.segments))
        if segments >= size:
            yield window
            window, segments = [], 0
    if window:
        yield window


def parse_shard(shard: str | None, windows: int) -> range:
    """Return the numbers of the windows that `I/N` names; all if it is None.

    Raises:
        UsageError: it is not of this form, or I is not 1 to N.
    """
    if shard is None:
        return range(windows)
    found = re.fullmatch(r"(\d+)/(\d+)", shard, re.ASCII)
    part, parts = map(int, found.groups()) if found else (0, 0)
    if not 1 <= part <= parts:
        raise UsageError(f"--shard {shard} is no part", cause="it is I/N, with I from 1 to N", fix="--shard 1/4 … --shard 4/4")
    return range(windows * (part - 1) // parts, windows * part // parts)


def read_hints(prefixes: Path | None, required: Path | None, segments: int | None) -> Iterator[Hint]:
    """Yield what is asked of each segment of the input, from files with a line each.

    Args:
        segments: how many there are, where that is known.

    Raises:
        BadInput: a file has more or fewer lines.
    """
    for path in filter(None, (prefixes, required)):
        lines = sum(1 for _ in read_lines(path))
        if segments is not None and lines != segments:
            raise BadInput(f"{path} has {lines:,} lines, and the input {segments:,}", fix=f"give {path} one line for each")
    beginnings: Iterable[str] = read_lines(prefixes) if prefixes else repeat("")
    words: Iterable[str] = read_lines(required) if required else repeat("")
    for prefix, wanted in zip(beginnings, words):
        yield Hint(prefix, tuple(filter(None, (word.strip() for word in wanted.split("\t")))))
