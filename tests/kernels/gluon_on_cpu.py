"""Gluon on a GPU made of Python, `python_gpu`: kernels run from their own source, where there is no GPU.

Layouts mean nothing here, and neither do the sizes of registers; when something happens does.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import triton.language as tl
from torch import Tensor
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia import hopper

from tests.kernels.python_gpu import Barrier, Barriers, Fault, Product, Shared, Timing, gpu, nothing, use
from tests.kernels.tma_on_cpu import Descriptor, Tma


class Layout:
    """Any layout of a tensor in registers."""

    parent: Layout


Layout.parent = Layout()


class Block(torch.Tensor):
    """A tensor in registers."""

    type = types.SimpleNamespace(layout=Layout())  # type: ignore[assignment]


def block(x: Any) -> Any:
    return torch.as_tensor(x).as_subclass(Block)


@dataclass
class Pointer:
    """Where elements lie, counted from the first element of a tensor."""

    memory: Tensor  # flat
    at: Any = 0

    @property
    def dtype(self) -> Any:
        return types.SimpleNamespace(element_ty=self.memory.dtype)

    def __add__(self, steps: Any) -> Pointer:
        return Pointer(self.memory, self.at + steps)


def pointer(x: Tensor) -> Pointer:
    return Pointer(x.as_strided((x.untyped_storage().nbytes() // x.element_size() - x.storage_offset(),), (1,)))


# The functions of Gluon, and those of Triton that scalars and Gluon's tensors go through


class Language:
    """What kernels know as gl and tl."""

    float16, bfloat16, float32, float64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
    int1, int8, int32, int64 = torch.bool, torch.int8, torch.int32, torch.int64
    static_range = staticmethod(range)

    @staticmethod
    def _layout(*of: Any, **more: Any) -> Layout:
        return Layout()

    SliceLayout = NVMMADistributedLayout = DotOperandLayout = BlockedLayout = _layout

    program_id = staticmethod(lambda axis: block(gpu().ids[axis]))
    num_programs = staticmethod(lambda axis: block(gpu().grid[axis]))
    arange = staticmethod(lambda start, end, layout=None: block(torch.arange(start, end)))
    zeros = staticmethod(lambda shape, dtype, layout=None: Language.full(shape, 0, dtype))
    cast = staticmethod(lambda x, dtype: block(x).to(dtype))
    where = staticmethod(lambda condition, x, y: torch.where(block(condition), x, y))
    minimum = staticmethod(lambda x, y: torch.minimum(block(x), block(y)))
    maximum = staticmethod(lambda x, y: torch.maximum(block(x), block(y)))
    cdiv = staticmethod(lambda x, y: (x + y - 1) // y)
    max = staticmethod(lambda x, axis: x.amax(axis))
    sum = staticmethod(lambda x, axis: x.sum(axis))
    exp2, log2 = staticmethod(torch.exp2), staticmethod(torch.log2)
    convert_layout = staticmethod(lambda x, layout, assert_trivial=False: x)
    NVMMASharedLayout = types.SimpleNamespace(get_default_for=_layout)
    to_tensor = staticmethod(lambda x: x)
    inline_asm_elementwise = staticmethod(lambda code, constraints, numbers, *of, **more: numbers[0])  # the one there is moves

    @staticmethod
    def full(shape: list[int], value: float, dtype: torch.dtype, layout: Layout | None = None) -> Any:
        return block(torch.full([int(size) for size in shape], value, dtype=dtype))

    @staticmethod
    def load(at: Pointer, mask: Any = True, other: Any = 0) -> Any:
        where, mask = torch.broadcast_tensors(block(at.at), block(mask))
        _inside(at, where, mask)
        return block(torch.where(mask, at.memory[where.where(mask, 0)], other))

    @staticmethod
    def store(at: Pointer, value: Any, mask: Any = True) -> None:
        where, mask, value = torch.broadcast_tensors(block(at.at), block(mask), block(value))
        _inside(at, where, mask)
        at.memory[where[mask]] = value[mask].to(at.memory.dtype).as_subclass(Tensor)

    @staticmethod
    def allocate_shared_memory(dtype: torch.dtype, shape: list[int], layout: Any) -> Any:
        if layout is MBarrier.MBarrierLayout:
            assert dtype == torch.int64
            return Barriers(Barrier() for _ in range(shape[0])) if len(shape) > 1 else Barrier()
        return Shared(*(torch.full(shape, nothing(dtype), dtype=dtype) for _ in range(2)))

    @staticmethod
    def warp_specialize(
        parts: list[tuple[Callable[..., Any], tuple[Any, ...]]], warps: list[int], registers: list[int]
    ) -> None:
        assert len(warps) == len(registers) == len(parts) - 1
        gpu().specialize([lambda part=part: part[0](*part[1]) for part in parts])  # type: ignore[misc]


def _inside(at: Pointer, where: Tensor, mask: Tensor) -> None:
    if not ((where >= 0) & (where < len(at.memory)) | ~mask).all():
        raise Fault("memory that is not the tensor's was touched")


class MBarrier:
    """What kernels know as mbarrier."""

    @staticmethod
    def MBarrierLayout() -> Any:
        return MBarrier.MBarrierLayout

    @staticmethod
    def init(barrier: Barrier, count: int) -> None:
        barrier.count = barrier.missing = count
        gpu().made.append(barrier)

    @staticmethod
    def expect(barrier: Barrier, size: int, pred: Any = True) -> None:
        if pred:
            barrier.come(0, size)
            barrier.come(1, 0)
            gpu().turn()

    @staticmethod
    def arrive(barrier: Barrier, *, count: int = 1, pred: Any = True) -> None:
        if pred:
            barrier.come(count, 0)
            gpu().turn()

    @staticmethod
    def wait(barrier: Barrier, phase: Any, pred: Any = True) -> None:
        """Wait until the phase of this parity is over: the one that runs has the other."""
        if pred:
            if not barrier.count:
                raise Fault("a barrier was used before it was made")
            gpu().turn(lambda: barrier.phase != int(phase))


def fence_async_shared() -> None:
    for shared in gpu().me().unfenced:
        shared.data.copy_(shared.plain)
    gpu().me().unfenced.clear()
    for barrier in gpu().made:
        barrier.fenced = True


def warpgroup_mma(a: Any, b: Shared, acc: Any, *, use_acc: bool = True, is_async: bool = False) -> Any:
    def compute() -> Tensor:
        product = (a.data if isinstance(a, Shared) else a).float() @ b.data.float()
        return (acc.result if isinstance(acc, Product) else acc) + product if use_acc else product

    asked = gpu().multiply(compute, acc.size if isinstance(acc, Product) else acc.shape)
    return asked if is_async else warpgroup_mma_wait(0, [asked])


def warpgroup_mma_wait(num_outstanding: int = 0, deps: Any = None) -> Any:
    gpu().finish_products(num_outstanding)
    found = [block(gpu().result(x)) if isinstance(x, Product) else x for x in deps]
    return found[0] if len(found) == 1 else tuple(found)


STAND_INS: list[tuple[Any, Any]] = [
    (gl, Language),
    (tl, Language),
    (hopper.mbarrier, MBarrier),
    (hopper.tma, Tma),
    (hopper.fence_async_shared, fence_async_shared),
    (hopper.warpgroup_mma, warpgroup_mma),
    (hopper.warpgroup_mma_wait, warpgroup_mma_wait),
]


def plain_function(kernel: Any, known: dict[int, Any] | None = None) -> Any:
    """Return a function of Gluon or Triton as one of Python that calls what is defined here."""
    known = {} if known is None else known
    written = kernel.fn
    if id(written) not in known:
        names: dict[str, Any] = {"__builtins__": __builtins__}
        known[id(written)] = types.FunctionType(written.__code__, names, written.__name__, written.__defaults__)
        used = [name for name in written.__code__.co_names if name in written.__globals__]
        names.update((name, _stand_in(written.__globals__[name], known)) for name in used)
    return known[id(written)]


def _stand_in(x: Any, known: dict[int, Any]) -> Any:
    for real, ours in STAND_INS:
        if x is real:
            return ours
    if isinstance(x, tl.constexpr):
        return x.value
    return plain_function(x, known) if hasattr(x, "fn") and callable(x.fn) else x


class Emulated:
    """A kernel that is launched as usual, and runs here; what it is to write is NaN before."""

    def __init__(self, kernel: Any, timing: Timing, outputs: tuple[str, ...]) -> None:
        self.run, self.timing, self.outputs = plain_function(kernel), timing, outputs
        self.takes = list(inspect.signature(kernel.fn).parameters)

    def __getitem__(self, grid: tuple[int, int]) -> Callable[..., None]:
        def launch(*arguments: Any, **more: Any) -> None:
            named = dict(zip(self.takes, map(_given, arguments))) | {n: _given(x) for n, x in more.items() if n in self.takes}
            for name in self.outputs:
                getattr(named[name], "ptr", named[name]).memory.fill_(torch.nan)
            one = use(self.timing, grid)
            for second in range(grid[1]):
                for first in range(grid[0]):
                    one.start((first, second))
                    self.run(**named)
                    one.finish()

        return launch


def _given(x: Any) -> Any:
    """Return an argument as a kernel sees it."""
    if isinstance(x, Tensor):
        return pointer(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(_given, x))
    if hasattr(x, "block_shape"):
        return Descriptor(x.base.as_strided(x.shape, x.strides), list(x.block_shape), x.layout)
    return x
