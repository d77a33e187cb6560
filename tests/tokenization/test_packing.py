"""Lines encoded in packs get the ids that each gets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.tokenization import packing
from nlpcli.tokenization.packing import STEP, can_pack, encode_packed, encode_words, round_scores

from .conftest import text


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def processor(request: pytest.FixtureRequest, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model as SentencePiece learns it, with its scores rounded if it is a unigram model."""
    model = learn(tiny_corpus, request.param, tmp_path_factory.mktemp("packing") / "m")
    return sentencepiece.SentencePieceProcessor(model_proto=round_scores(model) if request.param == "unigram" else model)


def learn(corpus: Path, kind: str, prefix: Path, **options: Any) -> bytes:
    settings = {"vocab_size": 900, "byte_fallback": True, "hard_vocab_limit": False, "minloglevel": 2, **options}
    plain = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus / "train.ko"), model_prefix=str(prefix), model_type=kind, **settings, **plain
    )
    return Path(f"{prefix}.model").read_bytes()


def alone(processor: Any, lines: list[str]) -> tuple[list[int], list[int]]:
    rows = processor.encode(lines)
    return [i for row in rows for i in row], [len(row) for row in rows]


def packed(processor: Any, lines: list[str]) -> tuple[list[int], list[int]]:
    """Encode in packs, and word by word, which must be the same."""
    found, by_words = encode_packed(processor, lines), encode_words(processor, lines)
    assert found is not None
    assert by_words is not None
    assert [numbers.tolist() for numbers in found] == [numbers.tolist() for numbers in by_words]
    return found[0].tolist(), found[1].tolist()


@given(lines=st.lists(text, max_size=12))
def test_any_lines_in_a_pack_get_the_ids_they_get_alone(processor: Any, lines: list[str]) -> None:
    assert packed(processor, lines) == alone(processor, lines)


def test_many_sentences_short_and_long_in_packs(processor: Any, tiny_corpus: Path) -> None:
    lines = (tiny_corpus / "train.ko").read_text("utf-8").split("\n")
    lines += [" ".join(lines[i : i + 20]) for i in range(0, 100, 3)] + ["", " ", "", "  가", "나  "]
    assert packed(processor, lines) == alone(processor, lines)
    assert packed(processor, []) == ([], [])
    assert packed(processor, ["", ""]) == ([], [0, 0])


def test_a_line_with_a_newline_is_not_packed(processor: Any) -> None:
    assert encode_packed(processor, ["가\n나", "다"]) is None
    assert encode_words(processor, ["가\n나", "다"]) is None


def test_rounding_changes_the_scores_by_less_than_a_step_and_nothing_else(tiny_corpus: Path, tmp_path: Path) -> None:
    model = learn(tiny_corpus, "unigram", tmp_path / "m")
    before, after = (sentencepiece.SentencePieceProcessor(model_proto=m) for m in (model, round_scores(model)))
    ids = range(before.vocab_size())
    assert [before.id_to_piece(i) for i in ids] == [after.id_to_piece(i) for i in ids]
    scores = np.array([[p.get_score(i) for i in ids] for p in (before, after)])
    assert np.abs(scores[0] - scores[1]).max() <= STEP / 2
    assert not (scores[1] % STEP).any()
    assert len(model) == len(round_scores(model))
    assert not can_pack(before, "unigram", symbols=False)
    assert can_pack(after, "unigram", symbols=False)


def test_what_cannot_be_packed_exactly_is_not(tiny_corpus: Path, tmp_path: Path, processor: Any) -> None:
    rounded = round_scores(learn(tiny_corpus, "unigram", tmp_path / "s", user_defined_symbols=["친구"]))
    with_symbol = sentencepiece.SentencePieceProcessor(model_proto=rounded)
    assert not can_pack(with_symbol, "unigram", symbols=True)
    no_bytes = sentencepiece.SentencePieceProcessor(model_proto=learn(tiny_corpus, "bpe", tmp_path / "b", byte_fallback=False))
    assert not can_pack(no_bytes, "bpe", symbols=False)
    assert not can_pack(processor, "char", symbols=False)


def test_sums_of_scores_in_a_pack_are_exact_in_float32(processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "EXACT", 1)
    kind = "unigram" if processor.get_score(processor.vocab_size() - 1) % 1 else "bpe"
    assert can_pack(processor, kind, symbols=False) is (kind == "bpe")
