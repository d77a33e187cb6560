"""A Hopper GPU made of Python: shared memory, barriers, and warps that wait for each other; see `gluon_on_cpu`.

Warp partitions are threads, of which one runs at a time; where they wait, signal or start something, another may go on. Copies
and matrix products happen some time after they were asked for: at once, as late as anybody waits for them, or at random. What
is not waited for is NaN: shared memory begins as NaN, a buffer is NaN from the moment that a copy into it is asked for, and so
are products, and what ordinary stores wrote until they are fenced. If nobody can go on, that is a deadlock, and said to be one.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from torch import Tensor

When = Literal["early", "late", "random"]  # late: when nobody can go on without it, and what was asked for last comes first
PATIENCE = 60.0  # seconds for a partition to do anything at all


class Fault(Exception):
    """What a kernel did wrong, as far as its numbers cannot show it."""


@dataclass(frozen=True)
class Timing:
    """When what is asked for happens."""

    copies: When = "late"
    products: When = "late"
    seed: int = 0


def nothing(dtype: torch.dtype) -> float:
    """Return what stands for no number: NaN, or the least of integers."""
    return torch.nan if dtype.is_floating_point else torch.iinfo(dtype).min


@dataclass
class Shared:
    """Shared memory, as the units for copies and products see it, and as ordinary loads and stores do."""

    data: Tensor
    plain: Tensor

    @property
    def shape(self) -> list[int]:
        return list(self.data.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.data.dtype

    def _both(self, view: Callable[[Tensor], Tensor]) -> Shared:
        return Shared(view(self.data), view(self.plain))

    def index(self, number: Any) -> Shared:
        return self._both(lambda x: x[int(number)])

    def reshape(self, shape: list[int]) -> Shared:
        return self._both(lambda x: x.view(shape))

    def permute(self, order: tuple[int, ...]) -> Shared:
        return self._both(lambda x: x.permute(order))

    def slice(self, start: int, length: int, dim: int = 0) -> Shared:
        return self._both(lambda x: x.narrow(dim, start, length))

    def load(self, layout: Any) -> Tensor:
        return self.plain.clone()

    def store(self, value: Tensor) -> None:
        self.plain.copy_(value)
        self.data.fill_(nothing(self.dtype))
        gpu().me().unfenced.append(self)

    def poison(self) -> None:
        self.data.fill_(torch.nan)
        self.plain.fill_(torch.nan)


@dataclass
class Barrier:
    """A barrier in shared memory: a phase ends when all have signalled and all bytes have come."""

    count: int = 0  # 0: not yet made
    fenced: bool = False
    phase: int = 0
    missing: int = 0
    bytes: int = 0

    def index(self, number: Any) -> Barrier:
        assert number == 0
        return self

    def come(self, signals: int, size: int) -> None:
        if not self.count:
            raise Fault("a barrier was used before it was made")
        self.missing -= signals
        self.bytes += size
        if self.missing < 0:
            raise Fault("a barrier was signalled more often than it counts")
        if not self.missing and not self.bytes:
            self.phase, self.missing = self.phase ^ 1, self.count


class Barriers(list[Barrier]):
    """An array of barriers."""

    def index(self, number: Any) -> Barrier:  # type: ignore[override]
        return self[int(number)]


@dataclass(eq=False)
class Product:
    """A matrix product that was asked for. Before it has been waited for, its numbers are nobody's business."""

    compute: Callable[[], Tensor]
    size: torch.Size
    result: Tensor | None = None

    def happen(self) -> None:
        self.result = self.compute()


@dataclass
class Partition:
    """Warps that run the same function."""

    run: Callable[[], Any]
    condition: Callable[[], bool] | None = None  # what it waits for
    unfenced: list[Shared] = field(default_factory=list)
    products: deque[Product] = field(default_factory=deque)  # in their order
    stores: deque[Callable[[], None]] = field(default_factory=deque)  # of tiles, likewise
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    thread: threading.Thread | None = None
    done: bool = False


class _Stop(BaseException):
    """Ends a partition when another has failed."""


