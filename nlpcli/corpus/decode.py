"""Bytes to lines of text, a block at a time. A line that cannot be decoded is marked with the reason; nothing is raised."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generator, Iterator, Sequence

from nlpcli import console
from nlpcli.corpus.readers import LONGEST_LINE, likely_encoding, open_bytes
from nlpcli.errors import UsageError

ROWS, BYTES = 8192, 1 << 20  # a block ends at whichever comes first
PIECE = 1 << 18  # bytes read at a time
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
        self.unread[row] = raw[:SHOWN].decode("utf-8", "backslashreplace").rstrip("\r")


class Decoder:
    """Decodes the lines of one file, block by block from its start. `guesses` counts the encodings it may be in."""

    def __init__(self, path: Path, recoding: Recoding | None = None) -> None:
        self.path = path
        self.recoding = recoding
        self.guesses: Counter[str] = Counter()
        self.started = self.utf16 = False

    def decode(self, raws: Sequence[bytes]) -> Lines:
        """Return the texts of raw lines."""
        first, self.started = not self.started, True
        if first and _is_utf16(raws):
            self.utf16, self.guesses[UTF16] = True, 1
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
        joined = b"\n".join(raws)
        recoded = self.recoding is not None and self.recoding.whole
        if self.utf16 or recoded or max(map(len, raws)) > LONGEST_LINE:
            return None
        try:
            lines = Lines(joined.decode("utf-8").split("\n"))
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
                lines.reject("oversized", row, raw)
            elif self.utf16 or (text := self._text(raw, lines, row)) is None:
                if self.guesses.total() < GUESSES and not self.utf16:
                    self.guesses[likely_encoding(b" " + raw)] += 1  # a line alone is never UTF-16
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


class _Ahead:
    """Raw lines of one file without their ends, read ahead in pieces, which is far faster than line by line."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.lines: list[bytes] = []
        self.size = 0
        self.rest = b""  # the line that is not yet whole; one that is too long is cut, and skipped to its end
        self.skipping = self.ended = False

    def fill(self) -> None:
        """Read until there are rows enough for a block, or bytes."""
        while not self.ended and len(self.lines) < ROWS and self.size < BYTES:
            data = next(self.pieces, b"")
            self.ended = not data
            if self.skipping:
                end = data.find(b"\n")
                data = data[end:] if end >= 0 else b""
                self.skipping = end < 0
            lines = (self.rest + data).split(b"\n")
            self.rest = lines.pop()
            if len(self.rest) > LONGEST_LINE:
                self.rest, self.skipping = self.rest[: LONGEST_LINE + 1], True
            if self.ended and self.rest:
                lines.append(self.rest)
            self.lines += lines
            self.size += sum(map(len, lines))

    def take(self, count: int) -> list[bytes]:
        taken = self.lines[:count]
        del self.lines[:count]
        self.size -= sum(map(len, taken))
        return taken


def raw_blocks(paths: Sequence[Path], counts: list[int]) -> Iterator[list[list[bytes]]]:
    """Yield the raw lines of files, without their ends, side by side in blocks, as far as all have one.

    Of a line longer than LONGEST_LINE so many bytes and one more are kept.

    Args:
        counts: is given the number of lines of each file.
    """
    with ExitStack() as stack:
        sides = [_Ahead(stack.enter_context(closing(_pieces(path)))) for path in paths]
        while True:
            for side in sides:
                side.fill()
            count = min(ROWS, *(len(side.lines) for side in sides))
            if not count:
                break
            counts[:] = [done + count for done in counts]
            yield [side.take(count) for side in sides]
        for i, side in enumerate(sides):
            while side.lines:
                counts[i] += len(side.take(len(side.lines)))
                side.fill()


def _pieces(path: Path) -> Generator[bytes, None, None]:
    """Yield a file's bytes. Each file is open in a generator of its own, so that an error names the right one."""
    with open_bytes(path) as stream:
        while data := stream.read(PIECE):
            yield data


def find_recodings(paths: Sequence[Path], encoding: str | None) -> dict[Path, Recoding]:
    """Tell which of the files are not UTF-8, so that `encoding` is meant for them.

    Raises:
        UsageError: there is no such encoding, or it does not end lines as ASCII does.
    """
    if encoding is None:
        return {}
    ascii_bytes = bytes(range(128))
    try:
        fits = ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
    except LookupError:
        raise UsageError(f"--encoding {encoding}: there is no such encoding", fix="for Korean, --encoding cp949") from None
    except UnicodeDecodeError:
        fits = False
    if not fits:
        raise UsageError(
            f"--encoding {encoding}: its line ends are not those of ASCII",
            fix=f"iconv -f {encoding} -t UTF-8 {paths[0]} > {paths[0].name}.utf8",
        )
    found = {path: _find_recoding(path, encoding) for path in paths}
    for path, recoding in found.items():
        if recoding:
            console.info(f"data: {path} is read as {encoding}{'' if recoding.whole else ' where it is not UTF-8'}")
    return {path: recoding for path, recoding in found.items() if recoding}


def _find_recoding(path: Path, encoding: str) -> Recoding | None:
    """Recode the whole file if most of its lines with other than ASCII characters are not UTF-8; None if all are."""
    bad = good = 0
    for (raws,) in raw_blocks([path], [0]):
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
    head = b"\n".join(raws[:20])[:HEAD]
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(head) >= 8 and head.count(0) > 0.25 * len(head))
