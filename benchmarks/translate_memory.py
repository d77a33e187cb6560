"""Peak memory of `nlpcli translate` on files of any length; it should not depend on the length.

    python benchmarks/translate_memory.py --model DIR --src train.ko --lines 100000 --lines 1000000 \\
        --out benchmarks/results/translate.json -- --engine ctranslate2 --quantization int8

The lines are those of --src, again and again, each with a number of its own before it, so that no two are equal and
translating duplicates once makes nothing easier; they are cut after --words words, so that a million take minutes and not
hours. What follows `--` goes to `nlpcli translate`. Memory is the peak of all processes together with shared pages
counted once (PSS), looked at every 0.2 s.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from translate_job import keep, machine, pin, watch


def write_lines(src: Path, out: Path, count: int, words: int) -> None:
    """Write so many lines, all different."""
    with src.open(encoding="utf-8") as f:
        found = [line.split()[:words] for line in f]
    texts = itertools.cycle([" ".join(line) for line in found if line])
    with out.open("w", encoding="utf-8", newline="\n") as f:
        f.writelines(f"{number} {text}\n" for number, text in zip(range(count), texts))


def measure(model: Path, src: Path, count: int, words: int, options: list[str]) -> dict[str, Any]:
    """Translate so many lines and watch it.

    Raises:
        SystemExit: there are not as many lines in the translation.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "lines", Path(folder) / "translated"
        write_lines(src, file, count, words)
        command = [sys.executable, "-m", "nlpcli", "translate", str(file), "--model", str(model), "--out", str(out), "--quiet"]
        found = watch([*command, *options])
        with out.open("rb") as f:
            lines = sum(1 for _ in f)
        if lines != count:
            sys.exit(f"{lines:,} lines came out of {count:,}")
        size = {"megabytes": round(file.stat().st_size / 1e6, 1)}
    return {**size, **found, "sentences_per_second": round(count / found["seconds"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--src", type=Path, required=True, help="text whose lines are repeated")
    parser.add_argument("--lines", type=int, action="append", help="100000 and 1000000 if not given")
    parser.add_argument("--words", type=int, default=3, help="words kept of each line")
    parser.add_argument("--cores", default="0,1", help="which to use")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("options", nargs="*", help="after --: options of nlpcli translate")
    arguments = parser.parse_args()
    cores = [int(core) for core in arguments.cores.split(",") if int(core) < (os.cpu_count() or 1)]
    pin(cores)
    found = {}
    for count in arguments.lines or [100_000, 1_000_000]:
        found[f"{count:,} lines"] = measure(arguments.model, arguments.src, count, arguments.words, arguments.options)
        print(f"{count:,} lines", found[f"{count:,} lines"], flush=True)
    settings = {"words": arguments.words, "options": arguments.options}
    keep(arguments.out, "memory", {"machine": machine(cores), "settings": settings, **found})


if __name__ == "__main__":
    main()
