"""Loops are told from what people repeat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.loops import loops, repeats

LINE = "어제 친구와 함께 강가를 걸었다."


@pytest.mark.parametrize(
    ("translation", "said"),
    [
        ("I saw the the the the house", "'the' 4 times"),
        ("of the house of the house of the house of the house", "'of the house' 4 times"),
        ("나는 나는 나는 나는 간다", "'나는' 4 times"),
        ("그것은그것은그것은그것은그것은", "'그것은' 5 times"),
        ("他说他说他说他说他说他说", "'他说' 6 times"),
        ("Well, nononononononono", "'no' 8 times"),
        ("one two three four five six seven eight nine ten " * 3, "34% of its word pairs are different"),
    ],
)
def test_a_loop_is_found_and_named(translation: str, said: str) -> None:
    assert loops(LINE, translation) == said


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        (LINE, "Yesterday I walked along the river with a friend."),
        (LINE, "It was very, very good, and more and more people came."),
        (LINE, "---------------- . . . . . . * * * * *"),
        ("하하하하하하하하하하하하", "ha ha ha ha ha ha"),
        ("ha ha ha ha ha ha", "하하하하하하하하하하하하"),
        ("0.10000000000000000 이다", "It is 0.10000000000000000"),
        ("하하", ""),
        ("", ""),
    ],
)
def test_what_people_write_is_no_loop(source: str, translation: str) -> None:
    assert loops(source, translation) is None


def test_a_source_that_repeats_a_little_does_not_excuse_a_loop() -> None:
    assert loops("아니 아니 아니", "no " * 40) == "'no' 40 times"


def test_ids_are_units_too() -> None:
    assert repeats([5, 9, 9, 9, 9, 2]) == "'9' 4 times"
    assert repeats([5, 9, 5, 8, 9]) is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8, unique=True), st.integers(3, 9), st.text("xyz ", max_size=20))
def test_every_phrase_said_three_times_is_found(phrase: list[str], times: int, before: str) -> None:
    """Each phrase of up to 8 words, wherever it stands."""
    assert loops(LINE, " ".join([before, *phrase * times])) is not None
