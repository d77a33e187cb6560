"""The open sets that `data fetch` knows by name, with licence, size and SHA-256 where these are known."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

REGISTRY = Path(__file__).with_name("registry.toml")


class Download(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file to fetch.

    `files` maps the members that are kept to their names in the corpus; empty, all of them are kept as they are. `sha256`
    is "" and `bytes` is None where nobody has told us.
    """

    url: str
    sha256: str = ""
    bytes: int | None = None
    files: dict[str, str] = {}


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of the registry; `kind` is parallel (`src`, `tgt`) or labelled."""

    about: str
    kind: str
    src: str
    tgt: str
    licence: str
    home: str
    downloads: list[Download]

    @property
    def bytes(self) -> int | None:
        """How much there is to download, if it is known."""
        sizes = [d.bytes for d in self.downloads]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@cache
def registry() -> dict[str, Dataset]:
    """Return every set by its name."""
    return msgspec.convert(tomllib.loads(REGISTRY.read_text("utf-8")), dict[str, Dataset])
