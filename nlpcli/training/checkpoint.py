"""The state of an unfinished run: everything the next step depends on, in one file that is old or new, never half."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Mapping

import torch
from safetensors.torch import save

from nlpcli.errors import ArtifactError
from nlpcli.files import write_bytes

STATE_FORMAT = 3


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to `path` by way of a temporary file and a rename."""
    buffer = io.BytesIO()
    torch.save({"format": STATE_FORMAT, **state}, buffer)
    write_bytes(path, buffer.getvalue())


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; nothing in the file is executed.

    Raises:
        ArtifactError: the file is damaged, or of a newer format.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"{damaged} has changed")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # torch raises several kinds for a damaged archive
        raise ArtifactError(
            f"{path} cannot be read", cause=f"{type(e).__name__}: {e}"[:300], fix="start anew with --force"
        ) from None
    if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
        raise ArtifactError(f"{path} has an unknown format", fix="finish the run with the nlpcli that began it")
    return state


def save_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write named parameters as safetensors."""
    write_bytes(path, save({name: p.detach().cpu().contiguous() for name, p in weights.items()}))


def random_state() -> dict[str, torch.Tensor]:
    """Return the state of torch's generators; batch order depends on seed and epoch alone and needs none."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, torch.Tensor]) -> None:
    """Put torch's generators back to where `random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
