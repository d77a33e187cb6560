"""Documents in rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.context import by_segment, in_rows, rows_of
from nlpcli.decoding.formats.base import Record
from nlpcli.decoding.translator import Translation
from nlpcli.decoding.windows import Window


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


class Upper:
    """Stands for a translator: writes capitals, and makes two segments of a question."""

    max_input_tokens = 5

    def count(self, segments: list[str]) -> list[int]:
        return [len(segment.split()) for segment in segments]

    def translate(self, lines: list[str]) -> list[Translation]:
        return [Translation([line.replace("?", "? ␞ What?").upper()]) for line in lines]


def test_a_row_whose_segments_do_not_come_out_one_for_one_is_translated_segment_by_segment() -> None:
    translator: Any = Upper()
    documents = [["a b", " ", "c d", "e f", "g?"], ["h"], [], ["", "i"]]
    window = Window(0, 0, [Record(tuple(segments), "".join, i) for i, segments in enumerate(documents)], [])
    lines = in_rows(window, translator)
    assert lines == ["a b ␞ c d", "e f ␞ g?", "h", "i"]
    found = by_segment(window, translator.translate(lines), translator)
    assert [t.best if t.texts else "" for t in found] == ["A B", "", "C D", "E F", "G? WHAT?", "H", "", "I"]
    assert [bool(t.issues) for t in found] == [False, False, False, True, True, False, False, False]
