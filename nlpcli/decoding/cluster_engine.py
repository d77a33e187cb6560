"""An engine on a Ray cluster: each worker there loads the models once and translates batches with one thread."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Sequence

import numpy as np

from nlpcli.cluster.pool import pool
from nlpcli.decoding.engine import Engine, Hypothesis, Ids, Request
from nlpcli.decoding.settings import SearchSettings

Call = tuple[str, tuple[Any, ...]]  # a method of the engine, and what it is given


class ClusterEngine(Engine):
    """Gives requests to the workers of a cluster; results come in order, and those of lost workers are computed again.

    Args:
        load: makes the engine of a worker from the paths of the models on its node; a function that can be pickled.
        models: the artifacts that the workers need.
        workers: at most so many; as many as the cluster has processors if None.

    Raises:
        Unavailable: Ray is not installed, or nobody answers at the address.
    """

    def __init__(
        self,
        load: Callable[[list[Path]], Engine],
        models: Sequence[Path],
        address: str,
        *,
        name: str,
        aligns: bool,
        workers: int | None,
    ) -> None:
        self.name, self.aligns = name, aligns
        self._leave = ExitStack()
        self._pool: Any = self._leave.enter_context(pool(partial(_ready, load), address, artifacts=models, workers=workers))

    def search(self, request: Request, settings: SearchSettings) -> list[list[Hypothesis]]:
        [found] = self.map([request], settings)
        return found

    def align(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        [found] = self._pool.map([("align", (sources, targets))], name=_named)
        return found  # type: ignore[no-any-return]

    def map(self, requests: Iterable[Request], settings: SearchSettings) -> Iterator[list[list[Hypothesis]]]:
        calls: Iterator[Call] = (("search", (request, settings)) for request in requests)
        return self._pool.map(calls, name=_named)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._leave.close()


def _ready(load: Callable[[list[Path]], Engine], models: list[Path]) -> Callable[[Call], Any]:
    """Return what a worker calls with its items."""
    engine = load(models)
    return lambda call: getattr(engine, call[0])(*call[1])


def _named(number: int, call: Call) -> str:
    return f"batch {number + 1}"
