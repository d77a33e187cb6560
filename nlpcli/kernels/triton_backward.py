"""Attention's backward pass on a GPU (Dao 2023, FlashAttention-2): the weights are computed anew from the logarithms of sums.

One kernel owns a tile of keys, walks over the queries that see them and keeps the gradients of keys and values in registers;
gradients of queries it adds up in memory. Deterministic, it leaves those to a second kernel that owns queries.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.triton_device import (
    LOG2E,
    extent,
    find,
    head_of,
    load_rows,
    statistics_of,
)
from nlpcli.kernels.triton_keys import keys_kernel
from nlpcli.kernels.triton_launch import Plan, Tiles, launch, plan, tune, view
from nlpcli.kernels.triton_queries import queries_kernel
from nlpcli.kernels.triton_tiles import KEYS, QUERIES, choices

PREPARED = Tiles(queries=64, keys=0, warps=4, stages=1)


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
    autotune: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients of q, k, v, and in fp32 that of the relative bias if there is one.

    Args:
        dout, dlse: gradients of what `forward` returned, `out` and `lse`; no dlse is zeros.
        tiles: instead of those of the table.
        autotune: measure the candidates first, once for each kind of problem.
    """
    todo, heads, fixed, bias = plan(q, k, shape, options), q.size(-2), options.deterministic, options.relative_bias
    dout = dout if dout.stride(-1) == 1 else dout.contiguous()
    top, delta = prepare(dout, dlse, out, lse, todo)
    inputs = view(q), view(k), view(v), view(dout), top, delta
    dq = torch.empty(q.shape, dtype=q.dtype if fixed else torch.float32, device=q.device)
    dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (k, v))

    def run_keys(tiles: Tiles) -> Tensor | None:
        """Return parts of the bias's gradient, one of each program, or added up."""
        count = todo.key_tiles(tiles.keys)
        parts = heads, count if fixed else 1
        dbias = None if bias is None else torch.zeros(*parts, bias.size(1), dtype=torch.float32, device=q.device)
        sums = None if fixed else view(dq.zero_())
        launch(keys_kernel, (count, k.size(-2)), todo, tiles, *inputs, sums, view(dk), view(dv), dbias, FIXED=fixed)
        return dbias

    def run_queries(tiles: Tiles) -> None:
        launch(queries_kernel, (todo.query_tiles(tiles.queries), heads), todo, tiles, *inputs, view(dq))

    def fastest(kernel: str) -> Tiles:
        candidates = choices(kernel, q, options)
        if not autotune:
            return candidates[0]
        key = (
            kernel,
            q.dtype,
            q.device,
            todo.head_size,
            todo.q_size,
            todo.k_size,
            options.causal,
            options.relative_bias is None,
            fixed,
        )
        return tune(key, candidates, run_keys if kernel == KEYS else run_queries)

    dbias = run_keys(tiles or fastest(KEYS))
    if fixed:
        run_queries(tiles or fastest(QUERIES))
    return dq.to(q.dtype), dk, dv, None if dbias is None else dbias.sum(1)


def prepare(dout: Tensor, dlse: Tensor | None, out: Tensor, lse: Tensor, todo: Plan) -> tuple[Tensor, Tensor]:
    """Return what every weight of a query needs, fp32 like lse: its logarithm to base 2, and Σ do · o − dlse."""
    top, delta = torch.empty_like(lse), torch.empty_like(lse)
    given = view(out), view(dout), lse, None if dlse is None else dlse.contiguous()
    launch(_prepare, (todo.query_tiles(PREPARED.queries), out.size(-2)), todo, PREPARED, *given, top, delta)
    return top, delta


@triton.jit(do_not_specialize=["q_size", "k_size", "batch"])
def _prepare(
    out, dout, lse, dlse, top, delta,
    shape, mods, drop, q_size, k_size, batch, GROUP: tl.constexpr, D: tl.constexpr, WIDTH: tl.constexpr,
    PRECISION: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write what every weight of a query needs: its logarithm to base 2, and Σ do · o − dlse.

    A query that sees no key, or is padding, gets a logarithm of +∞: all its weights then are 0 without any mask.
    """
    b, start = find(shape.q_offsets, tl.program_id(0), q_size, batch, BLOCK_Q)
    h = tl.program_id(1)
    first, n_q, stop = extent(shape.q_offsets, shape.q_lengths, b, q_size)
    rows = tl.arange(0, BLOCK_Q)
    i = start + rows
    o = load_rows(head_of(out, b, first, h), out.row, start, rows, n_q, D, WIDTH, True).to(tl.float32)
    do = load_rows(head_of(dout, b, first, h), dout.row, start, rows, n_q, D, WIDTH, True).to(tl.float32)
    packed: tl.constexpr = shape.q_offsets is not None
    logarithm = tl.load(statistics_of(lse, packed, b, first, h, tl.num_programs(1), q_size) + i, i < n_q, float("-inf"))
    sighted = logarithm != float("-inf")
    sums = tl.sum(o * do, 1)
    if dlse is not None:
        sums -= tl.load(statistics_of(dlse, packed, b, first, h, tl.num_programs(1), q_size) + i, i < n_q, 0)
    tl.store(
        statistics_of(top, packed, b, first, h, tl.num_programs(1), q_size) + i,
        tl.where(sighted, logarithm * LOG2E, float("inf")),
        i < stop,
    )
    tl.store(statistics_of(delta, packed, b, first, h, tl.num_programs(1), q_size) + i, tl.where(sighted, sums, 0), i < stop)
