"""Translation speed beside other tools, file to file, with the very same weights.

    python benchmarks/translate.py --model 4+4=DIR --model 8+2=DIR --src test.ko --ref test.en --work DIR \\
        --out benchmarks/results/translate.json --peer transformers=VENV --peer eole=VENV

DIR is a Transformer of `nlpcli train`. Contenders: CTranslate2 driven by its own API (`translate_batch` of the whole file
and `translate_file`), `generate` of transformers, `eole predict`, a plain torch decoder with a KV cache
(`translate_plain.py`), and `nlpcli translate`. CTranslate2 reads what `nlpcli export` writes, the others the model's own
weights (`translate_convert.py`). VENV is a virtual environment that has the tool, SentencePiece and nlpcli's torch.

Each figure is a whole process: start, imports, loading, tokenising, search, detokenising, writing. Before the rounds each
contender is tried on the first --probe lines with each of its settings (CHOICES: workers and threads first, then tokens
a batch) and goes on with its fastest. Each round goes through all contenders, in turn forwards and backwards, so that
drift of the machine meets all alike; a figure is the median of the rounds. `processor_seconds` are those of all processes
and threads: where other work shares the machine they tell more than seconds. Memory is the peak of all processes
together with shared pages counted once (PSS), looked at every 0.2 s.

The search is the same for all: hypotheses are compared by log-probability / length, a sentence is done when as many as
beams have ended, and a translation has at most --longest tokens (nlpcli: its own limit, twice the source and 20).
`equal` is the share of lines that are those of CTranslate2 in float32: near 1 for float32 everywhere, or else weights or
search differ. BLEU and chrF are sacrebleu's against --ref.

    --equal 2000      instead: share of the first lines that nlpcli's torch search translates as CTranslate2's float32 does
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

sys.path.append(str(Path(__file__).parent))

from translate_convert import write_eole
from translate_job import Failed, keep, machine, pin, watch
from translate_plain import config_of
from translate_table import REFERENCE, median_of, ratios, read, scores, show

HERE = Path(__file__).parent
PEERS = ["transformers", "eole"]
NLPCLI = [sys.executable, "-m", "nlpcli"]
OWN = [*NLPCLI, "translate", "{file}", "--model", "{model}", "--out", "{out}", "--force", "--quiet"]
OWN_SEARCH = ["--beam-size", "{beam_size}", "--length-penalty", "{length_penalty}", "--length-penalty-form", "marian"]
EXPORT = [*NLPCLI, "export", "--model", "{model}", "--to", "ctranslate2", "--out", "{out}", "--quiet"]
CONTENDERS: dict[str, dict[str, Any]] = {
    "ctranslate2 translate_batch int8": {"tool": "ctranslate2", "way": "translate_batch", "precision": "int8"},
    "ctranslate2 translate_file int8": {"tool": "ctranslate2", "way": "translate_file", "precision": "int8"},
    REFERENCE: {"tool": "ctranslate2", "way": "translate_batch", "precision": "float32"},
    "ctranslate2 translate_file float32": {"tool": "ctranslate2", "way": "translate_file", "precision": "float32"},
    "transformers float32": {"tool": "transformers", "precision": "float32"},
    "transformers bfloat16": {"tool": "transformers", "precision": "bfloat16"},
    "eole float32": {"tool": "eole", "precision": "float32"},
    "plain float32": {"tool": "plain", "precision": "float32"},
    "plain bfloat16": {"tool": "plain", "precision": "bfloat16"},
    "nlpcli ctranslate2 int8": {"options": ["--engine", "ctranslate2", "--quantization", "int8"]},
    "nlpcli ctranslate2 float32": {"options": ["--engine", "ctranslate2", "--quantization", "float32"]},
    "nlpcli torch float32": {"options": ["--engine", "torch", "--quantization", "float32"]},
    "nlpcli torch int8": {"options": ["--engine", "torch", "--quantization", "int8"]},
}
for _contender in CONTENDERS.values():
    _contender.setdefault("tool", "nlpcli")
TORCH: dict[str, list[Any]] = {"threads": [[2, 1], [1, 2]], "batch": [2048, 4096, 8192]}
CHOICES: dict[str, dict[str, list[Any]]] = {
    "ctranslate2": {"threads": [[2, 1], [1, 2], [4, 1]], "batch": [1024, 2048, 4096, 512]},
    "transformers": TORCH,
    "plain": TORCH,
    "eole": TORCH,
    "nlpcli": {},  # as it comes
}


class Bench:
    """The text, the models in every tool's format, and what a job holds."""

    def __init__(self, arguments: argparse.Namespace, work: Path) -> None:
        self.arguments, self.work = arguments, work.absolute()
        self.peers = dict(item.split("=", 1) for item in arguments.peer)
        if unknown := set(self.peers) - set(PEERS):
            sys.exit(f"--peer: {', '.join(unknown)} unknown; choose of {', '.join(PEERS)}")
        self.work.mkdir(parents=True, exist_ok=True)
        self.file = self._cut(arguments.lines, "whole")
        self.probe = self._cut(arguments.probe, "probe")
        self.contenders = {
            name: contender
            for name, contender in CONTENDERS.items()
            if (contender["tool"] not in PEERS or contender["tool"] in self.peers)
            and (not arguments.only or any(name.startswith(part) for part in arguments.only))
        }

    def _cut(self, lines: int | None, name: str) -> Path:
        path = self.work / f"{name}.src"
        path.write_text("".join(line + "\n" for line in read(self.arguments.src)[:lines]), encoding="utf-8")
        return path

    def convert(self, model: Path, name: str) -> dict[str, str]:
        """Write a model in the other tools' formats, once; return where."""
        found = {tool: self.work / f"{name}.{tool}" for tool in ("ctranslate2", "eole")}
        if not found["ctranslate2"].exists():
            subprocess.run(filled(EXPORT, {"model": model, "out": found["ctranslate2"]}), check=True, stdout=subprocess.DEVNULL)
        if not found["eole"].exists():
            write_eole(model, found["eole"])
        return {tool: str(path) for tool, path in found.items()}

    def translate(self, contender: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
        """Run a contender in a process and a folder of its own."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            if contender["tool"] == "nlpcli":
                return watch(filled([*OWN, *OWN_SEARCH, *contender["options"]], job))
            python = (
                str(Path(self.peers[contender["tool"]]) / "bin" / "python") if contender["tool"] in PEERS else sys.executable
            )
            whole = {**job, **contender, "run": folder, "converted": job["formats"].get(contender["tool"])}
            path = Path(folder) / "job.json"
            path.write_text(json.dumps(whole), encoding="utf-8")
            return watch([python, str(HERE / "translate_peers.py"), str(path)])

    def job(self, model: Path, formats: dict[str, str], beams: int) -> dict[str, Any]:
        config, a = config_of(model), self.arguments
        found = {"model": str(model), "formats": formats, "beam_size": beams, "file": str(self.file)}
        found |= {"src": config["src"], "tgt": config["tgt"], "length_penalty": a.length_penalty, "longest": a.longest}
        return {**found, "out": str(self.work / "out")}

    def settle(self, name: str, job: dict[str, Any]) -> dict[str, Any]:
        """Return a contender with the fastest of its settings, one setting after the other."""
        contender, probe = self.contenders[name], {**job, "file": str(self.probe)}
        if contender["tool"] == "nlpcli":
            self.translate(contender, probe)  # exports and verifies on first use, which is no part of a translation
        choices = CHOICES[contender["tool"]]
        chosen = {setting: values[0] for setting, values in choices.items()}
        tried: dict[str, float] = {}
        for setting, values in choices.items():
            for value in values:
                key = json.dumps({**chosen, setting: value})
                if key not in tried:
                    found = self.translate({**contender, **chosen, setting: value}, probe)
                    tried[key] = found["processor_seconds" if self.arguments.by_processor else "seconds"]
            chosen = json.loads(min((k for k in tried if _alike(k, chosen, setting)), key=lambda k: tried[k]))
        return {**contender, **chosen, "tried": tried}

    def rounds(self, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Run all contenders once a round; return medians. One that fails says why and takes no further part."""
        table: dict[str, dict[str, Any]] = {}
        ready, runs, texts = {}, {name: [] for name in self.contenders}, {}  # type: ignore[var-annotated]
        for name in self.contenders:
            try:
                ready[name] = self.settle(name, job)
            except Failed as e:
                table[name] = {"failed": str(e)}
                print(f"{name}: {e}", file=sys.stderr, flush=True)
        for turn in range(self.arguments.repeat):
            for name in list(ready) if turn % 2 == 0 else list(reversed(ready)):
                if name in table:
                    continue
                try:
                    runs[name].append(self.translate(ready[name], job))
                except Failed as e:
                    table[name] = {"failed": str(e)}
                    print(f"{name}: {e}", file=sys.stderr, flush=True)
                else:
                    texts[name] = read(Path(job["out"]))
                    print(f"  round {turn + 1}  {name:38}{runs[name][-1]}", flush=True)
        scored = scores({name: text for name, text in texts.items() if name not in table}, self.reference())
        lines = len(read(self.file))
        for name in scored:
            settings = {k: ready[name][k] for k in ("threads", "batch", "tried") if k in ready[name]}
            table[name] = {**median_of(runs[name], lines), **scored[name], **settings}
        return {name: table[name] for name in self.contenders if name in table}

    def reference(self) -> list[str]:
        return read(self.arguments.ref)[: len(read(self.file))]


def _alike(key: str, chosen: dict[str, Any], setting: str) -> bool:
    other = json.loads(key)
    return all(other[k] == v for k, v in chosen.items() if k != setting)


def filled(words: list[str], values: dict[str, Any]) -> list[str]:
    return [word.format(**values) for word in words]


def equal(bench: Bench, job: dict[str, Any]) -> dict[str, Any]:
    """Return the share of lines that nlpcli's torch search and CTranslate2 in float32 translate alike."""
    found, peer = {}, {**CONTENDERS[REFERENCE], "threads": [1, 1], "batch": 2048}
    contenders = {REFERENCE: peer, "nlpcli torch float32": CONTENDERS["nlpcli torch float32"]}
    for name, contender in contenders.items():
        bench.translate(contender, job)
        found[name] = read(Path(job["out"]))
    theirs, ours = found.values()
    same = sum(a == b for a, b in zip(ours, theirs)) if len(ours) == len(theirs) else 0
    differ = [{"line": i + 1, "theirs": a, "ours": b} for i, (a, b) in enumerate(zip(theirs, ours)) if a != b]
    return {"lines": len(theirs), "equal": round(same / max(len(theirs), 1), 5), "different": differ[:20]}


def versions(bench: Bench) -> dict[str, str]:
    """Return the versions of all tools."""
    ask = "import json, sys; from importlib.metadata import version; print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
    found: dict[str, str] = {}
    pythons = {sys.executable: ["ctranslate2", "torch", "sentencepiece", "sacrebleu"]}
    pythons |= {str(Path(venv) / "bin" / "python"): [tool] for tool, venv in bench.peers.items()}
    for python, names in pythons.items():
        done = subprocess.run([python, "-c", ask, *names], capture_output=True, text=True, check=True)
        found |= json.loads(done.stdout)
    return found


def measured(bench: Bench) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in bench.arguments.model:
        name, _, folder = item.partition("=")
        model = Path(folder).absolute()
        formats, by_beam = bench.convert(model, name), {}
        for beams in bench.arguments.beam or [1, 5]:
            job = bench.job(model, formats, beams)
            if bench.arguments.equal:
                by_beam[f"beam {beams}"] = equal(bench, job)
                print(
                    name, f"beam {beams}", {k: v for k, v in by_beam[f"beam {beams}"].items() if k != "different"}, flush=True
                )
                continue
            table = bench.rounds(job)
            compared = ratios(table)
            show(f"{name}, beam {beams}", table, compared)
            by_beam[f"beam {beams}"] = {"contenders": table, "times_as_fast": compared}
        yield name, by_beam


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--src", type=Path, required=True, help="text to translate, a sentence a line")
    parser.add_argument("--ref", type=Path, required=True, help="its translations")
    parser.add_argument("--lines", type=int, help="only the first so many")
    parser.add_argument("--work", type=Path, help="keep converted models here, and use them again")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peer", action="append", default=[], metavar="TOOL=VENV", help=f"one of {', '.join(PEERS)}")
    parser.add_argument("--only", action="append", help="contenders whose name begins so")
    parser.add_argument("--beam", action="append", type=int, help="1 and 5 if not given")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--probe", type=int, default=1000, help="lines on which settings are tried")
    parser.add_argument("--by-processor", action="store_true", help="choose settings by processor seconds: on a busy machine")
    parser.add_argument("--cores", default="0,1", help="which to use")
    parser.add_argument("--length-penalty", type=float, default=1.0)
    parser.add_argument("--longest", type=int, default=256, help="tokens a translation may have")
    parser.add_argument("--equal", type=int, metavar="LINES")
    arguments = parser.parse_args()
    arguments.lines = arguments.equal or arguments.lines
    cores = [int(core) for core in arguments.cores.split(",") if int(core) < (os.cpu_count() or 1)]
    pin(cores)
    before, work = os.getloadavg()[0], arguments.work or Path(tempfile.mkdtemp())
    bench = Bench(arguments, work)
    found = dict(measured(bench))
    load = {"load_before": round(before, 2), "load_after": round(os.getloadavg()[0], 2)}
    settings = {k: getattr(arguments, k) for k in ("repeat", "probe", "length_penalty", "longest")}
    settings |= {"lines": len(read(bench.file)), "versions": versions(bench)}
    keep(
        arguments.out,
        "equal" if arguments.equal else "speed",
        {"machine": {**machine(cores), **load}, "settings": settings, **found},
    )
    if not arguments.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
