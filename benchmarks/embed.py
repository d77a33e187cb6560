"""Speed and memory of `embed train` against gensim's three ways to read a text, and fastText.

    python benchmarks/embed.py --text FILE --out benchmarks/results/embed.json [--fasttext PYTHON] [--repeat 5]

FILE holds one sentence a line, words between blanks. PYTHON is an interpreter that has fastText (`pip install
fasttext==0.9.3`). Each measurement is a process of its own, and each round goes through all of them, in turn forwards and
backwards, so that drift of the machine meets all alike. `train` counts the training alone, `whole` also reading, counting
and, for nlpcli, writing the artifact; words a second are running words of the text times epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

OURS = "nlpcli"
GENSIM = ["gensim list", "gensim LineSentence", "gensim corpus_file"]
FASTTEXT = "fastText"

FASTTEXT_CODE = """
import fasttext, json, resource, sys, time
text, objective, dim, epochs, workers = sys.argv[1:]
began = time.perf_counter()
word2vec = {"minn": 0, "maxn": 0, "bucket": 0, "minCount": 5, "ws": 5, "neg": 5, "t": 1e-3, "verbose": 0}
fasttext.train_unsupervised(text, model=objective, dim=int(dim), epoch=int(epochs), thread=int(workers), **word2vec)
print(json.dumps({"whole": time.perf_counter() - began, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def run_nlpcli(text: str, objective: str, dim: int, epochs: int, workers: int) -> dict[str, float]:
    from nlpcli import console
    from nlpcli.embedding import fit  # noqa: F401  (loads gensim before the clock starts, as it is for the others)
    from nlpcli.embedding.train import train_embedding

    console.set_level(console.QUIET)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        made = train_embedding(
            data=text,
            out=Path(folder, "v"),
            objective=objective,
            dim=dim,
            epochs=epochs,
            workers=workers,
            strip_punctuation=False,
        )
        return {"whole": time.perf_counter() - began, "train": made.words * epochs / made.words_per_second}


def run_gensim(way: str, text: str, objective: str, dim: int, epochs: int, workers: int) -> dict[str, float]:
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    began = time.perf_counter()
    source: Any = LineSentence(text) if "Line" in way else [line.split() for line in Path(text).open(encoding="utf-8")]
    given = {"corpus_file": text} if "file" in way else {"corpus_iterable": source}
    model = Word2Vec(vector_size=dim, sg=int(objective == "skipgram"), workers=workers)
    model.build_vocab(**given)
    ready = time.perf_counter()
    model.train(**given, total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=epochs)
    return {"whole": time.perf_counter() - began, "train": time.perf_counter() - ready}


def one(arguments: argparse.Namespace) -> None:
    """Measure one contender in this process and print it."""
    values = (arguments.text, arguments.objective, arguments.dim, arguments.epochs, arguments.workers)
    found = run_nlpcli(*values) if arguments.one == OURS else run_gensim(arguments.one, *values)
    print(json.dumps({**found, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def measure(contender: str, objective: str, workers: int, arguments: argparse.Namespace) -> dict[str, float]:
    if contender == FASTTEXT:
        values = [arguments.text, objective, arguments.dim, arguments.epochs, workers]
        command = [arguments.fasttext, "-c", FASTTEXT_CODE, *map(str, values)]
    else:
        command = [sys.executable, "-P", __file__, "--text", arguments.text, "--one", contender, "--objective", objective]
        command += ["--dim", str(arguments.dim), "--epochs", str(arguments.epochs), "--workers", str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(objective: str, workers: int, words: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all contenders at one setting; ratios are of medians, ours to theirs."""
    contenders = [OURS, *GENSIM, *([FASTTEXT] if arguments.fasttext else [])]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for turn in range(arguments.repeat):
        for name in contenders if turn % 2 == 0 else reversed(contenders):
            found[name].append(measure(name, objective, workers, arguments))
    table = {}
    for name, runs in found.items():
        row = {
            f"{part}_words_per_second": round(words * arguments.epochs / statistics.median(run[part] for run in runs))
            for part in ("train", "whole")
            if part in runs[0]
        }
        table[name] = {**row, "peak_mib": round(max(run["peak"] for run in runs) / 1024)}
    ours = table[OURS]
    for row in table.values():
        row |= {
            f"ours_to_this_{part}": round(ours[key] / row[key], 3)
            for part in ("train", "whole")
            if (key := f"{part}_words_per_second") in row
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fasttext", help="a Python that has fastText")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, os.cpu_count() or 1])
    parser.add_argument("--objective", default="")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        arguments.workers = arguments.workers[0]
        one(arguments)
        return
    words = sum(len(line.split()) for line in Path(arguments.text).open(encoding="utf-8"))
    result: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "load_before": os.getloadavg()[0],
        },
        "text": {"words": words, "bytes": Path(arguments.text).stat().st_size},
        "settings": {"dim": arguments.dim, "epochs": arguments.epochs, "repeat": arguments.repeat},
    }
    for objective in [arguments.objective] if arguments.objective else ["skipgram", "cbow"]:
        for workers in arguments.workers:
            result[f"{objective}, {workers} worker(s)"] = compare(objective, workers, words, arguments)
            print(json.dumps(result, indent=2), flush=True)
    result["machine"]["load_after"] = os.getloadavg()[0]
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
