"""Attention's forward pass on Hopper GPUs (Shah et al. 2024, FlashAttention-3), for what is asked for most; in Gluon.

A program owns a tile of queries of one head. One warp copies keys and values into a ring of buffers in shared memory; two
groups of four warps own half of the queries each, and multiply: while the tensor cores work on the next block's scores and on
this block's values, the group's other units compute this block's weights. `hopper_device.py` has the parts.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import fence_async_shared, mbarrier
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from nlpcli.kernels.hopper_device import GROUPS, Blocks, Ring, Rows, Wanted, compute, copy
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.triton_device import band, extent, find
from nlpcli.kernels.triton_launch import Tiles, launch, plan, view

HEAD_SIZES = (64, 128)
TYPES = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}
REGISTERS = 168  # of each of 3 · 128 threads before they are dealt out: 64 Ki in all
FEW, MANY = gl.constexpr(40), gl.constexpr(232)  # of a thread that copies, and of one that multiplies; the copying warp has
# the registers of four
TILES = {64: Tiles(128, 128, 4, 3), 128: Tiles(128, 128, 4, 2)}  # by head size; the warps are those of a group
ALIGNED = 16  # bytes that the copying unit wants everything to be a multiple of


def fault(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> str:
    """Return why a problem is not one of those computed here; nothing if it is."""
    o = options
    if q.dtype not in TYPES:
        return f"it computes in float16 and bfloat16, not {q.dtype}"
    if q.size(-1) not in HEAD_SIZES:
        return f"it is for heads of {' and '.join(map(str, HEAD_SIZES))} features, not {q.size(-1)}"
    if o.dropout_p or o.softcap or o.alibi_slopes is not None or o.relative_bias is not None:
        return "it has no dropout, soft cap, ALiBi or relative bias"
    if not all(map(in_reach, (q, k, v))):
        return f"rows and heads do not begin at multiples of {ALIGNED} bytes"
    return ""


def in_reach(x: Tensor) -> bool:
    """Tell whether the unit that copies tiles can address a tensor."""
    steps = [step for size, step in zip(x.shape[:-1], x.stride()) if size > 1]
    aligned = all(step > 0 and step * x.element_size() % ALIGNED == 0 for step in steps)
    return aligned and x.stride(-1) == 1 and x.data_ptr() % ALIGNED == 0


def forward(
    q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options, *, tiles: Tiles | None = None
) -> tuple[Tensor, Tensor]:
    """Return attention's output, like q, and the logarithm of each query's sum of weights: fp32 [B, H, Lq], packed [H, Tq].

    Args:
        tiles: instead of those of the table; 128 queries.
    """
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    heads, queries = q.size(-2), q.size(-3)
    lse = torch.empty((heads, queries) if shape.packed else (len(q), heads, queries), dtype=torch.float32, device=q.device)
    if 0 in k.shape:  # nothing to describe to the copying unit, and nothing to see
        return out.zero_(), lse.fill_(-torch.inf)
    todo, tiles = plan(q, k, shape, options), tiles or TILES[q.size(-1)]
    if q.numel():
        inputs = described(q, tiles.queries // GROUPS.value), described(k, tiles.keys), described(v, tiles.keys)
        launch(
            _hopper_forward, (todo.query_tiles(tiles.queries), heads), todo, tiles, *inputs, view(out), lse,
            STAGES=tiles.stages, maxnreg=REGISTERS,
        )  # fmt: skip
    return out, lse


def described(x: Tensor, rows: int, features: int | None = None) -> TensorDescriptor:
    """Return a tensor [B, L, H, D] or [T, H, D] as the copying unit takes it: rows of one head at a time, [B, H, L, D].

    Args:
        features: of a row at a time; all of them by default.
    """
    x = x.transpose(-3, -2)
    x = x if x.dim() == 4 else x[None]
    block = [1, 1, rows, features or x.size(-1)]
    steps = [step if size > 1 else x.size(-1) for size, step in zip(x.shape, x.stride())]  # none is taken along size 1
    layout = gl.NVMMASharedLayout.get_default_for(block, TYPES.get(x.dtype, gl.float32))
    return TensorDescriptor(x, list(x.shape), [*steps[:-1], 1], block, layout)


@gluon.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _hopper_forward(
    q, k, v, out, lse,
    shape, mods, drop, q_size, k_size, batch, GROUP: gl.constexpr, D: gl.constexpr, WIDTH: gl.constexpr,
    PRECISION: gl.constexpr, BLOCK_Q: gl.constexpr, BLOCK_K: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Write a tile of the output, and its logarithms."""
    # The last tiles first: causal ones are the longest, and short ones fill the gaps at the end.
    b, start = find(shape.q_offsets, gl.num_programs(0) - 1 - gl.program_id(0), q_size, batch, BLOCK_Q)
    h = gl.program_id(1)
    first, n_q, stop = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    k_first, n_k, _ = extent(shape.k_offsets, shape.k_lengths, b, k_size)
    if start >= stop:
        return
    shift = mods.align * (n_k - n_q)
    seen = gl.where(start < n_q, n_k, 0)  # a tile of padding sees nothing, and is written as such
    last = gl.minimum(start + BLOCK_Q, n_q) - 1
    begin, left, full_start, full_stop, masked = band(start + shift, last + shift, mods.before, mods.after, seen, seen, BLOCK_K)
    blocks = Blocks(begin, left, full_start, full_stop, masked, masked + (full_stop - full_start) // BLOCK_K)

    packed: gl.constexpr = shape.q_offsets is not None
    ragged: gl.constexpr = shape.k_offsets is not None or shape.k_lengths is not None
    rows = Rows(b, h, first, start, n_q, stop, q_size)
    wanted = Wanted(0 if packed else b, h, h // GROUP, (first + start).to(gl.int32), k_first.to(gl.int32), n_k)
    q_tiles = gl.allocate_shared_memory(q.dtype, [GROUPS] + q.block_type.shape, q.layout)  # noqa: RUF005 – Gluon knows no *
    q_full = barrier()
    landed = barrier()
    keys = ring(k, STAGES)
    values = ring(v, STAGES)
    fence_async_shared()  # the copying unit signals these barriers
    gl.warp_specialize(
        [
            (compute, (0, q_tiles, q_full, keys, values, blocks, rows, n_k, shift, mods, out, lse, packed, D, BLOCK_K, STAGES)),
            (compute, (1, q_tiles, q_full, keys, values, blocks, rows, n_k, shift, mods, out, lse, packed, D, BLOCK_K, STAGES)),
            (copy, (q, k, v, q_tiles, q_full, landed, keys, values, blocks, wanted, ragged, D, BLOCK_K, STAGES)),
        ],
        [4, 1],
        [MANY, FEW],
    )


@gluon.jit
def barrier():
    """Return a barrier that one signal passes."""
    made = gl.allocate_shared_memory(gl.int64, [1], mbarrier.MBarrierLayout())
    mbarrier.init(made, count=1)
    return made


@gluon.jit
def ring(x, STAGES: gl.constexpr):
    """Return buffers for tiles, with their barriers."""
    tiles = gl.allocate_shared_memory(x.dtype, [STAGES] + x.block_type.shape, x.layout)  # noqa: RUF005
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    free = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for slot in gl.static_range(STAGES):
        mbarrier.init(full.index(slot), count=1)
        mbarrier.init(free.index(slot), count=GROUPS)
    return Ring(tiles, full, free)
