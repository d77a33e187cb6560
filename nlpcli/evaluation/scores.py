"""Scores and groups of lines; BLEU, chrF2 and TER by sacreBLEU, with the signatures that make them comparable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, Sequence

from nlpcli import console
from nlpcli.errors import UsageError

MetricName = Literal["BLEU", "chrF2", "TER"]
METRICS: tuple[MetricName, ...] = ("BLEU", "chrF2", "TER")
LONG = 300  # words of a line beyond which TER, which looks for parts to be moved, takes seconds
OF_TASK = {
    "translation": METRICS,
    "lm": ("perplexity", "word perplexity", "bits per character"),
    "classify": ("accuracy", "F1"),
}
BleuTokenizer = Literal["13a", "intl", "char", "none", "zh", "ja-mecab", "ko-mecab"]
LengthOf = Literal["reference", "source"]
OF_LANGUAGE: dict[str, BleuTokenizer] = {"ko": "ko-mecab", "ja": "ja-mecab", "zh": "zh"}  # the others: 13a
NEEDS = {"ko-mecab": ("mecab_ko", "sacrebleu[ko]"), "ja-mecab": ("MeCab", "sacrebleu[ja]")}
LOWER_IS_BETTER = {"TER", *OF_TASK["lm"]}


@dataclass(frozen=True)
class Score:
    """One metric's value (BLEU, chrF2, TER, accuracy and F1 from 0 to 100) and its signature, where it has one."""

    metric: str
    value: float
    signature: str = ""


@dataclass(frozen=True)
class Group:
    """Some lines and their scores: all of them, one domain's, one class's, or those of a certain length."""

    name: str
    lines: int
    scores: list[Score]

    def value(self, metric: str) -> float:
        return next(s.value for s in self.scores if s.metric == metric)


class Scorer:
    """Aligned lines, all or some of which sacreBLEU scores (Post 2018); TER's edits, which are slow to find, are found once."""

    def __init__(
        self,
        hypotheses: Sequence[str],
        references: Sequence[str],
        tokenizer: BleuTokenizer,
        metrics: Sequence[MetricName] = METRICS,
    ) -> None:
        self.hypotheses, self.references, self.tokenizer, self.metrics = hypotheses, references, tokenizer, metrics

    def score(self, rows: Sequence[int] | None = None) -> list[Score]:
        """Return the scores of some lines; of all if none are given."""
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF

        rows = range(len(self.references)) if rows is None else rows
        hypotheses, references = ([lines[i] for i in rows] for lines in (self.hypotheses, self.references))
        found = []
        for name in self.metrics:
            if name == "TER":
                found.append(self._ter(rows))
                continue
            # force: `looks_tokenized` says what it would, once
            metric: Any = CHRF() if name == "chrF2" else BLEU(tokenize=self.tokenizer, force=True)
            found.append(Score(name, metric.corpus_score(hypotheses, [references]).score, str(metric.get_signature())))
        return found

    def _ter(self, rows: Sequence[int]) -> Score:
        """Return the edits a word of the references, in per cent (Snover et al. 2006, §3); 100 if there are none to count."""
        counts, signature = self._edits_and_words
        edits, words = (sum(of) for of in zip(*(counts[i] for i in rows)))
        return Score("TER", 100 * (edits / words if words else float(edits > 0)), signature)

    @cached_property
    def _edits_and_words(self) -> tuple[list[tuple[int, float]], str]:
        from sacrebleu.metrics.ter import TER

        metric = TER()
        found = [metric.sentence_score(h, [r]) for h, r in zip(self.hypotheses, self.references)]
        return [(each.num_edits, each.ref_length) for each in found], str(metric.get_signature())


def score(
    hypotheses: Sequence[str], references: Sequence[str], tokenizer: BleuTokenizer, metrics: Sequence[MetricName] = METRICS
) -> list[Score]:
    """Return the scores of aligned lines."""
    return Scorer(hypotheses, references, tokenizer, metrics).score()


def choose_bleu_tokenizer(tgt: str, wanted: BleuTokenizer | Literal["auto"] = "auto") -> BleuTokenizer:
    """Return sacreBLEU's tokenizer for a target language; Korean falls back to characters without mecab-ko, and says so.

    Raises:
        UsageError: the one that is wanted needs a package that is not there.
    """
    found = wanted if wanted != "auto" else OF_LANGUAGE.get(tgt, "13a")
    module, package = NEEDS.get(found, ("", ""))
    if not module or find_spec(module):
        return found
    if wanted != "auto":
        raise UsageError(f"--bleu-tokenizer {wanted} needs a package that is not installed", fix=f"pip install '{package}'")
    console.detail(f"BLEU: {module} is not installed, so lines are scored by characters (pip install '{package}')")
    return "char"


def looks_tokenized(lines: Sequence[str]) -> bool:
    """Tell whether lines were cut into words: BLEU is for plain text, and cuts it itself."""
    return sum(line.endswith(" .") for line in lines) > max(10, len(lines) / 10)


class Scoring(NamedTuple):
    """How translations are scored: how BLEU cuts lines into words, by which metrics, and whose length groups them."""

    tokenizer: BleuTokenizer
    metrics: Sequence[MetricName] = METRICS
    length_of: LengthOf = "reference"


def by_length(lines: Sequence[str], unit: str = "words", edges: Sequence[int] = (10, 20)) -> dict[str, list[int]]:
    """Group rows by the number of words of their lines: 1-10, 11-20, 21+ for the edges (10, 20); empty groups are left out."""
    words = [len(line.split()) for line in lines]
    groups = {}
    for first, last in zip([1, *(e + 1 for e in edges)], [*edges, None]):
        label = f"{first}-{last} {unit}" if last else f"{first}+ {unit}"
        groups[label] = [i for i, n in enumerate(words) if n >= first and (last is None or n <= last)]
    return {label: rows for label, rows in groups.items() if rows}
