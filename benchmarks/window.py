"""Time attention in a window on a CPU: block by block, and by the reference, beside torch's function with a mask.

python benchmarks/window.py --out benchmarks/results/window.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from nlpcli.kernels.attend import Sight
from nlpcli.kernels.problem import Options, Shape, default_scale

CASES = ((512, 32), (1024, 32), (1024, 128), (2048, 128), (4096, 128))  # tokens, window
ROUNDS = 5


def seconds(length: int, window: int, tier: Any) -> float:
    """Return the seconds of one forward and backward pass: two rows, four heads of 64, causal, bf16."""
    q, k, v = (torch.randn(2, length, 4, 64, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    sight = Sight(Shape(), Options(default_scale(64), causal=True, window=window), tier)
    started = time.perf_counter()
    sight.attend(q, k, v).sum().backward()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    found: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__, "rounds": ROUNDS, "cases": []}
    for length, window in CASES:
        times: dict[str, list[float]] = {"sdpa": [], "reference": [], "banded": []}
        for _ in range(ROUNDS):
            for tier, values in times.items():
                values.append(seconds(length, window, "auto" if tier == "banded" else tier))
        medians = {tier: statistics.median(values) for tier, values in times.items()}
        case = {"tokens": length, "window": window, "times_as_fast": round(medians["sdpa"] / medians["banded"], 2)}
        found["cases"].append({**case, **{f"{tier}_ms": round(1e3 * value, 1) for tier, value in medians.items()}})
        print(found["cases"][-1], flush=True)
    out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
