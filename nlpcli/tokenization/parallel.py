"""One function over many items on several processors: results in order, a bounded number of items in flight."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Callable, Iterable, Iterator, TypeVar

from nlpcli.environment import processors as processors  # noqa: PLC0414 - the tokenizers take it from here
from nlpcli.errors import RunFailed

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # results a worker that may wait for their turn


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` processes (by this one if 1).

    Raises:
        RunFailed: a worker died (most often: killed for lack of memory).
        whatever `function` raises.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    with Workers(function, workers) as pool:
        yield from pool.map(items)


class Workers:
    """Processes that compute one function, started as they are needed.

    Each holds one item at a time, and few results wait for their turn, so memory is bounded. The processes end with this
    one, however it ends: the last one sees its pipe close, and so each before it.

    Args:
        function: inherited by the workers where the system can fork, else it must be picklable.
    """

    def __init__(self, function: Callable[[Any], Any], count: int) -> None:
        self.function, self.count = function, count
        self._context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._processes: dict[Connection, Any] = {}
        self._idle: list[Connection] = []

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the items' order; who is free gets the next item, whoever's turn it is.

        Raises:
            RunFailed: a worker died.
            whatever the function raises.
        """
        coming = enumerate(items)
        busy: dict[Connection, int] = {}
        done: dict[int, tuple[bool, Any]] = {}
        turn = 0
        while True:
            while len(busy) < self.count and len(done) < AHEAD * self.count and (item := next(coming, None)):
                busy[self._give(item[1])] = item[0]
            if turn in done:
                well, result = done.pop(turn)
                if not well:
                    raise result
                turn += 1
                yield result
            elif busy:
                for pipe in wait(list(busy)):
                    assert isinstance(pipe, Connection)
                    done[busy.pop(pipe)] = self._take(pipe)
            else:
                return

    def close(self) -> None:
        """End the processes."""
        for pipe, process in self._processes.items():
            pipe.close()
            process.terminate()
            process.join()
        self._processes.clear()
        self._idle.clear()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _give(self, item: Any) -> Connection:
        pipe = self._idle.pop() if self._idle else self._start()
        try:
            pipe.send(item)
        except ConnectionError:
            raise _died(self._processes[pipe]) from None
        return pipe

    def _take(self, pipe: Connection) -> tuple[bool, Any]:
        try:
            answer: tuple[bool, Any] = pipe.recv()
        except (EOFError, ConnectionError):
            raise _died(self._processes[pipe]) from None
        self._idle.append(pipe)
        return answer

    def _start(self) -> Connection:
        here, there = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self.function, here, there), daemon=True)
        process.start()
        there.close()
        self._processes[here] = process
        return here  # type: ignore[no-any-return]


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
