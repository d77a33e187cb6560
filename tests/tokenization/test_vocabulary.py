"""A vocabulary has the size asked for, or the one that the text can fill, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import sentencepiece

from nlpcli.tokenization import vocabulary
from nlpcli.tokenization.tokenizer import EOS, UNK, Tokenizer
from nlpcli.tokenization.train import train_tokenizer
from nlpcli.tokenization.vocabulary import Kind, TokenizerSettings, default_size, learn_vocabulary

LANGUAGES = ["ko", "en"]
KINDS = get_args(Kind)


@pytest.fixture
def trained(tiny_corpus: Path) -> Callable[..., Tokenizer]:
    """Return a function that trains a tokenizer on the small corpus, and says what it does."""

    def train(out: str = "tok", **settings: Any) -> Tokenizer:
        return Tokenizer.load(train_tokenizer(data=str(tiny_corpus), out=Path(out), **settings).path)

    return train


def said_about(language: str, err: str) -> str:
    return next(line for line in err.split("\n") if line.startswith(f"tokenizer: {language}:"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_too_large_for_the_text_is_fitted_and_this_is_said(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    tokenizer = trained(kind=kind, vocab_size=30_000)
    err = capfd.readouterr().err
    for language in LANGUAGES:
        made = tokenizer.vocab_size(language)
        assert EOS < made < 30_000
        assert f"{kind}, {made:,} pieces (asked for 30,000; fitted to" in said_about(language, err)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_small_for_the_characters_is_fitted_and_this_is_said(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    tokenizer = trained(kind=kind, vocab_size=100)
    err = capfd.readouterr().err
    for language in LANGUAGES:
        made = tokenizer.vocab_size(language)
        assert made > 256
        assert f"{kind}, {made:,} pieces (asked for 100; fitted to" in said_about(language, err)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_a_small_vocabulary_of_characters_or_words_keeps_the_most_frequent(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    tokenizer = trained(kind=kind, vocab_size=20)
    err = capfd.readouterr().err
    for language in LANGUAGES:
        assert tokenizer.vocab_size(language) == 20
        assert said_about(language, err).endswith(f"{kind}, 20 pieces")
    assert UNK in tokenizer.encode(["뷁"], "ko")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_fits_is_kept_without_comment(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    size = 60 if kind in ("char", "word") else 1200
    tokenizer = trained(kind=kind, vocab_size=size, joint=True)
    assert tokenizer.vocab_size("ko") == size
    assert said_about("joint", capfd.readouterr().err).endswith(f"{kind}, {size:,} pieces")


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_without_a_size_the_vocabulary_is_fitted_to_the_text(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    tokenizer = trained(kind=kind)
    made = tokenizer.vocab_size("en")
    assert EOS < made <= 8000
    assert f"{kind}, {made:,} pieces (up to 8,000; fitted to" in said_about("en", capfd.readouterr().err)


@pytest.mark.parametrize(("kind", "unit"), [("char", "character"), ("word", "word")])
def test_without_a_size_all_characters_and_words_are_kept(
    trained: Callable[..., Tokenizer], tiny_corpus: Path, capfd: pytest.CaptureFixture[str], kind: str, unit: str
) -> None:
    tokenizer = trained(kind=kind)
    assert f"(every {unit} that occurs)" in said_about("ko", capfd.readouterr().err)
    for language in LANGUAGES:
        text = (tiny_corpus / f"train.{language}").read_text("utf-8")
        units = set(text.replace("\n", "")) if kind == "char" else set(text.split())
        assert tokenizer.vocab_size(language) == EOS + 1 + len(units)


def test_of_too_many_words_the_most_frequent_are_kept(
    monkeypatch: pytest.MonkeyPatch, trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vocabulary, "MOST_WORDS", 50)
    assert trained(kind="word").vocab_size("en") == 50
    assert "word, 50 pieces (the most frequent of 1," in said_about("en", capfd.readouterr().err)


def test_a_word_of_rare_characters_is_a_word(trained: Callable[..., Tokenizer]) -> None:
    lines = ["가나다라 마바사"] * 2000 + ["뷁"]
    for size in (None, 7):
        model = learn_vocabulary(lines, TokenizerSettings(kind="word", vocab_size=size), "ko")
        assert sentencepiece.SentencePieceProcessor(model_proto=model).piece_to_id("▁뷁") != UNK


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_gives_the_same_bytes(trained: Callable[..., Tokenizer], kind: str) -> None:
    one, two = trained("one", kind=kind), trained("two", kind=kind)
    for name in ("ko.model", "en.model", "ko.vocab", "en.vocab"):
        assert (one.artifact.path / name).read_bytes() == (two.artifact.path / name).read_bytes()
    assert one.id == two.id


def test_the_default_size_grows_with_the_text_within_bounds() -> None:
    bytes_too, none = TokenizerSettings(), TokenizerSettings(byte_fallback=False)
    assert default_size(["a b"], none) == 500
    assert default_size(["a b"], bytes_too) == 500 + 256
    assert default_size(["a b c d e"] * 8000, none) == 1000
    assert default_size(["a b c d e"] * 100_000, bytes_too) == 8000


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_vocabulary_is_listed_beside_the_model(trained: Callable[..., Tokenizer], language: str) -> None:
    path = trained().artifact.path
    own = sentencepiece.SentencePieceProcessor(model_file=str(path / f"{language}.model"))
    listed = (path / f"{language}.vocab").read_text("utf-8").split("\n")[:-1]
    assert [line.split("\t")[0] for line in listed] == [own.id_to_piece(i) for i in range(own.get_piece_size())]


def test_rare_characters_have_no_piece_of_their_own_by_coverage() -> None:
    lines = ["가나다라 마바사"] * 200 + ["뷁"]

    def has_rare(coverage: float) -> bool:
        model = learn_vocabulary(lines, TokenizerSettings(character_coverage=coverage), "ko")
        return sentencepiece.SentencePieceProcessor(model_proto=model).piece_to_id("뷁") != UNK

    assert has_rare(1.0)
    assert not has_rare(0.99)


def test_digits_are_split_on_request(trained: Callable[..., Tokenizer], tiny_corpus: Path) -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for language in LANGUAGES:
        (folder / f"train.{language}").write_text("in 2024 and 2025 and 2024\n" * 50, "utf-8")
    for split in (False, True):
        made = train_tokenizer(data=str(folder), out=Path(f"split-{split}"), split_digits=split).path
        (pieces,) = Tokenizer.load(made).encode_pieces(["2024 2025"], "en")
        alone = all(sum(c.isdigit() for c in piece) <= 1 for piece in pieces)
        assert alone == split
