"""The only writer to the terminal. stdout is data; everything for a person goes to stderr.

A closed stdout ends the command quietly with status 141. A closed stderr never ends it: a log that nobody reads any
more must not stop a training run. User text is never interpreted as markup.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any, Iterable, Sequence

from nlpcli.errors import NlpcliError

QUIET, NORMAL, VERBOSE = 0, 1, 2
PLAIN_INTERVAL = 30.0  # seconds between progress lines when stderr is not a terminal

level = NORMAL


class ClosedPipe(NlpcliError):
    """The reader of stdout went away; ends the command with 141, as the shell does for SIGPIPE, and without a word."""

    exit_code = 141


def set_level(value: int) -> None:
    """Choose how much is said on stderr: QUIET (errors only), NORMAL or VERBOSE."""
    global level
    level = value


def out(line: str) -> None:
    """Write one line of data to stdout."""
    write_out([line])


def write_out(lines: Iterable[str]) -> None:
    """Write lines of data to stdout, as `write_text` does."""
    write_text("".join(line + "\n" for line in lines))


def write_text(text: str) -> None:
    """Write text to stdout as UTF-8 whatever the locale says, and flush.

    Raises:
        ClosedPipe: the reader is gone.
    """
    if sys.stdout is None:  # started with >&-
        raise ClosedPipe("stdout was closed")
    try:
        data = text.encode("utf-8", "surrogatepass")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
        raise ClosedPipe("stdout was closed") from None


def info(message: str) -> None:
    """Say what is being done and chosen."""
    if level >= NORMAL:
        _to_stderr(message)


def detail(message: str) -> None:
    """Say what only `-v` asks for."""
    if level >= VERBOSE:
        _to_stderr(message)


def warn(message: str) -> None:
    """Say what the user should know even when all else is quiet."""
    _to_stderr(f"warning: {message}")


def error(e: NlpcliError) -> None:
    """Print an error: what and where, then its cause and its fix."""
    _to_stderr(f"error: {e.message}")
    if e.cause:
        _to_stderr(f"  cause: {e.cause}")
    if e.fix:
        _to_stderr(f"  fix: {e.fix}")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table on stdout; numbers are set flush right. Off a terminal no cell is cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    drawn = Table(title=Text(title, style="bold") if title else None, title_justify="left", box=None, pad_edge=False)
    for i, header in enumerate(headers):
        numeric = all(isinstance(row[i], (int, float)) for row in rows)
        drawn.add_column(Text(header), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    write_out(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


class Progress:
    """One bar with ETA on a terminal; off a terminal a plain line every 30 seconds.

    Args:
        total: the number of `unit`s to come, or None if nobody knows.
        done: units already done (after a resume).
    """

    def __init__(self, what: str, total: float | None, unit: str, done: float = 0) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.started, self.first = time.monotonic(), done
        self.last_line = self.started
        self.note = ""
        self.bar: Any = None
        if level >= NORMAL and _terminal(sys.stderr):
            from tqdm import tqdm

            count = "" if unit == "%" else " {n:.0f}/{total:.0f}"
            form = "{l_bar}{bar}|" + count + " [{elapsed}<{remaining}{postfix}]" if total else None
            self.bar = tqdm(
                total=total, initial=done, desc=what, unit=f" {unit}", dynamic_ncols=True, leave=False, bar_format=form
            )

    def update(self, done: float, note: str = "") -> None:
        """Say that `done` units of the total are finished now."""
        step, self.done, self.note = done - self.done, done, note
        if self.bar is not None:
            if note:
                self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(step)
        elif time.monotonic() - self.last_line >= PLAIN_INTERVAL:
            self.last_line = time.monotonic()
            info(self._plain())

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plain(self) -> str:
        parts = [f"{self.what}: {self.done:,.0f} {self.unit}"]
        if self.total:
            elapsed, made = time.monotonic() - self.started, self.done - self.first
            left = elapsed * max(self.total - self.done, 0) / made if made else None
            of_total = "" if self.unit == "%" else f" of {self.total:,.0f} {self.unit}, {self.done / self.total:.0%}"
            parts = [f"{self.what}: {self.done:,.0f}{of_total or '%'}"]
            parts += [f"ETA {duration(left)}"] if left is not None else []
        return ", ".join(parts + ([self.note] if self.note else []))


def duration(seconds: float) -> str:
    """Write seconds for a person: `41 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Write a number of bytes for a person: `512 B`, `1.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < (1000 if unit == "B" else 999.95) or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _cell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _to_stderr(message: str) -> None:
    if sys.stderr is None:  # started with 2>&-
        return
    try:
        if level >= NORMAL and _terminal(sys.stderr):
            from tqdm import tqdm

            tqdm.write(message, file=sys.stderr)
        else:
            print(message, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody reads it, the disk under it is full, or somebody closed it
        _silence(sys.stderr)


def _terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and bool(stream.isatty())


def _silence(stream: Any) -> None:
    """Point a broken stream at /dev/null so that nothing, the interpreter's last flush included, meets it again."""
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        with suppress(OSError, ValueError):  # it has no file any more
            os.dup2(sink, stream.fileno())
    finally:
        os.close(sink)
