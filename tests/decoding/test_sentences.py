"""Sentences of English, Korean and German, and long texts in parts: nothing lost, nothing too long, quick on hostile text."""

from __future__ import annotations

import re
from itertools import accumulate
from time import process_time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.graphemes import grapheme_ends
from nlpcli.decoding.sentences import Part, join_parts, split_long, split_sentences

TEXTS = st.text(st.sampled_from("ab고다요가 \t\u3000.,!?…。;()“”\"'1\u0301ᄀ\u1161👨\u200d\ud800AU\n"), max_size=60) | st.text(
    max_size=40
)


def count(text: str) -> int:
    """A tokenizer's likeness: four letters a token, all else by itself."""
    return len(re.findall(r"\w{1,4}|[^\w\s]", text))


def sentences(text: str, language: str) -> list[str]:
    return [text[begin:end] for begin, end in split_sentences(text, language)]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "He left. | She stayed! | Why?! | Nobody knows…"),
        ("en", "Mr. Smith met Dr. J. R. Brown. | They talked, e.g. about v1.2 and 3.14. | All was well."),
        ("en", "She lives in the U.S. | He moved away at 5 p.m. | The U.S. Army came, i.e. soldiers etc. were there."),
        ("en", "See No. 5 on p. 12. | No. | I will not."),
        ("en", "Visit https://a.example/x.y?q=1. or write to me@mail.example. | Thanks."),
        ("en", "He said (it was late. Very late.) that he goes. | “I am here. You are there.” | Then he left."),
        ("en", '"Really?" he asked. | "Yes. I think so." | (He did.) | Good.'),
        ("en", "Well... I do not know. | Wait... what?"),
        ("en", "1. Open the file. | 2. Close it."),
        ("en", "It was 1999. | The year ended."),
        ("en", "a man runs . | a woman sleeps ."),  # tokenised and in lower case, as in Multi30k
        ("de", "Am 3. Mai kam Dr. Weiß. | Er ging z.B. nach Hause. | Ende!"),
        ("ko", "저는 학교에 갑니다. | 정말요? | 네. | 좋죠! | 비가 온다…"),
        ("ko", "2024. 3. 1. 서울에 갔다. | 3.14는 v1.2의 값이다."),
        ("ko", '"정말요?" 하고 물었다. | 그는 "간다."라고 했다. | “왔다. 갔다.” | 끝.'),
        ("ko", "그게... 글쎄요. | 모르겠어요... | 그래도 가요."),
        ("ko", "가. 첫째 항목입니다. | 나. 둘째 항목입니다."),
        ("ko", "파일(예: a.txt. 또는 b.txt.)을 여세요. | os.path.join을 씁니다."),
        ("ja", "はい。|そうです！|本当？|ええ"),
    ],
)
def test_sentences_end_where_readers_end_them(language: str, expected: str) -> None:
    assert sentences(expected.replace("|", "") if language == "ja" else expected.replace(" |", ""), language) == [
        sentence.strip() for sentence in expected.split("|")
    ]


def test_korean_sentences_without_white_space_between_them_are_told_apart() -> None:
    assert sentences("밥을 먹었다.그리고 잤다.파이썬.모듈을 봤어요!정말?네", "ko") == [
        "밥을 먹었다.",
        "그리고 잤다.",
        "파이썬.모듈을 봤어요!",
        "정말?",
        "네",
    ]


def test_a_long_quotation_is_cut_like_other_text() -> None:
    quotation = "“" + "This is said. " * 30 + "”"
    assert len(sentences(quotation, "en")) > 20
    assert len(sentences("“" + "This is said. " * 5 + "”", "en")) == 1


def test_an_apostrophe_or_a_lone_bracket_holds_nothing_together() -> None:
    assert sentences("The dogs' bowl is 5\" wide. It's (empty. Fill it.", "en") == [
        "The dogs' bowl is 5\" wide.",
        "It's (empty.",
        "Fill it.",
    ]


@given(TEXTS, st.sampled_from(["en", "ko", "de", "xx"]))
def test_sentences_and_the_white_space_between_them_are_the_text(text: str, language: str) -> None:
    at = 0
    for begin, end in split_sentences(text, language):
        assert not text[at:begin].strip()
        assert text[begin:end] == text[begin:end].strip() != ""
        at = end
    assert not text[at:].strip()


@given(TEXTS, st.sampled_from(["en", "ko"]), st.integers(1, 12))
def test_parts_are_the_text_and_none_is_too_long(text: str, language: str, longest: int) -> None:
    parts = split_long(text, language, count, longest)
    assert "".join(part.text + part.space_after for part in parts) == text
    assert all(count(part.text) <= longest for part in parts)
    if count(text) <= longest:
        assert parts == [Part(text, "")]
    else:
        assert all(part.text == part.text.strip() for part in parts)
        assert all(part.text for part in parts[1:])


