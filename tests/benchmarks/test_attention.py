"""The benchmark of attention runs as a whole where there is no GPU: one that breaks on a borrowed GPU has wasted it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "attention.py"
WITHOUT_GPU = ("is for NVIDIA GPUs", "the kernel is for NVIDIA GPUs", "is for Hopper GPUs", "is for GPUs")


@pytest.mark.slow
def test_every_contender_is_measured_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "attention.json"
    command = [sys.executable, str(BENCHMARK), "--smoke", "--out", str(out)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(out.read_text("utf-8"))
    for case in found["cases"].values():
        assert "kernel" in case
        for contender in case.values():
            assert contender.get("forward_ms", 0) > 0 or contender["left out"].startswith(WITHOUT_GPU), contender
    assert found["copy_gb_per_second"] > 0
    assert set(found["same_bits"].values()) == {"100 of 100, reference"}
    (training,) = found["training"].values()
    assert training["target_tokens"] == 63
    assert {name for name, contender in training.items() if name != "target_tokens" and contender["tokens_per_second"] > 0} == {
        "sdpa",
        "reference",
    }
