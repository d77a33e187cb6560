"""Words and characters as tokens: as many as there are, each with the id that SentencePiece gives it alone."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.errors import UsageError
from nlpcli.tokenization.sampling import Sampling
from nlpcli.tokenization.tokenizer import UNK, Tokenizer
from nlpcli.tokenization.units import find_units, word_offsets
from tests.tokenization.conftest import nfc, text

Learn = Callable[..., Tokenizer]
LINES = ["the cat  sat", "the dog sat \t down", "a <sep> b"]


def model(kind: str, **options: object) -> sentencepiece.SentencePieceProcessor:
    """Learn as SentencePiece does by itself."""
    out = io.BytesIO()
    marks = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=out,
        model_type=kind,
        use_all_vocab=kind != "unigram",
        normalization_rule_name="identity",
        minloglevel=2,
        **marks,
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())


@pytest.mark.parametrize("language", ["ko", "en"])
def test_each_word_has_the_id_that_it_has_alone(learnt: Learn, sentences: dict[str, list[str]], language: str) -> None:
    tokenizer = learnt(kind="word")
    own = tokenizer.of(language)
    lines = [*sentences["ko"], *sentences["en"], "  two \t blanks\u3000", "뷁 뷁뷁 é <s> <unk> </s>", ""]
    expected = [[i for word in line.split() for i in own.encode(word)] for line in nfc(lines)]
    assert tokenizer.encode(lines, language) == expected
    assert tokenizer.encode_pieces(lines, language) == [["▁" + word for word in line.split()] for line in nfc(lines)]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_each_character_has_the_id_that_it_has_alone(learnt: Learn, sentences: dict[str, list[str]], language: str) -> None:
    tokenizer = learnt(kind="char")
    own = tokenizer.of(language)
    lines = [*sentences["ko"], *sentences["en"], "  two  blanks ", "뷁뷁 é", ""]
    assert tokenizer.encode(lines, language) == [[i for c in line for i in own.encode(c)] for line in nfc(lines)]
    assert tokenizer.encode_pieces(lines, language) == [list(line.replace(" ", "▁")) for line in nfc(lines)]


@given(lines=st.lists(text, max_size=5))
def test_there_are_as_many_tokens_as_words_or_characters(learnt: Learn, lines: list[str]) -> None:
    words = learnt(kind="word").encode(lines, "ko")
    assert [len(ids) for ids in words] == [len(line.split()) for line in nfc(lines)]
    characters = learnt(kind="char").encode(lines, "ko")
    assert [len(ids) for ids in characters] == [len(line) for line in nfc(lines)]


def test_unknown_words_and_characters_are_not_joined(learnt: Learn) -> None:
    words, characters = learnt(kind="word"), learnt(kind="char")
    assert words.encode(["xyzzy plugh <unk>"], "en") == [[UNK] * 3]
    assert words.decode([[UNK, UNK]], "en") == ["\ufffd \ufffd"]
    assert characters.encode(["뷁뷁"], "en") == [[UNK] * 2]
    assert characters.decode([[UNK, UNK]], "en") == ["\ufffd\ufffd"]


@given(line=text)
def test_words_come_back_with_one_blank_between_them(line: str) -> None:
    units = find_units(model("word"), "word")
    assert units
    known = [word for word in line.split() if word in units.ids]
    assert units.decode(units.encode([" ".join(known)])[0].tolist()) == " ".join(known)


def test_symbols_are_one_unit() -> None:
    characters = find_units(model("char", add_dummy_prefix=False, remove_extra_whitespaces=False), "char", ["<sep>", "<s"])
    assert characters
    assert list(characters.split("a<sep>b<s")) == ["a", "<sep>", "b", "<s"]


def test_a_users_symbol_is_known_among_words(learnt: Learn) -> None:
    tokenizer = learnt(kind="word", user_symbol=("<sep>",))
    assert tokenizer.encode_pieces(["<sep>"], "en") == [["▁<sep>"]]
    assert UNK not in tokenizer.encode(["<sep>"], "en")[0]
    assert tokenizer.decode(tokenizer.encode(["the <sep> the"], "en"), "en") == ["the <sep> the"]


@pytest.mark.parametrize("kind", ["word", "char"])
def test_vocabularies_that_put_blanks_into_the_text_are_left_to_sentencepiece(kind: str) -> None:
    assert find_units(model(kind, remove_extra_whitespaces=False), kind) is None
    assert find_units(model("unigram", vocab_size=30, hard_vocab_limit=False), "unigram") is None


@given(line=text)
def test_offsets_of_words_are_where_they_stand(line: str) -> None:
    spans = word_offsets(line)
    assert [line[begin:end].strip() for begin, end in spans] == line.split()


@pytest.mark.parametrize("kind", ["word", "char"])
def test_there_is_nothing_to_draw(learnt: Learn, kind: str) -> None:
    with pytest.raises(UsageError, match="there is nothing to draw"):
        learnt(kind=kind).encode(["a"], "en", Sampling(0.1, 1))
