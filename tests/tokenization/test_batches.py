"""Batches hold every usable row once, stay within the budget, and follow from (seed, epoch) alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.tokenization.batches import LabelledBatches, PairBatches, pad
from nlpcli.tokenization.cut import by_token_budget
from nlpcli.tokenization.dataset import Dataset, Side
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

Lengths = list[tuple[int, int]]
lengths = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60)
budgets = st.integers(1, 400)


def side(counts: list[int]) -> Side:
    """Return a side whose row i has `counts[i]` ids, none of them a mark, each of them different."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Side(np.arange(EOS + 1, EOS + 1 + offsets[-1], dtype=np.uint16), offsets)


def batches(of: Lengths, *, batch_tokens: int = 200, max_length: int = 20, seed: int = 1) -> PairBatches:
    src, tgt = side([s for s, _ in of]), side([t for _, t in of])
    return PairBatches(src, tgt, batch_tokens=batch_tokens, max_length=max_length, seed=seed)


def realistic(count: int) -> Lengths:
    """Return lengths as sentences have them: mostly short, a long tail, both sides alike."""
    rng = np.random.default_rng(3)
    src = np.clip(rng.lognormal(2.6, 0.5, count), 2, 90).astype(int)
    tgt = np.clip(src * rng.normal(1.2, 0.2, count), 2, 90).astype(int)
    return list(zip(src.tolist(), tgt.tolist()))


# Which rows


@given(of=lengths, budget=budgets, epoch=st.integers(0, 5))
def test_every_usable_row_is_in_an_epoch_exactly_once(of: Lengths, budget: int, epoch: int) -> None:
    usable = [i for i, (s, t) in enumerate(of) if 0 < s <= 20 and 0 < t <= 20]
    made = batches(of, batch_tokens=budget)
    for order in (made.epoch(epoch), made.in_order()):
        assert sorted(row for rows in order for row in rows) == usable
        assert all(order)


@given(of=lengths)
def test_rows_left_out_are_named_by_reason(of: Lengths) -> None:
    made = batches(of)
    assert made.empty.tolist() == [i for i, (s, t) in enumerate(of) if s == 0 or t == 0]
    assert made.too_long.tolist() == [i for i, (s, t) in enumerate(of) if s > 20 or t > 20]
    assert len(made.rows) + len({*made.empty.tolist(), *made.too_long.tolist()}) == len(of)


def test_nothing_usable_gives_no_batches() -> None:
    for of in ([], [(0, 3)], [(3, 0), (0, 0)], [(21, 2), (2, 21)]):
        made = batches(of)
        assert list(made.epoch(1)) == []
        assert list(made.in_order()) == []


def test_the_longest_allowed_row_is_used_and_one_token_more_is_not() -> None:
    made = batches([(20, 20), (21, 20), (20, 21)])
    assert list(made.in_order()) == [[0]]
    assert made.too_long.tolist() == [1, 2]


# The budget


@given(of=lengths, budget=budgets, epoch=st.integers(0, 5))
def test_the_budget_holds_for_what_is_loaded_marks_and_padding_included(of: Lengths, budget: int, epoch: int) -> None:
    made = batches(of, batch_tokens=budget)
    for rows in [*made.epoch(epoch), *made.in_order()]:
        batch = made.load(rows)
        largest = max(batch.src_bs.numel(), batch.tgt_in_bt.numel(), batch.tgt_out_bt.numel())
        assert largest <= budget or len(rows) == 1


@given(st.lists(st.integers(1, 50), max_size=40), budgets)
def test_cutting_keeps_the_order_and_leaves_no_room_for_the_next_row(sizes: list[int], budget: int) -> None:
    order = list(range(len(sizes)))[::-1]
    cut = list(by_token_budget(order, sizes, budget))
    assert [row for rows in cut for row in rows] == order
    for rows, following in pairwise(cut):
        assert (len(rows) + 1) * max(sizes[row] for row in [*rows, following[0]]) > budget


# The order


