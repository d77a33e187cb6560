"""The unit of a GPU made of Python that copies tiles between tensors and shared memory; see `gluon_on_cpu`."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.kernels.python_gpu import Barrier, Fault, Shared, gpu


@dataclass
class Descriptor:
    """A tensor as the unit for copies sees it: what lies beyond its ends is zero."""

    x: Tensor
    size: list[int]
    layout: Any = None

    @property
    def dtype(self) -> torch.dtype:
        return self.x.dtype

    @property
    def block_type(self) -> Any:
        return types.SimpleNamespace(shape=self.size)

    @property
    def nbytes_per_cta(self) -> int:
        return torch.Size(self.size).numel() * self.x.element_size()

    def tile(self, start: list[int]) -> Tensor:
        tile = self.x.new_zeros(self.size)
        inside, there = self.overlap(start)
        tile[inside] = self.x[there]
        return tile

    def add(self, start: list[int], tile: Tensor) -> None:
        inside, there = self.overlap(start)
        self.x[there] += tile[inside]

    def overlap(self, start: list[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return what of a tile lies in the tensor, within the one and within the other."""
        spans = [(max(0, -at), max(min(size, n - at), 0)) for at, size, n in zip(start, self.size, self.x.shape, strict=True)]
        there = [slice(at + first, max(at + last, 0)) for at, (first, last) in zip(start, spans, strict=True)]
        return tuple(slice(*span) for span in spans), tuple(there)


class Tma:
    """What kernels know as tma."""

    @staticmethod
    def async_load(described: Descriptor, at: list[Any], barrier: Barrier, result: Shared) -> None:
        if not barrier.fenced:
            raise Fault("a copy signals a barrier that was made without a fence")
        if result.shape != described.block_type.shape:
            raise Fault(f"a tile of {described.block_type.shape} was copied into a buffer of {result.shape}")
        result.poison()
        start = [int(x) for x in at]

        def happen() -> None:
            tile = described.tile(start)
            result.data.copy_(tile)
            result.plain.copy_(tile)
            barrier.come(0, -described.nbytes_per_cta)

        gpu().copy(happen)

    @staticmethod
    def async_atomic_add(described: Descriptor, at: list[Any], source: Shared) -> None:
        if source.shape != described.block_type.shape:
            raise Fault(f"a tile of {described.block_type.shape} was added from a buffer of {source.shape}")
        start = [int(x) for x in at]
        gpu().send(lambda: described.add(start, source.data))

    @staticmethod
    def store_wait(pendings: int) -> None:
        gpu().finish_stores(pendings)
