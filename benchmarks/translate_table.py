"""Medians, scores, ratios and the table of `translate.py`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

REFERENCE = "ctranslate2 translate_batch float32"
GROUPS: dict[
    str, str | tuple[str, ...]
] = {  # what the best of ours is compared with the best of; ours by the engine that is asked about
    "best ctranslate2 API": "ctranslate2 ",
    "best ctranslate2 API in float32": ("ctranslate2 translate_batch float32", "ctranslate2 translate_file float32"),
    "best transformers": "transformers ",
    "best eole": "eole ",
    "best plain": "plain ",
    "best pure torch": ("transformers ", "eole ", "plain "),
}


def read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def median_of(runs: list[dict[str, Any]], lines: int) -> dict[str, Any]:
    seconds = statistics.median(run["seconds"] for run in runs)
    processor = statistics.median(run["processor_seconds"] for run in runs)
    found = {"sentences_per_second": round(lines / seconds, 1), "seconds": round(seconds, 2)}
    found |= {"processor_seconds": round(processor, 2), "peak_mib": max(run["peak_mib"] for run in runs)}
    return {**found, "rounds": [run["seconds"] for run in runs]}


def scores(texts: dict[str, list[str]], reference: list[str]) -> dict[str, dict[str, Any]]:
    """Return BLEU and chrF of each translation, its lines, and the share of them that are the reference contender's."""
    from sacrebleu.metrics import BLEU, CHRF

    found = {}
    for name, text in texts.items():
        row: dict[str, Any] = {"lines": len(text)}
        if len(text) == len(reference):
            row["bleu"] = round(BLEU().corpus_score(text, [reference]).score, 2)
            row["chrf"] = round(CHRF().corpus_score(text, [reference]).score, 2)
        if REFERENCE in texts and len(text) == len(texts[REFERENCE]):
            row["equal"] = round(sum(a == b for a, b in zip(text, texts[REFERENCE])) / max(len(text), 1), 4)
        found[name] = row
    return found


def ratios(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return how many times as fast each of ours is as the best of each group."""
    speeds = {name: row["sentences_per_second"] for name, row in table.items() if "sentences_per_second" in row}
    best = {}
    for group, begins in GROUPS.items():
        if found := [speed for name, speed in speeds.items() if name.startswith(begins)]:
            best[group] = max(found)
    return {
        name: {group: round(speed / other, 3) for group, other in best.items()}
        for name, speed in speeds.items()
        if name.startswith("nlpcli")
    }


def show(title: str, table: dict[str, dict[str, Any]], compared: dict[str, dict[str, float]]) -> None:
    """Print a table and ratios."""
    columns = ["sentences_per_second", "processor_seconds", "peak_mib", "bleu", "chrf", "equal", "threads", "batch"]
    print(
        f"\n{title}\n{'':38}" + "".join(f"{name.replace('sentences_per_second', 'sentences/s')[:12]:>13}" for name in columns)
    )
    for name, row in table.items():
        cells = [row["failed"].splitlines()[-1][:80]] if "failed" in row else [str(row.get(column, "")) for column in columns]
        print(f"{name:38}" + "".join(f"{cell:>13}" for cell in cells))
    for name, found in compared.items():
        print(f"{name}: " + ", ".join(f"{ratio:.2f} × {group}" for group, ratio in found.items()), flush=True)
