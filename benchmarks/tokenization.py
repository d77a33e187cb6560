"""`nlpcli tokenize dataset` from a text file to ids on disk, beside SentencePiece's own tools and HF tokenizers.

    python benchmarks/tokenize.py --text ko=korean.txt --text en=english.txt --out benchmarks/results/tokenize.json

Every figure is a whole process, from the command line to the ids on disk, so start-up, reading and writing are in it:

    nlpcli          nlpcli tokenize dataset (text checked, hashed and normalised; ids and offsets hashed and flushed)
    spm_encode      spm_encode --output_format=id < text > ids              (Debian: sentencepiece)
    batch           Python: lines → SentencePieceProcessor.encode(lines, num_threads=2) → numpy → two .npy files
    batch_encode    the call to encode in `batch` alone, timed inside the process: no start-up, no reading, no writing
    hf              Python: tokenizers' own BPE or unigram model of the same size → encode_batch on two threads → .npy

Rounds are interleaved, so that drift of the machine meets all alike. The ids of nlpcli, spm_encode and batch are compared.
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
import time
from pathlib import Path

import numpy as np

BATCH = """
import sys, time
import numpy as np
import sentencepiece
model, text, out = sys.argv[1:]
processor = sentencepiece.SentencePieceProcessor(model_file=model)
lines = open(text, encoding="utf-8", newline="\\n").read().split("\\n")[:-1]
started = time.perf_counter()
rows = processor.encode(lines, num_threads=2)
print(time.perf_counter() - started)
lengths = np.fromiter(map(len, rows), np.int64, len(rows))
np.save(out + ".offsets.npy", np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]))
np.save(out + ".npy", np.fromiter((i for row in rows for i in row), np.uint16, int(lengths.sum())))
"""
HF_TRAIN = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
kind, text, size, out = sys.argv[1:]
unigram = kind == "unigram"
tokenizer = Tokenizer(models.Unigram() if unigram else models.BPE(unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
special = {"unk_token": "<unk>"} if unigram else {}
trainer = (trainers.UnigramTrainer if unigram else trainers.BpeTrainer)(
    vocab_size=int(size), special_tokens=["<unk>"], show_progress=False, **special)
lines = open(text, encoding="utf-8", newline="\\n").read().split("\\n")[:100_000]
tokenizer.train_from_iterator(lines, trainer)
tokenizer.save(out)
"""
HF = """
import sys
import numpy as np
from tokenizers import Tokenizer
model, text, out = sys.argv[1:]
tokenizer = Tokenizer.from_file(model)
lines = open(text, encoding="utf-8", newline="\\n").read().split("\\n")[:-1]
rows = [row.ids for row in tokenizer.encode_batch_fast(lines, add_special_tokens=False)]
lengths = np.fromiter(map(len, rows), np.int64, len(rows))
np.save(out + ".offsets.npy", np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]))
np.save(out + ".npy", np.fromiter((i for row in rows for i in row), np.uint16, int(lengths.sum())))
"""


class Contest:
    """One text and one kind of vocabulary: trains the models, then runs each contestant once a round."""

    def __init__(self, language: str, text: Path, kind: str, size: int, folder: Path) -> None:
        self.language, self.text, self.kind, self.folder = language, text, kind, folder
        nlpcli = [sys.executable, "-m", "nlpcli", "tokenize"]
        data = ["--data", str(text), "--lang", language, "-q"]
        tokenizer = folder / "tokenizer"
        sample = ["--kind", kind, "--vocab-size", str(size), "--sample-lines", "100000"]
        subprocess.run([*nlpcli, "train", *data, *sample, "--out", str(tokenizer)], check=True, stdout=subprocess.DEVNULL)
        self.model = tokenizer / f"{language}.model"
        subprocess.run([sys.executable, "-c", HF_TRAIN, kind, str(text), str(size), str(folder / "hf.json")], check=True)
        self.dataset = [*nlpcli, "dataset", *data, "--tokenizer", str(tokenizer), "--out", str(folder / "ids"), "--force"]

    def round(self) -> dict[str, float]:
        """Run all once; return seconds."""
        found = {"nlpcli": self._timed(self.dataset)[0]}
        spm = ["spm_encode", f"--model={self.model}", "--output_format=id"]
        with self.text.open("rb") as source, (self.folder / "spm.ids").open("wb") as ids:
            started = time.perf_counter()
            subprocess.run(spm, stdin=source, stdout=ids, check=True)
            found["spm_encode"] = time.perf_counter() - started
        found["batch"], printed = self._timed(
            [sys.executable, "-c", BATCH, str(self.model), str(self.text), str(self.folder / "batch")]
        )
        found["batch_encode"] = float(printed)
        found["hf"], _ = self._timed(
            [sys.executable, "-c", HF, str(self.folder / "hf.json"), str(self.text), str(self.folder / "hf")]
        )
        return found

    def identical(self) -> bool:
        """Tell whether nlpcli, spm_encode and batch wrote the same ids and the same rows."""
        ids, offsets = (np.load(self.folder / "ids" / f"train.{self.language}{end}") for end in (".npy", ".offsets.npy"))
        same = np.array_equal(ids, np.load(self.folder / "batch.npy"))
        same = same and np.array_equal(offsets, np.load(self.folder / "batch.offsets.npy"))
        at = 0
        with (self.folder / "spm.ids").open(encoding="ascii") as lines:
            for row, line in enumerate(lines):
                words = np.array(line.split(), dtype=np.int64)
                if not np.array_equal(words, ids[at : at + len(words)]) or offsets[row + 1] - at != len(words):
                    return False
                at += len(words)
        return bool(same and at == len(ids))

    @staticmethod
    def _timed(command: list[str]) -> tuple[float, str]:
        environment = {**os.environ, "RAYON_NUM_THREADS": "2"}
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return time.perf_counter() - started, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="append", required=True, metavar="LANG=FILE")
    parser.add_argument("--kind", action="append", choices=["unigram", "bpe"])
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
    result: dict[str, object] = {"machine": machine, "repeat": arguments.repeat, "vocab_size": arguments.vocab_size}
    for language, _, name in (item.partition("=") for item in arguments.text):
        megabytes = Path(name).stat().st_size / 1e6
        for kind in arguments.kind or ["unigram", "bpe"]:
            with tempfile.TemporaryDirectory() as folder:
                contest = Contest(language, Path(name), kind, arguments.vocab_size, Path(folder))
                rounds = [contest.round() for _ in range(arguments.repeat)]
                seconds = {who: statistics.median(r[who] for r in rounds) for who in rounds[0]}
                result[f"{language} {kind}"] = {
                    "megabytes": round(megabytes, 1),
                    "megabytes_per_second": {who: round(megabytes / s, 2) for who, s in seconds.items()},
                    "nlpcli_times_as_fast_as": {
                        who: round(s / seconds["nlpcli"], 2) for who, s in seconds.items() if who != "nlpcli"
                    },
                    "ids_identical": contest.identical(),
                    "seconds": [{who: round(s, 3) for who, s in r.items()} for r in rounds],
                }
                print(f"{language} {kind}", json.dumps(result[f"{language} {kind}"]), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
