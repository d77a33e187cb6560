"""Attention of one new token a sequence, or of some beams that share their keys, on a GPU (Dao et al. 2023, Flash-Decoding).

Beams and the query heads of one key head are the rows of one tile, so that keys are read once for all of them. Long sequences
are cut every SPLIT keys, always at the same places: what one sentence yields depends neither on the GPU nor on its neighbours.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.triton_device import LN2, LOG2E, LOWEST, allowed, band, extent, finished, head_of, load_rows, scores, weigh
from nlpcli.kernels.triton_launch import Tiles, launch, plan, view
from nlpcli.kernels.triton_tiles import DECODE, choices

SPLIT = 512  # keys that one program reads


def decode(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_lengths: Tensor | None,
    options: Options,
    *,
    positions: Tensor | None = None,
    tiles: Tiles | None = None,
    split: int = SPLIT,
) -> tuple[Tensor, Tensor]:
    """Return attention's output, like q, and the logarithm of each row's sum of weights, fp32 [B, H, beams].

    Args:
        q: [B, beams, H, D]: all beams of a sequence stand at one place.
        k, v: [B, Lk, G, D]; `k_lengths` (int32 [B]) of the keys are real, None: all.
        options: without dropout; alignment is not asked for.
        positions: int32 [B], where the queries stand among the keys; None: at the last one.
        tiles: instead of those of the table; the number of its queries is not asked for.
        split: keys that one program reads, a multiple of the tiles' keys.
    """
    assert not options.dropout_p
    todo = plan(q, k, Shape(k_lengths=k_lengths), options)
    rows = max(16, min(triton.next_power_of_2(todo.q_size * todo.group), 64))
    tiles = (tiles or choices(DECODE, q, options)[0])._replace(queries=rows)
    assert split % tiles.keys == 0
    splits = max(triton.cdiv(todo.k_size, split), 1)
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    lse = torch.empty(todo.batch, todo.heads, todo.q_size, dtype=torch.float32, device=q.device)
    if splits == 1:
        parts, logarithms = out[None], lse[None]
    else:
        parts, logarithms = lse.new_empty(splits, *q.shape), lse.new_empty(splits, *lse.shape)
    grid = todo.batch * k.size(-2), splits, triton.cdiv(todo.q_size * todo.group, rows)
    strides = parts.stride(0), logarithms.stride(0)
    arguments = view(q), view(k), view(v), view(parts[0]), logarithms[0], *strides, positions
    launch(_decode, grid, todo, tiles, *arguments, SPLIT=split)
    if splits > 1:
        combined = view(parts[0]), logarithms[0], *strides, view(out), lse
        launch(_combine, (todo.batch, todo.heads, todo.q_size), todo, tiles._replace(warps=1), *combined, SPLIT=split)
    return out, lse


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _decode(
    q, k, v, parts, logarithms, part_stride, logarithm_stride, positions,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    """Write what one split of the keys yields to a tile of rows: an output, and the logarithm of the sum it was divided by."""
    split = tl.program_id(1)
    groups = tl.num_programs(0) // batch
    b = tl.program_id(0) // groups
    g = tl.program_id(0) % groups
    _, n_k, _ = extent(None, shape.k_lengths, b, k_size)
    if (split * SPLIT >= n_k) & (split > 0):
        return
    row = tl.program_id(2) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    beam = row // GROUP
    h = g * GROUP + row % GROUP
    features = tl.arange(0, WIDTH)
    mask = (beam < q_size)[:, None] & (features < D)[None, :]
    place = (beam * q.row)[:, None] + (h.to(tl.int64) * q.head)[:, None] + features[None, :]
    tile = tl.load(head_of(q, b, 0, 0) + place, mask=mask, other=0.0)
    keys = head_of(k, b, 0, g)
    values = head_of(v, b, 0, g)
    p = n_k - 1 if positions is None else tl.load(positions + b)

    acc = tl.zeros((BLOCK_Q, WIDTH), tl.float32)
    total = tl.zeros((BLOCK_Q,), tl.float32)
    top = tl.full((BLOCK_Q,), LOWEST, tl.float32)
    columns = tl.arange(0, BLOCK_K)
    seen = tl.minimum(n_k, split * SPLIT + SPLIT)
    begin, _left, _start, _stop, blocks = band(p, p, mods.before, mods.after, seen, 0, BLOCK_K)
    stop = begin + blocks * BLOCK_K
    for start in range(tl.maximum(begin, split * SPLIT), stop, BLOCK_K):
        block = load_rows(keys, k.row, start, columns, n_k, D, WIDTH, True)
        products = tl.dot(tile, tl.trans(block), input_precision=PRECISION)
        j = (start + columns)[None, :]
        low = start - p
        s, unit, _bent = scores(products, p, j, low, low + BLOCK_K - 1, h[:, None], mods)
        s = tl.where(allowed(p, j, n_k, mods), s, float("-inf"))
        weights, shrunk, total, top = weigh(s, unit, total, top)
        block = load_rows(values, v.row, start, columns, n_k, D, WIDTH, True)
        acc = tl.dot(weights.to(block.dtype), block, acc * shrunk[:, None], input_precision=PRECISION)

    result, logarithm = finished(acc, total, top)
    place = (beam * parts.row)[:, None] + (h.to(tl.int64) * parts.head)[:, None] + features[None, :]
    written = head_of(parts, b, 0, 0) + tl.cast(split, tl.int64) * part_stride + place
    tl.store(written, result.to(parts.ptr.dtype.element_ty), mask=mask)
    place = (tl.cast(b, tl.int64) * groups * GROUP + h) * q_size + beam
    tl.store(logarithms + tl.cast(split, tl.int64) * logarithm_stride + place, logarithm, mask=beam < q_size)


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _combine(
    parts, logarithms, part_stride, logarithm_stride, out, lse,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    """Write the mean of the splits' outputs, each weighted by its sum, for one beam and head; in their order."""
    b = tl.program_id(0)
    h = tl.program_id(1)
    beam = tl.program_id(2)
    _, n_k, _ = extent(None, shape.k_lengths, b, k_size)
    features = tl.arange(0, WIDTH)
    part = head_of(parts, b, beam, h) + features
    logarithm = logarithms + (tl.cast(b, tl.int64) * tl.num_programs(1) + h) * q_size + beam
    acc = tl.zeros((WIDTH,), tl.float32)
    total = 0.0
    top = tl.cast(LOWEST, tl.float32)
    for _ in range(tl.maximum(tl.cdiv(n_k, SPLIT), 1)):
        this = tl.load(logarithm)
        new_top = tl.maximum(top, this)
        weight = tl.exp2((this - new_top) * LOG2E)
        shrunk = tl.exp2((top - new_top) * LOG2E)
        acc = acc * shrunk + weight * tl.load(part, mask=features < D, other=0.0)
        total = total * shrunk + weight
        top = new_top
        part += part_stride
        logarithm += logarithm_stride
    sighted = total > 0
    divisor = tl.where(sighted, total, 1.0)
    tl.store(head_of(out, b, beam, h) + features, (acc / divisor).to(out.ptr.dtype.element_ty), mask=features < D)
    tl.store(
        lse + (tl.cast(b, tl.int64) * tl.num_programs(1) + h) * q_size + beam,
        tl.where(sighted, top + tl.log2(divisor) * LN2, float("-inf")),
    )
