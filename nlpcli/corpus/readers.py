"""Lines and records from files, strictly: UTF-8 or an error that names the line and the likely encoding.

A line ends at `\\n` and nowhere else (Unicode's other separators are text); a final `\\r` and a byte order mark at the
start of the file are not part of the text. `.gz`, `.xz` and `.zst` are unpacked on the way.
"""

from __future__ import annotations

import codecs
import gzip
import lzma
import os
import sys
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Generator, Iterator, Literal, cast

import msgspec

from nlpcli import console
from nlpcli.errors import BadInput, UsageError, first_five

COMPRESSED = (".gz", ".xz", ".zst")
BOM = b"\xef\xbb\xbf"
UTF8 = "utf-8"
NOT_UTF8 = "is not UTF-8"
LONGEST_LINE = 1 << 20  # bytes; what is longer is no sentence, and could fill the memory

OnError = Literal["stop", "skip"]


@dataclass(frozen=True)
class BadLine:
    """A line that is not what it should be."""

    path: Path
    number: int
    reason: str
    raw: bytes


class Skipped:
    """Lines left out on the user's word (`--on-error skip`), each kept with its place and reason in `skipped.jsonl`."""

    NAME = "skipped.jsonl"

    def __init__(self, folder: Path, size: int = 0) -> None:
        """Begin in `folder`, or go on after `size` bytes written by an interrupted command."""
        self.path = folder / self.NAME
        if self.path.exists():
            os.truncate(self.path, size)

    def add(self, bad: BadLine) -> None:
        """Write one bad line down."""
        entry = {"file": str(bad.path), "line": bad.number, "reason": bad.reason}
        text = bad.raw[:1000].decode("utf-8", "backslashreplace").rstrip("\r\n")
        with self.path.open("ab") as f:
            f.write(msgspec.json.encode({**entry, "text": text}) + b"\n")

    def size(self) -> int:
        """Return the bytes written so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def close(self) -> int:
        """Tell how many lines were left out, and return the number."""
        count = 0
        if self.path.exists():
            with self.path.open("rb") as f:
                count = sum(1 for _ in f)
            console.warn(f"left out {count:,} bad line(s); they are in {self.NAME} with their numbers and reasons")
        return count


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacking it by its ending; `-` is stdin.

    Raises:
        BadInput: there is no such file, or the archive is damaged.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    damage = (
        gzip.BadGzipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        *([zstd_module().ZstdError] if path.suffix == ".zst" else []),
    )
    try:
        with _opener(path) as stream:
            yield stream
    except damage as e:
        raise _damaged(path, e) from None
    except OSError as e:
        if e.errno is None:  # raised by a decompressor, not by the file system
            raise _damaged(path, e) from None
        raise BadInput(f"{path} cannot be read", cause=e.strerror or str(e), fix=f"ls -l {path}") from None


def raw_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a stream's lines with their ends. Of a line longer than LONGEST_LINE only so many bytes and one more are kept."""
    read = partial(stream.readline, LONGEST_LINE + 1)
    for line in iter(read, b""):
        yield line
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := read()) and not rest.endswith(b"\n"):
                pass


def text_or_bad(path: Path, number: int, raw: bytes, encoding: str = UTF8) -> str | BadLine:
    """Return a line's text without its end, or what is wrong with it."""
    if len(raw.removesuffix(b"\n")) > LONGEST_LINE:
        return BadLine(path, number, f"is longer than {LONGEST_LINE:,} bytes", raw)
    line = raw.removeprefix(BOM) if number == 1 else raw
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
    except UnicodeDecodeError:
        return BadLine(path, number, NOT_UTF8 if encoding == UTF8 else f"is not {encoding}", raw)


def known_encoding(name: str) -> str:
    """Return Python's name of an encoding whose lines end in the byte that ends them in ASCII.

    Raises:
        UsageError: there is no such encoding, or it is UTF-16 or the like.
    """
    try:
        found = codecs.lookup(name).name.removesuffix("-sig")
        usable = "a\n".encode(found) == b"a\n"
    except (LookupError, UnicodeError):
        found, usable = "", False
    if not usable:
        raise UsageError(
            f"--encoding {name} cannot be read",
            cause=f"{found} does not end its lines as ASCII does" if found else "Python has no text encoding of this name",
            fix=f"iconv -f {name} -t UTF-8 FILE > FILE.utf8" if found else "such as latin-1, cp1252, cp949, shift_jis",
        )
    return found


def read_lines(path: Path, skipped: Skipped | None = None, encoding: str = UTF8) -> Iterator[str]:
    """Yield the lines of a text file without their ends.

    Args:
        skipped: takes note of lines that cannot be read, instead of the error.
        encoding: as `known_encoding` returns it.

    Raises:
        BadInput: lines that are not UTF-8, all of them counted and the first five named; a line of more than LONGEST_LINE
            bytes.
    """
    for _, line in numbered_lines(path, skipped, encoding):
        yield line


