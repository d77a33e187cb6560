"""One function over many items on several processors: results in order, a bounded number of items in flight."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Callable, Iterable, Iterator, TypeVar

from nlpcli.errors import RunFailed

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` processes (by this one if 1).

    Each worker holds one item at a time, so memory is bounded by the size of `workers` items and results. Workers end
    with this process, however it ends: the last one sees its pipe close, and so each before it.

    Args:
        function: inherited by the workers where the system can fork, else it must be picklable.

    Raises:
        RunFailed: a worker died (most often: killed for lack of memory).
        whatever `function` raises.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool: list[tuple[Any, Connection]] = []
    try:
        items = iter(items)
        for _, item in zip(range(workers), items):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(function, here, there), daemon=True)
            process.start()
            there.close()
            pool.append((process, here))
            _send(process, here, item)
        yield from _in_turn(deque(pool), items)
        for _, pipe in pool:
            pipe.close()
    finally:
        for process, _ in pool:
            process.terminate()
            process.join()


def _in_turn(busy: deque[tuple[Any, Connection]], items: Iterator[Any]) -> Iterator[Any]:
    """Take the result of the worker that was given work first, give it the next item, and go on with the others."""
    while busy:
        process, pipe = busy.popleft()
        try:
            done, result = pipe.recv()
        except (EOFError, ConnectionError):
            raise _died(process) from None
        if not done:
            raise result
        for item in items:
            _send(process, pipe, item)
            busy.append((process, pipe))
            break
        yield result


def _send(process: Any, pipe: Connection, item: Any) -> None:
    try:
        pipe.send(item)
    except ConnectionError:
        raise _died(process) from None


def _died(process: Any) -> RunFailed:
    process.join()
    return RunFailed(
        "a worker process died",
        cause=f"exit status {process.exitcode}; most often the machine ran out of memory",
        fix="run the same command again with --workers 1",
    )


def _work(function: Callable[[Any], Any], other_end: Connection, pipe: Connection) -> None:
    other_end.close()  # forked with it open, this process would never see that the first one is gone
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionError):
            os._exit(0)  # without the parent's clean-up, which is not this process's to do
        try:
            answer = True, function(item)
        except Exception as e:
            answer = False, e
        try:
            pipe.send(answer)
        except ConnectionError:
            os._exit(0)