@given(TEXTS)
def test_graphemes_are_cut_only_where_unicode_cuts_them(text: str) -> None:
    """Unicode's own rules by the `regex` module, which sacreBLEU brings."""
    allowed = set(accumulate(len(g) for g in regex.findall(r"\X", text)))
    ends = grapheme_ends(text)
    if not re.search("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e]", text) and text.isprintable():
        assert set(ends) <= allowed
    assert ends == sorted(set(ends))
    assert ends[-1:] == [len(text)][: len(ends)]


@pytest.mark.parametrize("whole", ["é", "각", "가\u11a8", "\u1100\u1161\u11a8", "👨‍👩‍👧‍👦", "🇰🇷", "👍🏽", "क्षि", "❤️"])
def test_a_grapheme_stays_whole_as_long_as_it_fits(whole: str) -> None:
    for text in (whole * 9, "x" * 7 + whole * 5):
        parts = split_long(text, "ko", len, max(4, len(whole)))
        assert "".join(part.text for part in parts) == text
        assert all(len(part.text.replace("x", "")) % len(whole) == 0 for part in parts)
    assert grapheme_ends(whole) == [len(whole)]


def test_a_grapheme_longer_than_a_part_is_cut_and_a_character_never() -> None:
    zalgo = "a" + "\u0301" * 30
    assert all(len(part.text) <= 8 for part in split_long(zalgo, "en", len, 8))
    assert [part.text for part in split_long("ab", "en", lambda text: 4 * len(text), 3)] == ["a", "b"]


def test_sentences_are_packed_and_only_what_is_too_long_is_cut_finer() -> None:
    text = "One two. Three four.  Five six; seven eight nine ten, eleven twelve. Unbelievablylongword. End."
    parts = split_long(text, "en", lambda text: len(text.split()) + 9 * ("Unb" in text) * (len(text) > 12), 5)
    assert parts[:3] == [Part("One two. Three four.", "  "), Part("Five six;", " "), Part("seven eight nine ten,", " ")]
    assert parts[3] == Part("eleven twelve.", " ")
    assert "".join(part.text + part.space_after for part in parts) == text


def test_korean_clauses_are_cut_after_their_connective_endings() -> None:
    text = "비가 많이 오고 바람도 세게 불었지만 우리는 그래도 밖으로 나갔다"
    texts = [part.text for part in split_long(text, "ko", lambda text: len(text.split()), 4)]
    assert texts == ["비가 많이 오고", "바람도 세게 불었지만", "우리는 그래도 밖으로 나갔다"]


def test_translations_are_joined_with_the_white_space_of_the_source() -> None:
    parts = split_long("  갔다.  그리고 왔다.그래서 봤다. ", "ko", count, 4)
    translations = [f"T{number}." if part.text else "" for number, part in enumerate(parts)]
    assert join_parts(parts, translations, "en") == "  T1.  T2. T3. "
    assert join_parts(parts, translations, "ja") == "  T1.  T2.T3. "
    word = split_long("abcdefghijkl", "en", count, 2)
    assert join_parts(word, [part.text for part in word], "en") == "abcdefghijkl"


HOSTILE = {
    "sentences": "This is a sentence, and it goes on; see. " * 2500,
    "one word": "a" * 100_000,
    "words": "word " * 20_000,
    "white space": " " * 99_999 + "x",
    "emoji": "👨‍👩‍👧‍👦" * 14_000,
    "combining marks": "a" + "\u0301" * 99_999,
    "quotes": '"' * 100_000,
    "brackets": "(" * 50_000 + ")" * 50_000,
    "full stops": "." * 100_000,
    "full stops apart": ". " * 50_000,
    "abbreviations": "e.g. " * 20_000,
    "Korean without blanks": "했다.그리고" * 16_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_of_100_kB_is_cut_at_once_with_few_counts(name: str) -> None:
    text, counted = HOSTILE[name], []

    def counting(piece: str) -> int:
        counted.append(len(piece))
        return count(piece)

    started = process_time()
    parts = split_long(text, "en", counting, 64)
    assert process_time() - started < 5  # a fifth of a second on a quiet machine; quadratic work would take minutes
    assert "".join(part.text + part.space_after for part in parts) == text
    assert max(count(part.text) for part in parts) <= 64
    assert sum(counted) < 8 * len(text)
    assert len(counted) < 5 * len(parts) + 20


@given(st.text("ab. ", max_size=80), st.integers(1, 9), st.integers(0, 5))
def test_a_count_that_is_not_the_sum_of_its_parts_still_binds(text: str, longest: int, odd: int) -> None:
    """A tokenizer may need more tokens for a text than for its pieces."""

    def counts(piece: str) -> int:
        return len(piece.split()) + (odd if len(piece) > 9 else 0)

    parts = split_long(text, "en", counts, longest)
    assert "".join(part.text + part.space_after for part in parts) == text
    assert all(counts(part.text) <= longest for part in parts)
