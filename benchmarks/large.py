"""What training keeps in memory on a dataset of any size: its pairs repeated, trained on for some steps.

    python benchmarks/large.py --dataset work/dataset --times 1 --times 1000 --out benchmarks/results/large.json

Ids and offsets are mapped files, of which the system keeps in memory what it has room for; `own_mib` is the peak of what
cannot be dropped (anonymous pages), looked at every 0.2 s.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from nlpcli import artifacts

SMALL = ["--d-model", "64", "--d-ff", "128", "--num-heads", "2", "--encoder-layers", "1", "--decoder-layers", "1"]
SHORT = ["--max-steps", "20", "--eval-every", "20", "--eval-sentences", "2", "--batch-tokens", "2048"]


def repeated(source: Path, out: Path, times: int) -> int:
    """Publish the dataset `source` with its training pairs repeated; return how many there are."""
    made = artifacts.open_artifact(source, "dataset").manifest
    pairs = 0
    with artifacts.create(out, "dataset", command=made.command, config=made.config, inputs=made.inputs) as draft:
        shutil.copytree(source, draft.path, dirs_exist_ok=True)
        (draft.path / "manifest.json").unlink()
        for path in source.glob("train.*.offsets.npy"):
            name = path.name.replace(".offsets", "")
            ids, offsets = np.load(source / name), np.load(path)
            pairs = (len(offsets) - 1) * times
            all_ids = np.lib.format.open_memmap(draft.path / name, "w+", ids.dtype, (len(ids) * times,))
            all_offsets = np.lib.format.open_memmap(draft.path / path.name, "w+", offsets.dtype, (pairs + 1,))
            for i in range(times):
                all_ids[i * len(ids) : (i + 1) * len(ids)] = ids
                all_offsets[i * (len(offsets) - 1) + 1 : (i + 1) * (len(offsets) - 1) + 1] = offsets[1:] + i * len(ids)
        draft.manifest.metrics = made.metrics
        draft.publish()
    return pairs


def own_memory(pid: int) -> int:
    """Return the anonymous memory of a process in kB; zero when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def measure(dataset: Path, out: Path) -> dict[str, float]:
    """Train on a dataset and watch."""
    command = [
        sys.executable,
        "-m",
        "nlpcli",
        "train",
        "transformer",
        "--data",
        str(dataset),
        "--out",
        str(out),
        *SMALL,
        *SHORT,
    ]
    process, peak = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True), 0
    while process.poll() is None:
        peak = max(peak, own_memory(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.stderr.read() if process.stderr else "")
    return {"own_mib": round(peak / 1024, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--times", type=int, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for times in arguments.times:
        with tempfile.TemporaryDirectory() as folder:
            dataset = Path(folder, "dataset")
            pairs = repeated(arguments.dataset, dataset, times)
            size = sum(path.stat().st_size for path in dataset.iterdir() if path.is_file())
            rows.append({"pairs": pairs, "mib_on_disk": round(size / 2**20, 1), **measure(dataset, Path(folder, "model"))})
            print(rows[-1], flush=True)
    arguments.out.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
