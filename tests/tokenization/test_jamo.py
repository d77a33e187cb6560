"""Hangul taken apart and put together again, with a place in the text for each jamo."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given

from nlpcli.tokenization.jamo import compose, decompose, positions

from .conftest import nfc, text

SYLLABLES = "".join(map(chr, range(0xAC00, 0xD7A4)))


def test_every_syllable_becomes_its_two_or_three_jamo() -> None:
    for syllable in SYLLABLES:
        assert decompose(syllable) == unicodedata.normalize("NFD", syllable)
        assert 2 <= len(decompose(syllable)) <= 3


def test_syllables_of_one_stem_begin_alike() -> None:
    assert decompose("갔").startswith(decompose("가"))


@given(text)
def test_text_in_nfc_comes_back(line: str) -> None:
    (line,) = nfc([line])
    assert compose(decompose(line)) == line


@pytest.mark.parametrize("line", ["é ö", "ｶﾞ が", "ﬁ①", "ㅎㅏㄴ", "\u1100", "\u1100\u1161\u11a8", "a\u0301", "\ud7a4"])
def test_nothing_but_syllables_is_taken_apart(line: str) -> None:
    assert decompose(line) == line
    assert decompose(f"한{line}글") == f"{decompose('한')}{line}{decompose('글')}"


@pytest.mark.parametrize("line", ["\u1100\u1100가", "각\u11a8", "가\u11a7", "한é글", "ㅎ한"])
def test_jamo_that_stood_alone_stay_alone(line: str) -> None:
    assert compose(decompose(line)) == line


@given(text)
def test_each_jamo_has_the_place_of_its_syllable(line: str) -> None:
    (line,) = nfc([line])
    at = positions(line)
    apart = decompose(line)
    assert len(at) == len(apart) + 1
    assert at[-1] == len(line)
    assert at == sorted(at)
    assert set(at) == set(range(len(line) + 1))
    for i in range(len(line)):
        assert "".join(c for c, place in zip(apart, at) if place == i) == decompose(line[i])


def test_places_by_hand() -> None:
    assert positions("a가갔 ") == [0, 1, 1, 2, 2, 2, 3, 4]
