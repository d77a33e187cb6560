"""Load the next batches while the present one is computed."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, TypeVar

A = TypeVar("A")
B = TypeVar("B")

AHEAD = 2  # batches


def prefetched(load: Callable[[A], B], items: Iterable[A], ahead: int = AHEAD) -> Iterator[B]:
    """Yield `load(item)` for each item in order, computed by one thread a few items ahead.

    What `load` raises is raised where its result would have been; nothing more is loaded once the iterator is closed.
    """
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(load, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
