"""The kernel of attention's backward pass that owns tiles of keys; see `triton_backward`.

It keeps the gradients of its keys and values in registers, and adds to those of queries and of the relative bias in memory.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import triton
import triton.language as tl

from nlpcli.kernels.triton_device import (
    allowed,
    band,
    clamped,
    extent,
    find,
    head_of,
    inside,
    kept,
    load_rows,
    masked_block,
    one_bias,
    pointers,
    scores,
    statistics_of,
)


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def keys_kernel(
    q, k, v, dout, top, delta, dq, dk, dv, dbias,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, FIXED: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a tile of keys and values; add to those of queries (unless dq is None) and of the bias."""
    b, start = find(shape.k_offsets, tl.program_id(0), k_size, batch, BLOCK_K)
    g = tl.program_id(1)
    first, n_k, stop = extent(shape.k_offsets, shape.k_lengths, b, k_size)
    q_first, n_q, _ = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    if start >= stop:
        return
    columns = tl.arange(0, BLOCK_K)
    j = start + columns
    shift = mods.align * (n_k - n_q)
    keys = load_rows(head_of(k, b, first, g), k.row, start, columns, n_k, D, WIDTH, True)
    values = load_rows(head_of(v, b, first, g), v.row, start, columns, n_k, D, WIDTH, True)
    sum_k = tl.zeros((BLOCK_K, WIDTH), tl.float32)
    sum_v = tl.zeros((BLOCK_K, WIDTH), tl.float32)

    # Seen from a query's place the band is mirrored. A tile with padding among its keys needs a mask throughout.
    seeing = tl.where(start < n_k, n_q, 0)
    whole = tl.where(start + BLOCK_K <= n_k, n_q, 0)
    last = tl.minimum(start + BLOCK_K, n_k) - 1
    begin, left, full_start, full_stop, masked = band(
        start - shift, last - shift, mods.after, mods.before, seeing, whole, BLOCK_Q
    )
    heads = tl.num_programs(1) * GROUP
    packed: tl.constexpr = shape.q_offsets is not None
    for member in range(GROUP):
        h = g * GROUP + member
        queries = head_of(q, b, q_first, h)
        douts = head_of(dout, b, q_first, h)
        tops = statistics_of(top, packed, b, q_first, h, heads, q_size)
        deltas = statistics_of(delta, packed, b, q_first, h, heads, q_size)
        dqs = head_of(dq, b, q_first, h) if dq is not None else None
        dq_row = dq.row if dq is not None else 0
        biases = None
        if dbias is not None:
            part = h * tl.num_programs(0) + tl.program_id(0) if FIXED else h
            biases = dbias + tl.cast(part, tl.int64) * (2 * mods.reach + 1)
        row = b * heads + h
        for i in range(full_start, full_stop, BLOCK_Q):
            sum_k, sum_v = one_tile(
                sum_k, sum_v, keys, values, queries, q.row, douts, dout.row, tops, deltas, dqs, dq_row, biases,
                i, n_q, j, start, n_k, shift, h, row, mods, drop, D, WIDTH, BLOCK_Q, BLOCK_K, PRECISION, FIXED, False,
            )  # fmt: skip
        for number in range(masked):
            i = masked_block(number, begin, left, full_stop, BLOCK_Q)
            sum_k, sum_v = one_tile(
                sum_k, sum_v, keys, values, queries, q.row, douts, dout.row, tops, deltas, dqs, dq_row, biases,
                i, n_q, j, start, n_k, shift, h, row, mods, drop, D, WIDTH, BLOCK_Q, BLOCK_K, PRECISION, FIXED, True,
            )  # fmt: skip

    if drop is not None:
        sum_v *= drop.factor
    real = (j < n_k)[:, None]
    mask = inside(start, columns, stop, D, WIDTH)
    place = pointers(head_of(dk, b, first, g), dk.row, start, columns, WIDTH)
    tl.store(place, tl.where(real, sum_k * mods.scale, 0).to(dk.ptr.dtype.element_ty), mask=mask)
    place = pointers(head_of(dv, b, first, g), dv.row, start, columns, WIDTH)
    tl.store(place, tl.where(real, sum_v, 0).to(dv.ptr.dtype.element_ty), mask=mask)


