"""Attention's forward pass on a GPU in one kernel (Dao 2023, FlashAttention-2): the scores never leave the chip.

A program owns a tile of queries of one head and walks over the keys they see, with a running maximum and sum of the weights.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.triton_device import (
    LOWEST,
    allowed,
    band,
    extent,
    find,
    finished,
    head_of,
    inside,
    kept,
    load_rows,
    masked_block,
    pointers,
    scores,
    statistics_of,
    weigh,
)
from nlpcli.kernels.triton_launch import Tiles, launch, plan, tune, view
from nlpcli.kernels.triton_tiles import FORWARD, choices


def forward(
    q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options, *, tiles: Tiles | None = None, autotune: bool = False
) -> tuple[Tensor, Tensor]:
    """Return attention's output, like q, and the logarithm of each query's sum of weights: fp32 [B, H, Lq], packed [H, Tq].

    Args:
        tiles: instead of those of the table.
        autotune: measure the candidates first, once for each kind of problem.
    """
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    heads, queries = q.size(-2), q.size(-3)
    rows = (heads, queries) if shape.packed else (q.size(0), heads, queries)
    lse = torch.empty(rows, dtype=torch.float32, device=q.device)
    todo = plan(q, k, shape, options)

    def run(tiles: Tiles) -> None:
        launch(_forward, (todo.query_tiles(tiles.queries), heads), todo, tiles, view(q), view(k), view(v), view(out), lse)

    candidates = choices(FORWARD, q, options)
    if autotune and not tiles:
        tiles = tune(
            ("forward", q.dtype, q.device, todo.head_size, queries, options.causal, options.relative_bias is None),
            candidates,
            run,
        )
    run(tiles or candidates[0])
    return out, lse


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _forward(
    q, k, v, out, lse,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write a tile of the output, and its logarithms."""
    # The last tiles first: causal ones are the longest, and short ones fill the gaps at the end.
    b, start = find(shape.q_offsets, tl.num_programs(0) - 1 - tl.program_id(0), q_size, batch, BLOCK_Q)
    h = tl.program_id(1)
    first, n_q, stop = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    k_first, n_k, _ = extent(shape.k_offsets, shape.k_lengths, b, k_size)
    if start >= stop:
        return
    rows = tl.arange(0, BLOCK_Q)
    i = start + rows
    shift = mods.align * (n_k - n_q)
    tile = load_rows(head_of(q, b, first, h), q.row, start, rows, n_q, D, WIDTH, True)
    keys = head_of(k, b, k_first, h // GROUP)
    values = head_of(v, b, k_first, h // GROUP)
    row = b * tl.num_programs(1) + h

    acc = tl.zeros((BLOCK_Q, WIDTH), tl.float32)
    total = tl.zeros((BLOCK_Q,), tl.float32)
    top = tl.full((BLOCK_Q,), LOWEST, tl.float32)
    seen = tl.where(start < n_q, n_k, 0)  # a tile of padding sees nothing, and is written as such
    last = tl.minimum(start + BLOCK_Q, n_q) - 1
    begin, left, full_start, full_stop, masked = band(start + shift, last + shift, mods.before, mods.after, seen, seen, BLOCK_K)
    for j in range(full_start, full_stop, BLOCK_K):
        acc, total, top = attend(
            acc, total, top, tile, keys, values, k.row, v.row, j, n_k, i, shift, last, h, row, mods, drop,
            D, WIDTH, BLOCK_K, PRECISION, False,
        )  # fmt: skip
    for number in range(masked):
        j = masked_block(number, begin, left, full_stop, BLOCK_K)
        acc, total, top = attend(
            acc, total, top, tile, keys, values, k.row, v.row, j, n_k, i, shift, last, h, row, mods, drop,
            D, WIDTH, BLOCK_K, PRECISION, True,
        )  # fmt: skip

    if drop is not None:
        acc *= drop.factor
    result, logarithm = finished(acc, tl.where(i < n_q, total, 0), top)
    place = pointers(head_of(out, b, first, h), out.row, start, rows, WIDTH)
    tl.store(place, result.to(out.ptr.dtype.element_ty), mask=inside(start, rows, stop, D, WIDTH))
    place = statistics_of(lse, shape.q_offsets is not None, b, first, h, tl.num_programs(1), q_size) + i
    tl.store(place, logarithm, mask=i < stop)


@triton.jit
def attend(
    acc, total, top, tile, keys, values, k_row, v_row, start, n_k, i, shift, last, h, row, mods, drop,
    D: tl.constexpr, WIDTH: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """Return the running sum of values, sum of weights and maximum after one more block of keys."""
    columns = tl.arange(0, BLOCK_K)
    p = (i + shift)[:, None]
    j = (start + columns)[None, :]
    block = load_rows(keys, k_row, start, columns, n_k, D, WIDTH, MASKED)
    products = tl.dot(tile, tl.trans(block), input_precision=PRECISION)
    low = start - last - shift
    s, unit, _ = scores(products, p, j, low, low + BLOCK_K + i.shape[0] - 2, h, mods)
    if MASKED:
        s = tl.where(allowed(p, j, n_k, mods), s, float("-inf"))
    weights, shrunk, total, top = weigh(s, unit, total, top)
    if drop is not None:
        weights = tl.where(kept(drop, row, i, start, BLOCK_K), weights, 0)
    block = load_rows(values, v_row, start, columns, n_k, D, WIDTH, MASKED)
    acc = tl.dot(weights.to(block.dtype), block, acc * shrunk[:, None], input_precision=PRECISION)
    return acc, total, top
