"""Archives from outside, unpacked as if each were hostile: regular files only, inside one folder, and not too many bytes.

Zip and tar (plain, .gz, .xz, .bz2, .zst) are known by their first bytes. Names are checked before anything is written,
bytes are counted while they are written (headers lie), and an archive inside an archive stays packed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Iterator

from nlpcli.corpus.readers import zstd_module
from nlpcli.errors import BadInput

MAX_MEMBERS = 10_000
MAX_RATIO = 200  # unpacked to packed; text packs 3 to 20 times
RATIO_FROM = 100_000_000  # bytes below which the ratio does no harm
MAX_NAME = 255  # bytes, of each part of a path
MAX_DEPTH = 16
MAX_INDEX = 4 << 20  # bytes of a zip's directory, which is read at once
MAX_HEADER = 1 << 16  # bytes of a tar's extended header, likewise
PIECE = 1 << 20

_PACKED = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst"}
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstd_module().ZstdError, gzip.BadGzipFile, EOFError),
    *(NotImplementedError, ValueError, RuntimeError, KeyError, IndexError, OverflowError, struct.error),
)
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@dataclass
class Budget:
    """How many bytes may still come out of an archive of `packed` bytes."""

    archive: Path
    packed: int
    limit: int
    spent: int = 0

    def spend(self, count: int) -> None:
        """Count bytes that came out.

        Raises:
            BadInput: too many, at all or for the size of the archive.
        """
        self.spent += count
        if self.spent > self.limit:
            raise _refused(self.archive, f"it unpacks to more than {self.limit:,} bytes")
        if self.spent > max(RATIO_FROM, MAX_RATIO * self.packed):
            raise _refused(self.archive, f"it unpacks to more than {MAX_RATIO} times its size")


@dataclass
class Names:
    """The names taken so far, as a file system that ignores case and Unicode form would see them."""

    archive: Path
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)

    def take(self, name: str) -> str:
        """Return a member's name as a path below the folder that is unpacked to.

        Raises:
            BadInput: the path leads elsewhere, is no name for a file, or is taken.
        """
        problem = _problem(name)
        if problem:
            raise _refused(self.archive, f"the name {_shown(name)} {problem}")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        key = [unicodedata.normalize("NFC", part.casefold()) for part in parts]
        above = {"/".join(key[:n]) for n in range(1, len(key))}
        whole = "/".join(key)
        if whole in self.files | self.folders or above & self.files:
            raise _refused(self.archive, f"the name {_shown(name)} stands in it twice, or differs only in case from another")
        self.files.add(whole)
        self.folders |= above
        if len(self.files) > MAX_MEMBERS:
            raise _refused(self.archive, f"it has more than {MAX_MEMBERS:,} members")
        return "/".join(parts)


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip or a tar, packed or not."""
    with path.open("rb") as f:
        if f.read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
            return True
    try:
        with _unpacked(path) as stream:
            return bool(stream.read(512)[257:262] == b"ustar")
    except (*_DAMAGE, OSError):
        return False


def unpack(archive: Path, folder: Path, max_bytes: int) -> list[str]:
    """Unpack the regular files of an archive into an empty folder, with mode 0644; return their paths below it.

    Args:
        max_bytes: of all members together.

    Raises:
        BadInput: a name that leads out of the folder or is there twice, a link or a device, a password, too many members,
            too many bytes, or a damaged archive. Some members may have been written by then.
    """
    budget, names = Budget(archive, archive.stat().st_size, max_bytes), Names(archive)
    with archive.open("rb") as f:
        zipped = f.read(2) == b"PK"
    try:
        members = _zip_members(archive, budget) if zipped else _tar_members(archive, budget)
        return [_write(folder, names.take(name), stream) for name, stream in members]
    except _DAMAGE as e:
        raise _damaged(archive, e) from None
    except OSError as e:
        if e.errno is not None:  # of the file system, not of a decompressor
            raise
        raise _damaged(archive, e) from None


