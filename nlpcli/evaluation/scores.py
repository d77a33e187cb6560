"""Scores and groups of lines; BLEU, chrF2 and TER by sacreBLEU, with the signatures that make them comparable."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Callable, Literal, NamedTuple, Sequence

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


def score(
    hypotheses: Sequence[str], references: Sequence[str], tokenizer: BleuTokenizer, metrics: Sequence[MetricName] = METRICS
) -> list[Score]:
    """Score aligned lines with sacreBLEU (Post 2018)."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    made: dict[str, Callable[[], Any]] = {"chrF2": CHRF, "TER": TER}
    made["BLEU"] = lambda: BLEU(tokenize=tokenizer, force=True)  # `looks_tokenized` says what it would, once
    found = []
    for name in metrics:
        metric = made[name]()
        value = metric.corpus_score(list(hypotheses), [list(references)]).score
        found.append(Score(name, value, str(metric.get_signature())))
    return found


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


def by_length(
    hypotheses: Sequence[str],
    references: Sequence[str],
    tokenizer: BleuTokenizer,
    metrics: Sequence[MetricName] = METRICS,
    edges: Sequence[int] = (10, 20),
    sources: Sequence[str] | None = None,
) -> dict[str, tuple[int, list[Score]]]:
    """Score lines grouped by their number of words: 1-10, 11-20, 21+ for the edges (10, 20); of the source, if sources are
    given, else of the reference."""
    starts, ends = [1, *(e + 1 for e in edges)], [*edges, None]
    words = [len(line.split()) for line in (references if sources is None else sources)]
    unit = "words" if sources is None else "source words"
    groups: dict[str, tuple[int, list[Score]]] = {}
    for first, last in zip(starts, ends):
        rows = [i for i, n in enumerate(words) if n >= first and (last is None or n <= last)]
        if rows:
            label = f"{first}-{last} {unit}" if last else f"{first}+ {unit}"
            groups[label] = len(rows), score([hypotheses[i] for i in rows], [references[i] for i in rows], tokenizer, metrics)
    return groups
