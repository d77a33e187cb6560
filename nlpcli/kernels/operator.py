"""The kernel and the reference as one operator of torch, with a gradient, known to torch.compile.

The arguments after q, k and v are the fields of `Shape` and `Options` in their order.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Callable, ContextManager, TypeVar

import torch
from torch import Tensor

from nlpcli.kernels import reference
from nlpcli.kernels.choose import give_up, give_up_hopper, has_failed, hopper_fault, hopper_has_failed, is_hopper
from nlpcli.kernels.problem import Options, Shape

FIELDS = (
    "Tensor? q_lengths, Tensor? k_lengths, Tensor? q_offsets, Tensor? k_offsets, float scale, bool causal, bool bottom_right, "
    "int? window, float softcap, Tensor? alibi_slopes, Tensor? relative_bias, float dropout_p, Tensor? seed, "
    "bool deterministic, str precision, str tier"
)
SIZE = len(Shape._fields)
T = TypeVar("T")
FEW = 16  # queries that one tile of the decoding kernel holds


@torch.library.custom_op(
    "nlpcli::attention", mutates_args=(), schema=f"(Tensor q, Tensor k, Tensor v, {FIELDS}) -> (Tensor, Tensor)"
)
def attention(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    """Return the output, like q, and the logarithm of each query's sum of weights; see `problem.py`."""
    shape, options, tier = _read(rest)

    def hopper() -> tuple[Tensor, Tensor] | None:
        from nlpcli.kernels.hopper_forward import fault, forward

        unfit = fault(q, k, v, shape, options) or hopper_fault(q.device, q.dtype, q.size(-1))
        return None if unfit else forward(q, k, v, shape, options)

    def kernel() -> tuple[Tensor, Tensor]:
        from nlpcli.kernels import triton_decode, triton_forward

        if at_one_place(q, shape, options):
            return triton_decode.decode(q, k, v, shape.k_lengths, options)
        if tier == "hopper" and (found := _on_hopper(q, hopper)):
            return found
        return triton_forward.forward(q, k, v, shape, options)

    return _computed(q, tier, kernel, lambda: reference.forward(q, k, v, shape, options))


@attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    sums = (q.size(0), q.size(2), q.size(1)) if q.dim() == 4 else (q.size(1), q.size(0))
    return torch.empty(q.shape, dtype=q.dtype, device=q.device), q.new_empty(sums, dtype=_wide(q))


@torch.library.custom_op(
    "nlpcli::attention_backward",
    mutates_args=(),
    schema=f"(Tensor dout, Tensor? dlse, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse, {FIELDS})"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def attention_backward(
    dout: Tensor, dlse: Tensor | None, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of q, k, v and of the relative bias (empty without one)."""
    shape, options, tier = _read(rest)

    def hopper() -> tuple[Tensor, Tensor, Tensor, Tensor | None] | None:
        from nlpcli.kernels.hopper_backward import backward, fault

        unfit = fault(q, k, v, shape, options) or hopper_fault(q.device, q.dtype, q.size(-1))
        return None if unfit else backward(dout, dlse, q, k, v, out, lse, shape, options)

    def kernel() -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        from nlpcli.kernels import triton_backward

        if tier == "hopper" and (found := _on_hopper(q, hopper)):
            return found
        return triton_backward.backward(dout, dlse, q, k, v, out, lse, shape, options)

    dq, dk, dv, dbias = _computed(q, tier, kernel, lambda: reference.backward(dout, dlse, q, k, v, shape, options))
    return dq, dk, dv, q.new_empty(0) if dbias is None else dbias


@attention_backward.register_fake
def _(
    dout: Tensor, dlse: Tensor | None, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    bias = rest[SIZE + Options._fields.index("relative_bias")]
    dbias = q.new_empty(0) if bias is None else bias.new_empty(bias.shape, dtype=_wide(bias))
    return *(torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v)), dbias  # type: ignore[return-value]


def _computed(q: Tensor, tier: str, kernel: Callable[[], T], instead: Callable[[], T]) -> T:
    """Compute with the kernel where it is asked for; with the reference where it has failed, now or before.

    Memory that runs out is no failure of the kernel's: the batch is too large.
    """
    if tier not in ("kernel", "hopper") or has_failed(q):
        return instead()
    try:
        with _device_of(q):
            return kernel()
    except torch.OutOfMemoryError:
        raise
    except Exception as e:  # a compiler that fails raises many kinds
        give_up(q, e)
        return instead()


def _on_hopper(q: Tensor, kernel: Callable[[], T | None]) -> T | None:
    """Compute with the Hopper kernel; nothing where it does not run, or is not made for the problem."""
    if not is_hopper(q.device) or hopper_has_failed(q):
        return None
    try:
        return kernel()
    except torch.OutOfMemoryError:
        raise
    except Exception as e:  # an older Triton has no Gluon, or another one
        give_up_hopper(q, e)
        return None


def _device_of(q: Tensor) -> ContextManager[Any]:
    """Triton launches on the current GPU, which need not be that of the tensors; its interpreter runs on the CPU."""
    return torch.cuda.device(q.device) if q.device.type == "cuda" else nullcontext()


def at_one_place(q: Tensor, shape: Shape, options: Options) -> bool:
    """Tell whether the few queries of a sequence stand at its last key, or where that makes no difference: one new token, or
    the beams of a sentence that look at its source. They have a kernel of their own, which reads each key once for all."""
    o = options
    if shape.packed or shape.q_lengths is not None or q.size(1) > FEW or o.dropout_p or o.relative_bias is not None:
        return False
    anywhere = not o.causal and o.window is None and o.alibi_slopes is None
    return anywhere or (q.size(1) == 1 and o.bottom_right)


def _read(rest: tuple[Any, ...]) -> tuple[Shape, Options, str]:
    return Shape(*rest[:SIZE]), Options(*rest[SIZE:-1]), rest[-1]


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    ctx.save_for_backward(*tensors, *output)
    ctx.others = [None if isinstance(x, Tensor) else (x,) for x in inputs]


def _backward(ctx: Any, dout: Tensor, dlse: Tensor) -> tuple[Any, ...]:
    *tensors, out, lse = ctx.saved_tensors
    left = iter(tensors)
    q, k, v, *rest = [next(left) if other is None else other[0] for other in ctx.others]
    dq, dk, dv, dbias = attention_backward(dout.contiguous(), dlse, q, k, v, out, lse, *rest)
    bias = rest[SIZE + Options._fields.index("relative_bias")]
    grads: list[Any] = [dq, dk, dv, *[None] * len(rest)]
    if bias is not None:
        grads[3 + SIZE + Options._fields.index("relative_bias")] = dbias.to(bias.dtype)
    return tuple(grads)


attention.register_autograd(_backward, setup_context=_setup)
