"""An output that grows over interruptions: written beside its place, cut back on resume, published whole or not at all.

Compressed outputs hold one member (gzip, xz) or frame (zstd) a chunk, which every reader takes for one file. So the bytes
depend on the text and where its chunks end, not on when the work was interrupted; no time and no name is in them.
"""

from __future__ import annotations

import errno
import lzma
import os
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from nlpcli.corpus.readers import zstd_module
from nlpcli.errors import RunFailed
from nlpcli.files import fsync_directory

PARTIAL = ".partial"
GZIP = 31  # zlib's window of 2^15 with gzip's header


def _packer(suffix: str) -> Callable[[], Any] | None:
    """Return what makes the compressor of one member; None if the file is not compressed."""
    packers: dict[str, Callable[[], Any]] = {
        ".gz": lambda: zlib.compressobj(6, zlib.DEFLATED, GZIP),
        ".xz": lzma.LZMACompressor,
        ".zst": lambda: zstd_module().ZstdCompressor(),
    }
    return packers.get(suffix)


class PartialOutput:
    """A file in the making. A pipe or a device (`/dev/null`) is written to as it is.

    The owner ends chunks, notes the size each leaves, and gives the last one noted back to go on after an interruption.
    """

    def __init__(self, out: Path, size: int = 0, partial: Path | None = None) -> None:
        """Begin, or go on after `size` bytes of `partial` (`OUT.partial`, or elsewhere on the same disk).

        Raises:
            RunFailed: the partial file has fewer bytes.
        """
        self.out = out
        self.direct = out.exists() and not out.is_file()
        self.path = out if self.direct else partial or out.with_name(out.name + PARTIAL)
        self._new = _packer(out.suffix)
        self._member: Any = None
        for path in (self.path, out):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | (0 if self.direct else os.O_CREAT), 0o666)
        self._size = 0
        try:
            if not self.direct:
                self.truncate(size)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PartialOutput:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, text: str) -> None:
        """Add text to the chunk.

        Raises:
            RunFailed: the disk is full.
        """
        data = text.encode()
        if self._new and data:
            self._member = self._member or self._new()
            data = self._member.compress(data)
        self._put(data)

    def end_chunk(self) -> int:
        """End the chunk and return the file's size; an empty chunk leaves nothing.

        Raises:
            RunFailed: the disk is full.
        """
        if self._member:
            self._put(self._member.flush())
            self._member = None
        return self._size

    def sync(self) -> None:
        """Wait until the disk has all that was written, before its size is noted somewhere."""
        with _disk_full_told(self.path):
            if not self.direct:
                os.fsync(self._file)

    def size(self) -> int:
        """Return the bytes written; what a compressor holds back of an unfinished chunk is not counted."""
        return self._size

    def truncate(self, size: int) -> None:
        """Drop all after `size` bytes, which must be where a chunk ended.

        Raises:
            RunFailed: the file has fewer bytes.
        """
        have = os.fstat(self._file).st_size
        if have < size:
            raise RunFailed(
                f"{self.path} has {have:,} bytes, and {size:,} were written",
                cause="it was changed since",
                fix="remove it and the job, and begin again",
            )
        os.ftruncate(self._file, size)
        os.lseek(self._file, size, os.SEEK_SET)
        self._member, self._size = None, size

    def publish(self) -> Path:
        """End the last chunk, put the file in its place, and return that.

        Raises:
            RunFailed: the disk is full; what was there before still is.
        """
        if self._new and not self._size and not self._member:
            self._member = self._new()  # of no text; without it the file would be no archive
        self.end_chunk()
        self.sync()
        self.close()
        if not self.direct:
            os.replace(self.path, self.out)
            fsync_directory(self.out.parent)
        return self.out

    def close(self) -> None:
        """Close the file and leave it where it is."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        if not self.direct:
            self.path.unlink(missing_ok=True)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        with _disk_full_told(self.path):
            while rest:
                written = os.write(self._file, rest)
                self._size += written
                rest = rest[written:]


@contextmanager
def _disk_full_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunFailed(
            f"the disk is full while writing {path}",
            cause="nothing was published; what is finished stays there",
            fix="free space (`df -h .`) and run the same command again",
        ) from None
