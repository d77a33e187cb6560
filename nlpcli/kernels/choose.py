"""Which tier computes attention, and why.

`kernel` is our own in Triton, on GPUs since Ampere; `hopper` the same, but with passes made for Hopper GPUs where those compute
the problem; `sdpa` is torch's function; `plain` the products written out, the fastest for short rows on a CPU; `banded` the
same for blocks of long rows that see themselves in a window; `reference` computes all that the others cannot, in memory
linear in length.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, NamedTuple

import torch

from nlpcli import console
from nlpcli.kernels.problem import Options, Shape
from nlpcli.kernels.reference import ROWS

Tier = Literal["kernel", "hopper", "sdpa", "plain", "banded", "reference"]
Wanted = Literal["auto", "kernel", "hopper", "sdpa", "reference"]

SHORT = 256  # keys up to which plain products beat the fused function on a CPU
DENSE = 4096  # keys up to which a dense mask is borne: at this length it takes 32 MB a row in bf16
WIDE = 256  # the widest window whose weights are kept for the backward pass: up to 3 · 256 a token, head and layer
ARCH = (8, 0)  # the oldest GPUs the kernel is made for
HOPPER = (9, 0)  # the only ones with all that the Hopper kernel takes
HEAD_SIZES = (8, 256)  # the smallest and the largest head
TYPES = (torch.float16, torch.bfloat16, torch.float32)

_faults: dict[tuple[torch.device, torch.dtype, int], str] = {}  # of the kernel by device, type and head size; "" if none
_hopper_faults: dict[tuple[torch.device, torch.dtype, int], str] = {}  # likewise, of the Hopper kernel


class Choice(NamedTuple):
    """A tier and the reason for it."""

    tier: Tier
    why: str


def choose(q: torch.Tensor, keys: int, shape: Shape, options: Options, wanted: Wanted = "auto", lse: bool = False) -> Choice:
    """Choose for one problem; without a synchronisation, so by shapes alone.

    Args:
        keys: the longest row of keys.
        wanted: what the user asked for; a tier that cannot compute the problem is passed over.
        lse: whether the logarithm of the weights' sums is needed, which torch's function does not give.
    """
    kernel = kernel_fault(q.device, q.dtype, q.size(-1))
    fast = _sdpa_fault(keys, shape, options, lse)
    if wanted == "reference":
        return Choice("reference", "asked for")
    if not kernel and (wanted == "kernel" or wanted == "hopper"):  # noqa: PLR1714 – mypy narrows no tuple
        return Choice(wanted, "asked for")
    # Never "hopper" unasked: it has not been timed on a GPU.
    if not kernel and wanted == "auto" and _beyond_sdpa(shape, options):
        return Choice("kernel", "torch has no fast path for this")
    if wanted != "sdpa" and _narrow(q.device, options.window, keys):
        if not lse and _in_blocks(q, keys, shape, options):
            return Choice("banded", "a window much narrower than the row, and a CPU")
        return Choice("reference", "a window much narrower than the row, and a CPU")
    if q.device.type == "cpu" and keys <= SHORT and not fast:
        return Choice("plain", f"a CPU and at most {SHORT} keys")
    if not fast:
        return Choice("sdpa", kernel or "torch has a fast path for this")
    return Choice("reference", f"{kernel or 'not asked for'}; {fast}")


def packs(device: torch.device, dtype: torch.dtype, head_size: int, longest: int, window: int | None, wanted: Wanted) -> bool:
    """Tell whether rows without padding should be computed as such: by the kernel, or where no dense mask could hold them.

    A narrow window on a CPU is no reason: attention to the source has none, and is faster over padded rows.
    """
    if wanted in ("auto", "kernel", "hopper") and not kernel_fault(device, dtype, head_size):
        return True
    return wanted == "reference" or (longest > DENSE and window is not None)


def _narrow(device: torch.device, window: int | None, keys: int) -> bool:
    """Tell whether on a CPU it is faster to compute a window alone than all of a row with a mask: measured from 512 keys on,
    where the keys in sight of some queries are half of all at most."""
    return device.type == "cpu" and window is not None and keys > max(SHORT, 2 * (window + ROWS))


def _in_blocks(q: torch.Tensor, keys: int, shape: Shape, options: Options) -> bool:
    """Tell whether rows see themselves, in a window whose weights can all be kept for the backward pass."""
    o = options
    itself = not shape.packed and q.size(1) == keys and not o.bottom_right
    return itself and o.window is not None and o.window <= WIDE and not o.softcap


def _beyond_sdpa(shape: Shape, options: Options) -> bool:
    """Tell whether torch leaves its fast path: for every mask, for a bias, a window, or rows without padding."""
    o = options
    return any(x is not None for x in shape) or o.by_distance or o.softcap > 0 or o.deterministic or o.bottom_right


def _sdpa_fault(keys: int, shape: Shape, options: Options, lse: bool) -> str:
    """Return why torch's function cannot, or should not, compute a problem; nothing if it can."""
    if shape.packed:
        return "torch's function takes no packed rows"
    if options.softcap:
        return "torch's function has no soft cap"
    if lse:
        return "torch's function does not return the sums of weights"
    if keys > DENSE and _mask_is_square(shape, options):
        return f"a mask of more than {DENSE} keys takes too much memory"
    return ""


