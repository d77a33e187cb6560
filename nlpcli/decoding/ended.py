"""The hypotheses of a beam search that have ended, and when a search is over.

A unit is what is searched on its own: a sentence, or one of its diverse groups.
"""

from __future__ import annotations

from nlpcli.decoding.engine import Hypothesis, Ids
from nlpcli.decoding.settings import SearchSettings

NEVER = float("-inf")


class Ended:
    """Ended hypotheses of each unit.

    Args:
        limits: the most tokens of each unit's hypotheses.
        beams: beams of a unit.
    """

    def __init__(self, limits: list[int], beams: int, settings: SearchSettings) -> None:
        s = settings
        self.beams, self.kept, self.settings = beams, min(s.n_best, beams), s
        self.found: list[list[Hypothesis]] = [[] for _ in limits]
        # whatever a live hypothesis still writes, its log-probability falls and is divided by no more than this
        self.most = [s.length_norm(limit) for limit in limits]
        self.led = [False] * len(limits)
        self.plain = s.length_penalty == 0 and s.coverage_penalty == 0

    def add(self, unit: int, ids: Ids, logprob: float, length: int, cut: bool, leads: bool) -> None:
        """Put a hypothesis aside; `length` counts its tokens with EOS, and no live one is better if it `leads`."""
        self.led[unit] |= leads
        score = logprob / self.settings.length_norm(length)
        self.found[unit].append(Hypothesis(ids, score, cut))

    def over(self, unit: int, best_live: float) -> bool:
        """Tell whether the search for a unit is over, whose best live hypothesis has this log-probability.

        "first": as many hypotheses as beams have ended (first come, first served: Kasai et al. 2022, §2); where scores are
        plain log-probabilities, which only fall, enough of them have, and one when it was better than all live ones. Both as
        in CTranslate2. "best": the best live one could not come up with the worst of those to be returned, however it went on.
        """
        found = self.found[unit]
        if not best_live > NEVER:
            return True
        if self.settings.stop == "first":
            return self.led[unit] and len(found) >= self.kept if self.plain else len(found) >= self.beams
        if len(found) < self.kept:
            return False
        worst = sorted((h.score for h in found), reverse=True)[self.kept - 1]
        return best_live / self.most[unit] <= worst

    def best(self, units: list[int]) -> list[Hypothesis]:
        """Return the best hypotheses of some units together, at most as many as these have beams."""
        found = [hypothesis for unit in units for hypothesis in self.found[unit]]
        return sorted(found, key=lambda h: -h.score)[: self.beams * len(units)]
