"""Files that survive: written whole or not at all, flushed to disk, hashed."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

TEMPORARY = ".tmp-"  # stands in the name of a file while it is written


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text and flush it to disk."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that after a crash at any moment it holds either the old or the new bytes."""
    temporary = path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")
    try:
        with temporary.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def clear(folder: Path, kept: str) -> None:
    """Remove all that is in a folder but one file."""
    for path in folder.iterdir():
        if path.name != kept:
            remove(path)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote left in a tree."""
    for path in folder.rglob(f"*{TEMPORARY}*"):
        path.unlink()


def remove(path: Path) -> None:
    """Remove a file or a tree, if it is there; a link is removed, never followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync_directories(root: Path) -> None:
    """Flush the names in a tree of directories to disk; the files themselves are flushed by who wrote or hashed them."""
    for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
        fsync_directory(folder)


def fsync_directory(folder: Path) -> None:
    """Flush the names in one directory to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
