"""How many lines come out otherwise when batches, threads or workers are others: what the order of floating point forces.

python benchmarks/drift.py --model work/model --file text.ko --lines 10000 --out benchmarks/results/drift.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from killed import lines_of

WAYS = {
    "batch-tokens 1024": ["--batch-tokens", "1024"],
    "batch-tokens 16384": ["--batch-tokens", "16384"],
    "1 worker": ["--workers", "1"],
    "1 worker of 2 threads": ["--workers", "1", "--threads", "2"],
    "the same again": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--engines", nargs="+", default=["torch", "ctranslate2"])
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "text.src"
        source.write_text("".join(f"{line}\n" for line in lines_of(given.file, given.lines)), encoding="utf-8")
        for engine in given.engines:
            for beam in given.beams:
                fixed = ["--model", str(given.model), str(source), "--engine", engine, "--beam-size", str(beam)]
                base = translated(fixed, Path(folder) / "out")
                for name, options in WAYS.items():
                    other = translated([*fixed, *options], Path(folder) / "out")
                    differ = sum(a != b for a, b in zip(base, other, strict=True))
                    found.append({"engine": engine, "beam": beam, "way": name, "lines": len(base), "differ": differ})
                    print(json.dumps(found[-1]), flush=True)
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def translated(options: list[str], out: Path) -> list[str]:
    command = [sys.executable, "-m", "nlpcli", "translate", *options, "--out", str(out), "--force", "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out.read_text(encoding="utf-8").split("\n")[:-1]


if __name__ == "__main__":
    main()
