"""A value that may hold several lines (of CSV, JSON, PO) as segments, one a line, and back with the same line ends."""

from __future__ import annotations

import re
from typing import Sequence

from nlpcli.decoding.formats.base import one_line

_END = re.compile(r"(\r?\n)")


def lines_of(value: str) -> tuple[str, ...]:
    """Return the lines of a value without their ends; an empty value has one."""
    return tuple(_END.split(value)[::2]) if "\n" in value else (value,)


def with_lines(value: str, lines: Sequence[str]) -> str:
    """Return the value with others in the place of its lines."""
    parts = _END.split(value)
    assert len(lines) == len(parts[::2])  # a translation a segment
    parts[::2] = [one_line(line) for line in lines]
    return "".join(parts)
