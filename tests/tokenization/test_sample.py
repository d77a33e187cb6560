"""A sample of a stream: each row equally likely, in order, and never more of them in memory."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.tokenization.sample import reservoir


@given(rows=st.lists(st.integers(), max_size=40), size=st.integers(1, 30), seed=st.integers(0, 3))
def test_a_sample_has_its_size_and_the_order_of_the_stream(rows: list[int], size: int, seed: int) -> None:
    numbered = list(enumerate(rows))
    sample, count = reservoir(iter(numbered), size, seed)
    assert count == len(rows)
    assert len(sample) == min(size, len(rows))
    assert sample == sorted(set(sample))
    assert set(sample) <= set(numbered)


@given(rows=st.lists(st.integers(), max_size=40), size=st.integers(1, 30), seed=st.integers(0, 3))
def test_the_same_seed_gives_the_same_sample(rows: list[int], size: int, seed: int) -> None:
    assert reservoir(rows, size, seed) == reservoir(rows, size, seed)


def test_other_seeds_give_other_samples() -> None:
    drawn = [tuple(reservoir(range(10_000), 5, seed)[0]) for seed in range(20)]
    assert len(set(drawn)) == 20


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize(("size", "length"), [(1, 20), (5, 20), (19, 20), (10, 100)])
def test_each_row_is_equally_likely(size: int, length: int) -> None:
    """Chi-square over rows; with so many degrees of freedom a fair sample stays below mean + 5 deviations."""
    drawn = Counter(row for seed in range(2000) for row in reservoir(range(length), size, seed)[0])
    freedom = length - 1
    assert chi_square([drawn[row] for row in range(length)]) < freedom + 5 * (2 * freedom) ** 0.5


def test_each_set_of_rows_is_equally_likely() -> None:
    drawn = Counter(tuple(reservoir(range(6), 3, seed)[0]) for seed in range(4000))
    sets = list(combinations(range(6), 3))
    assert chi_square([drawn[chosen] for chosen in sets]) < 19 + 5 * 38**0.5


def test_memory_is_for_the_sample_alone() -> None:
    class Row:
        pass

    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0

    def stream() -> Iterator[Row]:
        nonlocal most
        for _ in range(5000):
            row = Row()
            alive.add(row)
            most = max(most, len(alive))
            yield row

    sample, count = reservoir(stream(), 10, 1)
    assert (len(sample), count) == (10, 5000)
    assert most <= 10 + 3  # and the one or two on their way


def test_a_long_stream_is_sampled_to_its_end() -> None:
    sample, count = reservoir(range(300_000), 1000, 9)
    assert count == 300_000
    tenths = Counter(row // 30_000 for row in sample)
    assert min(tenths[tenth] for tenth in range(10)) > 60
