"""Attention's backward pass on Hopper GPUs (Shah et al. 2024, FlashAttention-3, §3; Dao 2023), for what is asked for most.

A program owns a tile of keys of one head. One warp copies the queries that see them, with what belongs to those, into a ring of
buffers in shared memory; two groups of four warps own half of the keys each, and keep the gradients of their keys and values in
registers. Those of the queries are added up in memory, in float32. `hopper_gradients.py` has the parts.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import fence_async_shared, mbarrier

from nlpcli.kernels import hopper_forward
from nlpcli.kernels.hopper_device import GROUPS, Blocks
from nlpcli.kernels.hopper_forward import FEW, MANY, REGISTERS, barrier, described
from nlpcli.kernels.hopper_gradients import ROWS, STATISTIC, Facts, Place, Queue, Slopes, Still, bring, differentiate
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.triton_backward import prepare
from nlpcli.kernels.triton_device import band, extent, find
from nlpcli.kernels.triton_launch import Tiles, launch, plan, view

TILES = {64: Tiles(128, 128, 4, 2), 128: Tiles(64, 128, 4, 2)}  # by head size; the warps are those of a group


def fault(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> str:
    """Return why the gradients of a problem are not computed here; nothing if they are."""
    if options.deterministic:
        return "it adds the gradients of queries in any order"
    return hopper_forward.fault(q, k, v, shape, options)


def backward(
    dout: Tensor,
    dlse: Tensor | None,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    shape: Shape,
    options: Options,
    *,
    tiles: Tiles | None = None,
) -> tuple[Tensor, Tensor, Tensor, None]:
    """Return the gradients of q, k and v, and none of a relative bias.

    Args:
        dout, dlse: gradients of what `forward` returned, `out` and `lse`; no dlse is zeros.
        tiles: instead of those of the table; 128 keys.
    """
    dq = torch.zeros(q.shape, dtype=torch.float32, device=q.device)
    dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (k, v))
    if 0 in q.shape or 0 in k.shape:  # nothing to describe to the copying unit
        return dq.to(q.dtype), dk.zero_(), dv.zero_(), None
    todo, tiles = plan(q, k, shape, options), tiles or TILES[q.size(-1)]
    dout = dout if hopper_forward.in_reach(dout) else dout.clone(memory_format=torch.contiguous_format)
    top, delta = prepare(dout, dlse, out, lse, todo)
    inputs = *(described(x, tiles.queries) for x in (q, dout)), *(described(x, tiles.keys // GROUPS.value) for x in (k, v))
    by_rows = tiles.queries == GROUPS.value * ROWS.value  # how the groups share the gradients of a block of queries
    sums = described(dq, ROWS.value) if by_rows else described(dq, tiles.queries, q.size(-1) // GROUPS.value)
    launch(
        _hopper_backward, (todo.key_tiles(tiles.keys), k.size(-2)), todo, tiles, *inputs, top, delta, sums, view(dk),
        view(dv), STAGES=tiles.stages, maxnreg=REGISTERS,
    )  # fmt: skip
    return dq.to(q.dtype), dk, dv, None


@gluon.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _hopper_backward(
    q, dout, k, v, top, delta, dq, dk, dv,
    shape, mods, drop, q_size, k_size, batch, GROUP: gl.constexpr, D: gl.constexpr, WIDTH: gl.constexpr,
    PRECISION: gl.constexpr, BLOCK_Q: gl.constexpr, BLOCK_K: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Write the gradients of a tile of keys and values; add to those of queries."""
    b, start = find(shape.k_offsets, gl.program_id(0), k_size, batch, BLOCK_K)
    g = gl.program_id(1)
    first, n_k, stop = extent(shape.k_offsets, shape.k_lengths, b, k_size)
    q_first, n_q, _ = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    if start >= stop:
        return
    shift = mods.align * (n_k - n_q)
    # Seen from a query's place the band is mirrored. A tile with padding among its keys needs a mask throughout.
    seeing = gl.where(start < n_k, n_q, 0)
    whole = gl.where(start + BLOCK_K <= n_k, n_q, 0)
    last = gl.minimum(start + BLOCK_K, n_k) - 1
    begin, left, full_start, full_stop, masked = band(
        start - shift, last - shift, mods.after, mods.before, seeing, whole, BLOCK_Q
    )
    blocks = Blocks(begin, left, full_start, full_stop, masked, masked + (full_stop - full_start) // BLOCK_Q)

    packed: gl.constexpr = shape.q_offsets is not None
    batch = 0 if packed else b
    q_ragged: gl.constexpr = shape.q_offsets is not None or shape.q_lengths is not None
    k_ragged: gl.constexpr = shape.k_offsets is not None or shape.k_lengths is not None
    place = Place(b, g, first, start, q_first, n_q, q_size, shift)
    # The gradients of keys and values lie alike.
    row = gl.cast(b, gl.int64) * dk.batch + gl.cast(g, gl.int64) * dk.head + (first + start) * dk.row
    still = Still(buffers(k, 2 * GROUPS), barrier(), noted(row, gl.int64), noted(stop - start, gl.int32))
    queue = Queue(
        buffers(q, 2 * STAGES), statistic(STAGES, BLOCK_Q), statistic(STAGES, BLOCK_Q),
        Facts(notes(STAGES), notes(STAGES), notes(STAGES), notes(STAGES), notes(STAGES), notes(STAGES)),
        barriers(STAGES, 2), barriers(STAGES, GROUPS), numbers(BLOCK_Q), barriers(1, GROUPS).index(0),
    )  # fmt: skip
    slopes = Slopes(
        gl.allocate_shared_memory(
            q.dtype, [2 * GROUPS, BLOCK_K // GROUPS, BLOCK_Q],
            gl.NVMMASharedLayout.get_default_for([BLOCK_K // GROUPS, BLOCK_Q], q.dtype),
        ),
        barriers(1, GROUPS).index(0),
        buffers(dq, GROUPS),
    )  # fmt: skip
    fence_async_shared()  # the copying unit signals these barriers
    gl.warp_specialize(
        [
            (
                differentiate,
                (
                    0, blocks.count * GROUP, still, queue, slopes, batch, n_k - start, mods, dq, dk, dv, q_ragged, k_ragged, D,
                    BLOCK_Q, STAGES,
                ),
            ),
            (
                differentiate,
                (
                    1, blocks.count * GROUP, still, queue, slopes, batch, n_k - start, mods, dq, dk, dv, q_ragged, k_ragged, D,
                    BLOCK_Q, STAGES,
                ),
            ),
            (bring, (q, dout, k, v, top, delta, still, queue, blocks, batch, place, mods, packed, GROUP, BLOCK_Q, STAGES)),
        ],
        [4, 1],
        [MANY, FEW],
    )  # fmt: skip


@gluon.jit
def buffers(x, COUNT: gl.constexpr):
    """Return buffers for tiles of a tensor."""
    return gl.allocate_shared_memory(x.dtype, [COUNT] + x.block_type.shape, x.layout)  # noqa: RUF005 – Gluon knows no *


@gluon.jit
def statistic(STAGES: gl.constexpr, BLOCK_Q: gl.constexpr):
    """Return buffers for a number of each query."""
    return gl.allocate_shared_memory(gl.float32, [STAGES, BLOCK_Q], STATISTIC)


@gluon.jit
def notes(COUNT: gl.constexpr):
    """Return buffers for whole numbers."""
    return gl.allocate_shared_memory(gl.int32, [COUNT, 1], STATISTIC)


@gluon.jit
def noted(number, TYPE: gl.constexpr):
    """Return a number in shared memory."""
    made = gl.allocate_shared_memory(TYPE, [1], STATISTIC)
    made.store(gl.full([1], number, TYPE, gl.BlockedLayout([1], [32], [4], [0])))
    return made


@gluon.jit
def numbers(BLOCK_Q: gl.constexpr):
    """Return 0, 1, … in shared memory."""
    made = gl.allocate_shared_memory(gl.int32, [BLOCK_Q], STATISTIC)
    made.store(gl.arange(0, BLOCK_Q, gl.BlockedLayout([1], [32], [4], [0])))
    return made


@gluon.jit
def barriers(COUNT: gl.constexpr, signals: gl.constexpr):
    """Return barriers that so many signals pass."""
    made = gl.allocate_shared_memory(gl.int64, [COUNT, 1], mbarrier.MBarrierLayout())
    for number in gl.static_range(COUNT):
        mbarrier.init(made.index(number), count=signals)
    return made
