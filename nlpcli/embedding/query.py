"""`nlpcli embed nearest` and `analogy`: units by the cosine of their vectors."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Iterable, Sequence

import msgspec
import numpy as np

from nlpcli import console
from nlpcli.corpus.readers import read_lines
from nlpcli.embedding.vectors import Embedding, directions
from nlpcli.errors import BadInput, UsageError

SMALLEST_DIVISOR = 1e-6
BLOCK = 1 << 24  # similarities held at a time
CHUNK = 100  # lines of stdin answered together
MOST_LOOKED_AT = 2_000  # words compared letter by letter for a suggestion


@dataclass(frozen=True)
class Neighbour:
    """A unit near the one asked for: the cosine of the angle between them, and how often it stood in the text."""

    word: str
    similarity: float
    count: int


@dataclass(frozen=True)
class Neighbours:
    """The answer for one word. `composed`: it is no unit itself; without a vector there are only `suggestions`."""

    word: str
    composed: bool
    neighbours: list[Neighbour]
    suggestions: list[str]


def nearest(*, embeddings: Path, words: Sequence[str] | None = None, top: int = 10) -> list[Neighbours]:
    """Find the `top` units nearest to each word, by the cosine of their vectors.

    Args:
        words: if not given, each line of stdin is answered on stdout by a JSON object with the fields of `Neighbours`,
            and nothing is returned.

    Raises:
        BadInput: a word has no vector (the nearest spellings are given).
        UsageError: `top` is not positive.
    """
    embedding = Embedding.load(embeddings)
    if words is None:
        lines = read_lines(Path("-"))
        while chunk := list(islice(lines, CHUNK)):
            console.write_out(msgspec.json.encode(answer).decode() for answer in nearest_in(embedding, chunk, top))
        return []
    answers = nearest_in(embedding, words, top)
    if missing := [answer.word for answer in answers if not answer.neighbours]:
        raise unknown_words(embedding, missing)
    return answers


def analogy(*, embeddings: Path, a: str, b: str, c: str, top: int = 10, cosmul: bool = False) -> list[Neighbour]:
    """Find what is to `c` as `b` is to `a`; the three themselves are no answers.

    Args:
        cosmul: rank by products of similarities (3CosMul; Levy & Goldberg 2014, equation 4) instead of their sum
            (3CosAdd; Mikolov et al. 2013). The numbers are then no cosines.

    Raises:
        BadInput: a word has no vector (the nearest spellings are given).
    """
    embedding = Embedding.load(embeddings)
    found = [embedding.vector(word)[0] for word in (a, b, c)]
    missing = [word for word, vector in zip((a, b, c), found) if vector is None]
    if missing:
        raise unknown_words(embedding, missing)
    asked = directions(np.stack([vector for vector in found if vector is not None]))
    scores = (
        cosmul_scores(embedding.directions, *asked) if cosmul else embedding.directions @ directions(offset(*asked)[None])[0]
    )
    for word in (a, b, c):
        if (key := embedding.key(word)) is not None:
            scores[embedding.index[key]] = -np.inf
    return _best(embedding, scores, _positive(top))


def offset(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return b - a + c for directions [..., dim], the point that 3CosAdd looks near."""
    point: np.ndarray = b - a + c
    return point


def cosmul_scores(units: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return 3CosMul's scores [vocab] for directions [dim]; cosines are moved to 0…1 so that products keep their sense."""
    near_a, near_b, near_c = ((1 + units @ vector) / 2 for vector in (a, b, c))
    scores: np.ndarray = near_b * near_c / (near_a + SMALLEST_DIVISOR)
    return scores


def nearest_in(embedding: Embedding, words: Sequence[str], top: int) -> list[Neighbours]:
    """Find the neighbours of words in an opened embedding, many words at a time."""
    top = _positive(top)
    rows = max(1, BLOCK // max(len(embedding.words), 1))
    return [answer for i in range(0, len(words), rows) for answer in _nearest(embedding, words[i : i + rows], top)]


def _nearest(embedding: Embedding, words: Sequence[str], top: int) -> Iterable[Neighbours]:
    found = [embedding.vector(word) for word in words]
    asked = np.stack([np.zeros(embedding.dim, np.float32) if vector is None else vector for vector, _ in found])
    similarities = directions(asked) @ embedding.directions.T  # [words, vocab]
    for word, (vector, composed), row in zip(words, found, similarities):
        if vector is None:
            yield Neighbours(word, False, [], suggestions(embedding, word))
            continue
        if (key := embedding.key(word)) is not None:
            row[embedding.index[key]] = -np.inf
        yield Neighbours(word, composed, _best(embedding, row, top), [])


def _best(embedding: Embedding, scores: np.ndarray, top: int) -> list[Neighbour]:
    top = min(top, len(scores))
    best = np.argpartition(-scores, top - 1)[:top]
    best = best[np.lexsort((best, -scores[best]))]
    return [
        Neighbour(embedding.words[i], round(float(scores[i]), 6), int(embedding.counts[i])) for i in best if scores[i] > -np.inf
    ]


def suggestions(embedding: Embedding, word: str) -> list[str]:
    """Return up to three units spelt like `word`, compared by jamo so that 학꾜 finds 학교."""
    if not word:
        return []
    alike = [u for u in embedding.words if abs(len(u) - len(word)) < 2 and (u[:1] == word[0] or u[-1:] == word[-1])]
    spelt = {unicodedata.normalize("NFD", unit): unit for unit in alike[:MOST_LOOKED_AT]}
    return [spelt[near] for near in get_close_matches(unicodedata.normalize("NFD", word), list(spelt), n=3, cutoff=0.6)]


def unknown_words(embedding: Embedding, words: Sequence[str]) -> BadInput:
    """Return the error for words without a vector, with units spelt like them."""
    near = list(dict.fromkeys(unit for word in words for unit in suggestions(embedding, word)))
    return BadInput(
        f"{embedding.artifact.path} has no vector for {', '.join(words)}",
        cause=f"{'they do' if len(words) > 1 else 'it does'} not stand in the text often enough",
        fix=f"did you mean {', '.join(near)}?" if near else "FastText has vectors for words never seen: --model fasttext",
    )


def _positive(top: int) -> int:
    if top < 1:
        raise UsageError(f"--top {top} is not positive", fix="ask for one neighbour at least")
    return top
