"""Training speed by GOMP_SPINCOUNT, on an idle machine and beside one process that never rests.

    python benchmarks/spin.py --runs 3 --out benchmarks/results/spin.json

Each figure is a run of its own process: `nlpcli train attention` for some seconds on the bundled sample; the speed is the
one it reports. Settings are interleaved, so that drift of the machine meets all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = ["default", "1000", "10000", "100000"]
BUSY = [sys.executable, "-c", "while True: pass"]


def speed(dataset: Path, folder: Path, count: str, seconds: float) -> float:
    """Train for `seconds` and return target tokens a second."""
    environment = {**os.environ, "GOMP_SPINCOUNT": count}
    if count == "default":
        environment.pop("GOMP_SPINCOUNT")
    command = [sys.executable, "-m", "nlpcli", "train", "attention", "--data", str(dataset), "--out", str(folder / "model")]
    command += [
        "--config",
        "pipelines/ko-en.toml",
        "--max-minutes",
        str(seconds / 60),
        "--eval-sentences",
        "1",
        "--force",
        "--json",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["data"]["tokens_per_second"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    result: dict[str, object] = {"machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nlpcli = [sys.executable, "-m", "nlpcli"]
        subprocess.run([*nlpcli, "tokenize", "train", "--data", "ko-en", "--out", str(folder / "t"), "-q"], check=True)
        dataset = folder / "d"
        encode = [
            *nlpcli,
            "tokenize",
            "dataset",
            "--data",
            "ko-en",
            "--tokenizer",
            str(folder / "t"),
            "--out",
            str(dataset),
            "-q",
        ]
        subprocess.run(encode, check=True)
        for place in ("idle", "busy"):
            rival = subprocess.Popen(BUSY) if place == "busy" else None
            speeds: dict[str, list[float]] = {count: [] for count in COUNTS}
            for _ in range(arguments.runs):
                for count in COUNTS:
                    speeds[count].append(speed(dataset, folder, count, arguments.seconds))
            if rival:
                rival.kill()
                rival.wait()
            result[place] = {count: {"tokens_per_second": s, "median": statistics.median(s)} for count, s in speeds.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
