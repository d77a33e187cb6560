"""Documents in rows, and translated rows back to segments."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.context import divided, joined, rows_of


@given(st.lists(st.integers(1, 9)), st.integers(1, 30))
def test_rows_are_bounded_filled_and_lose_nothing(tokens: list[int], longest: int) -> None:
    segments = [f"s{i}" for i in range(len(tokens))]
    size = dict(zip(segments, tokens))
    rows = list(rows_of(segments, tokens, longest))
    assert [segment for row in rows for segment in row] == segments
    sizes = [sum(size[segment] for segment in row) + len(row) - 1 for row in rows]
    assert all(len(row) == 1 or total <= longest for row, total in zip(rows, sizes))
    following = [size[after[0]] for _, after in pairwise(rows)]
    assert all(total + 1 + first > longest for total, first in zip(sizes, following))


def test_translated_rows_are_divided_or_refused() -> None:
    rows = [["하나", "둘"], ["셋"]]
    assert joined(rows) == ["하나 ␞ 둘", "셋"]
    assert divided(rows, ["one ␞ two", "three"]) == ["one", "two", "three"]
    assert divided(rows, ["one", "three"]) is None
    assert divided(rows, ["one ␞ two", "three ␞ four"]) is None