class Gpu:
    """One program at a time."""

    def __init__(self, timing: Timing, grid: tuple[int, int]) -> None:
        self.timing, self.random, self.grid = timing, random.Random(timing.seed), grid
        self.start((0, 0))

    def start(self, ids: tuple[int, int]) -> None:
        self.ids = ids
        self.copies: list[Callable[[], None]] = []
        self.made: list[Barrier] = []
        self.main = self.running = Partition(lambda: None)
        self.failure: BaseException | None = None
        self.back = threading.Semaphore(0)

    def me(self) -> Partition:
        return self.running

    def finish(self) -> None:
        if self.copies:
            raise Fault("a program ended before its copies")
        if self.main.products:
            raise Fault("a product was not waited for")

    # What partitions call

    def turn(self, condition: Callable[[], bool] | None = None) -> None:
        """Let others go on, at least until the condition holds."""
        me = self.running
        if me is self.main:
            assert condition is None, "waiting is for partitions"
            return
        me.condition = condition
        self.back.release()
        me.go.acquire()
        if self.failure:
            raise _Stop

    def copy(self, happen: Callable[[], None]) -> None:
        if self.timing.copies == "early":
            happen()
        else:
            self.copies.append(happen)
        self.turn()

    def multiply(self, compute: Callable[[], Tensor], size: torch.Size) -> Product:
        asked = Product(compute, size)
        self.running.products.append(asked)
        if self.timing.products == "early":
            asked.happen()
        self.turn()
        return asked

    def result(self, asked: Product) -> Tensor:
        there = asked.result is not None and asked not in self.running.products
        return cast(Tensor, asked.result) if there else torch.full(asked.size, torch.nan)

    def finish_products(self, but: int) -> None:
        mine = self.running.products
        while len(mine) > but:
            first = mine.popleft()
            if first.result is None:
                first.happen()

    def send(self, happen: Callable[[], None]) -> None:
        """Copy from shared memory: at once, or when the buffer is asked for again, or between."""
        self.running.stores.append(happen)
        if self.timing.copies == "early" or (self.timing.copies == "random" and self.random.random() < 0.5):
            self.finish_stores(0)
        self.turn()

    def finish_stores(self, but: int) -> None:
        while len(self.running.stores) > but:
            self.running.stores.popleft()()

    # What runs them

    def specialize(self, runs: list[Callable[[], Any]]) -> Any:
        partitions = [Partition(run) for run in runs]
        for some in partitions:
            some.thread = threading.Thread(target=self._life, args=(some,), daemon=True)
            some.thread.start()
        while not all(some.done for some in partitions) and not self.failure:
            self._one(partitions)
        for some in partitions:
            if not some.done:
                some.go.release()
        for some in partitions:
            cast(threading.Thread, some.thread).join(PATIENCE)
        self.running = self.main
        if self.failure:
            raise self.failure

    def _one(self, partitions: list[Partition]) -> None:
        """Let one partition take a step, or something that was asked for happen."""
        able: list[Any] = [some for some in partitions if not some.done and (some.condition is None or some.condition())]
        if self.timing.copies == "random":
            able += self.copies
        elif not able:
            able += self.copies[-1:]
        if self.timing.products == "random":
            able += [x for some in partitions for x in [next((p for p in some.products if p.result is None), None)] if x]
        if not able:
            self.failure = Fault("deadlock: every partition waits for what nobody will signal")
            return
        chosen = self.random.choice(able)
        if isinstance(chosen, Partition):
            self.running = chosen
            chosen.go.release()
            if not self.back.acquire(timeout=PATIENCE):
                self.failure = Fault("a partition does not come to an end")
        elif isinstance(chosen, Product):
            chosen.happen()
        else:
            self.copies.remove(chosen)
            chosen()

    def _life(self, some: Partition) -> None:
        some.go.acquire()
        try:
            if not self.failure:
                some.run()
                if some.products:
                    raise Fault("a product was not waited for")
                if some.stores:
                    raise Fault("shared memory was given up before it was copied")
        except _Stop:
            pass
        except BaseException as e:
            self.failure = e
        some.done = True
        self.back.release()


_used: list[Gpu] = []


def use(timing: Timing, grid: tuple[int, int]) -> Gpu:
    """Return a GPU that all that runs now runs on."""
    _used[:] = [Gpu(timing, grid)]
    return _used[0]


def gpu() -> Gpu:
    """Return the GPU in use."""
    return _used[0]
