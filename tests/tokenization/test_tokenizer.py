"""Text to ids and back without loss, whatever the vocabulary, and by SentencePiece's own rules."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpcli.errors import UsageError
from nlpcli.tokenization.jamo import decompose
from nlpcli.tokenization.tokenizer import BLANK, BOS, EOS, PAD, UNK, Sampling, Tokenizer
from nlpcli.tokenization.train import Kind, train_tokenizer

from .conftest import nfc, text

Learn = Callable[..., Tokenizer]
LANGUAGES = ["ko", "en"]
KINDS = get_args(Kind)
LOSSLESS: dict[str, dict[str, Any]] = {
    "bpe": {},
    "unigram": {"kind": "unigram"},
    "joint bpe": {"joint": True},
    "joint unigram": {"joint": True, "kind": "unigram"},
    "jamo": {"jamo": True},
    "jamo unigram": {"jamo": True, "kind": "unigram", "joint": True},
    "digits": {"split_digits": True},
    "symbols": {"user_symbol": ("<sep>", "<끝>", "씨는")},
    "nfkc": {"normalization": "nfkc"},
    "one side": {"lang": "ko"},
    "kiwi": {"pretokenizer": "kiwi", "sample_lines": 200},
    "all": {"pretokenizer": "kiwi", "joint": True, "jamo": True, "split_digits": True, "kind": "unigram", "sample_lines": 200},
}


@pytest.fixture(scope="module")
def tokenizer(tiny_tokenizer: Path) -> Tokenizer:
    return Tokenizer.load(tiny_tokenizer)


@pytest.fixture(scope="module", params=LOSSLESS)
def lossless(request: pytest.FixtureRequest, learnt: Learn) -> Tokenizer:
    """Each vocabulary that promises to lose nothing."""
    if "pretokenizer" in LOSSLESS[request.param]:
        pytest.importorskip("kiwipiepy")
    return learnt(vocab_size=1500, **LOSSLESS[request.param])  # more than characters


def own_processor(tokenizer: Tokenizer, name: str) -> sentencepiece.SentencePieceProcessor:
    """Load the model as SentencePiece itself does."""
    return sentencepiece.SentencePieceProcessor(model_file=str(tokenizer.artifact.path / f"{name}.model"))


def formed(tokenizer: Tokenizer, lines: list[str]) -> list[str]:
    """Return the lines in the Unicode form that the tokenizer promises to give back."""
    return [unicodedata.normalize(tokenizer.normalization.upper(), line) for line in lines]


# There and back


def test_sentences_come_back(lossless: Tokenizer, sentences: dict[str, list[str]]) -> None:
    for language in lossless.languages:
        for lines in sentences.values():  # those of the other language, too
            ids = lossless.encode(lines, language)
            assert lossless.decode(ids, language) == formed(lossless, lines)
            assert lossless.decode_pieces(lossless.encode_pieces(lines, language), language) == formed(lossless, lines)


@settings(max_examples=40)
@given(data=st.data(), lines=st.lists(text, max_size=3))
def test_any_text_comes_back_in_its_unicode_form(lossless: Tokenizer, data: st.DataObject, lines: list[str]) -> None:
    language = data.draw(st.sampled_from(lossless.languages))
    ids, pieces = lossless.encode(lines, language), lossless.encode_pieces(lines, language)
    assert lossless.decode(ids, language) == formed(lossless, lines)
    assert lossless.decode_pieces(pieces, language) == formed(lossless, lines)
    assert [[lossless.of(language).piece_to_id(piece) for piece in line] for line in pieces] == ids
    assert all(EOS < i < lossless.vocab_size(language) for line in ids for i in line)


@settings(max_examples=30)
@given(line=text, alpha=st.sampled_from([0.0, 0.1, 0.7, 1.0]), seed=st.integers(0, 9))
def test_any_text_comes_back_from_any_segmentation_that_is_drawn(
    lossless: Tokenizer, line: str, alpha: float, seed: int
) -> None:
    drawn = Sampling(alpha, seed)
    for language in lossless.languages:
        assert lossless.decode(lossless.encode([line], language, drawn), language) == formed(lossless, [line])
        pieces = lossless.encode_pieces([line], language, drawn)
        assert lossless.decode_pieces(pieces, language) == formed(lossless, [line])


@pytest.mark.parametrize("jamo", [False, True])
def test_no_character_is_lost(learnt: Learn, jamo: bool) -> None:
    tokenizer = learnt(jamo=jamo)
    planes = [*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200)]  # every plane that holds characters
    runs = [planes[i : i + 20] for i in range(0, len(planes), 20)]
    lines = ["".join(f"{chr(code)}가 " for code in run if chr(code) != "\n") for run in runs]
    assert tokenizer.decode(tokenizer.encode(lines, "ko"), "ko") == nfc(lines)


def test_without_bytes_an_unknown_character_is_shown_as_such_not_dropped(learnt: Learn) -> None:
    for kind in KINDS:
        tokenizer = learnt(kind=kind, byte_fallback=False)
        ids = tokenizer.encode(["𝒳"], "en")
        assert UNK in ids[0]
        assert tokenizer.decode(ids, "en") == ["\ufffd"]


def test_characters_and_words_come_back_where_the_vocabulary_has_them_all(learnt: Learn, tiny_corpus: Path) -> None:
    for kind in ("char", "word"):
        tokenizer = learnt(kind=kind, vocab_size=100_000, character_coverage=1.0)
        for language in LANGUAGES:
            lines = (tiny_corpus / f"train.{language}").read_text("utf-8").split("\n")[:-1]
            assert tokenizer.decode(tokenizer.encode(lines, language), language) == lines


def test_no_lines_and_empty_lines(lossless: Tokenizer) -> None:
    assert lossless.encode([], "ko") == []
    assert lossless.decode([], "ko") == []
    assert lossless.encode(["", "가"], "ko")[0] == []
    assert lossless.decode([[], []], "ko") == ["", ""]
    assert lossless.decode_pieces([[], []], "ko") == ["", ""]


@given(lines=st.lists(text, max_size=5))
def test_flat_ids_are_the_ids_one_line_after_another(learnt: Learn, lines: list[str]) -> None:
    tokenizer = learnt(jamo=True)
    ids, lengths = tokenizer.encode_flat(lines, "ko")
    encoded = tokenizer.encode(lines, "ko")
    assert ids.tolist() == [i for line in encoded for i in line]
    assert lengths.tolist() == [len(line) for line in encoded]


# SentencePiece's own


@pytest.mark.parametrize("kind", ["bpe", "unigram"])  # words and characters: see test_units.py
@pytest.mark.parametrize("language", LANGUAGES)
def test_ids_and_pieces_are_those_of_sentencepiece_itself(
    learnt: Learn, sentences: dict[str, list[str]], kind: str, language: str
) -> None:
    tokenizer = learnt(kind=kind)
    own = own_processor(tokenizer, language)
    lines = [*sentences["ko"], *sentences["en"], "  two  blanks ", "뷁 é <s>"]
    assert tokenizer.encode(lines, language) == own.encode(nfc(lines))
    assert tokenizer.encode_pieces(lines, language) == own.encode(nfc(lines), out_type=str)
    assert tokenizer.vocab_size(language) == own.get_piece_size()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@given(lines=st.lists(text, max_size=4), language=st.sampled_from(LANGUAGES))
def test_ids_of_any_text_are_those_of_sentencepiece_itself(learnt: Learn, kind: str, lines: list[str], language: str) -> None:
    tokenizer = learnt(kind=kind)
    lines = [line.replace(BLANK, "") for line in lines]  # SentencePiece takes it for a blank, nlpcli spells it in bytes
    assert tokenizer.encode(lines, language) == own_processor(tokenizer, language).encode(nfc(lines))


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_ids_and_pieces_are_those_of_the_program_spm_encode(learnt: Learn, sentences: dict[str, list[str]], kind: str) -> None:
    if shutil.which("spm_encode") is None:
        pytest.skip("spm_encode is not installed")
    tokenizer = learnt(kind=kind)
    model = tokenizer.artifact.path / "ko.model"
    lines = nfc([*sentences["ko"], *sentences["en"][:5], "  두  칸 ", "뷁 é\u3000𝒳 <s>", "", "끝"])

    def program(form: str) -> list[list[str]]:
        command = ["spm_encode", f"--model={model}", f"--output_format={form}"]
        done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
        return [line.split(" ") if line else [] for line in done.stdout.split("\n")[:-1]]

    assert [[int(i) for i in line] for line in program("id")] == tokenizer.encode(lines, "ko")
    assert program("piece") == tokenizer.encode_pieces(lines, "ko")


def test_with_jamo_the_ids_are_those_of_sentencepiece_for_the_decomposed_text(
    learnt: Learn, sentences: dict[str, list[str]]
) -> None:
    tokenizer = learnt(jamo=True)
    decomposed = [decompose(line) for line in sentences["ko"]]
    assert tokenizer.encode(sentences["ko"], "ko") == own_processor(tokenizer, "ko").encode(decomposed)


@pytest.mark.parametrize("character", ["\u2581", "\uf8f0"])
def test_the_signs_for_blanks_and_cuts_are_text_when_they_stand_in_the_text(lossless: Tokenizer, character: str) -> None:
    lines = [character, f"가{character}나", f" {character}{character} \ue000", f"\ue000{character}\ue001"]
    ids = lossless.encode(lines, "ko")
    assert lossless.decode(ids, "ko") == lines
    plain = lossless.encode([line.replace(character, " ") for line in lines], "ko")
    assert all(own != blank for own, blank in zip(ids, plain))


def test_the_marks_have_the_same_ids_everywhere(tokenizer: Tokenizer, learnt: Learn) -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    joint = learnt(joint=True, kind="unigram")
    for own in (own_processor(tokenizer, "ko"), own_processor(tokenizer, "en"), own_processor(joint, "joint")):
        assert (own.pad_id(), own.unk_id(), own.bos_id(), own.eos_id()) == (PAD, UNK, BOS, EOS)


def test_marks_vanish_in_decoding_wherever_they_stand(lossless: Tokenizer) -> None:
    ids = lossless.encode(["안녕하세요, 반갑습니다."], "ko")[0]
    marked = [BOS, *(mark for i in ids for mark in (i, PAD)), EOS, PAD, PAD]
    assert lossless.decode([marked, [BOS, EOS]], "ko") == ["안녕하세요, 반갑습니다.", ""]


# Where the pieces stand


def check_offsets(tokenizer: Tokenizer, line: str, language: str) -> None:
    """Pieces stand in order, without a gap, and each (if not a byte) is the text that stands there."""
    (line,) = formed(tokenizer, [line])
    processor, (pieces,) = tokenizer.of(language), tokenizer.encode_pieces([line], language)
    spans = tokenizer.offsets(line, pieces, language)
    assert len(spans) == len(pieces)
    covered, before = 0, (0, 0)
    for i, (piece, (begin, end)) in enumerate(zip(pieces, spans)):
        is_byte = processor.is_byte(processor.piece_to_id(piece))
        assert begin == before[1] or (begin == before[1] - 1 and (is_byte or tokenizer.jamo))  # or goes on in a character
        assert begin <= end <= len(line)
        before, covered = (begin, end), max(covered, end)
        begins = i == 0 and tokenizer.kind != "char"  # SentencePiece puts a blank before the line
        surface = piece.replace(BLANK, " ")[begins:]
        if tokenizer.jamo and not is_byte:
            assert surface in decompose(line[begin:end])
            assert end - begin <= max(1, len(surface))
        elif not is_byte:
            assert line[begin:end] == surface
        else:
            assert end - begin == 1
    assert covered == len(line)


@settings(max_examples=40)
@given(data=st.data(), line=text)
def test_offsets_say_where_each_piece_stands_in_the_text(lossless: Tokenizer, data: st.DataObject, line: str) -> None:
    check_offsets(lossless, line, data.draw(st.sampled_from(lossless.languages)))


def test_offsets_of_sentences(lossless: Tokenizer, sentences: dict[str, list[str]]) -> None:
    for language in lossless.languages:
        for line in sentences[language]:
            check_offsets(lossless, line, language)


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_of_unknown_characters_are_theirs(learnt: Learn, kind: str) -> None:
    check_offsets(learnt(kind=kind, byte_fallback=False), "저는 𝒳𝒳 뷁뷁뷁 가요 𝒳", "ko")


def test_offsets_of_one_sentence_by_hand(tokenizer: Tokenizer) -> None:
    pieces = ["▁", "저", "는", "▁", "<0xEB>", "<0xB7>", "<0x81>", "▁집", "에", "."]
    spans = tokenizer.offsets("저는 뷁 집에.", pieces, "ko")
    assert spans == [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (3, 4), (3, 4), (4, 6), (6, 7), (7, 8)]


# Drawn segmentations


@pytest.mark.parametrize("settings", [{}, {"kind": "unigram"}, {"jamo": True}], ids=["bpe", "unigram", "jamo"])
def test_the_same_seed_draws_the_same_segmentation_and_another_another(
    learnt: Learn, sentences: dict[str, list[str]], settings: dict[str, Any]
) -> None:
    tokenizer, lines = learnt(**settings), sentences["en"]
    first = tokenizer.encode(lines, "en", Sampling(0.2, 5))
    other = tokenizer.encode(lines, "en", Sampling(0.2, 6))
    assert tokenizer.encode(lines, "en", Sampling(0.2, 5)) == first
    assert first != other
    assert tokenizer.decode(first, "en") == tokenizer.decode(other, "en") == lines
    pieces = tokenizer.encode_pieces(lines, "en", Sampling(0.2, 5))  # the same draw
    assert [[tokenizer.of("en").piece_to_id(piece) for piece in line] for line in pieces] == first


def test_drawing_does_not_change_what_is_encoded_afterwards(tokenizer: Tokenizer, sentences: dict[str, list[str]]) -> None:
    best = tokenizer.encode(sentences["ko"], "ko")
    assert tokenizer.encode(sentences["ko"], "ko", Sampling(0.5, 1)) != best
    assert tokenizer.encode(sentences["ko"], "ko") == best


def test_dropout_of_nothing_is_the_best_segmentation_and_of_all_are_characters(
    tokenizer: Tokenizer, sentences: dict[str, list[str]]
) -> None:
    lines = sentences["en"]
    assert tokenizer.encode(lines, "en", Sampling(0.0, 1)) == tokenizer.encode(lines, "en")
    for row in tokenizer.encode_pieces(lines, "en", Sampling(1.0, 1)):
        assert all(len(piece) == 1 or piece.startswith("<0x") for piece in row)


# Normalization


def test_decomposed_hangul_gives_the_same_ids_as_composed(lossless: Tokenizer, sentences: dict[str, list[str]]) -> None:
    composed = sentences["ko"]
    decomposed = [unicodedata.normalize("NFD", line) for line in composed]
    assert decomposed != composed
    assert lossless.encode(decomposed, "ko") == lossless.encode(composed, "ko")
    assert lossless.encode_pieces(decomposed, "ko") == lossless.encode_pieces(composed, "ko")


def test_a_vocabulary_learnt_from_decomposed_text_is_the_same(tiny_corpus: Path, tokenizer: Tokenizer) -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for language in LANGUAGES:
        composed = (tiny_corpus / f"train.{language}").read_text("utf-8")
        (folder / f"train.{language}").write_text(unicodedata.normalize("NFD", composed), "utf-8")
    other = train_tokenizer(data=str(folder), out=Path("tok")).path
    for name in ("ko.model", "en.model"):
        assert (other / name).read_bytes() == (tokenizer.artifact.path / name).read_bytes()


@pytest.mark.parametrize(
    ("normalization", "expected"), [("nfc", "한 é Ａ ﬁ ①"), ("nfkc", "한 é A fi 1"), ("none", "한 é Ａ ﬁ ①")]
)
def test_each_normalization_is_applied(learnt: Learn, normalization: str, expected: str) -> None:
    if normalization == "none":
        expected = unicodedata.normalize("NFD", expected)
    tokenizer = learnt(normalization=normalization)
    given_text = unicodedata.normalize("NFD", "한 é Ａ ﬁ ①")
    assert tokenizer.decode(tokenizer.encode([given_text], "ko"), "ko") == [expected]


# Languages


def test_an_unknown_language_is_a_usage_error_that_names_those_there_are(tokenizer: Tokenizer) -> None:
    for use in (tokenizer.encode, tokenizer.encode_pieces, tokenizer.decode, tokenizer.decode_pieces):
        with pytest.raises(UsageError, match="no language de") as caught:
            use(["x"], "de")  # type: ignore[operator]
        assert "ko and en" in caught.value.cause
        assert "--lang ko" in caught.value.fix


def test_separate_vocabularies_differ_and_a_joint_one_serves_both(tokenizer: Tokenizer, learnt: Learn) -> None:
    lines = ["안녕하세요", "Hello there"]
    assert tokenizer.encode(lines, "ko") != tokenizer.encode(lines, "en")
    assert {p.name for p in tokenizer.artifact.path.glob("*.model")} == {"ko.model", "en.model"}
    joint = learnt(joint=True)
    assert joint.encode(lines, "ko") == joint.encode(lines, "en")
    assert joint.vocab_size("ko") == joint.vocab_size("en")
    assert {p.name for p in joint.artifact.path.glob("*.model")} == {"joint.model"}
    words = {"ko": "있습니다", "en": "the"}  # frequent in any text of the language
    for language, word in words.items():
        other = "en" if language == "ko" else "ko"
        assert len(joint.encode([word], language)[0]) < len(tokenizer.encode([word], other)[0])


def test_a_tokenizer_of_one_language_has_its_vocabulary_alone(learnt: Learn, tokenizer: Tokenizer) -> None:
    one = learnt(lang="ko")
    assert one.languages == ["ko"]
    assert {p.name for p in one.artifact.path.glob("*.model")} == {"ko.model"}
    assert (one.artifact.path / "ko.model").read_bytes() == (tokenizer.artifact.path / "ko.model").read_bytes()
    with pytest.raises(UsageError, match="no language en"):
        one.encode(["x"], "en")
