"""Korean is cut where its morphemes begin, in the text as it is written; no piece crosses a cut and nothing is lost."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from nlpcli.errors import Unavailable, UsageError
from nlpcli.tokenization.morphemes import cut, kiwi, split_morphemes
from nlpcli.tokenization.tokenizer import MARK, Sampling, Tokenizer
from nlpcli.tokenization.train import train_tokenizer

from .conftest import nfc, text

Learn = Callable[..., Tokenizer]
SMALL = {"vocab_size": 1500, "sample_lines": 200}
SENTENCES = [
    "나는 어제 학교에 갔다.",
    "할머니께서 맛있는 떡을 만들어 주셨습니다!",
    "예뻤던 꽃이 시들었네요…",
    "😀나는 𝒳를 먹었어. 2024년에 3.5% 올랐다",
    "  앞과   뒤에 빈칸  ",
    "그건\t탭이고\u3000이건\u00a0넓은 빈칸이에요",
]


@pytest.fixture(autouse=True)
def _needs_kiwi(request: pytest.FixtureRequest) -> None:
    if "without_kiwi" not in request.node.name:
        pytest.importorskip("kiwipiepy")


def starts(line: str) -> set[int]:
    """Return where Kiwi says that morphemes begin."""
    return {token.start for token in kiwi().tokenize(line)}


# Cutting


def test_morphemes_are_cut_as_they_are_written() -> None:
    assert cut("나는 학교에 갔다.") == ["나", "는 학교", "에 갔", "다", "."]
    assert split_morphemes(["나는 학교에 갔다.", ""]) == [["나", "는", "학교", "에", "갔", "다", "."], []]


@pytest.mark.parametrize("line", SENTENCES)
def test_each_morpheme_begins_a_part_or_follows_a_blank(line: str) -> None:
    begins, at = set(), 0
    for part in cut(line):
        begins.add(at)
        at += len(part)
    inner = {i for i in starts(line) if 0 < i < len(line)}
    assert {i for i in inner if not line[i - 1].isspace()} <= begins
    assert begins <= inner | {0}


def test_characters_beyond_16_bits_do_not_shift_the_cuts() -> None:
    assert cut("😀😀나는 갔다") == ["😀", "😀", "나", "는 갔", "다"] or cut("😀😀나는 갔다") == ["😀😀", "나", "는 갔", "다"]


@settings(max_examples=60)
@given(line=text)
def test_parts_joined_are_the_line(line: str) -> None:
    assert "".join(cut(line)) == line
    assert all(cut(line)) or not line
    (morphemes,) = split_morphemes([line])
    assert "".join(morphemes) == "".join(line.split())
    assert all(morphemes)


@pytest.mark.parametrize("line", ["", " ", "  \t "])
def test_nothing_to_cut(line: str) -> None:
    assert "".join(cut(line)) == line
    assert split_morphemes([line]) == [[]]


def test_a_line_is_cut_alike_alone_and_among_others() -> None:
    assert split_morphemes(SENTENCES * 3) == [split_morphemes([line])[0] for line in SENTENCES] * 3


# In a vocabulary


def crossing(tokenizer: Tokenizer, line: str, sampling: Sampling | None = None) -> list[str]:
    """Return the pieces that hold text of two morphemes: one begins inside, after something that is no blank."""
    (pieces,) = tokenizer.encode_pieces([line], "ko", sampling)
    found, inner = [], starts(line)
    for piece, (begin, end) in zip(pieces, tokenizer.offsets(line, pieces, "ko")):
        if any(begin < i < end and line[begin:i].strip() for i in inner):
            found.append(piece)
    return found


@pytest.mark.parametrize(
    "settings", [{}, {"kind": "unigram"}, {"kind": "char"}, {"jamo": True}, {"joint": True, "split_digits": True}], ids=str
)
def test_no_piece_crosses_a_morpheme(learnt: Learn, sentences: dict[str, list[str]], settings: dict[str, Any]) -> None:
    tokenizer = learnt(pretokenizer="kiwi", **SMALL, **settings)
    plain = learnt(**SMALL, **settings)
    lines = [*sentences["ko"][:20], *SENTENCES]
    assert not [piece for line in lines for piece in crossing(tokenizer, line)]
    if settings.get("kind") != "char":
        assert [piece for line in lines for piece in crossing(plain, line)]  # which is not so by itself
        assert not [piece for line in lines for piece in crossing(tokenizer, line, Sampling(0.3, 1))]


@settings(max_examples=60)
@given(line=text)
def test_no_piece_crosses_a_morpheme_of_any_text(learnt: Learn, line: str) -> None:
    (line,) = nfc([line.replace("\u2581", "").replace(MARK, "")])  # Kiwi sees others in their place
    assert not crossing(learnt(pretokenizer="kiwi", **SMALL), line)


def test_no_piece_crosses_a_morpheme_after_another_kind_of_blank() -> None:
    Path("x.txt").write_text("값은 3.\u00a05.\u00a03.\u00a05.\u00a0입니다\n그것은 .\u00a0.\u00a0.\u00a0이다\n" * 50, "utf-8")
    made = train_tokenizer(data="x.txt", out=Path("tok"), lang="ko", pretokenizer="kiwi", workers=1)
    assert not crossing(Tokenizer.load(made.path), "값은 3.\u00a05.\u00a03.\u00a05.\u00a0입니다 .\u00a0.\u00a0.")


def test_the_mark_between_morphemes_never_comes_out(learnt: Learn, sentences: dict[str, list[str]]) -> None:
    tokenizer = learnt(pretokenizer="kiwi", **SMALL)
    mark = tokenizer.of("ko").piece_to_id(MARK)
    for line, ids, pieces in zip(
        sentences["ko"], tokenizer.encode(sentences["ko"], "ko"), tokenizer.encode_pieces(sentences["ko"], "ko")
    ):
        assert mark not in ids
        assert not any(MARK in piece for piece in pieces)
        assert "".join(pieces).replace("▁", " ").removeprefix(" ") == unicodedata.normalize("NFC", line) or "<0x" in "".join(
            pieces
        )


def test_the_other_side_is_not_cut(learnt: Learn, sentences: dict[str, list[str]]) -> None:
    cut_one, plain = learnt(pretokenizer="kiwi", **SMALL), learnt(**SMALL)
    assert cut_one.encode_pieces(sentences["en"], "en") == plain.encode_pieces(sentences["en"], "en")


def test_tokens_a_word_do_not_count_the_marks() -> None:
    Path("x.txt").write_text("".join(f"{line}\n" for line in SENTENCES * 5), "utf-8")
    made = train_tokenizer(data="x.txt", out=Path("tok"), lang="ko", pretokenizer="kiwi", workers=1)
    tokenizer = Tokenizer.load(made.path)
    tokens = sum(len(ids) for ids in tokenizer.encode(SENTENCES, "ko"))
    words = sum(len(line.split()) for line in SENTENCES)
    assert tokenizer.artifact.manifest.metrics["ko"]["tokens_per_word"] == round(tokens / words, 3)


# Without Korean, without Kiwi


def test_kiwi_for_another_language_is_a_usage_error() -> None:
    Path("x.txt").write_text("hello\n" * 9, "utf-8")
    with pytest.raises(UsageError, match="there is none") as caught:
        train_tokenizer(data="x.txt", out=Path("tok"), pretokenizer="kiwi")
    assert "--lang ko" in caught.value.fix


def test_without_kiwi_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(Unavailable, match="kiwipiepy") as caught:
        kiwi.__wrapped__()
    assert "nlpcli[ko]" in caught.value.fix
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("workers", [1, 2])
def test_without_kiwi_no_tokenizer_is_left_behind(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    monkeypatch.setattr("nlpcli.tokenization.morphemes.kiwi", kiwi.__wrapped__)
    Path("x.txt").write_text("나는 간다\n" * 9, "utf-8")
    with pytest.raises(Unavailable, match="kiwipiepy"):
        train_tokenizer(data="x.txt", out=Path("tok"), lang="ko", pretokenizer="kiwi", workers=workers)
    assert not list(Path().glob("tok*"))
