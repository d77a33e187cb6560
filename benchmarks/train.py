"""Training speed beside other tools: real target tokens a second, same architecture, data, batch tokens and threads.

    python benchmarks/train.py --data DIR --work DIR --out benchmarks/results/train.json \\
        --peer transformers=VENV --peer joeynmt=VENV --peer opennmt=VENV --peer eole=VENV

DIR holds parallel text. nlpcli makes a BPE vocabulary of 8,000 pieces a side and a dataset in the work folder; the peers
read its pieces joined by blanks. VENV is a virtual environment that has the tool; without `--peer` nlpcli and a plain
torch loop are compared. Each figure is a process of its own; each round goes through all contenders, in turn forwards and
backwards, so that drift of the machine meets all alike; a figure is the median of the rounds.

Architectures: `transformer` (256, feed-forward 1024, 3 + 3 layers, 4 heads) and `attention` (LSTM of 256, one layer in
both directions, one in the decoder, Luong's general score, no input feeding). Target embedding and output layer are
one matrix; dropout 0.1, smoothing 0.1, clipping at 1, Adam or AdamW, and the same seed everywhere.

One clock for all, a hook behind the optimiser's step: from the end of the last warm-up step to the end of the last one
measured, in which the tool makes its batches, computes, clips and steps, as it always does; validation, reports and
checkpoints are off. Tokens are the targets of those steps with their end marks and without padding, as each tool counts
them. Each tool makes its own batches of at most 4,096 tokens, padding included (rows × the longest row of either side),
so one that pads more has fewer real tokens in a batch. JoeyNMT goes a row over the budget. `plain` and `transformers` are
plain loops (F.cross_entropy, fused AdamW, clipping) over nlpcli's batches, made beforehand: their reading costs nothing.
OpenNMT-py and Eole have read and sorted theirs before the first step. bf16 is autocast, where the tool has it on a CPU.

Other modes, each written under its name into the same --out:

    --loss-after 500    nlpcli and the plain loop in bf16 on the very same batches and learning rates: held-out losses
    --profile           nlpcli: share of time by kind of operation; GFLOP/s beside the machine's
    --processes         nlpcli --devices 1 and 2
    --features          what EMA, smoothing, sampling, dropout, validation and checkpoints cost nlpcli, in per cent
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
from typing import Any

HERE = Path(__file__).parent
OWN, PEERS = HERE / "train_own.py", HERE / "train_peers.py"
TOOLS = ["transformers", "joeynmt", "opennmt", "eole"]
ARCHITECTURES = ["transformer", "attention"]
PIECES = 8000
CONTENDERS: dict[str, dict[str, Any]] = {
    "nlpcli bf16": {"tool": "nlpcli", "precision": "bf16"},
    "nlpcli bf16, its own dropout": {  # as `nlpcli train transformer` has it: residuals and embeddings alone
        "tool": "nlpcli",
        "precision": "bf16",
        "only": "transformer",
        "settings": {"attention_dropout": 0.0, "ff_dropout": 0.0},
    },
    "nlpcli fp32": {"tool": "nlpcli", "precision": "32"},
    "plain bf16": {"tool": "plain", "precision": "bf16"},
    "plain fp32": {"tool": "plain", "precision": "32"},
    "transformers bf16": {"tool": "transformers", "precision": "bf16", "only": "transformer"},
    "transformers fp32": {"tool": "transformers", "precision": "32", "only": "transformer"},
    "joeynmt fp32": {"tool": "joeynmt", "precision": "32"},
    "opennmt fp32": {"tool": "opennmt", "precision": "32"},
    "eole bf16": {"tool": "eole", "precision": "bf16"},
    "eole fp32": {"tool": "eole", "precision": "32"},
}
BARE = {"dropout": 0.0, "attention_dropout": 0.0, "ff_dropout": 0.0, "label_smoothing": 0.0}
FEATURES: dict[str, dict[str, Any]] = {
    "none": {},
    "EMA": {"ema": 0.999},
    "label smoothing": {"label_smoothing": 0.1},
    "subword sampling": {"subword_sampling": 0.1},
    "sampled softmax": {"sampled_softmax": 1024},
    "dropout": {"dropout": 0.1, "attention_dropout": 0.1, "ff_dropout": 0.1},
    "dropout of residuals alone": {"dropout": 0.1},
}
EVAL_EVERY = 250  # nlpcli's default


class Failed(Exception):
    """A contender's process ended without a figure; its message is the end of what it wrote."""


