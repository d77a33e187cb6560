"""What happens on the host before a Triton kernel starts: views, modifiers, and tiles that fit the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from nlpcli.kernels.problem import STEPS, Options, Shape, dropout_threshold
from nlpcli.kernels.triton_device import Dropout, Modifiers, View

WIDEST_ROW = 1 << 23  # elements: a tile's 256 rows stay within 32 bits


class Tiles(NamedTuple):
    """How a kernel is cut up: queries and keys at a time, warps that share a tile, tiles on their way from memory."""

    queries: int
    keys: int
    warps: int
    stages: int


class Plan(NamedTuple):
    """What kernels need to know of a problem beside its tensors."""

    shape: Shape
    modifiers: Modifiers
    dropout: Dropout | None
    batch: int
    q_size: int  # queries of a padded row, or all packed ones
    k_size: int
    heads: int
    group: int  # query heads of a key head
    head_size: int
    precision: str  # of products of float32

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that every kernel takes."""
        return {
            "shape": self.shape,
            "mods": self.modifiers,
            "drop": self.dropout,
            "q_size": self.q_size,
            "k_size": self.k_size,
            "batch": self.batch,
            "GROUP": self.group,
            "D": self.head_size,
            "WIDTH": max(triton.next_power_of_2(self.head_size), 16),
            "PRECISION": self.precision,
        }

    def query_tiles(self, rows: int) -> int:
        """Return how many tiles of `rows` queries are enough, without asking the device how long sequences are."""
        return self._tiles(self.q_size, rows)

    def key_tiles(self, rows: int) -> int:
        """Return how many tiles of `rows` keys are enough."""
        return self._tiles(self.k_size, rows)

    def _tiles(self, size: int, rows: int) -> int:
        return size // rows + self.batch if self.shape.packed else self.batch * triton.cdiv(size, rows)


def plan(q: Tensor, k: Tensor, shape: Shape, options: Options) -> Plan:
    """Return what kernels need to know; nothing here waits for the device."""
    heads, head_size = q.shape[-2:]
    assert options.scale > 0, "the greatest score must be the one of the greatest product"
    assert heads % k.size(-2) == 0
    return Plan(
        shape,
        modifiers(options),
        dropout(options),
        shape.q_offsets.numel() - 1 if shape.q_offsets is not None else q.size(0),
        q.size(-3),
        k.size(-3),
        heads,
        heads // k.size(-2),
        head_size,
        options.precision if q.dtype == torch.float32 else "ieee",  # the others know one way alone
    )


def modifiers(options: Options) -> Modifiers:
    """Return the options in the kernels' terms: a causal query sees 0 keys after its own place."""
    bias = options.relative_bias
    return Modifiers(
        options.scale,
        options.softcap or None,
        options.alibi_slopes,
        None if bias is None else bias.contiguous(),
        0 if bias is None else bias.size(1) // 2,
        options.window,
        0 if options.causal else options.window,
        int(options.bottom_right),
    )


def dropout(options: Options) -> Dropout | None:
    """Return which weights are dropped, or None where none are."""
    threshold = dropout_threshold(options.dropout_p)
    return Dropout(options.seed, threshold, STEPS / (STEPS - threshold)) if threshold else None


def view(x: Tensor) -> View:
    """Return a tensor [B, L, H, D] or [T, H, D] as kernels take it."""
    batch, row, head, feature = (0, *x.stride())[-4:]
    assert feature == 1 or x.size(-1) == 1, "features of a head are contiguous"
    assert row < WIDEST_ROW
    return View(x, batch, row, head)


def launch(kernel: Any, grid: tuple[int, ...], todo: Plan, tiles: Tiles, *arguments: Any, **more: Any) -> None:
    """Start a kernel, unless nothing is to be done."""
    if 0 not in grid:
        blocks = {"BLOCK_Q": tiles.queries, "BLOCK_K": tiles.keys}
        kernel[grid](*arguments, **todo.arguments(), **blocks, **more, num_warps=tiles.warps, num_stages=tiles.stages)


_fastest: dict[Any, Tiles] = {}


def tune(
    key: Any, candidates: Iterable[Tiles], run: Callable[[Tiles], Any], measure: Callable[..., Any] | None = None
) -> Tiles:
    """Return the tiles that `run` is fastest with; measured once for each key, and the device is waited for.

    Args:
        measure: takes a function without arguments, returns its milliseconds. Triton's own by default.
    """
    if key not in _fastest:
        measure = measure or triton.testing.do_bench
        _fastest[key] = min(candidates, key=lambda tiles: measure(lambda: run(tiles)))
    return _fastest[key]
