"""The Hopper kernels among the contenders of attention.py. As a program: run them, forward and backward, once on each case, and
print which they survive.

python benchmarks/attention_hopper.py
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nlpcli.kernels.choose import hopper_fault, is_hopper
from nlpcli.kernels.operator import attention
from nlpcli.kernels.problem import Options, Shape

PATIENCE = 240.0  # seconds for all cases


def excuse(case: Any, device: torch.device) -> str:
    """Return why the Hopper kernel is not tried on a case; nothing if it is."""
    if not is_hopper(device):
        return "is for Hopper GPUs"
    if case.dropout or case.queries:
        return "has no dropout, and does not decode"
    return "" if case.name in _survived() else f"did not come through in a process of its own within {PATIENCE:.0f} seconds"


@cache
def _survived() -> set[str]:
    """Return the cases that the kernel came through in another process: one that hangs never comes back."""
    try:
        said = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, timeout=PATIENCE, check=False).stdout
    except subprocess.TimeoutExpired as e:
        said = e.stdout or b""
    return set(said.decode().splitlines())


def run(q: Tensor, k: Tensor, v: Tensor, shape: Shape, options: Options) -> Tensor:
    """Compute with the Hopper kernels, or raise: those in Triton are not to be timed in their place."""
    from nlpcli.kernels.hopper_backward import fault

    if why := fault(q, k, v, shape, options) or hopper_fault(q.device, q.dtype, q.size(-1)):
        raise ValueError(why)
    out: Tensor = attention(q, k, v, *shape, *options, "hopper")[0]
    if why := hopper_fault(q.device, q.dtype, q.size(-1)):
        raise ValueError(why)
    return out


def main() -> None:
    from attention import cases, make

    device = torch.device("cuda")
    for case in cases(smoke="--smoke" in sys.argv):
        if case.dropout or case.queries:
            continue
        for problem in (case.shorter(), case):
            tensors, shape, options = make(problem, device, torch.bfloat16)
            *leaves, dout = (x.requires_grad_() for x in tensors)
            torch.autograd.grad(run(*leaves, shape=shape, options=options), leaves, dout)
            torch.cuda.synchronize()
            if why := hopper_fault(device, torch.bfloat16, problem.d):
                raise ValueError(why)
        print(case.name, flush=True)


if __name__ == "__main__":
    main()