def run_job(python: str, script: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run one job in a process and a folder of its own; return what it printed last."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory(dir=job["work"]) as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps({**job, "run": folder}), encoding="utf-8")
        command = [python, str(script), str(path)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        except OSError as e:
            raise Failed(str(e)) from e
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise Failed("\n".join(done.stderr.splitlines()[-6:]) or f"exit {done.returncode}")
    return dict(json.loads(lines[-1]))


class Bench:
    """The data, made once, and what every job holds."""

    def __init__(self, arguments: argparse.Namespace, work: Path) -> None:
        self.arguments, self.peers = arguments, dict(item.split("=", 1) for item in arguments.peer)
        if unknown := set(self.peers) - set(TOOLS):
            sys.exit(f"--peer: {', '.join(unknown)} unknown; choose of {', '.join(TOOLS)}")
        work.mkdir(parents=True, exist_ok=True)
        common = {"work": str(work.absolute()), "dataset": str((work / "dataset").absolute())}
        sizes = {"warmup": arguments.warmup, "steps": arguments.steps, "batch_tokens": arguments.batch_tokens, "seed": 1}
        self.common: dict[str, Any] = {**common, **sizes, "learning_rate": 1e-3}
        if not (work / "dataset").exists():
            self._make_dataset(work)
        self.common |= self.own({"mode": "prepare"})

    def _make_dataset(self, work: Path) -> None:
        nlpcli = [sys.executable, "-m", "nlpcli", "tokenize"]
        tokenizer, data = str(work / "tokenizer"), ["--data", self.arguments.data, "-q"]
        kind = ["--kind", "bpe", "--vocab-size", str(PIECES)]
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        made = ["--tokenizer", tokenizer, "--out", str(work / "dataset")]
        for command in (["train", *data, *kind, "--out", tokenizer, "--force"], ["dataset", *data, *made]):
            subprocess.run([*nlpcli, *command], check=True, env=environment, stdout=subprocess.DEVNULL)

    def own(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run a job of nlpcli or of the plain loop."""
        return run_job(sys.executable, OWN, {**self.common, **job})

    def speed(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run one contender."""
        job = {"mode": "speed", **job}
        if job["tool"] in TOOLS:
            return run_job(str(Path(self.peers[job["tool"]]) / "bin" / "python"), PEERS, {**self.common, **job})
        return self.own(job)

    def rounds(self, jobs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Run all jobs once a round; return medians. A contender that fails says why and takes no further part."""
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
        table: dict[str, dict[str, Any]] = {}
        for turn in range(self.arguments.repeat):
            for name in list(jobs) if turn % 2 == 0 else list(reversed(jobs)):
                if name in table:
                    continue
                try:
                    runs[name].append(self.speed(jobs[name]))
                except Failed as e:
                    table[name] = {"failed": str(e)}
                    print(f"{name}: {e}", file=sys.stderr, flush=True)
                else:
                    last = runs[name][-1]
                    print(f"  round {turn + 1}  {name:30}{last['tokens'] / last['seconds']:9,.0f} tokens/s", flush=True)
        for name, found in runs.items():
            if name not in table:
                table[name] = self._median(found)
        return {name: table[name] for name in jobs}

    def _median(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        speeds = [run["tokens"] / run["seconds"] for run in found]
        return {
            "tokens_per_second": round(statistics.median(speeds), 1),
            "milliseconds_a_step": round(1000 * statistics.median(run["seconds"] for run in found) / self.arguments.steps, 1),
            "peak_mib": max(run["peak_mib"] for run in found),
            "tokens_measured": found[0]["tokens"],
            **{name: found[0][name] for name in ("parameters", "threads", "versions")},
            "rounds": [round(speed, 1) for speed in speeds],
        }

    def compare(self, architecture: str) -> dict[str, Any]:
        """Measure all contenders of an architecture; ratios are nlpcli's speed to theirs."""
        jobs = {}
        for name, contender in CONTENDERS.items():
            there = contender["tool"] not in TOOLS or contender["tool"] in self.peers
            chosen = not self.arguments.only or any(name.startswith(part) for part in self.arguments.only)
            if there and chosen and contender.get("only", architecture) == architecture:
                jobs[name] = {**contender, "architecture": architecture}
        table = self.rounds(jobs)
        for ours in ("nlpcli bf16", "nlpcli fp32"):
            speed = table.get(ours, {}).get("tokens_per_second")
            for row in table.values() if speed else ():
                if "tokens_per_second" in row:
                    row[f"{ours} to this"] = round(speed / row["tokens_per_second"], 3)
        return table

    def loss_after(self, architecture: str, steps: int) -> dict[str, Any]:
        """Return held-out losses of nlpcli and the plain loop after so many steps, both evaluated in fp32."""
        job = {"mode": "loss", "architecture": architecture, "precision": "bf16", "steps": steps, "warmup": 0}
        job["settings"] = {"warmup_steps": max(1, steps // 5), "max_steps": steps}
        return {tool: self.own({**job, "tool": tool}) for tool in ("nlpcli", "plain")}

    def profile(self, architecture: str) -> dict[str, Any]:
        """Return where nlpcli's time goes."""
        return self.own({"mode": "profile", "architecture": architecture, "precision": "bf16"})

    def processes(self, architecture: str) -> dict[str, Any]:
        """Compare one process with two; peak memory is that of the first process."""
        job = {"tool": "nlpcli", "precision": "bf16", "architecture": architecture}
        table = self.rounds({f"{n}": {**job, "settings": {"devices": n}} for n in (1, 2)})
        if all("tokens_per_second" in row for row in table.values()):
            table["2"]["times_as_fast"] = round(table["2"]["tokens_per_second"] / table["1"]["tokens_per_second"], 3)
        return table

    def features(self, architecture: str) -> dict[str, Any]:
        """Return what each feature adds to the time of a step over the same rows, in per cent of the time without any.

        Validation, the best weights and the state are timed at the first evaluation of a run, each beside the 250 steps
        before it. The model has learnt little by then and writes longer translations than it will, so validation is dear.
        """
        job = {"tool": "nlpcli", "precision": "bf16", "architecture": architecture}
        bare = BARE if architecture == "transformer" else {k: BARE[k] for k in ("dropout", "label_smoothing")}
        names = [name for name in FEATURES if architecture == "transformer" or "residuals" not in name]
        wanted = {name: {k: v for k, v in FEATURES[name].items() if k in bare or k not in BARE} for name in names}
        steps = self.own({**job, "mode": "features", "settings": bare, "features": wanted})
        table = {name: {"milliseconds_a_step": round(1000 * statistics.median(found), 1)} for name, found in steps.items()}
        for name, found in steps.items():
            costs = [100 * (own / none - 1) for own, none in zip(found, steps["none"])]
            table[name] |= {"cost_percent": round(statistics.median(costs), 1)}
            table[name] |= {"quartiles": [round(cost, 1) for cost in statistics.quantiles(costs, n=4)[::2]]}
        at_first = {**job, "mode": "evaluation", "warmup": EVAL_EVERY - self.arguments.steps}
        found = [self.own(at_first) for _ in range(self.arguments.repeat)]
        seconds = {name: statistics.median(run[name] for run in found) for name in found[0]}
        for name in ("validation", "weights", "state"):
            cost = round(100 * seconds[name] / (EVAL_EVERY * seconds["step"]), 2)
            table[f"{name} every {EVAL_EVERY} steps"] = {"cost_percent": cost, "seconds": round(seconds[name], 3)}
        return table


def machine() -> dict[str, Any]:
    """Describe what all ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"processor": model or platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()} | {
        "system": f"{platform.system()}-{platform.machine()}"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="parallel text, as nlpcli reads it")
    parser.add_argument("--work", type=Path, help="keep dataset and texts here, and use them again")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peer", action="append", default=[], metavar="TOOL=VENV", help=f"one of {', '.join(TOOLS)}")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES)
    parser.add_argument("--only", action="append", help="contenders whose name begins so")
    parser.add_argument("--warmup", type=int, default=5, help="steps before the clock")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--loss-after", type=int, metavar="STEPS")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--processes", action="store_true")
    parser.add_argument("--features", action="store_true")
    arguments = parser.parse_args()
    if arguments.warmup < 1:
        parser.error("--warmup must be at least 1: the clock starts with the end of a step")
    result: dict[str, Any] = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, arguments.work or Path(folder))
        mode = next((m for m in ("loss_after", "profile", "processes", "features") if getattr(arguments, m)), "speed")
        measure: Any = {
            "loss_after": lambda a: bench.loss_after(a, arguments.loss_after),
            "speed": bench.compare,
        }.get(mode) or getattr(bench, mode)
        found = {architecture: measure(architecture) for architecture in arguments.architecture or ARCHITECTURES}
        settings = {k: bench.common[k] for k in ("sizes", "pairs", "batch_tokens", "learning_rate", "seed")}
        settings |= {"warmup": arguments.warmup, "steps": arguments.steps, "repeat": arguments.repeat}
    load = {"load_before": round(before, 2), "load_after": round(os.getloadavg()[0], 2)}
    result[mode] = {**result.get(mode, {}), "machine": {**machine(), **load}, "settings": settings, **found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
