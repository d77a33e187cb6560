"""The two roles that warps of a Hopper kernel of attention play; see `hopper_forward`.

Shared memory holds the queries and two rings of buffers, one for keys and one for values. Each buffer has two barriers: `full`
is passed by those who multiply when a tile has arrived, `free` by the one who copies when both groups are done with it.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from typing import Any, NamedTuple

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from nlpcli.kernels.triton_device import LOWEST, allowed, finished, head_of, masked_block, statistics_of, weigh

LOG2E = gl.constexpr(1.4426950408889634)
GROUPS = gl.constexpr(2)  # of four warps, which multiply
ROWS = gl.constexpr(64)  # queries of a group
CLEARED = gl.constexpr(8)  # rows that are cleared at a time


class Ring(NamedTuple):
    """Buffers that are filled and used in turn: block `number` lies in buffer `number` modulo `stages`."""

    tiles: Any  # [stages, 1, 1, rows, features]
    full: Any  # a barrier a stage
    free: Any


class Blocks(NamedTuple):
    """The blocks of keys that a tile of queries sees, those with a mask first; see `triton_device.band`."""

    begin: Any
    left: Any
    full_start: Any
    full_stop: Any
    masked: Any
    count: Any


class Rows(NamedTuple):
    """Where a tile of queries lies."""

    b: Any
    h: Any
    first: Any  # row of the sequence
    start: Any  # of the tile, within the sequence
    n_q: Any
    stop: Any  # of the sequence, with its padding
    size: Any  # of the tensor


class Wanted(NamedTuple):
    """What is to be copied, in the coordinates of tensors [batch, heads, rows, features]."""

    batch: Any
    h: Any
    g: Any
    q_row: Any
    k_row: Any
    n_k: Any


@gluon.jit
def anew(number):
    """Return a number, for all the compiler knows another one: it would keep all that is made of it in registers throughout."""
    return gl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [gl.to_tensor(number)], gl.int32, is_pure=False, pack=1)


@gluon.jit
def hold(passed):
    """Keep what comes before in front of what comes after, by a wait for a barrier that is passed once and was long ago.

    The assembler does not put arithmetic off until after such a wait.
    """
    mbarrier.wait(passed, 0)


@gluon.jit
def block_start(blocks, number, BLOCK_K: gl.constexpr):
    """Return the first key of a block."""
    return gl.where(
        number < blocks.masked,
        masked_block(number, blocks.begin, blocks.left, blocks.full_stop, BLOCK_K),
        blocks.full_start + (number - blocks.masked) * BLOCK_K,
    )


@gluon.jit
def wait_for(ring, number, STAGES: gl.constexpr, there=True):
    """Wait until the tile of a block has arrived, if there is one."""
    mbarrier.wait(ring.full.index(number % STAGES), number // STAGES & 1, there)


@gluon.jit
def tile_of(ring, number, STAGES: gl.constexpr):
    """Return the tile of a block, [rows, features]."""
    tile = ring.tiles.index(number % STAGES)
    return tile.reshape([tile.shape[2], tile.shape[3]])


@gluon.jit
def release(ring, number, STAGES: gl.constexpr):
    """Give the buffer of a block back."""
    mbarrier.arrive(ring.free.index(number % STAGES), count=1)


@gluon.jit
def copy(
    q, k, v, q_tiles, q_full, landed, keys, values, blocks, wanted,
    RAGGED: gl.constexpr, D: gl.constexpr, BLOCK_K: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Copy the queries, and each block of keys and values as soon as there is room."""
    w = wanted
    if blocks.count > 0:
        mbarrier.expect(q_full, GROUPS * q.nbytes_per_cta)
        for half in gl.static_range(GROUPS):
            tma.async_load(q, [w.batch, w.h, w.q_row + half * ROWS, 0], q_full, q_tiles.index(half))
    for number in range(blocks.count):
        slot = number % STAGES
        parity = number // STAGES & 1 ^ 1  # the first to use a buffer need not wait
        start = block_start(blocks, number, BLOCK_K)
        at = [w.batch, w.g, w.k_row + start, 0]
        mbarrier.wait(keys.free.index(slot), parity)
        mbarrier.expect(keys.full.index(slot), k.nbytes_per_cta)
        tma.async_load(k, at, keys.full.index(slot), keys.tiles.index(slot))
        mbarrier.wait(values.free.index(slot), parity)
        if RAGGED and start + BLOCK_K > w.n_k:
            # A weight of 0 does not help against NaN, so what lies beyond the sequence is cleared before anyone sees it.
            mbarrier.expect(landed, v.nbytes_per_cta)
            tma.async_load(v, at, landed, values.tiles.index(slot))
            mbarrier.wait(landed, 0)  # a sequence has one end
            clear(tile_of(values, number, STAGES), w.n_k - start, D, BLOCK_K)
            fence_async_shared()
            mbarrier.arrive(values.full.index(slot), count=1)
        else:
            mbarrier.expect(values.full.index(slot), v.nbytes_per_cta)
            tma.async_load(v, at, values.full.index(slot), values.tiles.index(slot))


