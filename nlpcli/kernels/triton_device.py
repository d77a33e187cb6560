"""Device functions that the Triton kernels of attention share: where a sequence lies, what a score becomes, what is dropped.

Axes: b sequence, i query, j key, h query head, d feature; p = i + shift is a query's place among the keys. Scores are in units
of log₂ from here on, as exp2 is what the hardware has. A name in capitals is known when a kernel is compiled; so is whether
something is None, and what is None costs nothing.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)
LOWEST = tl.constexpr(-1e38)  # where a running maximum starts: finite, so that a row which sees no key yields no NaN


class View(NamedTuple):
    """A tensor of rows of features; strides in elements. Packed rows have a batch stride of 0."""

    ptr: Any
    batch: Any
    row: Any
    head: Any


class Modifiers(NamedTuple):
    """What becomes of products of queries and keys."""

    scale: Any
    softcap: Any  # or None
    slopes: Any  # float32 [H], or None
    bias: Any  # [H, 2 · reach + 1], or None
    reach: Any
    before: Any  # how far before its own place a query sees; None: to the first key
    after: Any  # how far after it; None: to the last key
    align: Any  # 1: the last query stands at the last key; 0: the first at the first


class Dropout(NamedTuple):
    """Which weights are dropped; `factor` = 1 / (1 − share) makes up for them."""

    seed: Any
    threshold: Any
    factor: Any


@triton.jit
def find(offsets, tile, size, batch, BLOCK: tl.constexpr):
    """Return the sequence that a tile belongs to, and the tile's first row within the sequence.

    Packed sequence b has the tiles from offsets[b] // BLOCK + b: never fewer than it needs, and no host has to count them.
    """
    if offsets is not None:
        b = 0
        end = batch
        while end - b > 1:
            middle = (b + end) // 2
            before = tl.load(offsets + middle) // BLOCK + middle <= tile
            b = tl.where(before, middle, b)
            end = tl.where(before, end, middle)
        return b, (tl.maximum(tile - b - tl.load(offsets + b) // BLOCK, 0) * BLOCK).to(tl.int32)
    else:
        tiles = tl.cdiv(size, BLOCK)
        return tile // tiles, tile % tiles * BLOCK


@triton.jit
def extent(offsets, lengths, b, size):
    """Return a sequence's first row (int64; 0 if padded), its length, and how many rows it has with its padding.

    Offsets and lengths are looked at by nobody before, as that would wait for the device: here they are kept within the tensor.
    """
    if offsets is not None:
        first = tl.minimum(tl.maximum(tl.load(offsets + b), 0), size)
        length = tl.maximum(tl.minimum(tl.load(offsets + b + 1), size) - first, 0).to(tl.int32)
        return first, length, length
    elif lengths is not None:
        return tl.cast(0, tl.int64), tl.minimum(tl.maximum(tl.load(lengths + b), 0), size).to(tl.int32), size
    else:
        return tl.cast(0, tl.int64), size, size


@triton.jit
def head_of(x, b, first, h):
    """Return where the rows of one sequence and head begin."""
    return x.ptr + tl.cast(b, tl.int64) * x.batch + first * x.row + tl.cast(h, tl.int64) * x.head


@triton.jit
def statistics_of(ptr, packed: tl.constexpr, b, first, h, heads, size):
    """Return where the numbers of one sequence and head begin, of which there is one a query: [B, H, Lq], or [H, Tq]."""
    if packed:
        return ptr + tl.cast(h, tl.int64) * size + first
    else:
        return ptr + (tl.cast(b, tl.int64) * heads + h) * size


@triton.jit
def pointers(ptr, stride, start, rows, WIDTH: tl.constexpr):
    """Return pointers to the features of some rows from `start`, which is 64 bits' affair; within a tile 32 are enough."""
    return ptr + tl.cast(start, tl.int64) * stride + rows[:, None] * stride + tl.arange(0, WIDTH)[None, :]


@triton.jit
def inside(start, rows, stop, D: tl.constexpr, WIDTH: tl.constexpr):
    """Return which features of some rows are real."""
    real = (start + rows < stop)[:, None]
    if D != WIDTH:
        real = real & (tl.arange(0, WIDTH) < D)[None, :]
    return real


@triton.jit
def load_rows(ptr, stride, start, rows, stop, D: tl.constexpr, WIDTH: tl.constexpr, MASKED: tl.constexpr):
    """Return rows of features, [rows, WIDTH]; 0 is what lies beyond `stop`, and never read."""
    if MASKED:
        return tl.load(pointers(ptr, stride, start, rows, WIDTH), mask=inside(start, rows, stop, D, WIDTH), other=0.0)
    elif D != WIDTH:
        return tl.load(pointers(ptr, stride, start, rows, WIDTH), mask=(tl.arange(0, WIDTH) < D)[None, :], other=0.0)
    else:
        return tl.load(pointers(ptr, stride, start, rows, WIDTH))


