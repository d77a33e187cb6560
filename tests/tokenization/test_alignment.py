"""Word alignments in Pharaoh's format, as links of tokens."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.errors import BadInput
from nlpcli.tokenization.alignment import alignment_rows, parse_links, token_links
from nlpcli.tokenization.tokenizer import Tokenizer

HERE = "train.align line 7"
WORDS = st.lists(st.text("abc다라.", min_size=1, max_size=6), min_size=1, max_size=6)


def test_links_are_read_as_they_are_written() -> None:
    assert parse_links("0-0 1-2\t2-1  10-11\n", HERE) == [(0, 0), (1, 2), (2, 1), (10, 11)]
    assert parse_links("", HERE) == []


@pytest.mark.parametrize("written", ["0", "0-", "-1", "0-1-2", "a-b", "0:1", "0-1,", "0--1", "٣-١", "0-1.5"])
def test_what_is_no_link_is_refused_with_its_place(written: str) -> None:
    with pytest.raises(BadInput, match=re.escape(HERE)) as refusal:
        parse_links(f"0-0 {written} 1-1", HERE)
    assert repr(written) in refusal.value.message
    assert "Pharaoh" in refusal.value.fix


def test_every_piece_of_a_word_is_linked_with_every_piece_of_the_other() -> None:
    src, tgt = "나는 학교에 간다", "I go to school"
    src_offsets = [(0, 1), (1, 2), (2, 5), (5, 6), (6, 9)]  # 나|는| 학교|에| 간다
    tgt_offsets = [(0, 1), (1, 4), (4, 7), (7, 11), (11, 14)]  # I| go| to| sch|ool
    links = parse_links("0-0 1-3 2-1", HERE)
    assert token_links(links, src, src_offsets, tgt, tgt_offsets, HERE) == [
        *[(0, 0), (1, 0)],
        *[(2, 3), (2, 4), (3, 3), (3, 4)],
        (4, 1),
    ]


def test_a_piece_over_two_words_belongs_to_both_and_a_blank_to_none() -> None:
    # "a b" | blank | "c", and a piece without a place
    assert token_links([(0, 0), (1, 1), (2, 1)], "a b c", [(0, 3), (3, 4), (4, 5), (5, 5)], "x y", [(0, 1), (1, 3)], HERE) == [
        *[(0, 0), (0, 1)],
        (2, 1),
    ]


def test_links_given_twice_count_once() -> None:
    assert token_links([(0, 0), (0, 0)], "a", [(0, 1)], "b", [(0, 1)], HERE) == [(0, 0)]


@pytest.mark.parametrize(("link", "side"), [((2, 0), "the source has 2 words"), ((0, 1), "the target has 1 words")])
def test_a_link_to_no_word_is_refused(link: tuple[int, int], side: str) -> None:
    with pytest.raises(BadInput, match=re.escape(HERE)) as refusal:
        token_links([link], "a b", [(0, 1), (1, 3)], "c", [(0, 1)], HERE)
    assert side in refusal.value.message
    assert f"{link[0]}-{link[1]}" in refusal.value.message
    assert "counted from 0" in refusal.value.cause


@given(src=WORDS, tgt=WORDS, data=st.data())
def test_one_piece_a_word_leaves_links_as_they_are(src: list[str], tgt: list[str], data: st.DataObject) -> None:
    link = st.tuples(st.integers(0, len(src) - 1), st.integers(0, len(tgt) - 1))
    links = data.draw(st.lists(link, max_size=8))
    sides = []
    for words in (src, tgt):
        spans, at = [], 0
        for word in words:
            spans.append((max(at - 1, 0), at + len(word)))  # the blank before belongs to the piece
            at += len(word) + 1
        sides.append((" ".join(words), spans))
    assert token_links(links, *sides[0], *sides[1], HERE) == sorted(set(links))


@given(words=WORDS, data=st.data())
def test_cut_anyhow_each_piece_lies_in_its_word(words: list[str], data: st.DataObject) -> None:
    line = " ".join(words)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(line) - 1)), max_size=8)) | {0, len(line)})
    offsets = list(pairwise(cuts))
    found = token_links([(0, i) for i in range(len(words))], "a", [(0, 1)], line, offsets, HERE)
    at = [i for i, word in enumerate(words) for _ in f"{word} "][: len(line)]
    inside = [{at[c] for c in range(b, e) if not line[c].isspace()} for b, e in offsets]
    assert found == [(0, i) for i, of_words in enumerate(inside) if of_words]


def test_a_tokenizers_own_pieces_are_linked(tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.load(tiny_tokenizer)
    src, tgt = "오늘 날씨가 좋습니다.", "The weather is good today."
    (src_pieces,), (tgt_pieces,) = tokenizer.encode_pieces([src], "ko"), tokenizer.encode_pieces([tgt], "en")
    offsets = tokenizer.offsets(src, src_pieces, "ko"), tokenizer.offsets(tgt, tgt_pieces, "en")
    found = token_links([(0, 4), (1, 1), (2, 3)], src, offsets[0], tgt, offsets[1], HERE)
    assert found
    word_of = [[line[:end].count(" ") for _, end in spans] for line, spans in zip((src, tgt), offsets)]
    assert {(word_of[0][s], word_of[1][t]) for s, t in found} == {(0, 4), (1, 1), (2, 3)}
    linked = {s for s, _ in found}
    assert linked == {i for i, (begin, end) in enumerate(offsets[0]) if src[begin:end].strip()}  # every piece of three words


def test_rows_share_one_and_unlinked_words_have_none() -> None:
    rows = alignment_rows([[(0, 0), (2, 0), (1, 1)], []], 3, 4)
    expected = torch.zeros(2, 3, 4)
    expected[0, 0, 0] = expected[0, 0, 2] = 0.5
    expected[0, 1, 1] = 1.0
    assert torch.equal(rows, expected)
