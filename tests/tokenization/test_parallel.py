"""Many processes give what one would: the same results in the same order, the same errors, and nothing left running."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nlpcli.errors import BadInput, RunFailed
from nlpcli.tokenization.parallel import AHEAD, Workers, chunks, ordered_map, processors


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def slow_at_first(number: int) -> int:
    time.sleep(0.03 if number % 3 == 0 else 0)
    return number * number


def refuse_five(number: int) -> int:
    if number == 5:
        raise BadInput("five is not welcome", cause="it is five", fix="give another number")
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def identity(number: int) -> int:
    return number


# Results


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_results_come_in_the_order_of_the_items(workers: int, count: int) -> None:
    assert list(ordered_map(slow_at_first, range(count), workers)) == [n * n for n in range(count)]


def test_functions_that_cannot_be_pickled_work_where_the_system_forks() -> None:
    if sys.platform != "linux":
        pytest.skip("workers are started anew here")
    shift = 3
    assert list(ordered_map(lambda n: n + shift, range(5), 2)) == [3, 4, 5, 6, 7]


def test_one_worker_is_this_process_and_more_are_others() -> None:
    here = os.getpid()
    assert set(ordered_map(lambda _: os.getpid(), range(3), 1)) == {here}
    elsewhere = set(ordered_map(lambda _: os.getpid(), range(9), 3))
    assert here not in elsewhere
    assert len(elsewhere) == 3


def test_no_more_workers_are_started_than_there_are_items() -> None:
    results = ordered_map(lambda n: (n, len(multiprocessing.active_children())), range(2), 50)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    assert [n for n, _ in results] == [1]


def test_items_and_results_larger_than_a_pipe_holds_pass() -> None:
    blocks = [bytes([n]) * 3_000_000 for n in range(5)]
    assert list(ordered_map(bytes, blocks, 2)) == blocks


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_few_items_are_read_ahead(workers: int) -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(100):
            read += 1
            yield number

    for done, _ in enumerate(ordered_map(identity, items(), workers), 1):
        assert read <= done + (AHEAD + 1) * workers


def test_chunks_hold_all_items_in_order() -> None:
    assert list(chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks([], 3)) == []


def test_this_process_may_use_a_processor() -> None:
    assert processors() >= 1


# Errors


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_an_error_of_the_function_reaches_the_caller_whole_and_in_its_turn(workers: int) -> None:
    results = ordered_map(refuse_five, range(20), workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(BadInput) as caught:
        next(results)
    assert (caught.value.message, caught.value.cause) == ("five is not welcome", "it is five")
    assert (caught.value.fix, caught.value.exit_code) == ("give another number", 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_items_reaches_the_caller(workers: int) -> None:
    def items() -> Iterator[int]:
        yield from range(4)
        raise BadInput("no more")

    with pytest.raises(BadInput, match="no more"):
        list(ordered_map(identity, items(), workers))


def test_a_worker_that_is_killed_is_a_failed_run_not_a_wait_without_end() -> None:
    with pytest.raises(RunFailed, match="worker process died") as caught:
        list(ordered_map(die_at_three, range(10), 2))
    assert "-9" in caught.value.cause
    assert "--workers 1" in caught.value.fix


def test_a_worker_that_is_killed_between_two_items_is_a_failed_run() -> None:
    def items() -> Iterator[int]:
        yield from (0, 1)
        first = min(multiprocessing.active_children(), key=lambda process: process.pid or 0)
        first.kill()  # it has given its result and waits for the next item
        first.join()
        yield 2

    with pytest.raises(RunFailed, match="worker process died"):
        list(ordered_map(identity, items(), 2))


# The end of the workers


def gone(pids: set[int]) -> bool:
    """Wait until none of the processes runs any more."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        alive = set()
        for pid in pids:
            with suppress(OSError):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    alive.add(pid)
        if not alive:
            return True
        time.sleep(0.02)
    return False


def test_workers_end_when_the_consumer_stops_early() -> None:
    results = ordered_map(identity, range(1000), 3)
    next(results)
    assert len(multiprocessing.active_children()) == 3
    results.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []
    for _ in ordered_map(identity, range(1000), 3):
        break
    assert multiprocessing.active_children() == []


def test_workers_end_while_they_work() -> None:
    results = ordered_map(lambda n: time.sleep(60 * n), range(3), 3)
    next(results)
    begun = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_when_this_process_is_killed() -> None:
    script = """
import os, signal
from nlpcli.tokenization.parallel import ordered_map
def who(_): return os.getpid()
for n, pid in enumerate(ordered_map(who, range(1000), 3)):
    print(pid, flush=True)
    if n == 5: os.kill(os.getpid(), signal.SIGKILL)
"""
    with Path("pids").open("w") as out:
        done = subprocess.run([sys.executable, "-c", script], stdout=out, check=False)
    assert done.returncode == -signal.SIGKILL
    pids = {int(line) for line in Path("pids").read_text().split()}
    assert len(pids) == 3
    try:
        assert gone(pids)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_workers_leave_the_terminals_interrupt_to_this_process() -> None:
    def interrupted(number: int) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return number

    assert list(ordered_map(interrupted, range(4), 2)) == [0, 1, 2, 3]


def slow_first(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0.01)
    return os.getpid() if number else 0


def test_who_is_free_goes_on_while_the_first_is_slow() -> None:
    first, *others = ordered_map(slow_first, range(4), 2)
    assert first == 0
    assert len(set(others)) == 1


def test_workers_serve_several_maps_and_then_end() -> None:
    with Workers(pid_of, 2) as pool:
        first, second = set(pool.map(range(8))), set(pool.map(range(8)))
        assert second <= first
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def pid_of(_: int) -> int:
    return os.getpid()
