"""`nlpcli inspect`: what an artifact is, how big, how good, and what it was made from, back to the text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import msgspec

from nlpcli import artifacts
from nlpcli.artifacts import Input


@dataclass(frozen=True)
class Inspected:
    """An artifact's manifest in short; `verified` tells whether its files were hashed."""

    path: Path
    kind: str
    id: str
    bytes: int
    created_by: str
    command: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    run: dict[str, Any]
    inputs: list[Input]
    files: list[artifacts.FileEntry]
    verified: bool


def inspect(*, artifact: Path, verify: bool = False) -> Inspected:
    """Read an artifact's manifest.

    Args:
        verify: hash every file and compare it with the manifest.

    Raises:
        ArtifactError: not an artifact; or with `verify`, a file that differs.
    """
    found = artifacts.open_artifact(artifact) if verify else artifacts.read_artifact(artifact)
    m = found.manifest
    return Inspected(
        path=found.path,
        kind=m.kind,
        id=m.id,
        bytes=sum(f.bytes for f in m.files),
        created_by=m.created_by,
        command=m.command,
        config=m.config,
        metrics=m.metrics,
        run=m.run,
        inputs=m.inputs,
        files=m.files,
        verified=verify,
    )


def lineage(inputs: list[Input]) -> list[str]:
    """Write what an artifact was made from as an indented list, back to the text; what came in twice is told once."""
    return list(_lineage(inputs, 0, set()))


def _lineage(inputs: list[Input], depth: int, told: set[str]) -> Iterator[str]:
    for i in inputs:
        again = ", as above" if i.inputs and i.id in told else ""
        yield f"{'  ' * depth}{i.role}: {i.path} ({i.kind} {i.id.removeprefix('sha256:')[:16]}{again})"
        if i.id not in told:
            told.add(i.id)
            yield from _lineage(i.inputs, depth + 1, told)


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Write nested values as dotted names, for a table."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += flat(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            rows.append((prefix + name, f"{value:.6g}"))
        else:
            rows.append((prefix + name, value if isinstance(value, str) else msgspec.json.encode(value).decode()))
    return rows
