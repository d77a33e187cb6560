"""Terms in lines: whole words, Korean particles, capitals; and the files that they are read from."""

from __future__ import annotations

import random
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.glossary import Glossary, missing, read_glossary, read_words
from nlpcli.errors import BadInput

TERMS = [
    ("서버", "server"),
    ("데이터 베이스", "database"),
    ("데이터", "data"),
    ("길", "road"),
    ("사과", "apple"),
    ("API", "API"),
]


def found(terms: list[tuple[str, str]], text: str) -> list[str]:
    return [text[match.begin : match.end] + "→" + match.tgt for match in Glossary(terms).find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("서버에서는 (서버)와 서버입니다", ["서버→server"] * 3),
        ("데이터 베이스의 데이터를", ["데이터 베이스→database", "데이터→data"]),
        ("서버실 웹서버 서버은 길가", []),  # other words, and a particle that does not follow a vowel
        ("길로 길을 길이다", ["길→road"] * 3),
        ("사과는 사과도 사과나무", ["사과→apple"] * 2),
        ("API를 API는 APIs", ["API→API"] * 2),
    ],
)
def test_korean_terms_stand_at_the_beginning_of_words_before_particles(text: str, expected: list[str]) -> None:
    assert found(TERMS, text) == expected


def test_english_terms_are_whole_words_and_capitals_matter_where_they_mean_something() -> None:
    terms = [
        ("US", "미국"),
        ("us", "우리"),
        ("Server", "서버"),
        ("hard disk", "하드 디스크"),
        ("C++", "시플플"),
        ("iOS", "iOS"),
    ]
    text = "US told us: servers, a SERVER's Hard disk; hard disks in C++ and ios, iOS."
    assert found(terms, text) == ["US→미국", "us→우리", "SERVER→서버", "Hard disk→하드 디스크", "C++→시플플", "iOS→iOS"]


def test_the_longest_term_wins_and_none_overlaps() -> None:
    terms = [("new york", "뉴욕"), ("new york city", "뉴욕시"), ("city hall", "시청")]
    assert found(terms, "new york city hall in new york") == ["new york city→뉴욕시", "new york→뉴욕"]


@given(
    st.lists(st.text("ab 가는", min_size=1, max_size=4).map(str.strip).filter(bool), unique=True),
    st.text("abAB 가는.", max_size=40),
)
def test_matches_are_terms_in_order_without_overlap(terms: list[str], text: str) -> None:
    at = 0
    for match in Glossary((term, "x") for term in terms).find(text):
        assert match.begin >= at
        assert text[match.begin : match.end].lower() == match.src.lower()
        assert match.src in terms
        at = match.end


def test_letters_whose_small_form_is_longer_shift_nothing() -> None:
    assert found([("word", "말")], "İİİ word") == ["word→말"]


def test_ten_thousand_terms_are_looked_up_in_a_long_line_at_once() -> None:
    random.seed(1)
    syllables = "가나다라마바사아자차카타파하강산물불"
    terms = {"".join(random.choices(syllables, k=random.randint(2, 6))): "x" for _ in range(10_000)}
    line = " ".join("".join(random.choices(syllables, k=3)) for _ in range(30_000))
    glossary = Glossary(terms.items())
    started = process_time()
    assert len(glossary.find(line)) > 5000
    assert process_time() - started < 3  # a tenth of a second on a quiet machine


def test_what_a_translation_lacks_is_told_once() -> None:
    assert missing("The Server of the date is with us.", ["server", "data", "server", "US"]) == ["data", "US"]
    assert missing("서버에는 데이터가 있다.", ["서버", "데이터", "버에"]) == ["버에"]


def test_a_glossary_is_read_with_comments_and_blank_lines() -> None:
    Path("terms.tsv").write_text("\ufeff# ours\n서버\tserver\n\n  데이터  베이스\t data base \n서버\tserver\n", "utf-8")
    glossary = read_glossary(Path("terms.tsv"))
    assert len(glossary) == 2
    assert [match.tgt for match in glossary.find("데이터 베이스 서버")] == ["data base", "server"]


def test_every_bad_line_of_a_glossary_is_counted_and_the_first_are_named() -> None:
    Path("terms.tsv").write_text("가\ta\n나\n다\tb\tc\n\tx\n라\t \n가\tother\n마\n", "utf-8")
    with pytest.raises(BadInput) as e:
        read_glossary(Path("terms.tsv"))
    assert e.value.message == "terms.tsv: 6 lines cannot be used"
    assert e.value.cause == (
        "line 2 has 1 column, line 3 has 3 columns, line 4 has an empty source, line 5 has an empty target, "
        "line 6 has another target for '가' than line 1 and 1 more"
    )


def test_words_are_read_once_each() -> None:
    Path("words.txt").write_text("bad\n\n very bad \nbad\n", "utf-8")
    assert read_words(Path("words.txt")) == ["bad", "very bad"]
