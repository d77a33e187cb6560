"""Lines in windows, and lines written to a file that is whole or absent."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Callable, Iterable, Iterator

from nlpcli import console

FILE_WINDOW = 2000  # lines sorted by length and translated together
STREAM_WINDOW = 200  # the same in a pipe, where each window is flushed before the next is read
STDIN = Path("-")


def windows(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cut a stream into lists of `size` lines."""
    stream = iter(lines)
    while window := list(islice(stream, size)):
        yield window


@contextmanager
def text_writer(out: Path | None) -> Iterator[Callable[[str], None]]:
    """Give a function that writes text to stdout, or to a file that appears whole at the end or not at all."""
    if out is None or out == STDIN:
        yield console.write_text
        return
    if out.exists() and not out.is_file():  # a pipe or a device is written to; it must not be replaced by a file
        with out.open("w", encoding="utf-8", newline="\n") as f:
            yield lambda text: _flushed(f, text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as f:
            yield lambda text: _flushed(f, text)
            os.fsync(f.fileno())
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def line_writer(out: Path | None) -> Iterator[Callable[[Iterable[str]], None]]:
    """Give a function that writes lines as `text_writer` does."""
    with text_writer(out) as write:
        yield lambda lines: write("".join(line + "\n" for line in lines))


def _flushed(f: IO[str], text: str) -> None:
    f.write(text)
    f.flush()
