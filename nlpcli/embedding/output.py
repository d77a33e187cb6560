"""One file as output: written beside its place and renamed, so that it is whole or absent."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator

from nlpcli.errors import OutputExists


def refuse_existing(out: Path, force: bool) -> None:
    """Raise the error for an output that is there already, before any work is done.

    Raises:
        OutputExists: `out` is there and `force` is not set, or it is a folder or a device, which is never replaced.
    """
    if out.exists() and not out.is_file():
        raise OutputExists(f"{out} is not a file", cause="--force replaces files alone", fix="choose another --out")
    if out.exists() and not force:
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")


@contextmanager
def whole_file(out: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its place at `out` when the block ends well, and vanishes when it fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
