"""Whether the kernel computes on this machine what the reference does: asked once, before it is used."""

from __future__ import annotations

import subprocess
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels import reference
from nlpcli.kernels.problem import Options, Shape, default_scale

LENGTHS = (197, 64, 0)  # more than a tile, exactly one, and none
LONG = (700, 130, 0)  # for the Hopper kernel: several rounds of its buffers
SECONDS = 240  # that the Hopper kernel's test may take, compiling included
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


def hopper_self_test(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return what is wrong with the Hopper kernel here; nothing if all is well.

    It is tried in a process of its own: warps that wait for each other in vain never come back, and an illegal access would end
    this process's use of the GPU.
    """
    name = str(dtype).removeprefix("torch.")
    command = [sys.executable, "-m", "nlpcli.kernels.self_test", str(device), name, str(head_size)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"it did not come to an end within {SECONDS} seconds"
    if run.returncode:
        said = run.stderr.strip().splitlines()[-1:] or ["without a word"]
        return f"its test ended with exit status {run.returncode}: {said[0][:300]}"
    return run.stdout.strip()


def hopper_numbers(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """Return what is wrong with the Hopper kernel's numbers, computed in this process."""
    made = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(len(LONG), max(LONG), heads, head_size, generator=made).to(device, dtype) for heads in (4, 2, 2))
    lengths = torch.tensor(LONG, dtype=torch.int32, device=device)
    offsets = F.pad(lengths.cumsum(0), (1, 0))
    real = torch.arange(max(LONG), device=device) < lengths[:, None]
    plain = Options(default_scale(head_size))
    wrong = _hopper_fault(q, k, v, Shape(lengths, lengths), plain._replace(causal=True))
    q, k, v = (x[real] for x in (q, k, v))
    for options in (plain, plain._replace(window=100)):
        wrong = wrong or _hopper_fault(q, k, v, Shape(q_offsets=offsets, k_offsets=offsets), options)
    return wrong


def _hopper_fault(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> str:
    from nlpcli.kernels import hopper_backward, hopper_forward

    dout = torch.randn(q.shape, generator=torch.Generator().manual_seed(2)).to(q.device, q.dtype)
    try:
        out, lse = hopper_forward.forward(q, k, v, shape, options)
        grads = hopper_backward.backward(dout, None, q, k, v, out, lse, shape, options)[:3]
    except Exception as e:  # as above
        return f"it does not compile or run ({type(e).__name__}: {str(e)[:300]})"
    q, k, v, dout = (x.double() for x in (q, k, v, dout))
    expected, sums = reference.forward(q, k, v, shape, options)
    right = [expected, _finite(sums), *reference.backward(dout, None, q, k, v, shape, options)[:3]]
    names = ("output", "logarithm", *(f"gradient of the {of}" for of in ("queries", "keys", "values")))
    found = zip(names, [out, _finite(lse), *grads], right)
    wrong = [name for name, x, y in found if not _close(x, y, TOLERANCE[out.dtype])]
    return f"it gives a wrong {' and '.join(wrong)}" if wrong else ""


def _finite(x: Tensor) -> Tensor:
    """Return logarithms with 0 for those of rows that see no key."""
    return x.masked_fill(x == -torch.inf, 0.0)


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return bool((found.double() - expected).abs().max() <= tolerance * expected.abs().max())


if __name__ == "__main__":
    print(hopper_numbers(torch.device(sys.argv[1]), getattr(torch, sys.argv[2]), int(sys.argv[3])))