def numbered_lines(path: Path, skipped: Skipped | None = None, encoding: str = UTF8) -> Iterator[tuple[int, str]]:
    """Yield each line's number, from 1, and its text; see `read_lines`."""
    with open_bytes(path) as stream:
        lines = raw_lines(stream)
        for number, raw in enumerate(lines, 1):
            line = text_or_bad(path, number, raw, encoding)
            if isinstance(line, str):
                yield number, line
            else:
                refuse(line, skipped, lines)


def refuse(bad: BadLine, skipped: Skipped | None, rest: Iterator[bytes] = iter(())) -> None:
    """Take note of a bad line, or raise the error for it (which counts its like in the `rest` of the file)."""
    if skipped is None:
        raise _not_utf8(bad, rest) if bad.reason == NOT_UTF8 else _bad_line(bad)
    skipped.add(bad)


def uncompressed(path: Path) -> Path:
    """Return the path without the ending of its compression."""
    return path.with_suffix("") if path.suffix in COMPRESSED else path


def _opener(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    if path.suffix == ".xz":
        return lzma.open(path)
    if path.suffix == ".zst":
        return cast(IO[bytes], zstd_module().open(path))
    return path.open("rb")


def zstd_module() -> Any:
    """Return the standard library's `compression.zstd`, or what carries it back to older Pythons."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _damaged(path: Path, e: Exception) -> BadInput:
    return BadInput(f"{path} is damaged or truncated", cause=str(e), fix="fetch or pack the file again")


def _not_utf8(first: BadLine, rest: Iterator[bytes]) -> BadInput:
    """Describe the first bad line, and count the others so that they can be mended in one go."""
    path, bad, sample = first.path, [first.number], first.raw
    at, byte = _first_bad_byte(first.raw)
    for later, raw in enumerate(rest, first.number + 1):
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            bad.append(later)
            sample = sample + raw if len(sample) < 100_000 else sample
    encoding = likely_encoding(sample)
    lines = f"line {bad[0]} is" if len(bad) == 1 else f"lines {first_five(bad)} are"
    return BadInput(
        f"{path}: {lines} not UTF-8",
        cause=f"byte 0x{byte:02x} at column {at + 1} of line {first.number}; the text is probably {encoding}",
        fix=f"iconv -f {encoding} -t UTF-8 {path} > {path}.utf8",
    )


def _first_bad_byte(raw: bytes) -> tuple[int, int]:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as e:
        return e.start, raw[e.start]
    raise AssertionError("the line is UTF-8")


def _bad_line(bad: BadLine) -> BadInput:
    return BadInput(
        f"{bad.path}: line {bad.number} {bad.reason}",
        fix=f"sed -n {bad.number}p {bad.path} | head -c 300",
    )


def likely_encoding(data: bytes) -> str:
    """Guess the encoding of bytes that are not UTF-8: CP949 if they read as Hangul, else Latin-1 (as CP1252)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return "CP1252"
    foreign = [c for c in text if ord(c) > 127]
    hangul = sum("가" <= c <= "힣" for c in foreign)
    return "CP949" if foreign and hangul >= 0.7 * len(foreign) else "CP1252"


def read_aligned(src: Path, tgt: Path, skipped: Skipped | None = None) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two line-aligned text files; with `skipped`, without those of which a side cannot be read.

    Raises:
        BadInput: one file has more lines than the other (both counts are given), or a line that is not UTF-8.
    """
    pairs = raw_pairs(src, tgt)
    for number, raws in enumerate(pairs, 1):
        pair = text_or_bad(src, number, raws[0]), text_or_bad(tgt, number, raws[1])
        if isinstance(pair[0], str) and isinstance(pair[1], str):
            yield pair[0], pair[1]
        for side, text in enumerate(pair):
            if isinstance(text, BadLine):
                refuse(text, skipped, (raws[side] for raws in pairs))


def _raw_file(path: Path) -> Generator[bytes, None, None]:
    """Yield a file's lines. Each file is open in a generator of its own, so that an error names the right one."""
    with open_bytes(path) as stream:
        yield from raw_lines(stream)


def raw_pairs(src: Path, tgt: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs of two line-aligned files as bytes, line ends included.

    Raises:
        BadInput: one file has more lines than the other (both counts are given).
    """
    counts = [0, 0]
    with closing(_raw_file(src)) as src_lines, closing(_raw_file(tgt)) as tgt_lines:
        for src_line, tgt_line in zip_longest(src_lines, tgt_lines):
            counts[0] += src_line is not None
            counts[1] += tgt_line is not None
            if counts[0] == counts[1]:
                yield src_line, tgt_line
    if counts[0] != counts[1]:
        raise unequal_sides(src, tgt, counts[0], counts[1])


def unequal_sides(src: Path, tgt: Path, src_lines: int, tgt_lines: int, what: str = "the translation of") -> BadInput:
    """Return the error for two files that should be of one length."""
    return BadInput(
        f"{src} has {src_lines:,} lines and {tgt} has {tgt_lines:,}",
        cause=f"line n of one file must be {what} line n of the other",
        fix=f"wc -l {src} {tgt}; look for a line lost or split, and align the files again",
    )
