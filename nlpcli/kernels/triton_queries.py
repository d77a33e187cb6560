"""The kernel of attention's backward pass that owns tiles of queries, for gradients that are the same bits every time."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl

from nlpcli.kernels.triton_device import (
    allowed,
    band,
    extent,
    find,
    head_of,
    inside,
    kept,
    load_rows,
    masked_block,
    pointers,
    scores,
    statistics_of,
)


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def queries_kernel(
    q, k, v, dout, top, delta, dq,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a tile of queries."""
    b, start = find(shape.q_offsets, tl.num_programs(0) - 1 - tl.program_id(0), q_size, batch, BLOCK_Q)
    h = tl.program_id(1)
    first, n_q, stop = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    k_first, n_k, _ = extent(shape.k_offsets, shape.k_lengths, b, k_size)
    if start >= stop:
        return
    rows = tl.arange(0, BLOCK_Q)
    i = start + rows
    shift = mods.align * (n_k - n_q)
    packed: tl.constexpr = shape.q_offsets is not None
    heads = tl.num_programs(1)
    tile = load_rows(head_of(q, b, first, h), q.row, start, rows, n_q, D, WIDTH, True)
    do = load_rows(head_of(dout, b, first, h), dout.row, start, rows, n_q, D, WIDTH, True)
    tops = tl.load(statistics_of(top, packed, b, first, h, heads, q_size) + i, mask=i < n_q, other=float("inf"))
    deltas = tl.load(statistics_of(delta, packed, b, first, h, heads, q_size) + i, mask=i < n_q, other=0)
    keys = head_of(k, b, k_first, h // GROUP)
    values = head_of(v, b, k_first, h // GROUP)

    acc = tl.zeros((BLOCK_Q, WIDTH), tl.float32)
    seen = tl.where(start < n_q, n_k, 0)
    last = tl.minimum(start + BLOCK_Q, n_q) - 1
    begin, left, full_start, full_stop, masked = band(start + shift, last + shift, mods.before, mods.after, seen, seen, BLOCK_K)
    row = b * heads + h
    for j in range(full_start, full_stop, BLOCK_K):
        acc = one_block(
            acc, tile, do, tops, deltas, keys, values, k.row, v.row, j, n_k, i, shift, last, h, row, mods, drop,
            D, WIDTH, BLOCK_K, PRECISION, False,
        )  # fmt: skip
    for number in range(masked):
        j = masked_block(number, begin, left, full_stop, BLOCK_K)
        acc = one_block(
            acc, tile, do, tops, deltas, keys, values, k.row, v.row, j, n_k, i, shift, last, h, row, mods, drop,
            D, WIDTH, BLOCK_K, PRECISION, True,
        )  # fmt: skip
    place = pointers(head_of(dq, b, first, h), dq.row, start, rows, WIDTH)
    mask = inside(start, rows, stop, D, WIDTH)
    tl.store(place, tl.where((i < n_q)[:, None], acc * mods.scale, 0).to(dq.ptr.dtype.element_ty), mask=mask)


@triton.jit
def one_block(
    acc, tile, do, tops, deltas, keys, values, k_row, v_row, start, n_k, i, shift, last, h, row, mods, drop,
    D: tl.constexpr, WIDTH: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """Return the sum for queries after one more block of keys."""
    columns = tl.arange(0, BLOCK_K)
    p = (i + shift)[:, None]
    j = (start + columns)[None, :]
    block = load_rows(keys, k_row, start, columns, n_k, D, WIDTH, MASKED)
    low = start - last - shift
    products = tl.dot(tile, tl.trans(block), input_precision=PRECISION)
    s, unit, bent = scores(products, p, j, low, low + BLOCK_K + i.shape[0] - 2, h, mods)
    weights = tl.exp2(s * unit - tops[:, None])
    if MASKED:
        weights = tl.where(allowed(p, j, n_k, mods), weights, 0)
    dweights = tl.dot(do, tl.trans(load_rows(values, v_row, start, columns, n_k, D, WIDTH, MASKED)), input_precision=PRECISION)
    if drop is not None:
        dweights = tl.where(kept(drop, row, i, start, BLOCK_K), dweights * drop.factor, 0)
    ds = weights * (dweights - deltas[:, None])
    if mods.softcap is not None:
        ds *= 1 - bent * bent
    return tl.dot(ds.to(block.dtype), block, acc, input_precision=PRECISION)
