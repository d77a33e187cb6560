"""Lines and records from files, strictly: UTF-8 or an error that names the line and the likely encoding.

A line ends at `\\n` and nowhere else (Unicode's other separators are text); a final `\\r` and a byte order mark at the
start of the file are not part of the text. `.gz`, `.xz` and `.zst` are unpacked on the way.
"""

from __future__ import annotations

import gzip
import lzma
import sys
import zlib
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Iterator, cast

import msgspec

from nlpcli.errors import BadInput, first_five

COMPRESSED = (".gz", ".xz", ".zst")
BOM = b"\xef\xbb\xbf"


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacking it by its ending; `-` is stdin.

    Raises:
        BadInput: there is no such file, or the archive is damaged.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    damage = (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError, *([_zstd().ZstdError] if path.suffix == ".zst" else []))
    try:
        with _opener(path) as stream:
            yield stream
    except damage as e:
        raise _damaged(path, e) from None
    except OSError as e:
        if e.errno is None:  # raised by a decompressor, not by the file system
            raise _damaged(path, e) from None
        raise BadInput(f"{path} cannot be read", cause=e.strerror or str(e), fix=f"ls -l {path}") from None


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file without their ends.

    Raises:
        BadInput: lines that are not UTF-8, all of them counted and the first five named.
    """
    with open_bytes(path) as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.removeprefix(BOM) if number == 1 else raw
            try:
                yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as e:
                raise _not_utf8(path, number, e, stream) from None


def read_pairs(src: Path, tgt: Path, src_column: str, tgt_column: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a split: two line-aligned text files, or one TSV / JSON Lines file with two columns.

    Raises:
        BadInput: unequal sides, a missing column, or a line that is not UTF-8 or not JSON.
    """
    if src != tgt:
        yield from read_aligned(src, tgt)
    elif uncompressed(src).suffix == ".tsv":
        yield from _read_tsv(src, src_column, tgt_column)
    else:
        yield from _read_jsonl(src, src_column, tgt_column)


def uncompressed(path: Path) -> Path:
    """Return the path without the ending of its compression."""
    return path.with_suffix("") if path.suffix in COMPRESSED else path


def _opener(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    if path.suffix == ".xz":
        return lzma.open(path)
    if path.suffix == ".zst":
        return cast(IO[bytes], _zstd().open(path))
    return path.open("rb")


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _damaged(path: Path, e: Exception) -> BadInput:
    return BadInput(f"{path} is damaged or truncated", cause=str(e), fix="fetch or pack the file again")


def _not_utf8(path: Path, number: int, e: UnicodeDecodeError, rest: IO[bytes]) -> BadInput:
    """Describe the first bad line, and count the others so that they can be mended in one go."""
    bad, sample = [number], e.object
    for later, raw in enumerate(rest, number + 1):
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            bad.append(later)
            sample = sample + raw if len(sample) < 100_000 else sample
    encoding = likely_encoding(sample)
    lines = f"line {bad[0]} is" if len(bad) == 1 else f"lines {first_five(bad)} are"
    return BadInput(
        f"{path}: {lines} not UTF-8",
        cause=f"byte 0x{e.object[e.start]:02x} at column {e.start + 1} of line {number}; the text is probably {encoding}",
        fix=f"iconv -f {encoding} -t UTF-8 {path} > {path}.utf8",
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


def read_aligned(src: Path, tgt: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two line-aligned text files.

    Raises:
        BadInput: one file has more lines than the other (both counts are given), or a line that is not UTF-8.
    """
    counts = [0, 0]
    for src_line, tgt_line in zip_longest(read_lines(src), read_lines(tgt)):
        counts[0] += src_line is not None
        counts[1] += tgt_line is not None
        if counts[0] == counts[1]:
            yield src_line, tgt_line
    if counts[0] != counts[1]:
        raise BadInput(
            f"{src} has {counts[0]:,} lines and {tgt} has {counts[1]:,}",
            cause="line n of one file must be the translation of line n of the other",
            fix=f"wc -l {src} {tgt}; look for a line lost or split, and align the files again",
        )


def _read_tsv(path: Path, src_column: str, tgt_column: str) -> Iterator[tuple[str, str]]:
    lines = read_lines(path)
    header = next(lines, "").split("\t")
    at = [_column(path, header, name) for name in (src_column, tgt_column)]
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")  # quotes are text, as in the corpora that are published this way
        if len(cells) != len(header):
            raise BadInput(
                f"{path}: line {number} has {len(cells)} columns, the header {len(header)}",
                cause="a tab is missing or too many",
                fix=f"sed -n {number}p {path}",
            )
        yield cells[at[0]], cells[at[1]]


def _column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise BadInput(
            f"{path} has no column {name}",
            cause=f"its first line names {', '.join(header)}",
            fix="name the columns by language (ko, en), or give --src and --tgt",
        )
    return header.index(name)


def _read_jsonl(path: Path, src_column: str, tgt_column: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            record: Any = msgspec.json.decode(line)
            pair = record[src_column], record[tgt_column]
        except (msgspec.DecodeError, KeyError, TypeError) as e:
            raise BadInput(
                f"{path}: line {number} is not a record with {src_column} and {tgt_column}",
                cause=f"{type(e).__name__}: {e}",
                fix=f"sed -n {number}p {path}",
            ) from None
        if not all(isinstance(text, str) and "\n" not in text for text in pair):
            raise BadInput(
                f"{path}: line {number}: {src_column} and {tgt_column} must each be one line of text",
                cause="a segment is a string without line breaks",
                fix=f"sed -n {number}p {path}",
            )
        yield pair
