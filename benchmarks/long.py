"""Peak memory of training on a CPU by the length of the documents, which see themselves in a window of 128 tokens.

python benchmarks/long.py --out benchmarks/results/long.json

A batch is one random document. Each length has a process of its own, which takes two steps of a small Transformer in bf16.
"""

from __future__ import annotations

import argparse
import json
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from attention_training import Contender, batch_of

from nlpcli.models.config import TransformerConfig

LENGTHS = (8192, 16384, 32768)
STEPS = 2  # the second has the optimiser's state from the beginning
CONFIG = TransformerConfig(
    d_model=128, d_ff=256, num_heads=2, encoder_layers=2, decoder_layers=2, positions="rotary", attention_window=128
)


def peak_mib(length: int) -> float:
    """Return what a process that trains on documents of so many tokens takes at most."""
    device = torch.device("cpu")
    contender, batch = Contender("auto", CONFIG, device, torch.bfloat16), batch_of((length,), device)
    for _ in range(STEPS):
        contender.step(batch)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        peaks = dict(zip(map(str, LENGTHS), pool.map(peak_mib, LENGTHS)))
    found = {"torch": torch.__version__, "window": CONFIG.attention_window, "steps": STEPS, "peak_mib": peaks}
    out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
