"""Artifacts on their way to the nodes: read in place where a node sees the same one, else sent as bytes and unpacked."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

from nlpcli.artifacts import read_artifact
from nlpcli.errors import NlpcliError


class Folder(NamedTuple):
    """An artifact's place and id on the first machine, and a reference to its files' bytes if they were sent."""

    path: Path
    id: str
    content: Any = None


def send(ray: Any, path: Path, *, ship: bool) -> Folder:
    """Put an artifact's files into the cluster's shared memory, from which each node fetches them once if it needs them.

    Args:
        ship: False where all workers see this machine's disk.

    Raises:
        ArtifactError, BadInput: as `read_artifact`.
    """
    artifact = read_artifact(path)
    if not ship:
        return Folder(artifact.path, artifact.id)
    names = ["manifest.json", *(entry.path for entry in artifact.manifest.files)]
    content = {name: np.fromfile(artifact.path / name, np.uint8) for name in names}
    return Folder(artifact.path, artifact.id, ray.put(content))


@contextmanager
def on_this_node(ray: Any, folders: list[Folder]) -> Iterator[list[Path]]:
    """Give paths at which the artifacts stand on this node while the block runs.

    Readers check every file against its digest, so what came over the network is what was sent.
    """
    with ExitStack() as unpacked:
        yield [
            folder.path
            if folder.content is None or _is_here(folder)
            else _unpack(ray, folder, Path(unpacked.enter_context(tempfile.TemporaryDirectory(prefix="nlpcli-"))))
            for folder in folders
        ]


def _is_here(folder: Folder) -> bool:
    try:
        return read_artifact(folder.path).id == folder.id
    except (NlpcliError, OSError):
        return False


def _unpack(ray: Any, folder: Folder, parent: Path) -> Path:
    root = parent / folder.path.name  # under its own name, which messages tell
    for name, content in ray.get(folder.content).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content.tofile(path)
    return root
