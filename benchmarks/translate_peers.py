"""One contender of `translate.py`: a file of text in, a file of text out, as a user of the tool would write it.

    PYTHONSAFEPATH=1 PYTHON benchmarks/translate_peers.py JOB.json

PYTHON is the interpreter that has the tool; nothing of nlpcli is imported here. The whole process is timed from outside.
Only CTranslate2 has workers of its own; for the others `workers` are processes, which share the lines in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

EOS = 3
Ids = list[list[int]]


def processors(job: dict[str, Any]) -> tuple[Any, Any]:
    """Return the SentencePiece models of source and target that stand in an nlpcli model."""
    import sentencepiece

    folder = Path(job["model"]) / "tokenizer"
    joint = (folder / "joint.model").exists()
    paths = [folder / ("joint.model" if joint else f"{job[side]}.model") for side in ("src", "tgt")]
    found = [sentencepiece.SentencePieceProcessor(model_file=str(path)) for path in paths]
    return found[0], found[1]


def lines_of(job: dict[str, Any]) -> list[str]:
    return Path(job["file"]).read_text(encoding="utf-8").split("\n")[:-1]


def write(job: dict[str, Any], lines: list[str]) -> None:
    # what a model writes may hold a line break: a contender that let it through would have more lines than it was given
    flat = (line.replace("\n", " ").replace("\r", " ") + "\n" for line in lines)
    Path(job["out"]).write_text("".join(flat), encoding="utf-8")


def ctranslate2(job: dict[str, Any]) -> None:
    """CTranslate2's own API: `translate_batch` of the whole file, or `translate_file`, with its own workers."""
    import ctranslate2

    workers, threads = job["threads"]
    options = {"inter_threads": workers, "intra_threads": threads, "compute_type": job["precision"]}
    translator = ctranslate2.Translator(job["converted"], **options)
    src, tgt = processors(job)
    search = {"beam_size": job["beam_size"], "length_penalty": job["length_penalty"], "max_decoding_length": job["longest"]}
    search |= {"max_batch_size": job["batch"], "batch_type": "tokens"}
    adds_end = json.loads((Path(job["converted"]) / "config.json").read_text()).get("add_source_eos")
    end = [] if adds_end else ["</s>"]
    if job["way"] == "translate_file":
        read = 16 * job["batch"]  # what is sorted by length together, as CTranslate2 has it when it is not told
        translator.translate_file(
            job["file"],
            job["out"],
            read_batch_size=read,
            source_tokenize_fn=lambda line: src.encode(line, out_type=str) + end,
            target_detokenize_fn=tgt.decode,
            **search,
        )
        return
    pieces = src.encode(lines_of(job), out_type=str)
    found = translator.translate_batch([line + end for line in pieces] if end else pieces, **search)
    write(job, tgt.decode([result.hypotheses[0] for result in found]))