@triton.jit
def band(first, last, before, after, size, full_size, BLOCK: tl.constexpr):
    """Return the blocks of the other side that rows at places `first` to `last` have to do with.

    Those from `full_start` to `full_stop` are seen whole by every row, and need no mask. The `masked` others are numbered:
    `left` of them lie before, from `start`, the rest behind; see `masked_block`.

    Args:
        before, after: how far each row sees; None: everything.
        size: rows of the other side.
        full_size: how many of them may be taken without a mask.
    """
    start = 0
    full_start = 0
    stop = size
    full_stop = full_size
    if before is not None:
        start = tl.maximum(first - before, 0) // BLOCK * BLOCK
        full_start = tl.cdiv(tl.maximum(last - before, 0), BLOCK) * BLOCK
    if after is not None:
        stop = tl.minimum(last + after + 1, size)
        full_stop = tl.maximum(tl.minimum(first + after + 1, full_size), 0)
    full_stop = full_stop // BLOCK * BLOCK
    none = full_stop <= full_start
    full_start = tl.where(none, start, full_start)
    full_stop = tl.where(none, start, full_stop)
    left = (full_start - start) // BLOCK
    masked = left + tl.cdiv(tl.maximum(stop - full_stop, 0), BLOCK)
    return start, left, full_start, full_stop, masked


@triton.jit
def masked_block(number, start, left, full_stop, BLOCK: tl.constexpr):
    """Return the first row of a block that needs a mask."""
    return tl.where(number < left, start + number * BLOCK, full_stop + (number - left) * BLOCK)


@triton.jit
def allowed(p, j, n_k, mods):
    """Return which keys j the queries at p see; the two broadcast."""
    seen = j < n_k
    if mods.after is not None:
        seen = seen & (j - p <= mods.after)
    if mods.before is not None:
        seen = seen & (p - j <= mods.before)
    return seen


@triton.jit
def weigh(s, unit, total, top):
    """Return weights of more scores, what the older ones shrink by, the sum of all, and the new maximum (Milakov 2018)."""
    new_top = tl.maximum(top, tl.max(s, 1) * unit)
    weights = tl.exp2(s * unit - new_top[:, None])
    shrunk = tl.exp2(top - new_top)
    return weights, shrunk, total * shrunk + tl.sum(weights, 1), new_top


@triton.jit
def finished(acc, total, top):
    """Return rows of output, divided by the sum of their weights, and its natural logarithm: 0 and −∞ where no key was seen."""
    seen = total > 0
    divisor = tl.where(seen, total, 1)
    return tl.where(seen[:, None], acc / divisor[:, None], 0), tl.where(seen, (top + tl.log2(divisor)) * LN2, float("-inf"))


@triton.jit
def tanh(x):
    """Return the hyperbolic tangent, to fp32's precision near 0 too, where the quotient would cancel."""
    t = tl.exp2(tl.abs(x) * (-2 * LOG2E))
    quotient = (1 - t) / (1 + t)
    y = x * x
    series = x * (1 + y * (-1 / 3 + y * (2 / 15 + y * (-17 / 315 + y * (62 / 2835)))))
    return tl.where(y < 0.0625, series, tl.where(x < 0, -quotient, quotient))


@triton.jit
def scores(products, p, j, low, high, h, mods):
    """Return scores, a number to multiply them with (their unit in log₂, above 0), and softcap's hyperbolic tangent.

    The unit comes apart since exp2(s · unit − maximum) is one multiply-add before the exponential.

    Args:
        products: of queries and keys; p and j, their places, broadcast to its shape.
        low, high: the least and the greatest j − p in it.
    """
    if mods.softcap is not None:
        bent = tanh(products * (mods.scale / mods.softcap))
        s, unit = bent, mods.softcap * LOG2E
    else:
        bent = products
        s, unit = products, mods.scale * LOG2E
    if mods.slopes is not None or mods.bias is not None:
        s *= unit
        unit = 1.0
    if mods.slopes is not None:
        slope = tl.load(mods.slopes + h) * LOG2E
        s -= slope * tl.abs(p.to(tl.float32) - j.to(tl.float32))
    if mods.bias is not None:
        row = mods.bias + h * (2 * mods.reach + 1) + mods.reach
        if one_bias(low, high, mods.reach):
            s += tl.load(row + clamped(low, mods.reach)).to(tl.float32) * LOG2E
        else:
            s += tl.load(row + clamped(j - p, mods.reach)).to(tl.float32) * LOG2E
    return s, unit, bent


@triton.jit
def one_bias(low, high, reach):
    """Return whether distances from `low` to `high` all are so far that they have the same bias."""
    return (low >= reach) | (high <= -reach) | (reach == 0)


@triton.jit
def clamped(distance, reach):
    """Return a distance, or the reach where it is beyond."""
    return tl.minimum(tl.maximum(distance, -reach), reach)


@triton.jit
def kept(drop, row, i, start, BLOCK: tl.constexpr):
    """Return which weights of queries i (int32 [rows]) and BLOCK keys from `start` are kept, [rows, BLOCK].

    Philox gives 8 numbers of 16 bits for 8 neighbouring keys: the lower halves of its 4 words, then the upper halves.

    Args:
        row: number of the sequence × heads + head.
    """
    groups = start // 8 + tl.arange(0, BLOCK // 8)
    zeros = tl.zeros((i.shape[0], BLOCK // 8), tl.int32)
    x0, x1, x2, x3 = tl.philox(tl.load(drop.seed), zeros + groups[None, :], zeros + i[:, None], zeros + row, zeros)
    words = tl.join(tl.join(x0, x1), tl.join(x2, x3))  # [rows, groups, word's lower bit, word's upper bit]
    lower = ((words & 0xFFFF).to(tl.int32) >= drop.threshold).to(tl.int8)
    upper = ((words >> 16).to(tl.int32) >= drop.threshold).to(tl.int8)
    halves = tl.permute(tl.join(lower, upper), (0, 1, 4, 3, 2))
    return tl.reshape(halves, (i.shape[0], BLOCK)) != 0
