"""Blocks of running text: every token once, the input one token behind the target, the same batches for a seed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.tokenization.blocks import BlockBatches, Blocks, Stream
from nlpcli.tokenization.dataset import Dataset, Side
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.tokenizer import EOS, PAD
from nlpcli.tokenization.train import train_tokenizer

texts = st.lists(st.integers(0, 6), max_size=30)  # tokens of each line; blank lines too
sizes = st.integers(1, 12)


def side(counts: list[int]) -> Side:
    """Return a side whose tokens are all different."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Side(np.arange(EOS + 1, EOS + 1 + offsets[-1], dtype=np.uint16), offsets)


def stream_of(counts: list[int]) -> list[int]:
    """Return the whole stream, line by line."""
    lines = side(counts)
    return [token for i in range(len(lines)) for token in [*lines[i].tolist(), EOS]]


def batches(counts: list[int], *, rows: int = 3, context: int = 5, seed: int = 1, streams: bool = False) -> BlockBatches:
    return BlockBatches(side(counts), batch_tokens=rows * context, context=context, seed=seed, streams=streams)


def loaded(made: BlockBatches, order: list[Blocks]) -> list[list[list[list[int]]]]:
    return [[batch.in_bt.tolist(), batch.out_bt.tolist()] for batch in map(made.load, order)]


def real(row: list[int]) -> list[int]:
    return [token for token in row if token != PAD]


# The stream


@given(counts=texts, data=st.data())
def test_any_stretch_of_the_stream_is_found(counts: list[int], data: st.DataObject) -> None:
    whole, stream = stream_of(counts), Stream(side(counts))
    assert len(stream) == len(whole)
    if whole:
        start = data.draw(st.integers(-1, len(whole) - 1))
        stop = data.draw(st.integers(start + 1, len(whole)))
        assert stream.read(start, stop).tolist() == [EOS, *whole][start + 1 : stop + 1]


def test_the_text_stays_on_disk(tmp_path: Path) -> None:
    lines = side([3, 0, 4] * 50)
    np.save(tmp_path / "ids.npy", lines.ids)
    np.save(tmp_path / "offsets.npy", lines.offsets)
    mapped = Side(*(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("ids", "offsets")))
    stream = Stream(mapped)
    assert np.shares_memory(stream.ids, mapped.ids)
    assert np.shares_memory(stream.offsets, mapped.offsets)
    assert stream.read(0, len(stream)).tolist() == stream_of([3, 0, 4] * 50)


# Every batch


@given(counts=texts, rows=sizes, context=sizes, streams=st.booleans(), epoch=st.integers(0, 3))
def test_the_input_is_one_token_behind_the_target(
    counts: list[int], rows: int, context: int, streams: bool, epoch: int
) -> None:
    made, whole = batches(counts, rows=rows, context=context, streams=streams), stream_of(counts)
    for blocks in [*made.epoch(epoch), *made.in_order()]:
        batch = made.load(blocks)
        assert batch.in_bt.shape == batch.out_bt.shape
        assert batch.in_bt.dtype == batch.out_bt.dtype == torch.int64
        assert batch.in_bt.numel() <= max(rows * context, context)
        for inputs, targets, start, stop in zip(batch.in_bt.tolist(), batch.out_bt.tolist(), *blocks[:2], strict=True):
            padding = [PAD] * (len(targets) - (stop - start))
            assert targets == whole[start:stop] + padding
            assert inputs == [EOS, *whole][start:stop] + padding


@given(counts=texts, rows=sizes, context=sizes, streams=st.booleans())
def test_evaluation_has_every_token_once(counts: list[int], rows: int, context: int, streams: bool) -> None:
    made = batches(counts, rows=rows, context=context, streams=streams)
    order = made.in_order()
    places = sorted(place for blocks in order for start, stop in zip(*blocks[:2]) for place in range(start, stop))
    assert places == list(range(len(stream_of(counts))))
    assert sum(made.load(blocks).count for blocks in order) == len(places)


# Blocks


@given(counts=texts, rows=sizes, context=sizes, epoch=st.integers(0, 3))
def test_an_epoch_has_the_blocks_from_a_place_on(counts: list[int], rows: int, context: int, epoch: int) -> None:
    made, size = batches(counts, rows=rows, context=context), len(stream_of(counts))
    order = made.epoch(epoch)
    starts = sorted(start for blocks in order for start in blocks.starts.tolist())
    if not size:
        assert order == []
        return
    width = min(context, size)
    assert 0 <= starts[0] < context
    assert all(b - a == width for a, b in pairwise(starts))
    assert size - width < starts[-1] + width <= size
    assert all(blocks.first for blocks in order)
    assert all(len(blocks.starts) == made.rows for blocks in order[:-1])


def test_epochs_are_shuffled_and_begin_elsewhere() -> None:
    made = batches([7] * 40)
    firsts = {min(start for blocks in made.epoch(n) for start in blocks.starts.tolist()) for n in range(20)}
    assert len(firsts) > 2
    (order,) = [[start for blocks in made.epoch(0) for start in blocks.starts.tolist()]]
    assert order != sorted(order)


