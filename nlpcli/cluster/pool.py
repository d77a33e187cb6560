"""An ordered map over the workers of a cluster: a bounded number of items in flight, those of lost workers given to others.

The first process holds every item until its result is there and fetches each result at once, so that a node that goes away
takes nothing with it. It waits on a queue of Ray's answers and not inside Ray, where a signal's handler could not raise.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Callable, Generic, Iterable, Iterator, Sequence, TypeVar

from nlpcli import __version__, console
from nlpcli.cluster.connection import LOCAL, joined
from nlpcli.cluster.folders import send
from nlpcli.cluster.worker import worker_class
from nlpcli.errors import NlpcliError, RunFailed, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
Make = Callable[[list[Path]], Callable[[Item], Result]]

ATTEMPTS = 3  # workers that an item may lose before the work is given up
WINDOW = 2  # items a worker that are held at a time: one in work, one that waits or is done before its turn
SHAPING = ("torch", "sentencepiece", "kiwipiepy", "ctranslate2", "numpy")  # libraries whose version results may depend on
PATIENCE = 30.0  # seconds without any answer before it is looked whether somebody is left to give one


@dataclass(eq=False)
class _Task(Generic[Item]):
    number: int
    item: Item
    lost: int = 0


@dataclass(eq=False)
class _Worker:
    """A process on a node: `node` is known once it has answered, `ready` is true once it has its function."""

    actor: Any
    node: str = ""
    ready: bool = False
    task: _Task[Any] | None = None


class Pool(Generic[Item, Result]):
    """The workers of a connected cluster, started as there is work for them; `pool` makes one.

    Args:
        ray: the connected module.
        make: called once in each worker with the paths of the artifacts on its node; what it returns is called with items.
        local: the workers are on this machine alone.
        limit: workers at most; as many as the cluster has processors if not given.
    """

    def __init__(self, ray: Any, make: Make[Item, Result], artifacts: Sequence[Path], local: bool, limit: int | None) -> None:
        self.ray, self.local = ray, local
        self.size = limit or max(int(ray.cluster_resources().get("CPU", 0)), 1)
        self.versions = {"nlpcli": __version__, **_versions()}
        self.make = ray.put(make)
        self.folders = [send(ray, path, ship=not local) for path in artifacts]
        self.type = worker_class(ray)
        self.workers: list[_Worker] = []
        self.answers: SimpleQueue[tuple[_Worker, Any]] = SimpleQueue()
        self.failed_starts = 0

    def map(
        self, items: Iterable[Item], *, name: Callable[[int, Item], str] | None = None, in_flight: int | None = None
    ) -> Iterator[Result]:
        """Yield the function's result for each item, in order. Arrays in results cannot be written to.

        Args:
            name: says in messages which item it is, of its number from 0 and itself.
            in_flight: items taken whose results were not yielded yet, at most.

        Raises:
            RunFailed: an item lost three workers, no worker can be started, or the cluster is gone.
            Unavailable: a node has another version of nlpcli, or of a library that shapes results.
            whatever the function raises, in its item's turn.
        """
        name = name or (lambda number, _: f"item {number + 1:,}")
        numbered, window = enumerate(items), in_flight or WINDOW * self.size
        waiting: deque[_Task[Item]] = deque()
        done: dict[int, tuple[bool, Any]] = {}
        turn, taken = 0, 0
        try:
            while True:
                while taken - turn < window and (following := next(numbered, None)):
                    waiting.append(_Task(*following))
                    taken += 1
                self._hand_out(waiting)
                if turn in done:
                    succeeded, result = done.pop(turn)
                    if not succeeded:
                        raise result
                    turn += 1
                    yield result
                elif turn == taken:
                    return
                else:
                    self._take_answer(waiting, done, name)
        finally:
            if any(worker.task for worker in self.workers):
                self.stop()  # what they are doing is no longer wanted

    def stop(self) -> None:
        """End all workers."""
        for worker in self.workers:
            self._end(worker)
        self.workers = []

    def _hand_out(self, waiting: deque[_Task[Item]]) -> None:
        """Give items to workers that have none, and start more workers if there is more to do."""
        for worker in self.workers:
            if waiting and worker.ready and not worker.task:
                worker.task = waiting.popleft()
                self._ask(worker, worker.actor.work, worker.task.item)
        coming = sum(not worker.ready for worker in self.workers)
        for _ in range(min(len(waiting) - coming, self.size - len(self.workers))):
            worker = _Worker(self.type.remote())
            self.workers.append(worker)
            self._ask(worker, worker.actor.hello, list(self.versions))

    def _ask(self, worker: _Worker, method: Any, *arguments: Any) -> None:
        method.remote(*arguments).future().add_done_callback(lambda future: self.answers.put((worker, future)))

    def _take_answer(
        self, waiting: deque[_Task[Item]], done: dict[int, tuple[bool, Any]], name: Callable[[int, Item], str]
    ) -> None:
        """Wait for one worker's answer, and note a result or give a lost worker's item back."""
        try:
            worker, future = self.answers.get(timeout=PATIENCE)
        except Empty:
            self._look_around()
            return
        if worker not in self.workers:
            return
        try:
            answer = future.result()
        except self.ray.exceptions.RayTaskError:
            raise  # a fault of ours: what is foreseen comes as an answer
        except self.ray.exceptions.RayError as e:
            self._lose(worker, e, waiting, name)
            return
        except ConnectionError as e:
            raise _gone(e) from None
        if worker.task:
            done[worker.task.number] = answer
            worker.task = None
        elif not worker.node:
            worker.node, versions = answer
            self._check_versions(worker.node, versions)
            self._ask(worker, worker.actor.build, self.make, self.folders)
        else:
            self._built(worker, *answer)

    def _built(self, worker: _Worker, succeeded: bool, problem: Any) -> None:
        if not succeeded:
            if isinstance(problem, NlpcliError) and not self.local:
                problem.message = f"on {worker.node}: {problem.message}"
            raise problem
        worker.ready, self.failed_starts = True, 0
        console.detail(f"cluster: a worker on {worker.node} is ready")

    def _check_versions(self, node: str, found: dict[str, str]) -> None:
        """Refuse a node whose results could differ; that it lacks a library is told by whoever needs it."""
        if "nlpcli" not in found:
            found = {"nlpcli": "no nlpcli"}
        for package, here in self.versions.items():
            there = found.get(package, here)
            if there.partition("+")[0] != here.partition("+")[0]:  # torch 2.8.0+cpu is torch 2.8.0
                raise Unavailable(
                    f"{node} has {there if there.startswith('no ') else f'{package} {there}'}, this machine {package} {here}",
                    cause="the nodes must give what one machine would",
                    fix=f"install there: pip install '{package}=={here.partition('+')[0]}'",
                )

    def _lose(self, worker: _Worker, e: Exception, waiting: deque[_Task[Item]], name: Callable[[int, Item], str]) -> None:
        """Take a worker that is gone off the list, and give its item to another."""
        self.workers.remove(worker)
        self._end(worker)  # it may only be out of reach
        reason, task = _reason(e), worker.task
        if not task:
            self.failed_starts += 1
            console.warn(f"cluster: a worker{' on ' + worker.node if worker.node else ''} was lost before it began: {reason}")
            if self.failed_starts >= ATTEMPTS * self.size:
                raise RunFailed("no worker can be started on the cluster", cause=reason, fix="look at the cluster: ray status")
            return
        task.lost += 1
        what = name(task.number, task.item)
        if task.lost >= ATTEMPTS:
            raise RunFailed(
                f"{what} was given to {ATTEMPTS} workers and each was lost",
                cause=f"the last, on {worker.node}: {reason}",
                fix="see whether the nodes have memory enough (ray status, dmesg); fewer workers need less: --workers 1",
            )
        console.warn(f"cluster: the worker on {worker.node} was lost, {what} is done anew by another: {reason}")
        waiting.appendleft(task)

    def _look_around(self) -> None:
        """Say that the cluster is busy with other things, or that nothing is left of it."""
        if any(worker.ready for worker in self.workers):
            return
        try:
            left = self.ray.cluster_resources().get("CPU", 0)
        except Exception as e:
            raise _gone(e) from None
        if not left:
            raise _gone(None)
        console.warn(f"cluster: waiting for one of its {int(left)} processors to be free")

    def _end(self, worker: _Worker) -> None:
        with suppress(Exception):
            self.ray.kill(worker.actor, no_restart=True)


@contextmanager
def pool(
    make: Make[Item, Result], address: str, *, artifacts: Sequence[Path] = (), workers: int | None = None
) -> Iterator[Pool[Item, Result]]:
    """Connect to a cluster (or start a private one) and give a pool of workers, ended with the block.

    Args:
        make: picklable; called once in each worker with the paths of `artifacts` as that node sees them. It must read all that
            it needs from there: what was unpacked for it is removed when it returns.
        address: `local`, `ray://HOST:PORT` or `HOST:PORT`.
        artifacts: folders with a manifest that the workers need, such as a tokenizer or a model.
        workers: at most so many; as many as there are processors if not given.

    Raises:
        UsageError, Unavailable, RunFailed: as `joined`.
    """
    with joined(address, workers) as ray:
        made = Pool(ray, make, [Path(path) for path in artifacts], address == LOCAL, workers)
        try:
            yield made
        finally:
            made.stop()


def cluster_map(
    make: Make[Item, Result],
    items: Iterable[Item],
    address: str,
    *,
    artifacts: Sequence[Path] = (),
    workers: int | None = None,
    name: Callable[[int, Item], str] | None = None,
    in_flight: int | None = None,
) -> Iterator[Result]:
    """Yield `make(paths)(item)` for each item, in order, computed by the workers of a cluster: see `pool` and `Pool.map`."""
    with pool(make, address, artifacts=artifacts, workers=workers) as found:
        yield from found.map(items, name=name, in_flight=in_flight)


def _versions() -> dict[str, str]:
    found = {}
    for package in SHAPING:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _reason(e: Exception) -> str:
    """Return the sentences of Ray's many that say why."""
    text = " ".join(line for line in str(e).splitlines() if not line.startswith("\t")).strip()
    text = text.partition(" Some common causes")[0].replace("Worker exit type: SYSTEM_ERROR ", "")
    kept = [s for s in text.split(". ") if s and "before finishing this task" not in s] or [type(e).__name__]
    return ". ".join(kept)[:200]


def _gone(e: Exception | None) -> RunFailed:
    return RunFailed(
        "the Ray cluster is gone",
        cause=str(e).splitlines()[0] if e and str(e) else "no node with a processor is left in it",
        fix="run the same command again when it is back, or without --cluster",
    )
