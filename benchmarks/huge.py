"""A parallel corpus of any size, for measuring memory and speed: real pairs over and over, each time with other words.

    python benchmarks/huge.py --lines 10000000 --data data/ko-en --src ko --tgt en --out work/huge

writes train.ko and train.en. The first round is the data as it is; in later ones two words of each side are replaced by
words of other lines, so that hardly a pair is repeated. The same arguments give the same files.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path


def perturbed(words: list[str], others: list[list[str]], rng: random.Random) -> str:
    """Put two words of other lines into a line."""
    words = words.copy()
    for _ in range(2):
        other = others[int(rng.random() * len(others))]
        words[int(rng.random() * len(words))] = other[int(rng.random() * len(other))]
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a folder with train.SRC and train.TGT")
    parser.add_argument("--src", default="ko")
    parser.add_argument("--tgt", default="en")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for side in (arguments.src, arguments.tgt):
        lines = (arguments.data / f"train.{side}").read_text(encoding="utf-8").split("\n")[:-1]
        others = [words for line in lines if (words := line.split())]
        rng = random.Random(f"{side} {len(lines)}")
        with (arguments.out / f"train.{side}").open("w", encoding="utf-8", newline="\n") as f:
            for i in range(arguments.lines):
                line = lines[i % len(lines)]
                words = line.split() if i >= len(lines) else []
                f.write((perturbed(words, others, rng) if words else line) + "\n")


if __name__ == "__main__":
    main()
