"""Peak memory of the commands that read a whole corpus, on a corpus of any size.

    python benchmarks/huge.py --lines 10000000 --data ko-en --out /tmp/huge-10m
    python benchmarks/memory.py --data /tmp/huge-1m --data /tmp/huge-10m --out benchmarks/results/memory.json

Each command is a process of its own, with its workers. `largest_mib` is the peak resident size of the largest of them,
`together_mib` the peak of their sum with shared pages counted once (PSS), looked at every 0.2 s. What the commands make is
deleted again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "data check": ["data", "check", "--data", "{data}"],
    "data clean": ["data", "clean", "--data", "{data}", "--out", "{out}/clean"],
    "tokenize train": ["tokenize", "train", "--data", "{data}", "--vocab-size", "8000", "--out", "{out}/tokenizer"],
    "tokenize dataset": ["tokenize", "dataset", "--data", "{data}", "--tokenizer", "{out}/tokenizer", "--out", "{out}/dataset"],
    "embed train": ["embed", "train", "--data", "{data}", "--lang", "ko", "--epochs", "1", "--out", "{out}/vectors"],
}


def tree(root: int) -> list[int]:
    """Return a process and all below it."""
    found = [root]
    for pid in found:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except (OSError, ValueError):
            continue
    return found


def memory(pid: int) -> tuple[int, int]:
    """Return a process's resident and proportional set sizes in kB; zero when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes["Rss"], sizes["Pss"]


def measure(command: list[str]) -> dict[str, float]:
    """Run a command and watch it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    largest = together = 0
    while process.poll() is None:
        sizes = [memory(pid) for pid in tree(process.pid)]
        largest = max(largest, *(rss for rss, _ in sizes))
        together = max(together, sum(pss for _, pss in sizes))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{command}: {process.stderr.read().decode() if process.stderr else ''}")
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 1), "largest_mib": round(largest / 1024), "together_mib": round(together / 1024)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", type=Path, required=True)
    parser.add_argument("--command", action="append", choices=list(COMMANDS))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
    result: dict[str, object] = {"machine": machine}
    for data in arguments.data:
        with (data / "train.ko").open("rb") as f:
            lines = sum(1 for _ in f)
        folder = tempfile.mkdtemp()
        found: dict[str, object] = {"megabytes": round(sum(p.stat().st_size for p in data.glob("train.*")) / 1e6)}
        for name in arguments.command or COMMANDS:
            words = [word.format(data=data, out=folder) for word in COMMANDS[name]]
            found[name] = measure([sys.executable, "-m", "nlpcli", *words])
            print(f"{lines:,} lines", name, found[name], flush=True)
        shutil.rmtree(folder)
        result[f"{lines:,} lines"] = found
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
