"""Batches are loaded ahead, in order, and nothing is left behind."""

from __future__ import annotations

import threading
import time

import pytest

from nlpcli.training.prefetch import AHEAD, prefetched


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("prefetch")]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 100])
def test_results_come_in_order(count: int) -> None:
    def load(i: int) -> int:
        time.sleep(0.001 * (i % 3))
        return i * i

    assert list(prefetched(load, range(count))) == [i * i for i in range(count)]
    assert threads() == []


def test_items_are_loaded_ahead_but_not_far() -> None:
    loaded: list[int] = []
    results = prefetched(lambda i: loaded.append(i) or i, range(100))
    assert next(results) == 0
    end = time.monotonic() + 5
    while len(loaded) <= AHEAD and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    assert loaded == list(range(AHEAD + 1))
    results.close()


def test_an_exception_comes_where_its_result_would_have_been() -> None:
    def load(i: int) -> int:
        if i == 3:
            raise ValueError("item 3 is broken")
        return i

    results = prefetched(load, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3 is broken"):
        next(results)
    assert threads() == []


def test_closing_early_leaves_no_thread_and_loads_no_more() -> None:
    loaded: list[int] = []
    results = prefetched(lambda i: loaded.append(i) or i, range(10**9))
    for item in results:
        if item == 5:
            break
    results.close()
    assert threads() == []
    assert len(loaded) <= 5 + 1 + AHEAD
    count = len(loaded)
    time.sleep(0.02)
    assert len(loaded) == count


def test_a_loop_that_breaks_leaves_no_thread_behind() -> None:
    for _ in prefetched(lambda i: i, range(10**9)):
        break
    assert threads() == []
