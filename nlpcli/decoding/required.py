"""Words that must stand in a translation: lexically constrained search with dynamic beam allocation.

After Post & Vilar (2018). A hypothesis is worth as much as it has tokens of its words; hypotheses worth the same make a
bank, and the beams are shared out among the banks, so that those which have more words, and pay for it, are not crowded
out. The end may be written when all words stand. Any number of beams gets there, as the richest bank always has a beam and
always goes on; with few, the words come early, so the search has at least `REQUIRED_BEAM` of them.

A word's place is followed by the automaton of Knuth, Morris & Pratt: a word broken off half-way counts for what still is
the beginning of one.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import NamedTuple, Sequence

import torch
from torch import Tensor

from nlpcli.decoding.constraints import Places
from nlpcli.decoding.engine import Ids
from nlpcli.tokenization.tokenizer import EOS

REQUIRED_BEAM = 8
TRIED = 3  # each hypothesis tries so many of its own best tokens, besides those that are best in all
Progress = tuple[tuple[int, int], ...]  # of each word: how often it is still to come, how many of its tokens have just come


class Word(NamedTuple):
    """A word's ids; after how many of them to go on looking when one does not fit; and how often it is required."""

    ids: tuple[int, ...]
    fallback: tuple[int, ...]
    times: int

    @classmethod
    def of(cls, ids: tuple[int, ...], times: int) -> Word:
        fallback = [0] * len(ids)
        for i in range(1, len(ids)):
            at = fallback[i - 1]
            while at and ids[at] != ids[i]:
                at = fallback[at - 1]
            fallback[i] = at + (ids[at] == ids[i])
        return cls(ids, tuple(fallback), times)

    def follow(self, left: int, at: int, token: int) -> tuple[int, int]:
        """Return what is left to come, and what has just come, after one token more."""
        if not left:
            return 0, 0
        while at and self.ids[at] != token:
            at = self.fallback[at - 1]
        at += self.ids[at] == token
        return (left - 1, 0) if at == len(self.ids) else (left, at)


class Required:
    """The words of live sentences, and how far each of their hypotheses has come; row n = b × beams + k."""

    def __init__(self, required: Sequence[Sequence[Ids]], sentences: int, beams: int) -> None:
        wanted = list(required) or [[]] * sentences
        self.beams = beams
        self.words = [[Word.of(ids, n) for ids, n in Counter(tuple(w) for w in words if w).items()] for words in wanted]
        self.progress: list[list[Progress]] = [[tuple((w.times, 0) for w in words)] * beams for words in self.words]

    def wanted(self, device: torch.device) -> Places:
        """Return the tokens that would bring each row further."""
        places = [
            (b * self.beams + k, word.ids[at])
            for b, words in enumerate(self.words)
            for k, progress in enumerate(self.progress[b])
            for word, (left, at) in zip(words, progress)
            if left
        ]
        rows, tokens = torch.tensor(places or [(0, 0)], device=device)[: len(places)].T.unbind()
        return rows, tokens

    def forbid_end(self, logits_nv: Tensor, places: Places) -> None:
        """Ban the end, in place, of rows that have words to come."""
        logits_nv[places[0], EOS] = float("-inf")

    def order(
        self, found: tuple[Tensor, ...], logprobs_nv: Tensor, scores_bk: Tensor, tokens_nw: Tensor, places: Places
    ) -> None:
        """Put the best continuations of sentences with words in the order in which banks get beams, in place.

        Args:
            found: scores, beams and tokens of the best continuations of all sentences, [b, c].
            tokens_nw: the best tokens of each row.
            places: what `wanted` returned.
        """
        tried_nw = tokens_nw[:, :TRIED]
        totals_nw = scores_bk.reshape(-1, 1) + logprobs_nv.gather(1, tried_nw)
        further = (scores_bk.flatten()[places[0]] + logprobs_nv[places]).tolist()
        own: list[dict[tuple[int, int], float]] = [{} for _ in self.words]
        for row, (totals, tokens) in enumerate(zip(totals_nw.tolist(), tried_nw.tolist())):
            b, k = divmod(row, self.beams)
            own[b].update({(k, token): total for token, total in zip(tokens, totals)} if self.words[b] else {})
        for row, token, total in zip(places[0].tolist(), places[1].tolist(), further):
            b, k = divmod(row, self.beams)
            own[b][k, token] = total
        for b, words in enumerate(self.words):
            if words:
                best = zip(found[1][b].tolist(), found[2][b].tolist(), found[0][b].tolist())
                own[b].update({(k, token): total for k, token, total in best})
                ordered = self._shared_out(b, own[b])[: found[0].size(1)]
                missing = found[0].size(1) - len(ordered)
                rows = zip(*ordered, *[(float("-inf"), 0, EOS)] * missing)
                for tensor, values in zip(found, rows):
                    tensor[b] = torch.tensor(values, device=tensor.device, dtype=tensor.dtype)

    def _shared_out(self, b: int, continuations: dict[tuple[int, int], float]) -> list[tuple[float, int, int]]:
        """Take turns among the banks, the richest first: of each its best, then of each its second best, and so on."""
        banks: dict[int, list[tuple[float, int, int]]] = {}
        for (k, token), total in continuations.items():
            if total > float("-inf"):
                banks.setdefault(self._worth(b, self._after(b, k, token)), []).append((total, k, token))
        ranked = [sorted(banks[worth], key=lambda c: -c[0]) for worth in sorted(banks, reverse=True)]
        return [one for turn in zip_longest(*ranked) for one in turn if one is not None]

    def advance(self, beams_bk: Tensor, tokens_bk: Tensor) -> None:
        """Follow each sentence's hypotheses: which beams they continue, and with what."""
        beams, tokens = beams_bk.tolist(), tokens_bk.tolist()
        self.progress = [
            [self._after(b, k, token) for k, token in zip(beams[b], tokens[b])] if words else self.progress[b]
            for b, words in enumerate(self.words)
        ]

    def select(self, kept: list[int]) -> None:
        """Keep the given sentences."""
        self.words, self.progress = [self.words[b] for b in kept], [self.progress[b] for b in kept]

    def _after(self, b: int, k: int, token: int) -> Progress:
        return tuple(word.follow(*come, token) for word, come in zip(self.words[b], self.progress[b][k]))

    def _worth(self, b: int, progress: Progress) -> int:
        """Return how many tokens of its words a hypothesis has; of words begun, the longest beginning counts."""
        missing = sum(left * len(word.ids) for word, (left, _) in zip(self.words[b], progress))
        return max((at for left, at in progress if left), default=0) - missing


def holds(ids: Ids, words: Sequence[Ids]) -> bool:
    """Tell whether ids hold all words, one that is required twice twice."""
    wanted = [Word.of(word, times) for word, times in Counter(tuple(w) for w in words if w).items()]
    come = [(word.times, 0) for word in wanted]
    for token in ids:
        come = [word.follow(*c, token) for word, c in zip(wanted, come)]
    return not any(left for left, _ in come)
