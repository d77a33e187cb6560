"""Collect the scores that `pipelines/results.mk` has made into `results/published.json` and a table.

python benchmarks/published.py work/results
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "results" / "published.json"
ROWS: tuple[tuple[str, str, str, str, str, float], ...] = (  # name, scores, split, metric, what is published, its figure
    ("tinyshakespeare", "tinyshakespeare-scores", "valid", "perplexity", "nanoGPT's CPU setting, nats a character", 1.88),
    ("wikitext-2", "wikitext-2-scores", "test", "perplexity", "LSTM-200 tied (gluon-nlp)", 102.3),
    ("multi30k en-de transformer", "en-de-transformer-scores", "test", "BLEU", "Wu et al. 2021", 41.02),
    ("multi30k de-en seq2seq", "de-en-seq2seq-scores", "test", "BLEU", "GRU, Cho et al.'s context at every word", 20.6),
    ("multi30k de-en attention", "de-en-attention-scores", "test", "BLEU", "GRU with attention", 28.1),
    ("multi30k de-en transformer", "de-en-transformer-scores", "test", "BLEU", "Transformer", 36.5),
    ("nsmc rnn (Elman)", "nsmc-rnn-elman-scores", "test", "accuracy", "", 0.0),
    ("nsmc rnn (GRU)", "nsmc-rnn-gru-scores", "test", "accuracy", "", 0.0),
    ("nsmc rnn (LSTM)", "nsmc-rnn-lstm-scores", "test", "accuracy", "BiLSTM with Word2Vec: 83 to 86.5", 86.5),
    ("nsmc cnn", "nsmc-cnn-scores", "test", "accuracy", "TextCNN", 85.84),
    ("nsmc transformer", "nsmc-transformer-scores", "test", "accuracy", "self-attentive network", 86.37),
    ("nsmc, the best", "nsmc-rnn-best-scores", "test", "accuracy", "self-attentive network", 86.37),
    ("nsmc, the six together", "nsmc-together-scores", "test", "accuracy", "self-attentive network", 86.37),
    ("mr cnn, ten folds", "mr/fold-*/cnn-word-scores", "test", "accuracy", "Kim 2014, CNN-rand", 76.1),
    ("ko-en seq2seq", "ko-en/seq2seq-ladder", "test", "BLEU", "", 0.0),
    ("ko-en attention", "ko-en/attention-ladder", "test", "BLEU", "", 0.0),
    ("ko-en transformer", "ko-en/transformer-ladder", "test", "BLEU", "", 0.0),
)
NATS = ("tinyshakespeare",)  # scores published as the logarithm of the perplexity


def row(work: Path, name: str, pattern: str, split: str, metric: str, source: str, published: float) -> dict[str, Any] | None:
    """Return what is known of a result; None if it was not made."""
    found = sorted(work.glob(f"{pattern}/manifest.json"))
    if not found:
        return None
    manifests = [json.loads(path.read_text("utf-8")) for path in found]
    tables = [json.loads((path.parent / "scores.json").read_text("utf-8")) for path in found]
    values = [next(s["value"] for s in table[split][0]["scores"] if s["metric"] == metric) for table in tables]
    if name in NATS:
        import math

        values, metric = [math.log(value) for value in values], "nats"
    paths = [found[0].parent / made["path"] for made in manifests[0]["inputs"] if made["role"] == "model"]
    models = [json.loads((path / "manifest.json").read_text("utf-8")) for path in paths]
    groups = {group["name"]: round(group["scores"][0]["value"], 2) for group in tables[0][split][1:]} if "ko-en" in name else {}
    return {
        "split": split,
        "metric": metric,
        "value": round(statistics.fmean(values), 3),
        **({"of each": [round(value, 2) for value in values]} if len(values) > 1 else {}),
        **({"published": published, "by": source} if published else {}),
        **({"by group": groups} if groups else {}),
        "signature": next((s["signature"] for s in tables[0][split][0]["scores"] if s["metric"] == metric), ""),
        "parameters": sum(model["metrics"]["parameters"] for model in models),
        "steps": sum(model["metrics"]["steps"] for model in models),
        "minutes": round(sum(model["run"]["seconds"] for model in models) / 60, 1),
        "seed": models[0]["seed"],
    }


def main() -> None:
    """Write the file, keeping what it has of results that are not in this folder, and print the table."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(__doc__)
    kept = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {}
    made = {name: row(Path(sys.argv[1]), name, *rest) for name, *rest in ROWS}  # type: ignore[arg-type]
    results = {name: made[name] or kept.get(name) for name, *_ in ROWS}
    results = {name: result for name, result in results.items() if result}
    OUT.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print("| result | published | here |\n|---|---:|---:|")
    for name, result in results.items():
        print(f"| {name}, {result['metric']} | {result.get('published', '–')} | {result['value']:.2f} |")


if __name__ == "__main__":
    main()
