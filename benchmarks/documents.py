"""Collect what `pipelines/documents.mk` has made into `results/documents.json` and a table.

python benchmarks/documents.py work/documents
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nlpcli.evaluation.evaluate import evaluate

OUT = Path(__file__).parent / "results" / "documents.json"


def row(work: Path, model: str, hyp: Path, told: Path | None = None) -> dict[str, Any]:
    """Return the scores of what a model wrote, on whole documents, what was told of its lines, and how it was trained."""
    scores = evaluate(hyp=hyp, ref=work / "test-whole" / "test.en", metrics=("BLEU", "chrF2")).splits["lines"][0]
    made = json.loads((work / model / "manifest.json").read_text("utf-8"))
    issues = [json.loads(line)["issue"] for line in told.read_text("utf-8").splitlines()] if told else []
    metrics = made["metrics"]
    return {
        "documents": scores.lines,
        **{score.metric: round(score.value, 2) for score in scores.scores},
        "signatures": [score.signature for score in scores.scores],
        "issues": {issue: issues.count(issue) for issue in sorted(set(issues))},
        "minutes": round(made["run"]["seconds"] / 60, 1),
        **{key: round(metrics[key], 3) for key in ("steps", "epochs", "valid_loss") if key in metrics},
        "target tokens a second": round(made["run"]["tokens_per_second"]),
    }


def main() -> None:
    """Write the file and print the table."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(__doc__)
    work = Path(sys.argv[1])
    names = [path.name.removesuffix("-translated") for path in sorted(work.glob("*-translated"))]
    results = {
        name: row(work, name.removesuffix("-512"), work / f"{name}-whole/test.en", work / f"{name}-translated/issues.jsonl")
        for name in names
    }
    if (work / "one-row").is_dir():
        results["documents, each in one row"] = row(work, "documents", work / "one-row" / "test.hyp")
    OUT.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print("| | passes | BLEU | chrF2 |\n|---|---:|---:|---:|")
    for name, found in results.items():
        print(f"| {name} | {found['epochs']:.1f} | {found['BLEU']:.1f} | {found['chrF2']:.1f} |")


if __name__ == "__main__":
    main()
