"""`nlpcli data list`: what a data name resolves to here, and what `data fetch` could bring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpcli.artifacts import is_artifact, read_artifact
from nlpcli.corpus.names import SPLIT_NAMES, find_splits, places
from nlpcli.corpus.readers import uncompressed
from nlpcli.corpus.registry import registry
from nlpcli.errors import NlpcliError

CC0 = "CC0 1.0"


@dataclass(frozen=True)
class Found:
    """A name that resolves. `splits` gives lines where a manifest has them, else None: nothing is counted for a list.

    `shadowed` names the place that is looked in first and has the same name.
    """

    name: str
    path: Path
    where: str
    kind: str
    languages: list[str]
    splits: dict[str, int | None]
    bytes: int
    licence: str
    shadowed: str = ""


@dataclass(frozen=True)
class Offer:
    """A set of the registry; `bytes` is the size of the download where it is known, `verified` whether its digest is."""

    name: str
    about: str
    licence: str
    bytes: int | None
    verified: bool
    home: str
    here: bool


@dataclass(frozen=True)
class Listing:
    """What `data list` shows."""

    found: list[Found]
    registry: list[Offer]


def list_data() -> Listing:
    """List the names that `--data` resolves, in the order in which they are looked for, and the sets of the registry."""
    found: list[Found] = []
    for place, where in places():
        for folder in sorted(place.iterdir()) if place.is_dir() else []:
            if folder.is_dir() and not folder.name.startswith(".") and not folder.name.endswith(".partial"):
                earlier = next((other.where for other in found if other.name == folder.name), "")
                if described := _describe(folder, where, earlier):
                    found.append(described)
    names = {one.name for one in found}
    offers = [
        Offer(name, d.about, d.licence, d.bytes, all(x.sha256 for x in d.downloads), d.home, name in names)
        for name, d in registry().items()
    ]
    return Listing(found, offers)


def _describe(folder: Path, where: str, shadowed: str) -> Found | None:
    """Describe a folder of data; None if it holds nothing that a command could read."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    config: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    kind = ""
    if is_artifact(folder):
        try:
            manifest = read_artifact(folder, "corpus").manifest
        except NlpcliError as e:
            return Found(folder.name, folder, where, "unusable", [], {}, _size(files), e.message, shadowed)
        config, metrics = manifest.config, manifest.metrics
        kind = config.get("kind", "parallel")
    splits = find_splits(files, alone=False)
    languages = sorted({name for sides in splits.values() for name in sides if name})
    texts = [path for path in files if uncompressed(path).suffix == ".txt"]
    if not splits and not texts and not kind:
        return None
    kind = kind or ("parallel" if len(languages) > 1 else "tables" if splits and not languages else "text")
    named = splits or {SPLIT_NAMES.get(uncompressed(path).stem, path.name): {"": path} for path in texts}
    return Found(
        name=folder.name,
        path=folder,
        where=where,
        kind=kind,
        languages=languages,
        splits={split: _lines(metrics, split, list(sides.values())) for split, sides in named.items()},
        bytes=_size(files),
        licence=config.get("licence") or _licence(folder),
        shadowed=shadowed,
    )


def _lines(metrics: dict[str, Any], split: str, files: list[Path]) -> int | None:
    """Return how many lines the manifest says a split has: by its name (`prepare`, `split`) or its file's (`fetch`)."""
    for key in (split, *(path.name for path in files)):
        counts = metrics.get(key)
        if isinstance(counts, dict):
            for unit in ("pairs", "rows", "lines"):
                if isinstance(counts.get(unit), int):
                    return int(counts[unit])
    return None


def _size(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _licence(folder: Path) -> str:
    """Return the first line of the folder's LICENSE."""
    path = folder / "LICENSE"
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as f:
        first = f.readline(200).strip()
    return CC0 if first.startswith("CC0 1.0") else first
