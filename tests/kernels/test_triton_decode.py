"""The Triton decode kernels in Triton's interpreter, against float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from nlpcli.kernels.problem import Options
from nlpcli.kernels.triton_decode import decode
from nlpcli.kernels.triton_launch import Tiles
from tests.kernels import triton_cases as cases

SMALL = Tiles(16, 16, 4, 1)
LENGTHS = [0, 1, 31, 32, 33, 70]


def inputs(beams: int, lengths: list[int], dtype: torch.dtype = torch.float32, size: int = 24) -> tuple[Tensor, ...]:
    """Return q, k, v with NaN and infinity for padding, and lengths."""
    torch.manual_seed(beams)
    q = torch.randn(len(lengths), beams, cases.HEADS, size)
    k, v = torch.randn(2, len(lengths), max(lengths) + 5, cases.GROUPS, size)
    for b, length in enumerate(lengths):
        k[b, length:], v[b, length:] = math.nan, math.inf
    return q.to(dtype), k.to(dtype), v.to(dtype), torch.tensor(lengths, dtype=torch.int32)


def check(
    q: Tensor, k: Tensor, v: Tensor, lengths: Tensor, o: Options, found: tuple[Tensor, Tensor], place: int | None = None
) -> None:
    """Compare each beam with a sequence of one query that stands at the last key, or at `place`."""
    beams = [(b, m) for b in range(len(q)) for m in range(q.size(1))]
    for b, m in beams:
        real = int(lengths[b]) if place is None else min(place + 1, int(lengths[b]))
        some = cases.problem([1], [real], q.dtype, size=q.size(-1))
        some.q, some.k, some.v = [q[b, m : m + 1]], [k[b, :real]], [v[b, :real]]
        o = o._replace(bottom_right=True)
        out, lse = found[0][b, m : m + 1], found[1][b, :, m : m + 1]
        right, common = cases.expected(some, o, gradients=False), cases.plain(some, o)
        cases.assert_close(cases.Answer([out], [lse], [], [], [], None), right, common, q.dtype)


@pytest.mark.parametrize("split", [32, 512])
@pytest.mark.parametrize("beams", [1, 4])
def test_beams_share_their_keys(beams: int, split: int) -> None:
    q, k, v, lengths = inputs(beams, LENGTHS)
    o = cases.options(24)
    check(q, k, v, lengths, o, decode(q, k, v, lengths, o, tiles=SMALL, split=split))


FEATURES: list[dict[str, Any]] = [
    {"window": 20},
    {"window": 40, "causal": True},
    {"softcap": 1.5},
    {"alibi_slopes": True},
    {"relative_bias": True},
    {"relative_bias": True, "alibi_slopes": True, "softcap": 2.0, "window": 50},
]


@pytest.mark.parametrize("features", FEATURES, ids=cases.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_each_feature(features: dict[str, Any], dtype: torch.dtype) -> None:
    q, k, v, lengths = inputs(3, [50, 70], dtype)
    o = cases.options(24, **features)
    check(q, k, v, lengths, o, decode(q, k, v, lengths, o, tiles=SMALL, split=32))


def test_a_place_of_its_own() -> None:
    """A causal query in the midst of keys: of a cache that is longer than what has been written."""
    q, k, v, lengths = inputs(2, [50, 70])
    o = cases.options(24, causal=True, alibi_slopes=True)
    at = torch.full((2,), 36, dtype=torch.int32)
    check(q, k, v, lengths, o, decode(q, k, v, lengths, o, positions=at, tiles=SMALL, split=32), 36)


@pytest.mark.parametrize("beams", [9, 40])
def test_more_beams_than_rows_in_a_tile(beams: int) -> None:
    q, k, v, lengths = inputs(beams, [40])
    o = cases.options(24)
    out, lse = decode(q, k, v, lengths, o, tiles=SMALL, split=32)
    for m in range(0, beams, 7):
        one = decode(q[:, m : m + 1], k, v, lengths, o, tiles=SMALL, split=32)
        torch.testing.assert_close((out[:, m : m + 1], lse[:, :, m : m + 1]), one)


def test_a_sentence_does_not_depend_on_its_neighbours() -> None:
    """Nor on how far the batch is padded: not one bit."""
    q, k, v, lengths = inputs(3, [20, 70])
    o = cases.options(24)
    together = decode(q, k, v, lengths, o, tiles=SMALL, split=32)
    alone = decode(q[:1], k[:1, :20], v[:1, :20], lengths[:1], o, tiles=SMALL, split=32)
    assert torch.equal(together[0][:1], alone[0])
    assert torch.equal(together[1][:1], alone[1])


def test_all_keys_are_real_without_lengths() -> None:
    q, k, v, _ = inputs(2, [40])
    k, v = k[:, :40], v[:, :40]
    o = cases.options(24)
    right = decode(q, k, v, torch.tensor([40], dtype=torch.int32), o, tiles=SMALL)
    assert all(torch.equal(x, y) for x, y in zip(decode(q, k, v, None, o, tiles=SMALL), right, strict=True))


def test_no_keys_at_all() -> None:
    q, k = torch.ones(2, 3, 2, 8), torch.ones(2, 0, 2, 8)
    out, lse = decode(q, k, k, None, cases.options(8))
    assert out.eq(0).all()
    assert lse.eq(-math.inf).all()
