"""The Triton forward kernel in Triton's interpreter, against float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings

pytest.importorskip("triton")

import triton
import triton.language as tl

from nlpcli.kernels.problem import Shape
from nlpcli.kernels.triton_device import Dropout, kept
from nlpcli.kernels.triton_forward import forward
from nlpcli.kernels.triton_launch import Tiles, tune
from tests.kernels import triton_cases as cases
from tests.kernels import written_out

SMALL = Tiles(16, 32, 4, 1)
WORDS = [  # the known answers that Random123 publishes for philox4x32, 10 rounds
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "words"), WORDS)
def test_philox_yields_the_published_words(counter: str, key: str, words: str) -> None:
    counters, keys, expected = ([int(x, 16) for x in row.split()] for row in (counter, key, words))
    assert list(written_out.philox(tuple(counters), tuple(keys))) == expected  # type: ignore[arg-type]


@triton.jit
def _masks(out, drop, row, first_query, first_key, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    keep = kept(drop, row, first_query + tl.arange(0, ROWS), first_key, COLUMNS)
    tl.store(out + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :], keep.to(tl.int32))


@pytest.mark.parametrize("seed", [0, cases.SEED, -5])
def test_the_mask_is_the_one_of_the_definition(seed: int) -> None:
    found, threshold = torch.empty(16, 32, dtype=torch.int32), 20_000
    _masks[(1,)](found, Dropout(torch.tensor([seed]), threshold, 1.0), 9, 50, 64, 16, 32)
    right = [[written_out.number(seed, 9, 50 + i, 64 + j) >= threshold for j in range(32)] for i in range(16)]
    assert found.tolist() == torch.tensor(right).int().tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("features", cases.FEATURES, ids=cases.name)
def test_each_feature_is_as_exact_as_plain_products(features: dict[str, Any], dtype: torch.dtype) -> None:
    p, o = cases.problem([37], [53], dtype), cases.options(**features)
    found, right = cases.packed(p, o, gradients=False, tiles=SMALL), cases.expected(p, o, gradients=False)
    cases.assert_close(found, right, cases.plain(p, o), dtype)


@settings(max_examples=12)
@given(drawn=cases.drawn())
def test_any_lengths_and_features_in_both_layouts(drawn: tuple[list[int], list[int], dict[str, Any]]) -> None:
    queries, keys, features = drawn
    p, o = cases.problem(queries, keys, heads=2, groups=1, size=8), cases.options(8, heads=2, **features)
    right, common = cases.expected(p, o, gradients=False), cases.plain(p, o)
    found = cases.packed(p, o, gradients=False, tiles=SMALL)
    cases.assert_close(found, right, common, torch.float32)
    cases.assert_same(cases.padded(p, o, gradients=False, tiles=SMALL), found)


def test_a_sequence_is_as_it_is_alone() -> None:
    p, o = cases.problem([40, 17], [33, 50]), cases.options(window=12)
    together = cases.packed(p, o, gradients=False, tiles=SMALL)
    for b in range(2):
        alone = cases.Problem(*([x[b]] for x in (p.q, p.k, p.v, p.dout, p.dlse)))
        assert torch.equal(cases.packed(alone, o, gradients=False, tiles=SMALL).out[0], together.out[b])


@pytest.mark.parametrize("size", [8, 24, 40, 80])
def test_head_sizes_that_are_no_power_of_two(size: int) -> None:
    p, o = cases.problem([20], [40], heads=2, groups=1, size=size), cases.options(size, causal=True)
    found, right = cases.packed(p, o, gradients=False, tiles=SMALL), cases.expected(p, o, gradients=False)
    cases.assert_close(found, right, cases.plain(p, o), torch.float32)


@pytest.mark.parametrize("tiles", [Tiles(32, 16, 4, 1), Tiles(64, 16, 4, 1), Tiles(16, 64, 4, 1)], ids=str)
def test_tiles_change_nothing(tiles: Tiles) -> None:
    p = cases.problem([70], [90], heads=2, groups=1)
    o = cases.options(heads=2, window=15, bottom_right=True, causal=True, relative_bias=True, dropout_p=0.2)
    found, other = (cases.packed(p, o, gradients=False, tiles=some) for some in (tiles, SMALL))
    cases.assert_close(found, other, cases.plain(p, o), torch.float32)


def test_rows_that_lie_apart_in_memory() -> None:
    """Heads before rows, as most models have them, and q, k, v cut out of one product."""
    p, o = cases.problem([20], [40]), cases.options()
    q, k, v = (x[0].transpose(0, 1).contiguous().transpose(0, 1)[None] for x in (p.q, p.k, p.v))
    out, _ = forward(q, k, v, Shape(), o, tiles=SMALL)
    joint = torch.cat([p.k[0], p.v[0]], -1)
    same, _ = forward(p.q[0][None], *joint[None].split(cases.SIZE, -1), Shape(), o, tiles=SMALL)
    assert torch.equal(out, same)


def test_offsets_beyond_32_bits() -> None:
    """Rows so far apart that an element's number needs 64 bits; the memory between them is never touched."""
    apart, length = 1 << 22, 600
    k = torch.empty_strided((1, length, 1, 8), (0, apart, 0, 1), dtype=torch.float16)
    torch.manual_seed(1)
    k.copy_(torch.randn(1, length, 1, 8))
    q = torch.randn(1, 3, 1, 8).half()
    o, tiles = cases.options(8), Tiles(16, 128, 4, 1)
    found, right = (
        forward(q, k, k, Shape(), o, tiles=tiles),
        forward(q, k.contiguous(), k.contiguous(), Shape(), o, tiles=tiles),
    )
    assert torch.equal(found[0], right[0])


def test_nothing_to_do() -> None:
    for queries, keys in ((0, 5), (5, 0)):
        q, k = torch.ones(2, queries, 2, 8), torch.ones(2, keys, 2, 8)
        out, lse = forward(q, k, k, Shape(), cases.options(8))
        assert out.eq(0).all()
        assert lse.eq(-math.inf).all()


def test_lengths_beyond_the_tensor_are_those_of_the_tensor() -> None:
    q, k = torch.ones(1, 5, 2, 8), torch.randn(1, 7, 2, 8)
    long = torch.tensor([1 << 20], dtype=torch.int32)
    right = forward(q, k, k, Shape(), cases.options(8))
    assert all(torch.equal(x, y) for x, y in zip(forward(q, k, k, Shape(long, long), cases.options(8)), right, strict=True))
    beyond = Shape(q_offsets=torch.tensor([0, 1 << 20]), k_offsets=torch.tensor([0, 1 << 20]))
    assert torch.equal(forward(q[0], k[0], k[0], beyond, cases.options(8))[0], right[0][0])


def test_tuning_measures_once() -> None:
    asked: list[Tiles] = []

    def measure(run: Callable[[], object]) -> float:
        run()
        return {SMALL: 2.0, Tiles(32, 32, 4, 1): 1.0}[asked[-1]]

    for _ in range(2):
        best = tune("test", [SMALL, Tiles(32, 32, 4, 1)], asked.append, measure)
        assert best == Tiles(32, 32, 4, 1)
    assert len(asked) == 2