# Streams


@given(counts=texts, rows=sizes, context=sizes)
def test_each_batch_of_streams_goes_on_where_the_one_before_ended(counts: list[int], rows: int, context: int) -> None:
    made, whole = batches(counts, rows=rows, context=context, streams=True), stream_of(counts)
    for order in (made.epoch(0), made.in_order()):
        for before, after in pairwise(order):
            assert before.stops.tolist() == after.starts.tolist()
        assert [blocks.first for blocks in order] == [number == 0 for number in range(len(order))]
    order = made.epoch(0)
    left_out = len(whole) - sum(made.load(blocks).count for blocks in order)
    assert 0 <= left_out < made.rows
    if order:
        assert len({len(blocks.starts) for blocks in order}) == 1
        assert not any((made.load(blocks).out_bt == PAD).any() for blocks in order)


def test_streams_are_parts_of_the_text_side_by_side() -> None:
    made = batches([9] * 3, rows=3, context=4, streams=True)
    columns = [[real(batch[1][row]) for batch in loaded(made, made.epoch(0))] for row in range(3)]
    assert [[token for part in column for token in part] for column in columns] == [
        stream_of([9] * 3)[at : at + 10] for at in (0, 10, 20)
    ]


# Order


@given(counts=texts, streams=st.booleans(), seed=st.integers(0, 5), epoch=st.integers(0, 5), done=st.integers(0, 9))
def test_a_run_that_goes_on_in_the_middle_sees_the_same_batches(
    counts: list[int], streams: bool, seed: int, epoch: int, done: int
) -> None:
    one, two = (batches(counts, seed=seed, streams=streams) for _ in range(2))
    two.epoch(epoch + 1)  # whatever was asked for before
    assert loaded(one, one.epoch(epoch))[done:] == loaded(two, two.epoch(epoch)[done:])


def test_other_seeds_and_epochs_give_other_orders() -> None:
    seen = [loaded(made := batches([5] * 60, seed=seed), made.epoch(epoch)) for seed in (1, 2) for epoch in (0, 1)]
    assert all(a != b for i, a in enumerate(seen) for b in seen[:i])


def test_the_step_changes_nothing() -> None:
    made = batches([5] * 6)
    one, two = (made.load(made.in_order()[0], step) for step in (None, 7))
    assert torch.equal(one.out_bt, two.out_bt)


def test_moving_a_batch_keeps_its_place() -> None:
    made = batches([5] * 6, streams=True)
    batch = made.load(made.epoch(0)[0])
    moved = batch.to(torch.device("meta"))
    assert {moved.in_bt.device.type, moved.out_bt.device.type} == {"meta"}
    assert (moved.first, batch.count) == (True, 15)


# The counts that others publish are counts of these tokens


def test_words_are_what_white_space_separates_and_lines_end_with_eos() -> None:
    text = " \n = A Title = \n \n Some <unk> <unk> words , <unk>\tagain . \n"
    Path("x").mkdir()
    for name in ("train", "valid"):
        Path(f"x/{name}.txt").write_text(text, "utf-8")
    tokenizer = train_tokenizer(data="./x", out=Path("tok"), kind="word").path
    data = Dataset.load(encode_dataset(data="./x", tokenizer=tokenizer, out=Path("set")).path)
    stream = Stream(data.side("train", data.src))
    assert (data.task, data.languages) == ("lm", ["text"])
    assert len(stream) == len(text.split()) + text.count("\n")
    words = text.replace("\n", " <eos> ").split()
    assert data.tokenizer.decode([stream.read(0, len(stream)).tolist()], "text")[0].split() == [
        "\ufffd" if word == "<unk>" else word for word in words if word != "<eos>"
    ]
    assert data.tokenizer.vocab_size("text") == 4 + len({*words} - {"<unk>", "<eos>"})


def test_every_character_is_a_token_and_a_newline_is_eos() -> None:
    text = "KING:\nO, my  lord!\n\n Exit 3\n"
    Path("input.txt").write_text(text, "utf-8")
    tokenizer = train_tokenizer(data="input.txt", out=Path("tok"), kind="char").path
    data = Dataset.load(encode_dataset(data="input.txt", tokenizer=tokenizer, out=Path("set")).path)
    stream = Stream(data.side("train", data.src))
    assert len(stream) == len(text)
    assert data.tokenizer.vocab_size("text") == 3 + len(set(text))  # EOS stands for the newline; PAD, UNK and BOS do not occur
    pieces = [data.tokenizer.of("text").id_to_piece(int(i)) for i in stream.read(0, len(stream))]
    assert "".join(pieces).replace("</s>", "\n").replace("▁", " ") == text


@pytest.mark.parametrize("streams", [False, True])
def test_text_shorter_than_a_context_is_one_row(streams: bool) -> None:
    made = batches([2, 1], rows=1, context=50, streams=streams)
    assert loaded(made, made.in_order())[0][1] == [stream_of([2, 1])]
    assert sum(made.load(blocks).count for blocks in made.epoch(0)) == 5
    assert made.context == 5
