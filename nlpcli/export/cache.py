"""Models that CTranslate2 is to compute: exported and compared with PyTorch at their first use, and kept.

They are kept beside the model, as `MODEL.engines/ctranslate2-int8`, or where that cannot be written in the user's cache
folder. Each is an artifact, so it is whole or absent and every file is checked against its digest before CTranslate2, which
checks nothing, reads it. One that is damaged, or was made from another model or by another CTranslate2, is made anew.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact
from nlpcli.decoding.ctranslate2_engine import CTranslate2Engine, check_quantization, pick_device
from nlpcli.decoding.settings import Quantization
from nlpcli.errors import ArtifactError, BadInput, UsageError
from nlpcli.export.support import why_not
from nlpcli.files import remove

__all__ = ["ready_engine", "why_not"]


def ready_engine(
    artifact: Artifact,
    checkpoint: str = "model",
    quantization: Quantization = "float32",
    *,
    workers: int = 1,
    threads: int = 1,
    device: str = "cpu",
) -> CTranslate2Engine:
    """Return the engine of an opened model; torch is loaded only if the model has to be exported.

    Args:
        checkpoint: which weights: `model`, the best ones, or `last`.
        workers, threads: see `CTranslate2Engine`.
        device: auto, cpu or cuda.

    Raises:
        RunFailed: the exported model does not translate as PyTorch does.
        Unavailable: this machine does not have the device, or does not compute in this number format.
        UsageError: CTranslate2 cannot compute such a model.
    """
    if problem := why_not(artifact):
        raise UsageError(f"{artifact.path}: CTranslate2 cannot compute this model", cause=problem, fix="use --engine torch")
    chosen = pick_device(device)
    check_quantization(quantization, chosen)
    wanted = settings(checkpoint, quantization, chosen)
    found = _find(artifact, wanted) or _make(artifact, wanted)
    return CTranslate2Engine(found.path, compute_type=quantization, workers=workers, threads=threads, device=chosen)


def settings(checkpoint: str, quantization: str, device: str) -> dict[str, Any]:
    """Return what an exported model was made with, besides the model."""
    from importlib.metadata import version

    found = {"to": "ctranslate2", "checkpoint": checkpoint, "quantization": quantization, "device": device}
    return found | {"ctranslate2": version("ctranslate2")}


def places(artifact: Artifact, wanted: dict[str, Any]) -> list[Path]:
    """Return where an exported model may be kept: beside the model, and in the user's cache folder."""
    parts = ["ctranslate2", wanted["quantization"]]
    parts += ["last"] if wanted["checkpoint"] == "last" else []
    parts += [wanted["device"]] if wanted["device"] != "cpu" else []
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nlpcli" / "engines"
    folders = artifact.path.with_name(artifact.path.name + ".engines"), users / artifact.id
    return [folder / "-".join(parts) for folder in folders]


def _find(artifact: Artifact, wanted: dict[str, Any]) -> Artifact | None:
    """Return the kept model, verified; none if there is none, or it is damaged or another one's."""
    for place in places(artifact, wanted):
        try:
            found = artifacts.open_artifact(place, "export")
        except BadInput:  # there is nothing
            continue
        except ArtifactError as e:
            console.info(f"engine: {e.message}; it is made anew")
            continue
        if found.manifest.config == wanted and [i.id for i in found.manifest.inputs] == [artifact.id]:
            return found
    return None


def _make(artifact: Artifact, wanted: dict[str, Any]) -> Artifact:
    """Export a model and compare it; another process that wants the same one waits."""
    from nlpcli.export.make import make

    place = next((p for p in places(artifact, wanted) if _writable(p.parent)), places(artifact, wanted)[-1])
    with _alone(place.parent):
        if found := _find(artifact, wanted):
            return found
        if place.exists() and not artifacts.is_artifact(place):
            remove(place)
        console.info(f"engine: exporting {artifact.path.name} for CTranslate2, once ({place})")
        with artifacts.create(
            place,
            "export",
            command="nlpcli export",
            config=wanted,
            inputs=[artifact.as_input("model", place)],
            force=True,
        ) as draft:
            make(artifact, draft, "use --engine torch, or --quantization float32")
            return draft.publish()


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
