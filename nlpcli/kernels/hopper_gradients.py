"""The two roles that warps of the Hopper kernel of attention's backward pass play; see `hopper_backward`.

Scores stand as [keys, queries] here, so that weights and their gradients already lie in the registers that the products for
values and keys take them from. Only the gradients of scores are written to shared memory too, as [keys, queries] by each group
for its own keys: for the gradients of the queries, both groups' are needed, and each group multiplies half of them.
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

from nlpcli.kernels.hopper_device import GROUPS, LOG2E, anew, block_start, hold, operand
from nlpcli.kernels.triton_device import allowed, statistics_of

ROWS = gl.constexpr(64)  # keys of a group, and the rows of a product
CLEARED = gl.constexpr(16)  # rows that are cleared at a time
STATISTIC = gl.constexpr(gl.SwizzledSharedLayout(1, 1, 1, [0]))


class Still(NamedTuple):
    """The keys and values of a program, half of them for each group, and where their gradients go.

    The latter lies in shared memory until the end: registers are few, and this is how a number is kept out of them.
    """

    tiles: Any  # [2 · GROUPS, 1, 1, rows, features]: all keys, all values
    full: Any  # a barrier: they are there
    at: Any  # elements before the first gradient
    rows: Any  # up to the end of the sequence, with its padding


class Facts(NamedTuple):
    """What there is to know of a block of queries, [stages, 1] each: worked out by the copying warp, for the others to read."""

    start: Any  # its first query's place, among the tile's keys
    masked: Any  # some of the keys are not seen
    real: Any  # rows before the sequence's end
    row: Any  # of the tensor
    head: Any
    turn: Any  # of `cleared`


class Queue(NamedTuple):
    """Buffers for blocks of queries, filled and used in turn: block `number` lies in buffer `number` modulo the stages."""

    tiles: Any  # [2 · stages, 1, 1, rows, features]: the queries and the gradients of output of each stage
    tops: Any  # [stages, rows]: what is added to products of keys with queries, and of values with gradients
    deltas: Any
    facts: Facts
    full: Any  # a barrier a stage
    free: Any
    numbers: Any  # 0, 1, … [rows]: computed, they would be kept in registers throughout
    cleared: Any  # a barrier, passed once a head, as a sequence has one end


class Slopes(NamedTuple):
    """Gradients of scores. There are two buffers, so that a group may write one while the other still reads the one before."""

    tiles: Any  # [2 · GROUPS, keys, queries]
    full: Any  # a barrier: both groups have written
    sums: Any  # each group's share of what is added to the gradients of queries, on its way to memory


class Place(NamedTuple):
    """Where a tile of keys lies, and the queries that may see it."""

    b: Any
    g: Any
    first: Any  # row of the sequence
    start: Any  # of the tile, within the sequence
    q_first: Any
    n_q: Any
    q_size: Any  # of the tensor
    shift: Any


@gluon.jit
def flat(tile):
    """Return a tile [1, 1, rows, features] as [rows, features]."""
    return tile.reshape([tile.shape[2], tile.shape[3]])


@gluon.jit
def bring(
    q, dout, k, v, top, delta, still, queue, blocks, batch, place, mods,
    PACKED: gl.constexpr, GROUP: gl.constexpr, BLOCK_Q: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Copy keys and values, and each block of queries as soon as there is room."""
    if blocks.count > 0:
        bring_keys(k, v, still, batch, place.g, (place.first + place.start).to(gl.int32))
    heads = gl.num_programs(1) * GROUP
    for member in range(GROUP):
        h = place.g * GROUP + member
        tops = statistics_of(top, PACKED, place.b, place.q_first, h, heads, place.q_size)
        deltas = statistics_of(delta, PACKED, place.b, place.q_first, h, heads, place.q_size)
        for number in range(blocks.count):
            start = block_start(blocks, number, BLOCK_Q)
            row = (place.q_first + start).to(gl.int32)
            facts = Facts(
                start + place.shift - place.start, (number < blocks.masked).to(gl.int32), place.n_q - start, row, h, member & 1
            )
            bring_queries(
                q, dout, tops + start, deltas + start, -1 / (mods.scale * LOG2E), queue, member * blocks.count + number,
                facts, batch, BLOCK_Q, STAGES,
            )  # fmt: skip


