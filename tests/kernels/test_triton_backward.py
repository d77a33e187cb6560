"""The Triton backward kernels in Triton's interpreter, against float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings

pytest.importorskip("triton")

from nlpcli.kernels.problem import Shape
from nlpcli.kernels.triton_backward import backward
from nlpcli.kernels.triton_forward import forward
from nlpcli.kernels.triton_launch import Tiles
from tests.kernels import triton_cases as cases

SMALL = Tiles(16, 32, 4, 1)


@pytest.mark.parametrize("features", cases.FEATURES, ids=cases.name)
def test_each_feature_is_as_exact_as_plain_products(features: dict[str, Any]) -> None:
    p, o = cases.problem([37], [53], heads=2, groups=1), cases.options(heads=2, **features)
    right, common = cases.expected(p, o), cases.plain(p, o)
    once = cases.packed(p, o, tiles=SMALL)
    cases.assert_close(once, right, common, torch.float32)
    fixed = o._replace(deterministic=True)
    again = cases.packed(p, fixed, tiles=SMALL)
    cases.assert_close(again, right, common, torch.float32)
    cases.assert_same(again, cases.packed(p, fixed, tiles=SMALL))


@pytest.mark.parametrize(
    "features", [{}, {"causal": True, "relative_bias": True, "softcap": 2.0, "dropout_p": 0.2}], ids=cases.name
)
def test_half_precision(features: dict[str, Any]) -> None:
    p, o = cases.problem([37], [53], torch.float16), cases.options(**features)
    if o.relative_bias is not None:
        o = o._replace(relative_bias=o.relative_bias.half())
    right, common = cases.expected(p, o), cases.plain(p, o)
    for deterministic in (False, True):
        found = cases.packed(p, o._replace(deterministic=deterministic), tiles=SMALL)
        cases.assert_close(found, right, common, torch.float16)
        assert found.dq[0].dtype == torch.float16
        assert found.dbias is None or found.dbias.dtype == torch.float32


@settings(max_examples=6)
@given(drawn=cases.drawn())
def test_any_lengths_and_features_in_both_layouts(drawn: tuple[list[int], list[int], dict[str, Any]]) -> None:
    queries, keys, features = drawn
    p, o = cases.problem(queries, keys, heads=2, groups=1, size=8), cases.options(8, heads=2, **features)
    right, common = cases.expected(p, o), cases.plain(p, o)
    cases.assert_close(cases.packed(p, o, tiles=SMALL), right, common, torch.float32)
    found = cases.padded(p, o._replace(deterministic=True), tiles=SMALL)
    cases.assert_close(found, right, common, torch.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("features", [{}, {"causal": True}, {"window": 70, "alibi_slopes": True}], ids=cases.name)
@pytest.mark.parametrize("first", [1, 2, 3, *range(65, 129, 16), *range(385, 513, 8)])
def test_every_length_modulo_128_with_the_tiles_of_a_gpu(first: int, features: dict[str, Any]) -> None:
    """Eight lengths one after the other, forward and backward; from 385 to 512 every remainder of a tile comes up."""
    queries = list(range(first, first + 8))
    p, o = cases.problem(queries, queries[::-1], heads=1, groups=1, size=8), cases.options(8, heads=1, **features)
    cases.assert_close(cases.packed(p, o), cases.expected(p, o), cases.plain(p, o), torch.float32)


@pytest.mark.parametrize(
    ("tiles", "reach"),
    [
        pytest.param(tiles, reach, marks=() if place == reach else pytest.mark.thorough)
        for tiles, place in ((Tiles(32, 16, 4, 1), 0), (Tiles(16, 64, 4, 1), 3), (Tiles(64, 32, 4, 1), 40))
        for reach in (0, 3, 40)
    ],
    ids=str,
)
def test_the_gradient_of_the_bias_whatever_the_tiles(tiles: Tiles, reach: int) -> None:
    """Diagonals that run through several tiles, and ends where many of them meet."""
    p = cases.problem([70], [90], heads=1, groups=1, size=8)
    o = cases.options(8, relative_bias=torch.randn(1, 2 * reach + 1))
    right, common = cases.expected(p, o), cases.plain(p, o)
    for deterministic in (False, True):
        found = cases.packed(p, o._replace(deterministic=deterministic), tiles=tiles)
        cases.assert_close(found, right, common, torch.float32)


def test_rows_that_see_nothing_have_no_gradient() -> None:
    """The first queries of a causal sequence with fewer keys than queries; not even a gradient of NaN for −∞ gets through."""
    p, o = cases.problem([40], [10]), cases.options(causal=True, bottom_right=True)
    p.dlse[0][:, :30] = math.nan
    found = cases.packed(p, o, tiles=SMALL)
    assert found.lse[0][:, :30].eq(-math.inf).all()
    assert found.dq[0][:30].eq(0).all()
    assert all(x.isfinite().all() for x in (found.dq[0], found.dk[0], found.dv[0]))


def test_no_gradient_of_the_logarithm_is_one_of_zeros() -> None:
    p, o = cases.problem([20], [30]), cases.options()
    q, k, v, dout = (x[0][None] for x in (p.q, p.k, p.v, p.dout))
    out, lse = forward(q, k, v, Shape(), o, tiles=SMALL)
    found, right = (backward(dout, x, q, k, v, out, lse, Shape(), o, tiles=SMALL) for x in (None, torch.zeros_like(lse)))
    assert all(torch.equal(x, y) for x, y in zip(found[:3], right[:3], strict=True))


def test_a_gradient_that_is_one_number_everywhere() -> None:
    """As that of a sum is: torch gives it with strides of 0."""
    p, o = cases.problem([20], [30]), cases.options()
    q, k, v = (x[0][None] for x in (p.q, p.k, p.v))
    out, lse = forward(q, k, v, Shape(), o, tiles=SMALL)
    ones = torch.ones(()).expand(out.shape)
    found, right = (backward(x, None, q, k, v, out, lse, Shape(), o, tiles=SMALL) for x in (ones, ones.contiguous()))
    assert all(torch.equal(x, y) for x, y in zip(found[:3], right[:3], strict=True))


@pytest.mark.parametrize(("queries", "keys"), [(0, 5), (5, 0)])
@pytest.mark.parametrize("deterministic", [False, True])
def test_nothing_to_do(queries: int, keys: int, deterministic: bool) -> None:
    o = cases.options(8, heads=2, relative_bias=True, deterministic=deterministic)
    q, k = torch.ones(2, queries, 2, 8), torch.ones(2, keys, 2, 8)
    out, lse = forward(q, k, k, Shape(), o)
    gradients = backward(torch.ones_like(out), None, q, k, k, out, lse, Shape(), o)
    assert all(x is not None and x.eq(0).all() for x in gradients)
