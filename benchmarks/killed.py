"""A translation job that is killed (SIGKILL) at random moments and taken up again, against one that was left alone.

    python benchmarks/killed.py --model work/model --file text.ko --lines 20000 --kills 20

Prints, and writes with --out, how often it was killed and whether the outputs are equal to the last byte. Exits 1 if not.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True, help="Lines to translate; repeated with a number if too few.")
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given, options, Path(folder))
    print(json.dumps(found))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if found["equal"] else 1)


def measure(given: argparse.Namespace, options: list[str], folder: Path) -> dict[str, object]:
    rng, source = random.Random(given.seed), folder / "text.src"
    source.write_text("".join(f"{line}\n" for line in lines_of(given.file, given.lines)), encoding="utf-8")
    command = [sys.executable, "-m", "nlpcli", "translate", "--model", str(given.model), str(source), *options]
    started = time.monotonic()
    subprocess.run([*command, "--out", str(folder / "whole"), "--issues", str(folder / "whole.issues")], check=True)
    seconds = time.monotonic() - started
    killed = 0
    last = [*command, "--out", str(folder / "killed"), "--issues", str(folder / "killed.issues")]
    moments = []
    while not (folder / "killed").exists():
        process = subprocess.Popen(last, stderr=subprocess.PIPE)
        if killed < given.kills:
            moment = rng.uniform(0, 2.5 * seconds / given.kills) + 1.0
            time.sleep(moment)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
                moments.append(round(moment, 2))
        _, error = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            sys.exit(f"exit status {process.returncode}: {error.decode()}")
    pairs = [("whole", "killed"), ("whole.issues", "killed.issues")]
    equal = all((folder / a).read_bytes() == (folder / b).read_bytes() for a, b in pairs)
    return {"lines": given.lines, "kills": killed, "seconds_before_each": moments, "equal": equal, "options": options}


def lines_of(path: Path, count: int) -> list[str]:
    text = path.read_text(encoding="utf-8").splitlines()
    return [line if i < len(text) else f"{line} {i}" for i, line in enumerate(islice(cycle(text), count))]


if __name__ == "__main__":
    main()
