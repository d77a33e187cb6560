"""What a check has found so far: counts, the first places, a few examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from nlpcli.corpus.kinds import Kind
from nlpcli.corpus.rules import RULES, Severity

WIDTH = 80  # characters of an example


@dataclass(frozen=True)
class Place:
    """A line of a file (0: the file as a whole), and an excerpt of what stands there."""

    file: str
    line: int
    example: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Finding:
    """One rule that is broken: how often, in which files and splits, where first, and what to do."""

    rule: str
    severity: Severity
    count: int
    files: dict[str, int]
    splits: dict[str, int]
    where: list[str]
    examples: list[str]
    meaning: str
    advice: str


class Findings:
    """Takes in broken rules as they are met.

    Args:
        places: how many line numbers to keep a rule.
        examples: how many excerpts.
    """

    def __init__(self, places: int, examples: int) -> None:
        self.limits = places, examples
        self.files: dict[str, Counter[str]] = {}
        self.splits: dict[str, Counter[str]] = {}
        self.places: dict[str, list[Place]] = {}
        self.remarks: dict[str, list[str]] = {}

    def needed(self, rule: str) -> int:
        """Tell how many more places of a rule are worth looking up."""
        return max(*self.limits) - len(self.places.get(rule, []))

    def add(self, rule: str, split: str, file: str, count: int, places: list[Place]) -> None:
        """Take in so many hits in one file, and the first of them."""
        self.files.setdefault(rule, Counter())[file] += count
        self.splits.setdefault(rule, Counter())[split] += count
        kept = self.places.setdefault(rule, [])
        kept += places[: self.needed(rule)]

    def explain(self, rule: str, remark: str) -> None:
        """Add to what a finding means."""
        remarks = self.remarks.setdefault(rule, [])
        if remark not in remarks:
            remarks.append(remark)

    def all(self, kind: Kind, rows: dict[str, int]) -> list[Finding]:
        """Return the findings, problems first.

        Args:
            rows: of each split.
        """
        found = [self._finding(rule, kind, rows) for rule in RULES if self.files.get(rule)]
        return sorted(found, key=lambda finding: finding.severity == "note")

    def _finding(self, rule: str, kind: Kind, rows: dict[str, int]) -> Finding:
        splits = self.splits[rule]
        severities = {RULES[rule].severity(kind, split, count / max(rows.get(split, 0), 1)) for split, count in splits.items()}
        remarks = "; ".join(self.remarks.get(rule, [])[: self.limits[0]])
        places, examples = self.limits
        return Finding(
            rule,
            "problem" if "problem" in severities else "note",
            splits.total(),
            dict(self.files[rule]),
            dict(splits),
            [str(found) for found in self.places[rule][:places]],
            [found.example for found in self.places[rule][:examples]],
            RULES[rule].meaning + (f" ({remarks})" if remarks else ""),
            RULES[rule].advice_for(kind),
        )


def excerpt(text: str, at: int) -> str:
    """Return some characters of a text around a place; those that do not print are escaped, so none reaches the terminal."""
    start = max(at - WIDTH // 4, 0)
    cut = text[start : start + WIDTH]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return ("…" if start else "") + cut + ("…" if start + WIDTH < len(text) else "")
