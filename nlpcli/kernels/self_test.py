"""Whether the kernel computes on this machine what the reference does: asked once, before it is used."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpcli.kernels import reference
from nlpcli.kernels.problem import Options, Shape, default_scale

LENGTHS = (197, 64, 0)  # more than a tile, exactly one, and none
TOLERANCE = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}  # of the largest value


def self_test(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return what is wrong with the kernel here: it does not compile, or gives other numbers; nothing if all is well."""
    from nlpcli.kernels import triton_backward, triton_decode, triton_forward

    made = torch.Generator().manual_seed(1)
    shape_of = (len(LENGTHS), max(LENGTHS), 2, head_size)
    q, k, v, dout = (torch.randn(shape_of, generator=made).to(device, dtype) for _ in range(4))
    lengths = torch.tensor(LENGTHS, dtype=torch.int32, device=device)
    seed = torch.tensor([3], device=device)
    options = Options(default_scale(head_size), causal=True, dropout_p=0.1, seed=seed)
    shape, plain = Shape(lengths, lengths), Options(default_scale(head_size))
    try:
        out, lse = triton_forward.forward(q, k, v, shape, options)
        found = [out, *triton_backward.backward(dout, None, q, k, v, out, lse, shape, options)[:3]]
        found.append(triton_decode.decode(q[:, :5], k, v, lengths, plain)[0])
    except Exception as e:  # a compiler that is missing or fails raises many kinds
        return f"it does not compile or run ({type(e).__name__}: {str(e)[:300]})"
    q, k, v, dout = (x.double() for x in (q, k, v, dout))
    expected, _ = reference.forward(q, k, v, shape, options)
    grads = reference.backward(dout, None, q, k, v, shape, options)[:3]
    beams, _ = reference.forward(q[:, :5], k, v, Shape(k_lengths=lengths), plain)
    names = ("output", "gradient of the queries", "gradient of the keys", "gradient of the values", "output for beams")
    wrong = [name for name, x, y in zip(names, found, [expected, *grads, beams]) if not _close(x, y, TOLERANCE[dtype])]
    return f"it gives a wrong {' and '.join(wrong)}" if wrong else ""


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found.double() - expected).abs().max() <= tolerance * expected.abs().max())
