"""The Triton kernels compiled for three generations of GPUs, without one: registers, shared memory, tensor cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

ROOT = Path(__file__).resolve().parents[2]
SHARED = {80: 99 << 10, 90: 227 << 10, 100: 227 << 10}  # the first is that of smaller GPUs, which take the same tiles
TENSOR_CORES = {80: {"HMMA"}, 90: {"HGMMA"}, 100: {"HMMA", "UTCHMMA"}}
WITHOUT_PRODUCTS = {"prepare", "combine"}


THOROUGH = pytest.mark.thorough


@pytest.mark.slow
@pytest.mark.parametrize("arch", [pytest.param(80, marks=THOROUGH), 90, pytest.param(100, marks=THOROUGH)])
def test_tiles_fit_the_gpu(arch: int, tmp_path: Path) -> None:
    """No register is spilled, shared memory suffices, and products run on tensor cores."""
    surroundings = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    surroundings |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("compiled.py")), str(arch), "64", "128"]
    run = subprocess.run(command, env=surroundings, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    kernels = json.loads(run.stdout)
    assert {kernel["name"] for kernel in kernels} == {"forward", "prepare", "keys", "queries", "decode", "combine"}
    for kernel in kernels:
        assert kernel["stack"] == 0, kernel
        assert kernel["shared"] <= SHARED[arch], kernel
        if kernel["name"] not in WITHOUT_PRODUCTS:
            expected = {"HMMA"} if kernel["name"] == "decode" else TENSOR_CORES[arch]  # 16 rows are too few for the others
            assert expected & set(kernel["tensor_cores"]), kernel
