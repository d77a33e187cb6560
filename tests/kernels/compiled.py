"""Compile the kernels of attention for an architecture without a GPU: `python compiled.py ARCH HEAD_SIZE…`, or, for those of
the Hopper tier, `python compiled.py hopper VARIANT…` with variants such as 64-causal-packed-2, of two query heads a key head.

The functions that a model calls are called, on a driver that stops short of a launch. Prints JSON, an object for each kernel:
its name, head size, registers of a thread, bytes of its stack (spilled registers lie there), bytes of shared memory, the
instructions in it for tensor cores and for copies of tiles, how many products each wait leaves unfinished, and how many
exponentials at least stand between the wait for one product and for the next: those are computed while the tensor cores work.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from nlpcli.kernels import hopper_backward, hopper_forward
from nlpcli.kernels.problem import Options, Shape, default_scale
from nlpcli.kernels.triton_backward import backward
from nlpcli.kernels.triton_decode import decode
from nlpcli.kernels.triton_forward import forward

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
SHARED = {80: 163 << 10, 90: 227 << 10, 100: 227 << 10}  # bytes that a program may have at most


class Driver:
    """A GPU that takes every kernel and runs none."""

    def __init__(self, arch: int) -> None:
        self.arch, self.utils = arch, self
        self.kernels: list[tuple[str, bytes, int]] = []

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.arch, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": SHARED[self.arch], "multiprocessor_count": 100}

    def load_binary(self, name: str, cubin: bytes, shared: int, device: int, *more: Any) -> tuple[int, int, int, int, int]:
        self.kernels.append((name, cubin, shared))
        return 0, 0, 0, 0, 1024

    def launcher_cls(self, *parts: Any) -> Any:
        return lambda *arguments: None


def call(head_size: int) -> int:
    """Call what there is, causal, packed, in bf16."""
    x = torch.zeros(256, 4, head_size, dtype=torch.bfloat16)
    offsets, lse = torch.tensor([0, 256]), torch.zeros(4, 256)
    shape, options = Shape(q_offsets=offsets, k_offsets=offsets), Options(default_scale(head_size), causal=True)
    forward(x, x, x, shape, options)
    for deterministic in (False, True):
        backward(x, None, x, x, x, x, lse, shape, options._replace(deterministic=deterministic))
    keys = torch.zeros(1, 2048, 4, head_size, dtype=torch.bfloat16)
    decode(x[None, :4], keys, keys, torch.tensor([2048], dtype=torch.int32), options)
    return head_size


def call_hopper(variant: str) -> int:
    """Call the Hopper kernels in bf16 on a problem like 64-causal-packed-2 or, without lengths, 128-corner-whole-1; return its
    head size."""
    size, sight, layout, members = variant.split("-")
    q, k = (torch.zeros(256, heads, int(size), dtype=torch.bfloat16) for heads in (4, 4 // int(members)))
    offsets, lengths = torch.tensor([0, 256]), torch.tensor([256], dtype=torch.int32)
    options = Options(default_scale(int(size)), causal=sight in ("causal", "corner"), bottom_right=sight == "corner")
    options = options._replace(window={"window": 100, "corner": 1}.get(sight))
    if layout == "packed":
        shape = Shape(q_offsets=offsets, k_offsets=offsets)
    else:
        q, k, shape = q[None], k[None], Shape() if layout == "whole" else Shape(lengths, lengths)
    out, lse = hopper_forward.forward(q, k, k, shape, options)
    hopper_backward.backward(q, None, q, k, k, out, lse, shape, options)
    return int(size)


def described(name: str, cubin: bytes, shared: int, head_size: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()

        def shown(*command: str) -> str:
            return subprocess.run(
                [TOOLS / command[0], *command[1:], file.name], check=True, capture_output=True, text=True
            ).stdout

        usage, code = shown("cuobjdump", "-res-usage"), shown("nvdisasm", "-c")
    registers, stack, local = (int(re.search(rf"\b{word}:(\d+)", usage)[1]) for word in ("REG", "STACK", "LOCAL"))  # type: ignore[index]
    instructions = sorted(set(re.findall(r"\b(HMMA|HGMMA|UTC\w*MMA|UTMALDG|UTMAREDG)\b", code)))
    between = re.findall(r"DEPBAR\.LE gsb0, 0x1(.*?)DEPBAR\.LE gsb0, 0x0", code, re.DOTALL)
    return {
        "name": name.strip("_").removesuffix("_kernel"),
        "head_size": head_size,
        "registers": registers,
        "stack": stack + local,
        "shared": shared,
        "instructions": instructions,
        "waits": [int(number) for number in re.findall(r"DEPBAR\.LE gsb0, 0x(\d+)", code)],
        "hidden_exponentials": min((part.count("MUFU.EX2") for part in between), default=0),
    }


if __name__ == "__main__":
    hopper = sys.argv[1] == "hopper"
    gpu = Driver(90 if hopper else int(sys.argv[1]))
    driver.set_active(gpu)
    found = []
    for kind in sys.argv[2:]:
        head_size = call_hopper(kind) if hopper else call(int(kind))
        found += [described(*kernel, head_size) for kernel in gpu.kernels]
        gpu.kernels.clear()
    print(json.dumps(found))
