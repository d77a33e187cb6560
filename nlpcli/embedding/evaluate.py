"""`nlpcli embed evaluate`: how well vectors agree with people's judgement of similarity, and solve analogies.

Both numbers are worth something only with their coverage: what has no vector is left out, counted and listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import numpy as np

from nlpcli.embedding.query import BLOCK, offset
from nlpcli.embedding.sets import Judgement, Question, read_questions, read_similarities
from nlpcli.embedding.vectors import Embedding, directions
from nlpcli.errors import UsageError

ALL = "all"


@dataclass(frozen=True)
class Similarity:
    """Spearman's rank correlation (None below three pairs) over `covered` of `pairs`; `composed` words are no units."""

    file: str
    spearman: float | None
    pairs: int
    covered: int
    composed: int
    uncovered: list[tuple[str, str]]


@dataclass(frozen=True)
class Analogies:
    """Percent right of the `covered` questions of a section; None if there are none."""

    section: str
    accuracy: float | None
    questions: int
    covered: int


@dataclass(frozen=True)
class EvaluatedEmbedding:
    """What `embed evaluate` found. The first of `analogies` is over all sections."""

    similarity: Similarity | None
    analogies: list[Analogies]
    composed: int
    uncovered: list[str]


def evaluate_embedding(*, embeddings: Path, similarity: Path | None = None, analogy: Path | None = None) -> EvaluatedEmbedding:
    """Score vectors on a similarity set, an analogy set, or both.

    A word that is no unit is composed: cut as the training text was, it is the mean of its units if each of them has a
    vector, and FastText makes vectors from n-grams. Analogies are answered by 3CosAdd among all units and the composed
    words of the set; the three words of the question are no answers.

    Raises:
        UsageError: neither set is given.
        BadInput: a line is not two words and a number, or not four words.
    """
    if similarity is None and analogy is None:
        raise UsageError("nothing to evaluate", fix="add --similarity FILE, --analogy FILE, or both")
    embedding = Embedding.load(embeddings)
    pairs = _similarity(embedding, similarity, read_similarities(similarity)) if similarity else None
    if analogy is None:
        return EvaluatedEmbedding(pairs, [], 0, [])
    questions = read_questions(analogy)
    candidates = Candidates(embedding, (word for question in questions for word in question.words))
    return EvaluatedEmbedding(pairs, _analogies(candidates, questions), candidates.composed, candidates.unknown)


def _similarity(embedding: Embedding, path: Path, judgements: list[Judgement]) -> Similarity:
    from scipy.stats import spearmanr

    candidates = Candidates(embedding, (word for j in judgements for word in (j.a, j.b)), units=False)
    covered = [j for j in judgements if j.a in candidates.rows and j.b in candidates.rows]
    uncovered = [(j.a, j.b) for j in judgements if not (j.a in candidates.rows and j.b in candidates.rows)]
    spearman = None
    if len(covered) > 2:
        first, second = (
            candidates.directions[[candidates.rows[w] for w in side]] for side in zip(*((j.a, j.b) for j in covered))
        )
        cosines = np.einsum("nd,nd->n", first, second)
        value = float(spearmanr([j.score for j in covered], cosines).statistic)
        spearman = None if np.isnan(value) else round(value, 4)
    return Similarity(str(path), spearman, len(judgements), len(covered), candidates.composed, uncovered)


class Candidates:
    """Directions [n, dim] of a set's words, after those of all units: `rows` maps a word of the set to its row."""

    def __init__(self, embedding: Embedding, words: Iterable[str], *, units: bool = True) -> None:
        self.rows: dict[str, int] = {}
        self.unknown: list[str] = []
        self.composed = 0
        base = len(embedding.words) if units else 0
        added: list[np.ndarray] = []
        for word in dict.fromkeys(words):
            vector, composed = embedding.vector(word)
            if vector is None:
                self.unknown.append(word)
                continue
            self.composed += composed
            key = embedding.key(word)
            if units and key is not None:
                self.rows[word] = embedding.index[key]
            else:
                self.rows[word] = base + len(added)
                added.append(vector)
        more = directions(np.stack(added)) if added else np.empty((0, embedding.dim), np.float32)
        self.directions = np.concatenate([embedding.directions, more]) if units else more


def _analogies(candidates: Candidates, questions: list[Question]) -> list[Analogies]:
    covered = [q for q in questions if all(word in candidates.rows for word in q.words)]
    rows = np.array([[candidates.rows[word] for word in q.words] for q in covered], dtype=np.int64).reshape(-1, 4)
    right = np.concatenate([np.zeros(0, bool), *_right(candidates.directions, rows)])
    sections = np.array([q.section for q in covered])
    found = [_section(ALL, len(questions), right)]
    for name in dict.fromkeys(q.section for q in questions):
        found.append(_section(name, sum(q.section == name for q in questions), right[sections == name] if covered else right))
    return found


def _right(units: np.ndarray, rows: np.ndarray) -> Iterable[np.ndarray]:
    """Yield for blocks of questions [n, 4] whether each is answered rightly."""
    size = max(1, BLOCK // len(units))
    for start in range(0, len(rows), size):
        asked = rows[start : start + size]
        a, b, c = (units[asked[:, i]] for i in range(3))
        scores = offset(a, b, c) @ units.T  # [questions, candidates]
        np.put_along_axis(scores, asked[:, :3], -np.inf, axis=1)
        yield scores.argmax(axis=1) == asked[:, 3]


def _section(name: str, questions: int, right: np.ndarray) -> Analogies:
    accuracy = round(100 * float(right.mean()), 2) if len(right) else None
    return Analogies(name, accuracy, questions, len(right))
