"""Where windows are cut, which of them a shard has, and what is asked of their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.formats.base import Record
from nlpcli.decoding.translator import Hint
from nlpcli.decoding.windows import cut, parse_shard, read_hints
from nlpcli.errors import BadInput, UsageError


@given(st.lists(st.integers(0, 5)), st.integers(1, 7))
def test_windows_hold_all_records_and_are_full_but_the_last(counts: list[int], size: int) -> None:
    records = [Record(("x",) * count, lambda _: "", i) for i, count in enumerate(counts)]
    windows = list(cut(records, size))
    assert [record.line for window in windows for record in window] == list(range(len(counts)))
    sizes = [[max(1, len(record.segments)) for record in window] for window in windows]
    assert all(sum(window) >= size for window in sizes[:-1])
    assert all(sum(window[:-1]) < size for window in sizes)


@given(st.integers(0, 50), st.integers(1, 60))
def test_shards_share_the_windows_out_evenly(windows: int, parts: int) -> None:
    ranges = [parse_shard(f"{i}/{parts}", windows) for i in range(1, parts + 1)]
    assert [number for part in ranges for number in part] == list(range(windows))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
    assert parse_shard(None, windows) == range(windows)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2", "1/2/3", "١/٢"])
def test_what_is_no_shard_is_refused(shard: str) -> None:
    with pytest.raises(UsageError, match="is no part"):
        parse_shard(shard, 10)


def test_hints_are_read_line_by_line() -> None:
    Path("begin").write_text("It\n\nWe\n", "utf-8")
    Path("words").write_text("cat\tdog\n\n tree \n", "utf-8")
    assert list(read_hints(Path("begin"), Path("words"), 3)) == [
        Hint("It", ("cat", "dog")),
        Hint("", ()),
        Hint("We", ("tree",)),
    ]
    assert [hint.prefix for hint in read_hints(Path("begin"), None, None)] == ["It", "", "We"]
    with pytest.raises(BadInput, match="begin has 3 lines, and the input 4"):
        list(read_hints(Path("begin"), None, 4))