@triton.jit
def one_tile(
    sum_k, sum_v, keys, values, queries, q_row, douts, do_row, tops, deltas, dqs, dq_row, biases,
    start, n_q, j, first_j, n_k, shift, h, row, mods, drop,
    D: tl.constexpr, WIDTH: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, PRECISION: tl.constexpr,
    FIXED: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """Return the sums for keys and values after one more tile of queries; scores stand as [keys, queries] here."""
    rows = tl.arange(0, BLOCK_Q)
    i = start + rows
    p = (i + shift)[None, :]
    tile = load_rows(queries, q_row, start, rows, n_q, D, WIDTH, MASKED)
    if MASKED:
        top = tl.load(tops + i, mask=i < n_q, other=float("inf"))
        delta = tl.load(deltas + i, mask=i < n_q, other=0)
    else:
        top = tl.load(tops + i)
        delta = tl.load(deltas + i)
    low = first_j - (start + BLOCK_Q - 1) - shift
    products = tl.dot(keys, tl.trans(tile), input_precision=PRECISION)
    s, unit, bent = scores(products, p, j[:, None], low, low + BLOCK_K + BLOCK_Q - 2, h, mods)
    weights = tl.exp2(s * unit - top[None, :])
    if MASKED:
        weights = tl.where(allowed(p, j[:, None], n_k, mods), weights, 0)
    do = load_rows(douts, do_row, start, rows, n_q, D, WIDTH, MASKED)
    dweights = tl.dot(values, tl.trans(do), input_precision=PRECISION)
    dropped = weights
    if drop is not None:
        keep = tl.trans(kept(drop, row, i, first_j, BLOCK_K))
        dropped = tl.where(keep, weights, 0)
        dweights = tl.where(keep, dweights * drop.factor, 0)
    sum_v = tl.dot(dropped.to(do.dtype), do, sum_v, input_precision=PRECISION)
    ds = weights * (dweights - delta[None, :])
    if biases is not None:
        add_to_bias(ds, biases + mods.reach, low, mods.reach, BLOCK_Q, BLOCK_K, FIXED)
    if mods.softcap is not None:
        ds *= 1 - bent * bent
    ds = ds.to(tile.dtype)
    sum_k = tl.dot(ds, tile, sum_k, input_precision=PRECISION)
    if dqs is not None:
        part = tl.dot(tl.trans(ds), keys, input_precision=PRECISION) * mods.scale
        place = pointers(dqs, dq_row, start, rows, WIDTH)
        if MASKED or D != WIDTH:
            tl.atomic_add(place, part, mask=inside(start, rows, n_q, D, WIDTH), sem="relaxed")
        else:
            tl.atomic_add(place, part, sem="relaxed")
    return sum_k, sum_v


@triton.jit
def add_to_bias(ds, middle, low, reach, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, FIXED: tl.constexpr):
    """Add gradients of scores [keys, queries] along their diagonals to those of the bias; `middle` is distance 0's.

    Each row of keys is turned by its number, so that a diagonal becomes a column: column c holds the query c + key, modulo
    BLOCK_Q, whose distance is key − query = lap · BLOCK_Q − c.
    """
    high = low + BLOCK_K + BLOCK_Q - 2
    if one_bias(low, high, reach):
        add(middle + clamped(low, reach), tl.sum(ds), None, FIXED)
    else:
        column = tl.arange(0, BLOCK_Q)
        query = column[None, :] + tl.arange(0, BLOCK_K)[:, None]
        turned = tl.gather(ds, query % BLOCK_Q, 1)
        ends = tl.zeros((2,), tl.float32)
        for lap in tl.static_range((BLOCK_Q + BLOCK_K - 2) // BLOCK_Q + 1):
            sums = tl.sum(tl.where(query // BLOCK_Q == lap, turned, 0), 0)
            distance = low + BLOCK_Q - 1 + lap * BLOCK_Q - column
            add(middle + distance, sums, tl.abs(distance) < reach, FIXED)
            before = tl.sum(tl.where(distance <= -reach, sums, 0))
            after = tl.sum(tl.where(distance >= reach, sums, 0))
            ends += tl.where(tl.arange(0, 2) == 0, before, after)
        # Apart from the rest: several diagonals end up here, and their order must not matter.
        add(middle - reach + tl.arange(0, 2) * (2 * reach), ends, None, FIXED)


@triton.jit
def add(place, x, mask, FIXED: tl.constexpr):
    """Add to memory: of this program alone, in its own order, if FIXED; else of all, in any."""
    if FIXED:
        tl.store(place, tl.load(place, mask=mask) + x, mask=mask)
        tl.debug_barrier()
    else:
        tl.atomic_add(place, x, mask=mask, sem="relaxed")
