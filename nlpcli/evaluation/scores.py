"""Scores and groups of lines; BLEU, chrF2 and TER by sacreBLEU, with the signatures that make them comparable."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Callable, Sequence

from nlpcli import console

METRICS = ("BLEU", "chrF2", "TER")
OF_TASK = {
    "translation": METRICS,
    "lm": ("perplexity", "word perplexity", "bits per character"),
    "classify": ("accuracy", "F1"),
}
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


def score(hypotheses: Sequence[str], references: Sequence[str], tgt: str, metrics: Sequence[str] = METRICS) -> list[Score]:
    """Score aligned lines with sacreBLEU (Post 2018); `tgt` chooses BLEU's tokenizer."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    made: dict[str, Callable[[], Any]] = {"BLEU": lambda: BLEU(tokenize=bleu_tokenizer(tgt)), "chrF2": CHRF, "TER": TER}
    found = []
    for name in metrics:
        metric = made[name]()
        value = metric.corpus_score(list(hypotheses), [list(references)]).score
        found.append(Score(name, value, str(metric.get_signature())))
    return found


def bleu_tokenizer(tgt: str) -> str:
    """Return sacreBLEU's tokenizer for a target language; Korean falls back to characters without ko-mecab, and says so."""
    if tgt == "zh":
        return "zh"
    if tgt == "ko" and find_spec("mecab_ko") is None:
        console.detail("BLEU: mecab-ko is not installed, Korean is scored by characters (pip install 'sacrebleu[ko]')")
        return "char"
    if tgt == "ja" and find_spec("MeCab") is None:
        return "char"
    return {"ko": "ko-mecab", "ja": "ja-mecab"}.get(tgt, "13a")


def by_length(
    hypotheses: Sequence[str], references: Sequence[str], tgt: str, edges: Sequence[int] = (10, 20)
) -> dict[str, tuple[int, list[Score]]]:
    """Score lines grouped by their reference's number of words: 1-10, 11-20, 21+ for the edges (10, 20)."""
    starts, ends = [1, *(e + 1 for e in edges)], [*edges, None]
    groups: dict[str, tuple[int, list[Score]]] = {}
    for first, last in zip(starts, ends):
        words = [len(r.split()) for r in references]
        rows = [i for i, n in enumerate(words) if n >= first and (last is None or n <= last)]
        if rows:
            label = f"{first}-{last} words" if last else f"{first}+ words"
            groups[label] = len(rows), score([hypotheses[i] for i in rows], [references[i] for i in rows], tgt)
    return groups
