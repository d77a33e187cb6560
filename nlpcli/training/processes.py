"""Several processes that train together: each computes a part of every batch, and the first alone writes and speaks."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import torch
from lightning_fabric import Fabric

from nlpcli.errors import NlpcliError, RunFailed
from nlpcli.training.interrupts import StopRequest


@contextmanager
def in_step(fabric: Fabric) -> Iterator[None]:
    """Within the context the first process works and speaks as ever; the others are silent, and end with it.

    What a user can cause comes up in every process, and the first one says so. What is a fault of one process alone is raised
    there.

    Raises:
        RunFailed: in the first process, when another one has gone.
    """
    try:
        if not fabric.global_rank:
            yield
            return
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
    except NlpcliError:
        if not fabric.global_rank:
            raise
    except RuntimeError as e:
        if not _gone(e):
            raise
        if not fabric.global_rank:
            raise RunFailed(
                "a process of this run has ended before the others",
                cause=str(e).split("\n")[0][:300],
                fix="see what it said above; go on from the last saved state with --resume auto",
            ) from None
    sys.exit(0)


def _gone(e: RuntimeError) -> bool:
    return isinstance(e, torch.distributed.DistError) or any(
        words in str(e) for words in ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
    )


def made_by_first(fabric: Fabric, make: Callable[[], Path]) -> Path:
    """Let the first process make something; return where it is to all of them."""
    if fabric.global_rank:
        path = fabric.broadcast("")
        if not path:
            sys.exit(0)  # the first process says what was wrong
        return Path(path)
    try:
        made = make()
    except BaseException:
        with suppress(RuntimeError):  # the others may be gone too
            fabric.broadcast("")
        raise
    fabric.broadcast(str(made))
    return made


def stop_together(fabric: Fabric, stop: StopRequest) -> bool:
    """Tell whether any process was asked to stop, so that all of them stop at the same step."""
    if fabric.world_size == 1:
        return stop()
    asked = fabric.all_reduce(torch.tensor(float(stop()), device=fabric.device), reduce_op="sum")
    return bool(asked)


def gathered(fabric: Fabric, own: Any) -> list[Any]:
    """Return what each process has, in the order of the processes; all must call it."""
    if fabric.world_size == 1:
        return [own]
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, own)
    return found