@gluon.jit
def clear(tile, real, D: gl.constexpr, BLOCK_K: gl.constexpr):
    """Set the rows of a tile from number `real` on to zero, with one warp."""
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [256 // D, D // 8], [1, 1], [1, 0])
    rows = gl.arange(0, CLEARED, gl.SliceLayout(1, layout))
    for first in gl.static_range(0, BLOCK_K, CLEARED):
        part = tile.slice(first, CLEARED)
        part.store(gl.where((first + rows < real)[:, None], part.load(layout), 0.0))


@gluon.jit
def compute(
    half, q_tiles, q_full, keys, values, blocks, rows, n_k, shift, mods, out, lse,
    PACKED: gl.constexpr, D: gl.constexpr, BLOCK_K: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Write the output of one group's share of the queries, and its logarithms."""
    scored: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_K, 16])
    summed: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, D, 16])
    start = rows.start + half * ROWS
    p = start + anew(shift) + gl.arange(0, ROWS, gl.SliceLayout(1, scored))
    acc = gl.zeros([ROWS, D], gl.float32, summed)
    total = gl.zeros([ROWS], gl.float32, gl.SliceLayout(1, scored))
    top = gl.full([ROWS], LOWEST, gl.float32, gl.SliceLayout(1, scored))
    if blocks.count > 0:
        mbarrier.wait(q_full, 0)
        tile = q_tiles.index(half).reshape([ROWS, D])
        wait_for(keys, 0, STAGES)
        products = warpgroup_mma_wait(0, deps=[multiply(tile, keys, 0, scored, STAGES)])
        release(keys, 0, STAGES)
        # Whether or not the first block needs a mask: it gets one.
        weights, _, total, top = weighed(products, p, block_start(blocks, 0, BLOCK_K), n_k, total, top, mods, True)
        weights = operand(weights, values.tiles.dtype, summed)
        wait_for(keys, 1, STAGES, blocks.count > 1)
        for number in range(1, blocks.masked):
            acc, weights, total, top = step(
                number, acc, weights, total, top, tile, keys, values, blocks, p, n_k, mods, BLOCK_K, STAGES, True
            )
        for number in range(gl.maximum(blocks.masked, 1), blocks.count):
            acc, weights, total, top = step(
                number, acc, weights, total, top, tile, keys, values, blocks, p, n_k, mods, BLOCK_K, STAGES, False
            )
        wait_for(values, blocks.count - 1, STAGES)
        acc = warpgroup_mma(weights, tile_of(values, blocks.count - 1, STAGES), acc)
    store(acc, total, top, start, rows, out, lse, PACKED, D)


@gluon.jit
def multiply(tile, keys, number, layout: gl.constexpr, STAGES: gl.constexpr):
    """Begin to multiply queries with a block of keys."""
    block = tile_of(keys, number, STAGES)
    nothing = gl.zeros([tile.shape[0], block.shape[0]], gl.float32, layout)
    return warpgroup_mma(tile, block.permute((1, 0)), nothing, use_acc=False, is_async=True)


@gluon.jit
def step(
    number, acc, weights, total, top, tile, keys, values, blocks, p, n_k, mods,
    BLOCK_K: gl.constexpr, STAGES: gl.constexpr, MASKED: gl.constexpr,
):  # fmt: skip
    """Add the values of the block before, while the keys of this one become weights."""
    products = multiply(tile, keys, number, total.type.layout.parent, STAGES)
    wait_for(values, number - 1, STAGES)
    sums = warpgroup_mma(weights, tile_of(values, number - 1, STAGES), acc, is_async=True)
    products = warpgroup_mma_wait(1, deps=[products])
    release(keys, number, STAGES)
    new, shrunk, total, top = weighed(products, p, block_start(blocks, number, BLOCK_K), n_k, total, top, mods, MASKED)
    new = operand(new, weights.dtype, acc.type.layout)
    # This wait belongs to the next step. Here it keeps the assembler from putting the weights off until the sums are there.
    wait_for(keys, number + 1, STAGES, number + 1 < blocks.count)
    acc, _, new = warpgroup_mma_wait(0, deps=[sums, weights, new])
    release(values, number - 1, STAGES)
    return acc * gl.convert_layout(shrunk, gl.SliceLayout(1, acc.type.layout))[:, None], new, total, top


@gluon.jit
def weighed(products, p, start, n_k, total, top, mods, MASKED: gl.constexpr):
    """Return a block's weights, what older ones shrink by, the sum of all, and the new maximum."""
    if MASKED:
        j = start + gl.arange(0, products.shape[1], gl.SliceLayout(0, products.type.layout))
        products = gl.where(allowed(p[:, None], j[None, :], n_k, mods), products, float("-inf"))
    return weigh(products, mods.scale * LOG2E, total, top)


@gluon.jit
def operand(weights, dtype: gl.constexpr, layout: gl.constexpr):
    """Return weights as the left side of a product, for which each already lies in the right register."""
    return gl.convert_layout(weights.to(dtype), gl.DotOperandLayout(0, layout, 2), assert_trivial=True)


@gluon.jit
def store(acc, total, top, start, rows, out, lse, PACKED: gl.constexpr, D: gl.constexpr):
    """Write rows of output, and their logarithms: never beyond the sequence's end, where another may begin."""
    line: gl.constexpr = gl.SliceLayout(1, acc.type.layout)
    i = start + gl.arange(0, ROWS, line)
    total = gl.where(i < rows.n_q, gl.convert_layout(total, line), 0)
    result, logarithm = finished(acc, total, gl.convert_layout(top, line))
    place = statistics_of(lse, PACKED, rows.b, rows.first, rows.h, gl.num_programs(1), rows.size)
    gl.store(place + i, logarithm, mask=i < rows.stop)
    # A thread has two features side by side; by way of shared memory it gets eight, as much as it can write at a time.
    wide: gl.constexpr = gl.BlockedLayout([1, 8], [256 // D, D // 8], [4, 1], [1, 0])
    i = start + gl.arange(0, ROWS, gl.SliceLayout(1, wide))
    d = gl.arange(0, D, gl.SliceLayout(0, wide))
    place = head_of(out, rows.b, rows.first, rows.h) + gl.cast(start, gl.int64) * out.row
    place += (i - start)[:, None] * out.row + d[None, :]
    gl.store(place, gl.convert_layout(result.to(out.ptr.dtype.element_ty), wide), mask=(i < rows.stop)[:, None])
