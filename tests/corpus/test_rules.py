"""What a rule takes for broken, how it mends that, and what it leaves in peace."""

from __future__ import annotations

import html
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.mending import mend
from nlpcli.corpus.mojibake import unscramble
from nlpcli.corpus.ratio import MIN_PAIRS, Ratios, ratio_bins
from nlpcli.corpus.rules import RULES, actions
from nlpcli.corpus.scripts import NAMES, characters
from nlpcli.errors import UsageError


def mended(text: str) -> tuple[str, set[str]]:
    (result,), found = mend([text], characters([text]))
    return result, set(found)


# Mojibake

SCRAMBLED = ["안녕하세요 여러분", "Café Zoë", "“quoted” – dash…", "10 €", "日本語", "naïve", "it’s", "😀 gut", "ÀÉÎ"]


@pytest.mark.parametrize("text", SCRAMBLED)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_utf8_read_as_something_else_is_turned_back(text: str, encoding: str) -> None:
    scrambled = "".join(bytes([b]).decode(encoding, "ignore") or chr(b) for b in text.encode())
    assert unscramble(f"x {scrambled} y") == f"x {text} y"


@pytest.mark.parametrize("text", ["안녕하세요, 반가워요!", "창 밖에 밝은 햇살이", "가나다"])
def test_cp949_read_as_latin1_is_turned_back(text: str) -> None:
    assert unscramble("ok " + text.encode("cp949").decode("latin-1")) == f"ok {text}"


def test_accented_letters_in_a_row_are_not_taken_for_korean() -> None:
    assert unscramble("éèê ü ö".encode().decode("latin-1")) == "éèê ü ö"


@pytest.mark.parametrize(
    "text",
    [
        *SCRAMBLED,
        "été »",
        "café\xa0»",
        "À\xa0!",
        "É\xa0: È\xa0? FORÊT\xa0»",
        "„MENÜ“",
        "“MANHÔ",
        "sí…”",
        "à‚",
        "naïve—very",
        "ÄÄÄÄÄÄ ÀÀÀÀÀÀ",
        "±¹²³ °±²³´µ¶",
        "Ærø Ångström Çağrı Đặng",
        "¿¡¿¡¿¡Qué!",
        "Â",
        "Ã",
    ],
)
def test_sound_text_is_not_mojibake(text: str) -> None:
    assert unscramble(text) == text


@given(st.text(alphabet=st.characters(max_codepoint=0xD7FF), max_size=30))
def test_text_without_western_letters_is_never_touched(text: str) -> None:
    text = "".join(c for c in text if not 0x80 <= ord(c) < 0x100)
    assert unscramble(text) == text


# Entities, control characters, composition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&amp;", "&"),
        ("&lt;b&gt;", "<b>"),
        ("&#44032;", "가"),
        ("&#x1F600;", "😀"),
        ("&amp;amp;quot;", '"'),
        ("&nbsp;", "\xa0"),
    ],
)
def test_entities_are_written_as_characters(text: str, expected: str) -> None:
    assert mended(text) == (expected, {"entities"})


@pytest.mark.parametrize(
    "text", ["&", "&amp", "&name;", "&#0;", "&#xFFFFFF;", "& lt;", "&NewLine;", "&Tab;", "&#10;", "&#xD800;"]
)
def test_what_is_no_entity_of_a_character_stays(text: str) -> None:
    assert mended(text) == (text, set())


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff\ufffd"), max_size=20))
def test_escaped_text_comes_back(text: str) -> None:
    sound, _ = mended(text)
    assert mended(html.escape(sound))[0] == sound


@given(st.text(max_size=40))
def test_mending_is_done_once_and_for_all_and_keeps_the_line_one_line(text: str) -> None:
    text = text.replace("\n", " ").encode("utf-8", "ignore").decode()
    once, _ = mended(text)
    assert mended(once) == (once, set())
    assert "\n" not in once
    assert once.count("\t") == text.count("\t")


def test_only_decomposed_letters_are_composed() -> None:
    for text in ("한글", "é à ö", "が"):
        assert mended(unicodedata.normalize("NFD", text)) == (text, {"nfd"})
    for text in ("q\u0323", "ㅋㅋㅋ ㅠㅠ", "豈 \u212b", "\u1100", "ᄒᆞᆫ글"):
        assert mended(text) == (text, set())


def test_a_rule_to_be_kept_mends_nothing() -> None:
    texts = ["a &amp; \0b"]
    assert mend(texts, characters(texts), keep=["entities"]) == (["a &amp; b"], {"control": [0]})


# Scripts


@pytest.mark.parametrize(
    ("text", "language", "letters", "own"),
    [
        ("안녕 abc 12!", "ko", 5, 2),
        ("大韓民國 만세", "ko", 6, 6),
        ("こんにちは世界", "ja", 7, 7),
        ("Привет", "ru", 6, 6),
        ("Grüße", "de", 5, 5),
        ("Đặng ệ", "vi", 5, 5),
        ("γειά", "en", 4, 0),
        ("", "en", 0, 0),
        ("안녕", "xx", 2, 0),
    ],
)
def test_letters_are_counted_by_script(text: str, language: str, letters: int, own: int) -> None:
    of_line = characters(["x", text, "가"]).letters(language)
    assert (int(of_line[0][1]), int(of_line[1][1])) == (letters, own)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20), max_size=8))
def test_every_character_is_counted_once(texts: list[str]) -> None:
    shares = characters(texts).shares()
    assert sum(shares.values()) == sum(map(len, texts))
    assert shares.keys() == NAMES.keys()


# Length ratio


def bins(pairs: list[tuple[int, int]]) -> np.ndarray:
    src, tgt = np.array(pairs).T
    return ratio_bins(src, tgt)


def test_the_proportion_is_the_corpus_own() -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(30, 200, 5000)
    usual = [(int(n), int(n * r)) for n, r in zip(lengths, np.exp(rng.normal(np.log(2), 0.15, 5000)))]
    ratios = Ratios()
    ratios.add("train", bins([*usual, (100, 20), (20, 400)]))
    limits = ratios.limits()
    assert limits is not None
    assert limits.median == pytest.approx(2, rel=0.02)
    assert limits.outside(bins([(100, 20), (20, 400), (100, 200), (100, 150), (100, 300)])).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_short_pairs_and_few_pairs_have_no_proportion() -> None:
    assert bins([(2, 29), (0, 500), (500, 0)]).tolist() == [-1, -1, -1]
    ratios = Ratios()
    ratios.add("train", bins([(50, 100)] * (MIN_PAIRS - 1)))
    assert ratios.limits() is None


# The table


def test_what_is_a_problem_is_what_clean_does_something_about() -> None:
    for kind in ("parallel", "documents", "labelled", "monolingual"):
        for rule in RULES.values():
            expected = "note" if rule.action_for(kind) == "keep" else "problem"
            assert rule.severity(kind, "train", 1.0) == expected
            assert rule.advice_for(kind)


def test_a_rule_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        actions("parallel", [], ["duplicates"])
    assert caught.value.fix == "did you mean duplicate?"