@gluon.jit
def bring_keys(k, v, still, batch, g, row):
    """Copy the keys and values."""
    mbarrier.expect(still.full, GROUPS * (k.nbytes_per_cta + v.nbytes_per_cta))
    for half in gl.static_range(GROUPS):
        tma.async_load(k, [batch, g, row + half * ROWS, 0], still.full, still.tiles.index(half))
        tma.async_load(v, [batch, g, row + half * ROWS, 0], still.full, still.tiles.index(GROUPS + half))


@gluon.jit
def bring_queries(q, dout, tops, deltas, unit, queue, number, facts, batch, BLOCK_Q: gl.constexpr, STAGES: gl.constexpr):
    """Copy a block of queries, and what belongs to them: for those beyond the sequence, what makes all their weights 0."""
    slot = number % STAGES
    full = queue.full.index(slot)
    i = gl.arange(0, BLOCK_Q, gl.BlockedLayout([BLOCK_Q // 32], [32], [1], [0]))
    top = gl.load(tops + i, mask=i < facts.real, other=float("inf"))
    delta = gl.load(deltas + i, mask=i < facts.real, other=0.0)
    mbarrier.wait(queue.free.index(slot), number // STAGES & 1 ^ 1)  # the first to use a buffer need not wait
    mbarrier.expect(full, q.nbytes_per_cta + dout.nbytes_per_cta)
    at = [batch, facts.head, facts.row, 0]
    tma.async_load(q, at, full, queue.tiles.index(2 * slot))
    tma.async_load(dout, at, full, queue.tiles.index(2 * slot + 1))
    queue.tops.index(slot).store(top * unit)
    queue.deltas.index(slot).store(-delta)
    note(queue.facts.start, slot, facts.start)
    note(queue.facts.masked, slot, facts.masked)
    note(queue.facts.real, slot, facts.real)
    note(queue.facts.row, slot, facts.row)
    note(queue.facts.head, slot, facts.head)
    note(queue.facts.turn, slot, facts.turn)
    mbarrier.arrive(full, count=1)


@gluon.jit
def note(buffer, slot, number):
    """Write a number for the other warps."""
    buffer.index(slot).store(gl.full([1], number, gl.int32, gl.BlockedLayout([1], [32], [1], [0])))


@gluon.jit
def read(buffer):
    """Return the number in a buffer of one."""
    return gl.sum(buffer.load(gl.BlockedLayout([1], [32], [4], [0])), 0)


@gluon.jit
def clear(tile, real, FIRST: gl.constexpr, COUNT: gl.constexpr):
    """Set those rows of COUNT from FIRST on to zero which do not come before number `real`: 0 · NaN would be NaN."""
    D: gl.constexpr = tile.shape[1]
    layout: gl.constexpr = gl.BlockedLayout([1, 8], [256 // D, D // 8], [4, 1], [1, 0])
    rows = gl.arange(0, CLEARED, gl.SliceLayout(1, layout))
    for start in gl.static_range(FIRST, FIRST + COUNT, CLEARED):
        part = tile.slice(start, CLEARED)
        part.store(gl.where((start + rows < real)[:, None], part.load(layout), 0.0))


@gluon.jit
def differentiate(
    half, count, still, queue, slopes, batch, n_k, mods, dq, dk, dv,
    Q_RAGGED: gl.constexpr, K_RAGGED: gl.constexpr, D: gl.constexpr, BLOCK_Q: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Write the gradients of one group's share of the keys and values; add to those of queries."""
    summed: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, D, 16])
    sum_k = gl.zeros([ROWS, D], gl.float32, summed)
    sum_v = gl.zeros([ROWS, D], gl.float32, summed)
    if count > 0:
        mbarrier.wait(still.full, 0)
        if K_RAGGED:
            real = n_k - half * ROWS
            if real < ROWS:  # the other group sees that these are clear when it sees the gradients of their scores
                clear(flat(still.tiles.index(half)), real, 0, ROWS)
                clear(flat(still.tiles.index(GROUPS + half)), real, 0, ROWS)
                fence_async_shared()
        for number in range(count):
            sum_k, sum_v = step(
                half, number, sum_k, sum_v, still, queue, slopes, batch, n_k, mods, dq, Q_RAGGED, BLOCK_Q, STAGES
            )
    tma.store_wait(0)
    at, stop = read(still.at), read(still.rows)
    store(sum_k * mods.scale, dk.ptr + at, dk.row, half, n_k, stop, D)
    store(sum_v, dv.ptr + at, dv.row, half, n_k, stop, D)


@gluon.jit
def step(
    half, number, sum_k, sum_v, still, queue, slopes, batch, n_k, mods, dq,
    RAGGED: gl.constexpr, BLOCK_Q: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Return the sums for keys and values after one more block of queries."""
    scored: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_Q, 16])
    summed: gl.constexpr = sum_k.type.layout
    slot = number % STAGES
    facts = queue.facts
    queries, douts = flat(queue.tiles.index(2 * slot)), flat(queue.tiles.index(2 * slot + 1))
    mbarrier.wait(queue.full.index(slot), number // STAGES & 1)
    if RAGGED:
        real = read(facts.real.index(slot))
        if real < BLOCK_Q:
            clear(queries, real, half * BLOCK_Q // GROUPS, BLOCK_Q // GROUPS)
            clear(douts, real, half * BLOCK_Q // GROUPS, BLOCK_Q // GROUPS)
            fence_async_shared()
            mbarrier.arrive(queue.cleared, count=1)
            mbarrier.wait(queue.cleared, read(facts.turn.index(slot)))
    own = anew(half)
    top, delta = beneath(queue.tops.index(slot), scored), beneath(queue.deltas.index(slot), scored)
    if read(facts.masked.index(slot)) != 0:  # done here, where registers are still free
        i = read(facts.start.index(slot)) + queue.numbers.load(gl.SliceLayout(0, scored))
        j = half * ROWS + gl.arange(0, ROWS, gl.SliceLayout(1, scored))
        top = gl.where(allowed(i[None, :], j[:, None], n_k, mods), top, float("-inf"))
    products = warpgroup_mma(flat(still.tiles.index(own)), queries.permute((1, 0)), top, is_async=True)
    dweights = warpgroup_mma(flat(still.tiles.index(GROUPS + own)), douts.permute((1, 0)), delta, is_async=True)
    weights = gl.exp2(warpgroup_mma_wait(1, deps=[products]) * (mods.scale * LOG2E))
    hold(still.full)  # the exponentials would be put off until the second product is there, too
    dweights = warpgroup_mma_wait(0, deps=[dweights])
    ds = (weights * dweights).to(queries.dtype)
    left = operand(weights, douts.dtype, summed)
    sum_v = warpgroup_mma(left, douts, sum_v, is_async=True)
    pair = number % 2 * GROUPS
    slopes.tiles.index(pair + half).store(ds)
    fence_async_shared()
    mbarrier.arrive(slopes.full, count=1)
    right = operand(ds, queries.dtype, summed)
    sum_k = warpgroup_mma(right, queries, sum_k, is_async=True)
    mbarrier.wait(slopes.full, number & 1)
    part = multiply_queries(half, slopes.tiles, pair, still.tiles, BLOCK_Q)
    sum_v, sum_k, _, _ = warpgroup_mma_wait(GROUPS, deps=[sum_v, sum_k, left, right])
    row, head, real = read(facts.row.index(slot)), read(facts.head.index(slot)), read(facts.real.index(slot))
    mbarrier.arrive(queue.free.index(slot), count=1)
    part = warpgroup_mma_wait(0, deps=[part])
    add(part * mods.scale, half, dq, slopes.sums.index(half), batch, head, row, real, RAGGED, BLOCK_Q)
    return sum_k, sum_v


@gluon.jit
def beneath(numbers, layout: gl.constexpr):
    """Return a number of each query, as what a product [keys, queries] is added to.

    To subtract it from the product afterwards would take registers for it when they are few. Those it begins from are filled
    here; filled between two products, they may keep the second waiting for the first.
    """
    x = numbers.load(gl.SliceLayout(0, layout))[None, :].broadcast_to([ROWS, numbers.shape[0]])
    return gl.inline_asm_elementwise("mov.f32 $0, $1;", "=f,f", [x], gl.float32, is_pure=False, pack=1)


@gluon.jit
def multiply_queries(half, slopes, pair, keys, BLOCK_Q: gl.constexpr):
    """Begin to multiply the gradients of scores with all keys: GROUPS products, half of the queries or of the features."""
    first = flat(keys.index(0))
    D: gl.constexpr = first.shape[1]
    BY_ROWS: gl.constexpr = BLOCK_Q == GROUPS * ROWS
    SIZE: gl.constexpr = BLOCK_Q // GROUPS if BY_ROWS else D // GROUPS
    FEATURES: gl.constexpr = D if BY_ROWS else SIZE
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, FEATURES, 16])
    sums = gl.zeros([SIZE if BY_ROWS else BLOCK_Q, FEATURES], gl.float32, layout)
    for part in gl.static_range(GROUPS):
        slope = slopes.index(pair + part)
        block = flat(keys.index(anew(part)))
        if BY_ROWS:
            slope = slope.slice(half * SIZE, SIZE, 1)
        else:
            block = block.slice(half * SIZE, SIZE, 1)
        sums = warpgroup_mma(slope.permute((1, 0)), block, sums, use_acc=part > 0, is_async=True)
    return sums


@gluon.jit
def add(part, half, dq, buffer, batch, head, row, real, RAGGED: gl.constexpr, BLOCK_Q: gl.constexpr):
    """Begin to add to gradients of queries in memory: this group's half of the rows, or of the features."""
    first = half * ROWS if BLOCK_Q == GROUPS * ROWS else 0
    column = 0 if BLOCK_Q == GROUPS * ROWS else half * part.shape[1]
    if RAGGED and real < BLOCK_Q:
        # Rows beyond the sequence may be another's, which zeros do not change; 0 · NaN would.
        i = first + gl.arange(0, part.shape[0], gl.SliceLayout(1, part.type.layout))
        part = gl.where((i < real)[:, None], part, 0.0)
    tma.store_wait(0)  # the block before has left the buffer
    flat(buffer).store(part)
    fence_async_shared()
    tma.async_atomic_add(dq, [batch, head, row + first, column], buffer)


@gluon.jit
def store(sums, at, row, half, n_k, stop, D: gl.constexpr):
    """Write gradients of keys or values: never beyond the sequence's end, where another may begin."""
    wide: gl.constexpr = gl.BlockedLayout([1, 8], [256 // D, D // 8], [4, 1], [1, 0])
    rows = half * ROWS + gl.arange(0, ROWS, gl.SliceLayout(1, wide))
    d = gl.arange(0, D, gl.SliceLayout(0, wide))
    found = gl.convert_layout(sums.to(at.dtype.element_ty), wide)
    found = gl.where((rows < n_k)[:, None], found, 0.0)
    gl.store(at + rows[:, None] * row + d[None, :], found, mask=(rows < stop)[:, None])