def by_length(job: dict[str, Any], translate: Callable[[Ids], Ids]) -> None:
    """Read, sort by length, cut into batches of so many tokens with their padding, translate, and write in order."""
    src, tgt = processors(job)
    sources = [[*ids, EOS] for ids in src.encode(lines_of(job))]
    budget = max(1, job["batch"] // job["beam_size"])
    found: list[list[int]] = [[] for _ in sources]
    batch: list[int] = []
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    for i in order:
        if batch and (len(batch) + 1) * len(sources[batch[0]]) > budget:
            _put(found, batch, translate([sources[j] for j in batch]))
            batch = []
        batch.append(i)
    if batch:
        _put(found, batch, translate([sources[j] for j in batch]))
    write(job, tgt.decode([[i for i in ids if i > EOS or i == 1] for ids in found]))


def _put(found: list[list[int]], rows: list[int], translated: Ids) -> None:
    for row, ids in zip(rows, translated):
        found[row] = ids


def dtype_of(job: dict[str, Any]) -> Any:
    import torch

    torch.set_num_threads(job["threads"][1])
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[job["precision"]]


def plain(job: dict[str, Any]) -> None:
    """The decoder of `translate_plain.py`."""
    dtype = dtype_of(job)
    from translate_plain import Plain

    model = Plain(Path(job["model"]), dtype)
    search = job["beam_size"], job["length_penalty"], job["longest"]
    by_length(job, lambda sources: model.translate(sources, *search))


def transformers(job: dict[str, Any]) -> None:
    """`generate` of the Pegasus classes, which are Transformers normalised before each sublayer, with our weights."""
    dtype = dtype_of(job)
    import torch
    from translate_convert import pegasus

    model = pegasus(Path(job["model"])).to(dtype).eval()
    options = {"max_new_tokens": job["longest"], "num_beams": job["beam_size"], "do_sample": False, "use_cache": True}
    if job["beam_size"] > 1:
        options |= {"length_penalty": job["length_penalty"], "early_stopping": True}

    @torch.inference_mode()
    def translate(sources: Ids) -> Ids:
        width = max(map(len, sources))
        ids = torch.tensor([line + [0] * (width - len(line)) for line in sources])
        found = model.generate(input_ids=ids, attention_mask=ids.ne(0).long(), **options)
        return [line[: line.index(EOS)] if EOS in line else line for line in found[:, 1:].tolist()]

    by_length(job, translate)


def eole(job: dict[str, Any]) -> None:
    """`eole predict`, called in this process, between SentencePiece and SentencePiece."""
    dtype_of(job)
    from eole.bin.main import main as eole_main

    src, tgt = processors(job)
    pieces, made = (Path(job["run"]) / f"{os.getpid()}.{name}" for name in ("src", "tgt"))
    pieces.write_text("".join(" ".join([*line, "</s>"]) + "\n" for line in src.encode(lines_of(job), out_type=str)))
    options = {"model_path": job["converted"], "src": pieces, "output": made, "beam_size": job["beam_size"]}
    options |= {"batch_type": "tokens", "batch_size": job["batch"], "max_length": job["longest"], "max_length_ratio": 0}
    options |= {"length_penalty": "avg", "alpha": job["length_penalty"], "gpu_ranks": None, "world_size": 0}
    options |= {"compute_dtype": {"float32": "fp32", "bfloat16": "bf16"}[job["precision"]]}
    words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    sys.argv = ["eole", "predict", *words]
    eole_main()
    lines = made.read_text(encoding="utf-8").split("\n")[:-1]
    write(job, [tgt.decode(line.split()) for line in lines])


TOOLS = {"ctranslate2": ctranslate2, "transformers": transformers, "eole": eole, "plain": plain}


def in_processes(job: dict[str, Any]) -> None:
    """Divide the lines among processes and put their translations together again."""
    lines, (workers, threads) = lines_of(job), job["threads"]
    jobs = []
    for i in range(workers):
        part = Path(job["run"]) / f"part-{i}"
        part.write_text("".join(line + "\n" for line in lines[i::workers]), encoding="utf-8")
        jobs.append({**job, "threads": [1, threads], "file": str(part), "out": f"{part}.out"})
        Path(f"{part}.json").write_text(json.dumps(jobs[-1]), encoding="utf-8")
    running = [subprocess.Popen([sys.executable, __file__, f"{each['file']}.json"]) for each in jobs]
    ended = [process.wait() for process in running]
    if any(ended):
        sys.exit("a worker failed")
    found = [""] * len(lines)
    for i, each in enumerate(jobs):
        found[i::workers] = Path(each["out"]).read_text(encoding="utf-8").split("\n")[:-1]
    write(job, found)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if job["tool"] != "ctranslate2" and job["threads"][0] > 1:
        in_processes(job)
    else:
        sys.path.append(str(Path(__file__).parent))
        TOOLS[job["tool"]](job)


if __name__ == "__main__":
    main()
