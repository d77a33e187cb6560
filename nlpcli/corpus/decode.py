"""Bytes to lines of text, a block at a time. A line that cannot be decoded is marked with the reason; nothing is raised."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.corpus.readers import LONGEST_LINE, likely_encoding, open_bytes, raw_lines

ROWS, BYTES = 8192, 1 << 20  # a block ends at whichever comes first
HEAD = 4096  # bytes by which UTF-16 is told from text with a stray NUL
UTF16 = "UTF-16"
GUESSES = 1000  # lines that vote on a file's encoding
SHOWN = 1000  # bytes kept of a line that cannot be read


@dataclass(frozen=True)
class Recoding:
    """How to read a file that is not UTF-8: `whole`, or only the lines that are not."""

    encoding: str
    whole: bool


@dataclass
class Lines:
    """Lines of one file without their ends: the rows that break a rule, and the raw beginning of those without a text."""

    texts: list[str]
    marks: dict[str, list[int]] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)

    def reject(self, rule: str, row: int, raw: bytes) -> None:
        """Take note that a line cannot be read."""
        self.marks.setdefault(rule, []).append(row)
        self.unread[row] = raw[:SHOWN].decode("utf-8", "backslashreplace").rstrip("\r\n")


class Decoder:
    """Decodes the lines of one file, block by block from its start. `guesses` counts the encodings it may be in."""

    def __init__(self, path: Path, recoding: Recoding | None = None) -> None:
        self.path = path
        self.recoding = recoding
        self.guesses: Counter[str] = Counter()
        self.started = False

    def decode(self, raws: Sequence[bytes]) -> Lines:
        """Return the texts of raw lines."""
        first, self.started = not self.started, True
        if first and _is_utf16(raws):
            self.guesses[UTF16] += 1
        lines = self._at_once(raws) or self._one_by_one(raws)
        if first and lines.texts[0].startswith("\ufeff"):
            lines.texts[0] = lines.texts[0][1:]
            lines.marks["bom"] = [0]
        return lines

    @property
    def guess(self) -> str:
        """The encoding that the file is probably in, if it is not UTF-8."""
        return self.guesses.most_common(1)[0][0] if self.guesses else ""

    def _at_once(self, raws: Sequence[bytes]) -> Lines | None:
        """Decode all lines in one step, which is what makes a clean file fast."""
        joined = b"".join(raws)
        recoded = self.recoding is not None and self.recoding.whole
        if UTF16 in self.guesses or recoded or len(joined) > LONGEST_LINE and max(map(len, raws)) > LONGEST_LINE:
            return None
        try:
            lines = Lines(joined.decode("utf-8").split("\n")[: len(raws)])
        except UnicodeDecodeError:
            return None
        if b"\r" in joined:
            _cut_returns(lines)
        return lines

    def _one_by_one(self, raws: Sequence[bytes]) -> Lines:
        lines = Lines([])
        for row, raw in enumerate(raws):
            text = None
            if len(raw) > LONGEST_LINE:
                lines.reject("long", row, raw)
            elif UTF16 in self.guesses or (text := self._text(raw.removesuffix(b"\n"), lines, row)) is None:
                if self.guesses.total() < GUESSES and UTF16 not in self.guesses:
                    self.guesses[likely_encoding(raw)] += 1
                lines.reject("not-utf8", row, raw)
            lines.texts.append(text or "")
        _cut_returns(lines)
        return lines

    def _text(self, raw: bytes, lines: Lines, row: int) -> str | None:
        encodings = ["utf-8"] if self.recoding is None else ["utf-8", self.recoding.encoding]
        if self.recoding is not None and self.recoding.whole:
            encodings = encodings[1:]
        for encoding in encodings:
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if encoding != "utf-8" and not raw.isascii():
                lines.marks.setdefault("recoded", []).append(row)
            return text
        return None


def raw_blocks(paths: Sequence[Path], counts: list[int]) -> Iterator[list[tuple[bytes, ...]]]:
    """Yield the raw lines of files side by side, in blocks, as far as all have one.

    Args:
        counts: is given the number of lines of each file.
    """
    with ExitStack() as stack:
        streams = [raw_lines(stack.enter_context(open_bytes(path))) for path in paths]
        rows: list[tuple[bytes, ...]] = []
        size = 0
        for row in zip_longest(*streams):
            if None in row:
                for side, raw in enumerate(row):
                    counts[side] += raw is not None
                continue
            rows.append(row)
            size += sum(map(len, row))
            if size >= BYTES or len(rows) == ROWS:
                counts[:] = [count + len(rows) for count in counts]
                yield list(zip(*rows))
                rows, size = [], 0
        if rows:
            counts[:] = [count + len(rows) for count in counts]
            yield list(zip(*rows))


def find_recoding(path: Path, encoding: str) -> Recoding | None:
    """Tell how to read a file that `encoding` was given for: not at all if it is UTF-8, else by what most lines are in."""
    bad = good = 0
    for (raws,) in raw_blocks([path], [0]):
        try:
            good += not b"".join(raws).decode("utf-8").isascii() and sum(not raw.isascii() for raw in raws)
        except UnicodeDecodeError:
            for raw in raws:
                if not raw.isascii():
                    ill = not _is_utf8(raw)
                    bad, good = bad + ill, good + (not ill)
    return Recoding(encoding, whole=bad > good) if bad else None


def _cut_returns(lines: Lines) -> None:
    for row, text in enumerate(lines.texts):
        if text.endswith("\r"):
            lines.texts[row] = text[:-1]
            lines.marks.setdefault("crlf", []).append(row)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_utf16(raws: Sequence[bytes]) -> bool:
    head = b"".join(raws[:20])[:HEAD]
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or len(head) >= 8 and head.count(0) > 0.25 * len(head)