def _mask_is_square(shape: Shape, options: Options) -> bool:
    """Tell whether torch's function needs a mask with a row for each query. What causal is it knows, where that is all."""
    return options.by_distance or (options.causal and (shape.k_lengths is not None or options.bottom_right))


def kernel_fault(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return why the kernel does not run on a device; nothing if it does. A self-test that fails is said once, as a warning."""
    key = device, dtype, head_size
    if key not in _faults:
        _faults[key] = _kernel_fault(*key)
    return _faults[key]


# torch.compile is not to look into it, nor at what is kept. The decorator torch.compiler.assume_constant_result sets this and
# nothing else, but loads the compiler: a second and more at the start of every command.
kernel_fault._dynamo_marked_constant = True  # type: ignore[attr-defined]


def has_failed(q: torch.Tensor) -> bool:
    """Tell whether the kernel has been given up for such tensors."""
    return bool(_faults) and _faults.get((q.device, q.dtype, q.size(-1)), "") != ""


def give_up(q: torch.Tensor, error: Exception) -> None:
    """Use the kernel no more for such tensors: what its self-test did not try does not compile or start. Said once."""
    fault = f"it failed after its self-test ({type(error).__name__}: {str(error)[:300]})"
    _faults[q.device, q.dtype, q.size(-1)] = fault
    console.warn(f"attention: our kernel is not used from here on: {fault}")


def is_hopper(device: torch.device) -> bool:
    """Tell whether a device is a GPU that the Hopper kernel is made for."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) == HOPPER


def hopper_fault(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return why the Hopper kernel does not run on a Hopper GPU; nothing if it does. Said once, as a warning."""
    key = device, dtype, head_size
    if key not in _hopper_faults:
        from nlpcli.kernels.self_test import hopper_self_test

        _note_hopper(key, hopper_self_test(*key))
    return _hopper_faults[key]


def give_up_hopper(q: torch.Tensor, error: Exception) -> None:
    """Use the Hopper kernel no more for such tensors, but the one in Triton."""
    _note_hopper((q.device, q.dtype, q.size(-1)), f"it failed ({type(error).__name__}: {str(error)[:300]})")


def hopper_has_failed(q: torch.Tensor) -> bool:
    """Tell whether the Hopper kernel has been given up for such tensors."""
    return _hopper_faults.get((q.device, q.dtype, q.size(-1)), "") != ""


def _note_hopper(key: tuple[torch.device, torch.dtype, int], fault: str) -> None:
    _hopper_faults[key] = fault
    if fault:
        console.warn(f"attention: our kernel for Hopper GPUs is not used, but the one in Triton: {fault}")


def _kernel_fault(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    if device.type != "cuda":
        return f"the kernel is for NVIDIA GPUs, not for {device.type}"
    if dtype not in TYPES:
        return f"the kernel does not compute in {dtype}"
    if not HEAD_SIZES[0] <= head_size <= HEAD_SIZES[1]:
        return f"the kernel is for heads of {HEAD_SIZES[0]} to {HEAD_SIZES[1]} features, not {head_size}"
    if not find_spec("triton"):
        return "Triton is not installed (it comes with torch for CUDA on Linux)"
    major, minor = torch.cuda.get_device_capability(device)
    if (major, minor) < ARCH:
        return f"the kernel is for compute capability {ARCH[0]}.{ARCH[1]} and newer, this GPU has {major}.{minor}"
    from nlpcli.kernels.self_test import self_test

    if fault := self_test(device, dtype, head_size):
        console.warn(f"attention: our kernel is not used on this GPU: {fault}")
    return fault
