"""Beam search over the protocol `encode`, `start`, `step`, `reorder`.

All sentences of a batch advance together, beams as rows. What ends among a sentence's k best continuations is put aside
(`ended.py` says when that is enough), the k best of those that go on are the next beams. With `diverse_groups` the beams of
a sentence are divided into groups that search one after the other, each paying for tokens that others have just chosen
(Vijayakumar et al. 2018, §4).

Axes: b live sentence, u unit (b × group), k beam of a unit, n = u × k row, c continuation, v vocabulary, t position.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nlpcli.decoding.constraints import Constraints, Places, only, places_of
from nlpcli.decoding.ended import Ended
from nlpcli.decoding.engine import Hypothesis, Request
from nlpcli.decoding.penalties import covered
from nlpcli.decoding.required import REQUIRED_BEAM, Required, holds
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.topk import best
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

NEVER = float("-inf")
LEAVE = 8  # sentences leave the batch when one in so many has ended: to copy the rest costs as much as some steps
Continuations = tuple[Tensor, Tensor, Tensor]  # scores, beams that they continue, tokens; all [u, c], the best first


@torch.inference_mode()
def beam_search(
    model: TranslationModel, src_bs: Tensor, src_lengths_b: Tensor, request: Request, settings: SearchSettings
) -> list[list[Hypothesis]]:
    """Translate sources (ids ending with EOS); return the hypotheses of each, the best first, at most as many as beams.

    Required words are searched for with at least `REQUIRED_BEAM` beams. A coverage penalty needs a model that aligns.
    """
    search = _Search(model, src_bs, src_lengths_b, request, settings)
    for length in range(1, max(request.limits) + 1):
        search.step(length)
        if not search.units:
            break
    groups = range(search.groups)
    found = [search.ended.best([b * search.groups + g for g in groups]) for b in range(len(src_bs))]
    if settings.coverage_penalty:
        found = covered(model, src_bs, src_lengths_b, found, settings)
    if search.required:
        found = [sorted(each, key=lambda h: not holds(h.ids, words)) for each, words in zip(found, request.required)]
    return [hypotheses[: max(settings.beam_size, settings.n_best)] for hypotheses in found]


class _Search:
    """The sentences still being translated."""

    def __init__(self, model: TranslationModel, src_bs: Tensor, lengths_b: Tensor, request: Request, settings: SearchSettings):
        words = any(any(words) for words in request.required)
        beams = max(settings.beam_size, REQUIRED_BEAM) if words else settings.beam_size
        self.groups = 1 if words else settings.diverse_groups
        self.beams = beams // self.groups
        self.model, self.device, self.diversity = model, src_bs.device, settings.diversity
        self.memory = model.encode(src_bs, lengths_b)
        self.state = model.start(self.memory, beams)
        limits = [limit for limit in request.limits for _ in range(self.groups)]
        self.units = list(range(len(limits)))  # their numbers from the beginning
        self.limits_u = torch.tensor(limits, device=self.device)
        self.scores_uk = torch.full((len(limits), self.beams), NEVER, device=self.device)
        self.scores_uk[:, 0] = 0.0  # beams begin equal: one of them is enough
        self.tokens_nt = torch.full((self.scores_uk.numel(), 1), BOS, device=self.device)
        self.constraints = Constraints(request, settings, beams, self.device)
        self.required = Required(request.required, len(src_bs), beams) if words else None
        self.ended = Ended(limits, self.beams, settings)

    def step(self, length: int) -> None:
        """Write the `length`th token of all hypotheses."""
        features, self.state = self.model.step(self.tokens_nt[:, -1], self.memory, self.state)
        found = self._continuations(self.model.output(features).float(), length)
        self._put_aside(found, length)
        rows_n = self._go_on(found)
        self._close(length)
        if self.units:
            self._leave(rows_n)

    def _continuations(self, logits_nv: Tensor, length: int) -> Continuations:
        spared: list[Places] = []
        if (forced_n := self.constraints.forced(length)) is not None:
            spared.append(places_of(forced_n))
        if self.required:
            spared.append(self.required.wanted(self.device))
        self.constraints.ban(logits_nv, self.tokens_nt, spared)
        if self.required:
            self.required.forbid_end(logits_nv, spared[-1])
        logprobs_nv = logits_nv.log_softmax(-1)
        if forced_n is not None:
            only(logprobs_nv, spared[0])
        if self.groups > 1:
            return self._diverse(logprobs_nv)
        found, tokens_nw = continuations(logprobs_nv, self.scores_uk)
        if self.required:
            self.required.order(found, logprobs_nv, self.scores_uk, tokens_nw, spared[-1])
        return found

    def _diverse(self, logprobs_nv: Tensor) -> Continuations:
        """Search group by group; what is paid for tokens decides what goes on, but does not stay in the scores."""
        k, v = self.beams, logprobs_nv.size(1)
        logprobs_bgkv = logprobs_nv.view(-1, self.groups, k, v)
        scores_bgk = self.scores_uk.view(-1, self.groups, k)
        chosen_bc = self.tokens_nt.new_empty(len(scores_bgk), 0)
        groups = []
        for g in range(self.groups):
            own_bkv, cost_bc = logprobs_bgkv[:, g], torch.full(chosen_bc.shape, -self.diversity, device=self.device)
            told_bkv = own_bkv.scatter_add(2, chosen_bc[:, None].expand(-1, k, -1), cost_bc[:, None].expand(-1, k, -1))
            (_, beams, tokens), _ = continuations(told_bkv.reshape(-1, v), scores_bgk[:, g])
            scores = scores_bgk[:, g].gather(1, beams) + own_bkv.flatten(1).gather(1, beams * v + tokens)
            groups.append((scores, beams, tokens))
            real = tokens.masked_fill(scores.isinf(), PAD)
            ending = real[:, :k].masked_fill(real[:, :k].ne(EOS), PAD)
            going_on = real.gather(1, best_going_on(tokens, k))
            chosen_bc = torch.cat([chosen_bc, ending, going_on], 1)
        stacked = (torch.stack(parts, 1).flatten(0, 1) for parts in zip(*groups))
        return next(stacked), next(stacked), next(stacked)

    def _put_aside(self, found: Continuations, length: int) -> None:
        """Put aside what ends among the k best continuations; at the limit, all of these end."""
        scores, beams, tokens = (part[:, : self.beams] for part in found)
        ends_uk = (tokens.eq(EOS) | self.limits_u.le(length)[:, None]) & scores.isfinite()
        units, columns = ends_uk.nonzero(as_tuple=True)
        if not len(units):
            return
        before = self.tokens_nt[units * self.beams + beams[units, columns], 1:].tolist()
        lasts, values = tokens[units, columns].tolist(), scores[units, columns].tolist()
        for unit, column, ids, last, score in zip(units.tolist(), columns.tolist(), before, lasts, values):
            cut = last != EOS
            self.ended.add(self.units[unit], [*ids, last] if cut else ids, score, length, cut, leads=column == 0)

    def _go_on(self, found: Continuations) -> Tensor:
        """Keep the k best continuations that go on; return the rows [n] that they continue."""
        scores, beams, tokens = found
        going_on = best_going_on(tokens, self.beams)
        beams_uk, tokens_uk = beams.gather(1, going_on), tokens.gather(1, going_on)
        self.scores_uk = scores.gather(1, going_on).masked_fill(tokens_uk.eq(EOS), NEVER)
        if self.required:
            self.required.advance(beams_uk, tokens_uk)
        rows_n = (torch.arange(len(beams), device=self.device)[:, None] * self.beams + beams_uk).flatten()
        self.tokens_nt = torch.cat([self.tokens_nt[rows_n], tokens_uk.reshape(-1, 1)], 1)
        return rows_n

    def _close(self, length: int) -> None:
        """Let no hypothesis live of units whose search is over."""
        best_live = self.scores_uk.amax(1).masked_fill(self.limits_u <= length, NEVER).tolist()
        over = [self.ended.over(unit, score) for unit, score in zip(self.units, best_live)]
        if all(over):
            self.units = []
        elif any(over):
            self.scores_uk[torch.tensor(over, device=self.device)] = NEVER

    def _leave(self, rows_n: Tensor) -> None:
        """Reorder the state, and let sentences leave that are over, if they are many."""
        open_b = self.scores_uk.view(-1, self.groups * self.beams).isfinite().any(1)
        kept = open_b.nonzero()[:, 0].tolist()
        if (len(open_b) - len(kept)) * LEAVE >= len(open_b):
            kept_b = torch.tensor(kept, device=self.device)
            kept_u, kept_n = _members(kept_b, self.groups), _members(kept_b, self.groups * self.beams)
            self.units = [self.units[u] for u in kept_u.tolist()]
            self.limits_u, self.scores_uk = self.limits_u[kept_u], self.scores_uk[kept_u]
            self.tokens_nt, rows_n = self.tokens_nt[kept_n], rows_n[kept_n]
            self.memory = self.model.select(self.memory, kept_b)
            self.constraints.select(kept_b)
            if self.required:
                self.required.select(kept)
        self.state = self.model.reorder(self.state, rows_n)


def continuations(logprobs_nv: Tensor, scores_uk: Tensor) -> tuple[Continuations, Tensor]:
    """Return the 2k best continuations of each unit (k of them at least go on), and the best tokens of each row."""
    units, k = scores_uk.shape
    values_nw, tokens_nw = best(logprobs_nv, 2 * k)
    width = tokens_nw.size(1)
    totals = (scores_uk.reshape(-1, 1) + values_nw).view(units, k * width)
    scores, flat = totals.topk(min(2 * k, k * width), dim=1)
    return (scores, flat // width, tokens_nw.view(units, -1).gather(1, flat)), tokens_nw


def best_going_on(tokens_uc: Tensor, k: int) -> Tensor:
    """Return the columns of each unit's k best continuations that do not end it; too few are filled up by ends."""
    return torch.argsort(tokens_uc.eq(EOS).byte(), dim=1, stable=True)[:, :k]


def _members(numbers: Tensor, size: int) -> Tensor:
    """Return the rows of groups of a size that have the given numbers."""
    return (numbers[:, None] * size + torch.arange(size, device=numbers.device)).flatten()
