"""Text to ids and back without loss, by SentencePiece's own rules, with a vocabulary that fits the text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import files
from nlpcli.errors import BadInput, UsageError
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from nlpcli.tokenization.train import Kind, train_tokenizer

LANGUAGES = ["ko", "en"]
KINDS = get_args(Kind)

# All of Unicode but two things. "\n" is where lines end, so no line holds one; SentencePiece itself would keep it. Lone
# surrogates are no characters: no UTF-8 stands for them. Everything else is kept: NUL, tabs, "\r" and Unicode's other line
# breaks, runs of blanks, blanks at either end, text that looks like a mark, and U+2581 "▁" and U+F8F0, by which SentencePiece
# and the morphemes are told where blanks and cuts are.
characters = st.characters(exclude_characters="\n", exclude_categories=["Cs"])
hangul = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
jamo = st.sampled_from("ᄀᄂ다ᅥᅵᆨᆫᆯㄱㅏㅋㅠ")
marks = st.sampled_from(["<s>", "</s>", "<pad>", "<unk>", "<0x0A>", "<0xEA>", "[unk]"])
others = st.sampled_from(
    ["\u2581", "\u2581\u2581", "\uf8f0", "\ue000", "\u0301", "\u200b", "\u3000", "  ", "\r", "\u2028", "\ufeff"]
)
text = st.lists(characters | hangul | jamo | marks | others | st.sampled_from("abc ,.?!'\" "), max_size=20).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return Tokenizer.load(tiny_tokenizer)


@pytest.fixture(scope="module")
def sentences(tiny_corpus: Path) -> dict[str, list[str]]:
    """Return sentences of both languages that the vocabularies were not learnt from."""
    return {lang: (tiny_corpus / f"test.{lang}").read_text("utf-8").split("\n")[:-1] for lang in LANGUAGES}


@pytest.fixture
def trained(tiny_corpus: Path) -> Callable[..., Tokenizer]:
    """Return a function that trains a tokenizer on the small corpus."""

    def train(out: str = "tok", **settings: Any) -> Tokenizer:
        return Tokenizer.load(train_tokenizer(data=str(tiny_corpus), out=Path(out), **settings).path)

    return train


def nfc(lines: list[str]) -> list[str]:
    return [unicodedata.normalize("NFC", line) for line in lines]


def own_processor(tokenizer: Tokenizer, name: str) -> sentencepiece.SentencePieceProcessor:
    """Load the model as SentencePiece itself does."""
    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer.artifact.path / f"{name}.model"))


# There and back


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_come_back(tokenizer: Tokenizer, sentences: dict[str, list[str]], language: str) -> None:
    for lines in sentences.values():  # those of the other language, too
        ids = tokenizer.encode(lines, language)
        assert tokenizer.decode(ids, language) == nfc(lines)
        assert tokenizer.decode_pieces(tokenizer.encode_pieces(lines, language), language) == nfc(lines)


@given(lines=st.lists(text, max_size=4), language=st.sampled_from(LANGUAGES))
def test_any_text_comes_back_in_nfc(tokenizer: Tokenizer, lines: list[str], language: str) -> None:
    ids = tokenizer.encode(lines, language)
    assert tokenizer.decode(ids, language) == nfc(lines)
    assert tokenizer.decode_pieces(tokenizer.encode_pieces(lines, language), language) == nfc(lines)
    assert all(EOS < i < tokenizer.vocab_size(language) for line in ids for i in line)


def test_no_character_is_lost(tokenizer: Tokenizer) -> None:
    planes = [*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200)]  # every plane that holds characters
    lines = [f"가 {chr(code)}b" for code in planes if chr(code) != "\n"]
    assert tokenizer.decode(tokenizer.encode(lines, "ko"), "ko") == nfc(lines)


@pytest.mark.parametrize(("kind", "joint"), [("unigram", False), ("bpe", True), ("unigram", True)])
def test_sentences_come_back_from_every_vocabulary_with_bytes(
    trained: Callable[..., Tokenizer], sentences: dict[str, list[str]], kind: str, joint: bool
) -> None:
    tokenizer = trained(kind=kind, joint=joint)
    for language in LANGUAGES:
        lines = [*sentences["ko"], *sentences["en"], " 뷁 \t𝒳 é\u0301  "]
        assert tokenizer.decode(tokenizer.encode(lines, language), language) == nfc(lines)


def test_without_bytes_an_unknown_character_is_shown_as_such_not_dropped(trained: Callable[..., Tokenizer]) -> None:
    for kind in KINDS:
        tokenizer = trained(f"tok-{kind}", kind=kind, byte_fallback=False)
        ids = tokenizer.encode(["𝒳"], "en")
        assert UNK in ids[0]
        assert tokenizer.decode(ids, "en") == ["\ufffd"]


def test_characters_and_words_come_back_where_the_vocabulary_has_them_all(
    trained: Callable[..., Tokenizer], tiny_corpus: Path
) -> None:
    for kind in ("char", "word"):
        tokenizer = trained(f"tok-{kind}", kind=kind, vocab_size=100_000, character_coverage=1.0)
        for language in LANGUAGES:
            lines = (tiny_corpus / f"train.{language}").read_text("utf-8").split("\n")[:-1]
            assert tokenizer.decode(tokenizer.encode(lines, language), language) == lines


def test_no_lines_and_empty_lines(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode([], "ko") == []
    assert tokenizer.decode([], "ko") == []
    assert tokenizer.encode(["", "가"], "ko")[0] == []
    assert tokenizer.decode([[], []], "ko") == ["", ""]
    assert tokenizer.decode_pieces([[], []], "ko") == ["", ""]


# SentencePiece's own


@pytest.mark.parametrize("language", LANGUAGES)
def test_ids_and_pieces_are_those_of_sentencepiece_itself(
    tokenizer: Tokenizer, sentences: dict[str, list[str]], language: str
) -> None:
    own = own_processor(tokenizer, language)
    lines = [*sentences["ko"], *sentences["en"], "  two  blanks ", "뷁 é <s>"]
    assert tokenizer.encode(lines, language) == own.encode(nfc(lines))
    assert tokenizer.encode_pieces(lines, language) == own.encode(nfc(lines), out_type=str)
    assert tokenizer.vocab_size(language) == own.get_piece_size()


@given(lines=st.lists(text, max_size=4), language=st.sampled_from(LANGUAGES))
def test_ids_of_any_text_are_those_of_sentencepiece_itself(tokenizer: Tokenizer, lines: list[str], language: str) -> None:
    assert tokenizer.encode(lines, language) == own_processor(tokenizer, language).encode(nfc(lines))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_vocabulary_is_listed_beside_the_model(tokenizer: Tokenizer, language: str) -> None:
    own = own_processor(tokenizer, language)
    listed = (tokenizer.artifact.path / f"{language}.vocab").read_text("utf-8").split("\n")[:-1]
    assert [line.split("\t")[0] for line in listed] == [own.id_to_piece(i) for i in range(own.get_piece_size())]


def test_the_marks_have_the_same_ids_everywhere(tokenizer: Tokenizer, trained: Callable[..., Tokenizer]) -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    joint = trained(joint=True, kind="unigram")
    for own in (own_processor(tokenizer, "ko"), own_processor(tokenizer, "en"), own_processor(joint, "joint")):
        assert (own.pad_id(), own.unk_id(), own.bos_id(), own.eos_id()) == (PAD, UNK, BOS, EOS)


def test_marks_vanish_in_decoding_wherever_they_stand(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(["안녕하세요, 반갑습니다."], "ko")[0]
    marked = [BOS, *(mark for i in ids for mark in (i, PAD)), EOS, PAD, PAD]
    assert tokenizer.decode([marked, [BOS, EOS]], "ko") == ["안녕하세요, 반갑습니다.", ""]


# Normalization


def test_decomposed_hangul_gives_the_same_ids_as_composed(tokenizer: Tokenizer, sentences: dict[str, list[str]]) -> None:
    composed = sentences["ko"]
    decomposed = [unicodedata.normalize("NFD", line) for line in composed]
    assert decomposed != composed
    assert tokenizer.encode(decomposed, "ko") == tokenizer.encode(composed, "ko")
    assert tokenizer.encode_pieces(decomposed, "ko") == tokenizer.encode_pieces(composed, "ko")


def test_a_vocabulary_learnt_from_decomposed_text_is_the_same(tiny_corpus: Path, tokenizer: Tokenizer) -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for language in LANGUAGES:
        text = (tiny_corpus / f"train.{language}").read_text("utf-8")
        (folder / f"train.{language}").write_text(unicodedata.normalize("NFD", text), "utf-8")
    other = train_tokenizer(data=str(folder), out=Path("tok")).path
    for name in ("ko.model", "en.model"):
        assert (other / name).read_bytes() == (tokenizer.artifact.path / name).read_bytes()


@pytest.mark.parametrize(
    ("normalization", "expected"), [("nfc", "한 é Ａ ﬁ ①"), ("nfkc", "한 é A fi 1"), ("none", "한 é Ａ ﬁ ①")]
)
def test_each_normalization_is_applied(trained: Callable[..., Tokenizer], normalization: str, expected: str) -> None:
    if normalization == "none":
        expected = unicodedata.normalize("NFD", expected)
    tokenizer = trained(normalization=normalization)
    given_text = unicodedata.normalize("NFD", "한 é Ａ ﬁ ①")
    assert tokenizer.decode(tokenizer.encode([given_text], "ko"), "ko") == [expected]


# Languages


def test_an_unknown_language_is_a_usage_error_that_names_those_there_are(tokenizer: Tokenizer) -> None:
    for use in (tokenizer.encode, tokenizer.encode_pieces, tokenizer.decode, tokenizer.decode_pieces):
        with pytest.raises(UsageError, match="no language de") as caught:
            use(["x"], "de")  # type: ignore[operator]
        assert "ko and en" in caught.value.cause
        assert "--lang ko" in caught.value.fix


def test_separate_vocabularies_differ_and_a_joint_one_serves_both(
    tokenizer: Tokenizer, trained: Callable[..., Tokenizer]
) -> None:
    lines = ["안녕하세요", "Hello there"]
    assert tokenizer.encode(lines, "ko") != tokenizer.encode(lines, "en")
    assert {p.name for p in tokenizer.artifact.path.glob("*.model")} == {"ko.model", "en.model"}
    joint = trained(joint=True)
    assert joint.encode(lines, "ko") == joint.encode(lines, "en")
    assert joint.vocab_size("ko") == joint.vocab_size("en")
    assert {p.name for p in joint.artifact.path.glob("*.model")} == {"joint.model"}
    words = {"ko": "있습니다", "en": "the"}  # frequent in any text of the language
    for language, word in words.items():
        other = "en" if language == "ko" else "ko"
        assert len(joint.encode([word], language)[0]) < len(tokenizer.encode([word], other)[0])


# Fitting the vocabulary


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


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_size_the_vocabulary_is_fitted_to_the_text(
    trained: Callable[..., Tokenizer], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    tokenizer = trained(kind=kind)
    made = tokenizer.vocab_size("en")
    assert EOS < made <= 8000
    assert f"{kind}, {made:,} pieces (up to 8,000; fitted to" in said_about("en", capfd.readouterr().err)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_gives_the_same_bytes(trained: Callable[..., Tokenizer], kind: str) -> None:
    one, two = trained("one", kind=kind), trained("two", kind=kind)
    for name in ("ko.model", "en.model", "ko.vocab", "en.vocab"):
        assert (one.artifact.path / name).read_bytes() == (two.artifact.path / name).read_bytes()
    assert one.id == two.id


def test_settings_and_sizes_are_recorded(trained: Callable[..., Tokenizer], tiny_corpus: Path) -> None:
    tokenizer = trained(joint=True, vocab_size=1200, normalization="nfkc")
    manifest = tokenizer.artifact.manifest
    recorded = {name: manifest.config[name] for name in ("src", "tgt", "kind", "joint", "vocab_size", "normalization")}
    assert recorded == {"src": "ko", "tgt": "en", "kind": "bpe", "joint": True, "vocab_size": 1200, "normalization": "nfkc"}
    assert manifest.metrics["joint"]["vocab_size"] == 1200
    assert {i.role: i.id for i in manifest.inputs} == {
        name: f"sha256:{files.file_digest(tiny_corpus / name)}" for name in ("train.ko", "train.en")
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "wordpiece"},
        {"normalization": "nfd"},
        {"joint": "maybe"},
        {"vocab_size": 0},
        {"vocab_size": -5},
        {"vocab_size": EOS},  # less than the marks alone
    ],
)
def test_settings_out_of_range_are_usage_errors(tiny_corpus: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        train_tokenizer(data=str(tiny_corpus), out=Path("tok"), **settings)
    assert next(iter(settings)).replace("_", "-") in caught.value.cause
    assert not Path("tok").exists()


def test_a_side_without_text_is_refused() -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    (folder / "train.ko").write_text("안녕\n하세요\n", "utf-8")
    (folder / "train.en").write_text("\n  \n", "utf-8")
    with pytest.raises(BadInput, match="en: no text"):
        train_tokenizer(data=str(folder), out=Path("tok"))
    assert not Path("tok").exists()


def test_data_without_a_training_split_is_refused() -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for language in LANGUAGES:
        (folder / f"test.{language}").write_text("x\n", "utf-8")
    with pytest.raises(BadInput, match="no split train"):
        train_tokenizer(data=str(folder), out=Path("tok"))


def test_reuse_trains_only_when_something_changed(tiny_corpus: Path) -> None:
    first = train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True)
    made = Path("tok/manifest.json").stat()
    assert train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True) == first
    assert Path("tok/manifest.json").stat() == made
    assert train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True, kind="unigram").id != first.id