def test_the_same_seed_and_epoch_give_the_same_batches() -> None:
    of = realistic(300)
    one, two = batches(of, max_length=90), batches(of, max_length=90)
    later = list(two.epoch(4))
    two.epoch(1)
    assert list(one.epoch(4)) == later  # whatever was asked for before
    assert list(one.epoch(4)) == later


def test_other_epochs_and_other_seeds_give_other_batches() -> None:
    of = realistic(300)
    seen = [batches(of, max_length=90, seed=seed).epoch(epoch)[:] for seed in (1, 2) for epoch in (0, 1, 2)]
    for i, first in enumerate(seen):
        for second in seen[:i]:
            assert first != second
            assert sorted(map(sorted, first)) != sorted(map(sorted, second))  # not only in another order


def test_an_epoch_does_not_run_from_short_to_long() -> None:
    of = realistic(2000)
    longest = [max(of[row][1] for row in rows) for rows in batches(of, batch_tokens=500, max_length=90).epoch(1)]
    half = len(longest) // 2
    assert half > 20
    assert abs(np.mean(longest[:half]) - np.mean(longest[half:])) < 0.25 * np.mean(longest)


def test_evaluation_runs_from_short_to_long_the_same_every_time() -> None:
    of = realistic(300)
    made = batches(of, max_length=90)
    longest = [max(max(of[row]) for row in rows) for rows in made.in_order()]
    assert longest[0] < longest[len(longest) // 2] < longest[-1] == max(map(max, of))
    assert list(made.in_order()) == list(batches(of, max_length=90, seed=2).in_order())


# Padding


def padding(made: PairBatches, order: list[list[int]]) -> float:
    loaded = [made.load(rows) for rows in order]
    cells = sum(batch.src_bs.numel() + batch.tgt_out_bt.numel() for batch in loaded)
    return sum(int((ids == PAD).sum()) for batch in loaded for ids in (batch.src_bs, batch.tgt_out_bt)) / cells


@pytest.mark.parametrize("batch_tokens", [1024, 4096])
def test_little_is_spent_on_padding_with_sentences_of_all_lengths(batch_tokens: int) -> None:
    made = batches(realistic(4000), batch_tokens=batch_tokens, max_length=90)
    assert padding(made, made.epoch(1)) < 0.15


def test_little_is_spent_on_padding_with_the_sample(tiny_dataset: Path) -> None:
    data = Dataset.load(tiny_dataset)
    made = PairBatches(data.side("train", "ko"), data.side("train", "en"), batch_tokens=1024, max_length=256, seed=1)
    assert padding(made, made.epoch(1)) < 0.15
    assert padding(made, made.in_order()) < 0.15


# What is loaded


def test_marks_stand_where_teacher_forcing_needs_them() -> None:
    made = batches([(3, 2), (1, 4)])
    batch = made.load([0, 1])
    (a, b, c), (d,) = made.src[0].tolist(), made.src[1].tolist()
    assert batch.src_bs.tolist() == [[a, b, c, EOS], [d, EOS, PAD, PAD]]
    assert batch.src_lengths_b.tolist() == [4, 2]
    (a, b), (c, d, e, f) = made.tgt[0].tolist(), made.tgt[1].tolist()
    assert batch.tgt_in_bt.tolist() == [[BOS, a, b, PAD, PAD], [BOS, c, d, e, f]]
    assert batch.tgt_out_bt.tolist() == [[a, b, EOS, PAD, PAD], [c, d, e, f, EOS]]
    assert {t.dtype for t in batch[:4]} == {torch.int64}


@given(of=lengths)
def test_input_and_output_of_the_decoder_are_one_step_apart(of: Lengths) -> None:
    made = batches(of)
    for rows in made.epoch(1):
        _, lengths_b, tgt_in, tgt_out = made.load(rows)[:4]
        for i, row in enumerate(rows):
            ids = made.tgt[row].tolist()
            assert tgt_in[i, : len(ids) + 1].tolist() == [BOS, *ids]
            assert tgt_out[i, : len(ids) + 1].tolist() == [*ids, EOS]
            assert lengths_b[i] == len(made.src[row]) + 1
        assert tgt_in.shape == tgt_out.shape


def test_ids_above_16_bits_are_loaded_as_they_are() -> None:
    wide = Side(np.array([70_000, 2**31], np.uint32), np.array([0, 2]))
    made = PairBatches(wide, wide, batch_tokens=100, max_length=10, seed=1)
    assert made.load([0]).src_bs.tolist() == [[70_000, 2**31, EOS]]


def test_rows_are_padded_at_their_end() -> None:
    ids, counts = pad([[5], [6, 7, 8]])
    assert ids.tolist() == [[5, PAD, PAD], [6, 7, 8]]
    assert counts.tolist() == [1, 3]


def test_moving_a_batch_keeps_the_lengths_where_packing_needs_them() -> None:
    moved = batches([(3, 2)]).load([0]).to(torch.device("meta"))
    assert {t.device.type for t in (moved.src_bs, moved.tgt_in_bt, moved.tgt_out_bt)} == {"meta"}
    assert moved.src_lengths_b.device.type == "cpu"


@given(of=lengths)
def test_the_tokens_to_predict_are_counted(of: Lengths) -> None:
    made = batches(of)
    for rows in made.in_order():
        assert made.load(rows).count == sum(of[row][1] + 1 for row in rows)


# Texts with labels


def labelled(counts: list[int], *, batch_tokens: int = 200, max_length: int = 20, seed: int = 1) -> LabelledBatches:
    labels = (np.arange(len(counts)) * 7 % 5).astype(np.uint8)
    return LabelledBatches(side(counts), labels, batch_tokens=batch_tokens, max_length=max_length, seed=seed)


texts = st.lists(st.integers(0, 30), max_size=60)


@given(counts=texts, budget=budgets, epoch=st.integers(0, 5))
def test_every_text_that_is_not_empty_has_its_own_label(counts: list[int], budget: int, epoch: int) -> None:
    made = labelled(counts, batch_tokens=budget)
    for order in (made.epoch(epoch), made.in_order()):
        assert sorted(row for rows in order for row in rows) == [i for i, count in enumerate(counts) if count]
        for rows in order:
            ids_bs, lengths_b, labels_b = batch = made.load(rows)
            assert ids_bs.numel() <= budget or len(rows) == 1
            assert labels_b.tolist() == [row * 7 % 5 for row in rows]
            assert batch.count == len(rows)
            for i, row in enumerate(rows):
                kept = made.side[row][:20].tolist()
                assert ids_bs[i].tolist() == [*kept, EOS] + [PAD] * (ids_bs.shape[1] - len(kept) - 1)
                assert lengths_b[i] == len(kept) + 1
            assert {tensor.dtype for tensor in batch} == {torch.int64}


@given(counts=texts)
def test_long_texts_are_cut_and_counted_and_empty_ones_left_out(counts: list[int]) -> None:
    made = labelled(counts)
    assert made.cut.tolist() == [i for i, count in enumerate(counts) if count > 20]
    assert made.empty.tolist() == [i for i, count in enumerate(counts) if not count]


def test_texts_come_in_the_same_order_for_a_seed_and_from_short_to_long_for_evaluation() -> None:
    counts = [s for s, _ in realistic(300)]
    one, two = labelled(counts), labelled(counts)
    later = list(two.epoch(4))
    two.epoch(1)
    assert list(one.epoch(4)) == later
    assert one.epoch(3) != later != labelled(counts, seed=2).epoch(4)
    longest = [max(counts[row] for row in rows) for rows in labelled(counts, max_length=90).in_order()]
    assert longest == sorted(longest)


def test_moving_texts_keeps_the_lengths_where_packing_needs_them() -> None:
    moved = labelled([3, 2]).load([0, 1]).to(torch.device("meta"))
    assert (moved.ids_bs.device.type, moved.labels_b.device.type, moved.lengths_b.device.type) == ("meta", "meta", "cpu")