def _zip_members(archive: Path, budget: Budget) -> Iterator[tuple[str, Any]]:
    with _Bounded(archive) as raw, zipfile.ZipFile(raw) as z:
        for n, info in enumerate(z.infolist(), 1):
            name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
            if n > MAX_MEMBERS:
                raise _refused(archive, f"it has more than {MAX_MEMBERS:,} members")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, f"{_shown(name)} is a link or a device, not a file")
            if info.flag_bits & 0x1:
                raise _refused(archive, f"{_shown(name)} is encrypted", "unpack it yourself and give the folder to --data")
            if name.endswith("/"):
                _check_folder(archive, name)
                continue
            with z.open(info) as stream:
                yield name, _Counted(stream, budget)


def _tar_members(archive: Path, budget: Budget) -> Iterator[tuple[str, Any]]:
    with _unpacked(archive) as stream:
        counted: Any = _Counted(stream, budget)
        with tarfile.open(fileobj=counted, mode="r|", tarinfo=_Header, errors="surrogateescape") as t:
            for n, info in enumerate(t, 1):
                if n > MAX_MEMBERS:
                    raise _refused(archive, f"it has more than {MAX_MEMBERS:,} members")
                if info.isdir():
                    _check_folder(archive, info.name)
                    continue
                if not info.isreg() or info.issparse():
                    raise _refused(archive, f"{_shown(info.name)} is a link or a device, not a file")
                yield info.name, t.extractfile(info)


class _Header(tarfile.TarInfo):
    """A tar header that is looked at before TarFile acts on it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.InvalidHeaderError as e:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(e)) from None  # else TarFile takes it for the end of the archive
        if info.type in _EXTENDED and info.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {info.size:,} bytes")
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{_shown(info.name)} is a sparse file")
        return info


class _Counted:
    """A stream whose bytes are counted against a budget."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self.stream, self.budget = stream, budget

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(PIECE if size < 0 else min(size, PIECE))
        self.budget.spend(len(data))
        return data


class _Bounded:
    """A file that is never read in more than MAX_INDEX bytes at once: what ZipFile asks for is what a header says."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path.open("rb")

    def read(self, size: int = -1) -> bytes:
        if size > MAX_INDEX:
            raise _refused(self.path, f"its directory says it has {size:,} bytes")
        return self.file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, decompressing it by its first bytes."""
    with path.open("rb") as f:
        head = f.read(6)
        f.seek(0)
        form = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
        if not form:
            yield f
            return
        opened: Any = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open, "zst": zstd_module().open}[form](f)
        with opened as stream:
            yield stream


def _write(folder: Path, name: str, stream: Any) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as f:
        os.fchmod(f.fileno(), 0o644)
        while piece := stream.read(PIECE):
            f.write(piece)
    return name


def _check_folder(archive: Path, name: str) -> None:
    """Folders are made as files need them; their names must be in order all the same."""
    plain = name.rstrip("/")
    problem = "is absolute" if name.startswith("/") else _problem(plain) if plain not in ("", ".") else ""
    if problem:
        raise _refused(archive, f"the name {_shown(name)} {problem}")


def _problem(name: str) -> str:
    """Say what is wrong with a member's name, or "" if nothing is."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/"):
        return "is absolute"
    if ".." in parts:
        return "leads out of the folder"
    if "\\" in name or name[1:2] == ":":
        return "is a path of another system"
    if any(unicodedata.category(c).startswith("C") for c in name):
        return "has control or invalid characters"
    if not parts or name.endswith("/"):
        return "is no file name"
    if len(parts) > MAX_DEPTH or any(len(part.encode()) > MAX_NAME for part in parts):
        return "is too long or too deep"
    return ""


def _refused(archive: Path, cause: str, fix: str = "do not use it; `unzip -l` or `tar -tvf` show what is in it") -> BadInput:
    return BadInput(f"{archive.name} is not unpacked", cause=cause, fix=fix)


def _damaged(archive: Path, e: Exception) -> BadInput:
    return BadInput(f"{archive.name} is damaged", cause=f"{type(e).__name__}: {_shown(str(e))}", fix="fetch it again")


def _shown(name: str) -> str:
    """Make a name from outside fit for a terminal."""
    return repr(name[:200].encode("unicode_escape", "surrogatepass").decode())
