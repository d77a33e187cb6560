"""An engine on several processors: processes that share its weights, one thread each."""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

import numpy as np

from nlpcli.decoding.engine import Engine, Hypothesis, Ids, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.tokenization.parallel import Workers


class PooledEngine(Engine):
    """Gives requests to processes that have inherited an engine; a context manager that ends them."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self.engine, self.name, self.aligns = engine, engine.name, engine.aligns
        self._pool = Workers(self._search, workers)

    def search(self, request: Request, settings: SearchSettings) -> list[list[Hypothesis]]:
        return self.engine.search(request, settings)

    def align(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        return self.engine.align(sources, targets)

    def map(self, requests: Iterable[Request], settings: SearchSettings) -> Iterator[list[list[Hypothesis]]]:
        return self._pool.map((request, settings) for request in requests)

    def lacks(self, settings: SearchSettings, request: Request) -> str:
        return self.engine.lacks(settings, request)

    def close(self) -> None:
        self._pool.close()

    def _search(self, item: tuple[Request, SearchSettings]) -> list[list[Hypothesis]]:
        return self.engine.search(*item)
