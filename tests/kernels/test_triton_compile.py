"""The kernels compiled for three generations of GPUs, without one: registers, shared memory, tensor cores."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

ROOT = Path(__file__).resolve().parents[2]
SHARED = {80: 99 << 10, 90: 227 << 10, 100: 227 << 10}  # the first is that of smaller GPUs, which take the same tiles
TENSOR_CORES = {80: {"HMMA"}, 90: {"HGMMA"}, 100: {"HMMA", "UTCHMMA"}}
WITHOUT_PRODUCTS = {"prepare", "combine"}


THOROUGH = pytest.mark.thorough


def compiled(cache: Path, *arguments: str) -> list[dict[str, Any]]:
    """Return what `compiled.py` says: in another process, as this one has Triton's interpreter."""
    surroundings = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    surroundings |= {"TRITON_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("compiled.py")), *arguments]
    run = subprocess.run(command, env=surroundings, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "head_size"),
    [(90, 128), *[pytest.param(*rest, marks=THOROUGH) for rest in ((90, 64), (80, 64), (80, 128), (100, 64), (100, 128))]],
)
def test_tiles_fit_the_gpu(arch: int, head_size: int, tmp_path: Path) -> None:
    """No register is spilled, shared memory suffices, and products run on tensor cores."""
    kernels = compiled(tmp_path, str(arch), str(head_size))
    assert {kernel["name"] for kernel in kernels} == {"forward", "prepare", "keys", "queries", "decode", "combine"}
    for kernel in kernels:
        assert kernel["stack"] == 0, kernel
        assert kernel["shared"] <= SHARED[arch], kernel
        if kernel["name"] not in WITHOUT_PRODUCTS:
            expected = {"HMMA"} if kernel["name"] == "decode" else TENSOR_CORES[arch]  # 16 rows are too few for the others
            assert expected & set(kernel["instructions"]), kernel


FEW_VARIANTS = ["64-full-padded-2", "128-causal-packed-1"]
SIGHTS, LAYOUTS = ["full", "causal", "window", "corner"], ["whole", "padded", "packed"]
VARIANTS = ["-".join(parts) for parts in itertools.product(["64", "128"], SIGHTS, LAYOUTS, ["1", "2"])]
WAITS = {"hopper_forward": [0, 1, 0, 1, 0, 0], "hopper_backward": [1, 0, 2, 0]}  # of each of two groups of warps


@pytest.mark.slow
@pytest.mark.parametrize(
    "variants", [FEW_VARIANTS, *[pytest.param([v], marks=THOROUGH) for v in VARIANTS if v not in FEW_VARIANTS]], ids=",".join
)
def test_the_hopper_kernels_are_what_they_were_written_to_be(variants: list[str], tmp_path: Path) -> None:
    """They spill nothing, tiles come by the unit that copies them, and it adds up the gradients of queries. Products are waited
    for where it is written, and most exponentials are computed beside a product.

    The last two are the assembler's decisions. It is free to put exponentials after the wait for the next product, and to wait
    between two products on its own, and has done both.
    """
    kernels = [kernel for kernel in compiled(tmp_path, "hopper", *variants) if kernel["name"].startswith("hopper")]
    assert [kernel["name"] for kernel in kernels] == ["hopper_forward", "hopper_backward"] * len(variants)
    for kernel in kernels:
        assert kernel["stack"] == 0, kernel
        assert kernel["shared"] <= SHARED[90], kernel
        assert {"HGMMA", "UTMALDG"} <= set(kernel["instructions"]), kernel
        assert kernel["waits"] == 2 * WAITS[kernel["name"]], kernel
        if kernel["name"] == "hopper_forward":
            assert kernel["hidden_exponentials"] >= 64, kernel  # as many as a thread has weights of a block
        else:
            assert kernel["hidden_exponentials"] >= {64: 48, 128: 24}[kernel["head_size"]], kernel  # of 64 and 32
            assert "UTMAREDG" in kernel["instructions"], kernel
