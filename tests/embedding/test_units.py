"""Lines are cut into units in one way, in training and in queries."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.embedding.keys import escape, unescape
from nlpcli.embedding.units import PUNCTUATION, Cutter
from nlpcli.tokenization.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("“그래,” 하고 말했다.", ["그래", "하고", "말했다"]),
        ("하하... 3.5점! don't (C++)", ["하하", "3.5점", "don't", "C"]),
        ("... !? ,", []),
        ("사랑\u3000해\u00a0요", ["사랑", "해", "요"]),
        ("ㅋㅋㅋ ^^ ㅠㅠ", ["ㅋㅋㅋ", "ㅠㅠ"]),
    ],
)
def test_words_lose_the_punctuation_at_their_edges(line: str, words: list[str]) -> None:
    assert Cutter("words", strip_punctuation=True)([line]) == [words]


def test_punctuation_can_be_kept_and_letters_made_small() -> None:
    assert Cutter("words")(["Hello, 세상!"]) == [["Hello,", "세상!"]]
    assert Cutter("words", lowercase=True)(["Hello, ÄÖ"]) == [["hello,", "äö"]]


def test_decomposed_hangul_is_composed() -> None:
    assert Cutter("words")([unicodedata.normalize("NFD", "한국 사람")]) == [["한국", "사람"]]


@given(st.lists(st.text()))
def test_words_are_as_many_rows_as_lines_and_hold_no_blanks(lines: list[str]) -> None:
    rows = Cutter("words", strip_punctuation=True)(lines)
    assert len(rows) == len(lines)
    for row in rows:
        assert all(
            word and word.split() == [word] and word[0] not in PUNCTUATION and word[-1] not in PUNCTUATION for word in row
        )


def test_morphemes_are_cut_from_the_surface() -> None:
    pytest.importorskip("kiwipiepy")
    [row] = Cutter("morphemes")(["학교에 갔다"])
    assert "".join(row) == "학교에갔다"
    assert row[0] == "학교"


def test_pieces_are_the_tokenizers(tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.load(tiny_tokenizer)
    assert Cutter("pieces", tokenizer=tokenizer, language="ko")(["날씨가 좋다"]) == tokenizer.encode_pieces(
        ["날씨가 좋다"], "ko"
    )


@given(st.text(st.sampled_from("\\ \t\n\v\f\rs가tn▁")))
def test_any_unit_can_be_a_key(unit: str) -> None:
    key = escape(unit)
    assert unescape(key) == unit
    assert not any(c in key for c in " \t\n\v\f\r")


def test_keys_are_spelt_as_documented() -> None:
    assert escape("뉴욕 시장") == r"뉴욕\s시장"
    assert escape("^\\^") == r"^\\^"
    assert escape("평범") == "평범"
