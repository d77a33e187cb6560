"""Search without beams: each row writes the token it chooses, the most probable one or a draw.

Axes: b live sentence, n live row (samples of a sentence side by side), t position, v vocabulary.
"""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor

from nlpcli.decoding.constraints import Constraints, only, places_of
from nlpcli.decoding.engine import Hypothesis, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.topk import best
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

Choose = Callable[[Tensor, Tensor, int], Tensor]  # log-probabilities [n, v], rows [n] and step → tokens [n]
LEAVE = 4  # sentences leave the batch when one in so many has ended: to copy the rest costs as much as some steps


def most_probable(logprobs_nv: Tensor, rows_n: Tensor, step: int) -> Tensor:
    """Choose greedily."""
    return best(logprobs_nv, 1)[1][:, 0]


@torch.inference_mode()
def write(
    model: TranslationModel,
    src_bs: Tensor,
    src_lengths_b: Tensor,
    request: Request,
    settings: SearchSettings,
    samples: int = 1,
    choose: Choose = most_probable,
) -> list[list[Hypothesis]]:
    """Translate sources (ids ending with EOS) token by token; return the samples of each, the best first."""
    device, sentences = src_bs.device, len(src_bs)
    limits_n = torch.tensor(request.limits, device=device).repeat_interleave(samples)
    memory = model.encode(src_bs, src_lengths_b)
    state = model.start(memory, samples)
    constraints = Constraints(request, settings, samples, device)
    written_nt = torch.full((sentences * samples, max(request.limits) + 1), PAD, device=device)
    written_nt[:, 0] = BOS
    scores_n = torch.zeros(len(written_nt), device=device)
    rows_n = torch.arange(len(written_nt), device=device)  # of the sentences that are still being translated
    open_n = torch.ones_like(rows_n, dtype=torch.bool)
    tokens_n = written_nt[:, 0]
    for length in range(1, max(request.limits) + 1):
        features, state = model.step(tokens_n, memory, state)
        logits_nv = model.output(features).float()
        spared = [] if (forced_n := constraints.forced(length)) is None else [places_of(forced_n)]
        history_nt = written_nt[rows_n, :length] if constraints.looks_back else written_nt
        constraints.ban(logits_nv, history_nt, spared)
        logprobs_nv = logits_nv.log_softmax(-1)
        for places in spared:
            only(logprobs_nv, places)
        tokens_n = choose(logprobs_nv, rows_n, length)
        scores_n[rows_n] += logprobs_nv.gather(1, tokens_n[:, None])[:, 0].masked_fill(~open_n, 0.0)
        written_nt[rows_n, length] = tokens_n.masked_fill(~open_n, PAD)
        open_n = open_n & tokens_n.ne(EOS) & (limits_n > length)
        open_bk = open_n.view(-1, samples).any(1)
        left = int(open_bk.sum())
        if not left:
            break
        if (len(open_bk) - left) * LEAVE >= len(open_bk):
            kept_b = open_bk.nonzero()[:, 0]
            kept_n = (kept_b[:, None] * samples + torch.arange(samples, device=device)).flatten()
            memory, state = model.select(memory, kept_b), model.reorder(state, kept_n)
            constraints.select(kept_b)
            rows_n, open_n, limits_n, tokens_n = rows_n[kept_n], open_n[kept_n], limits_n[kept_n], tokens_n[kept_n]
    found = [_hypothesis(*row, settings) for row in zip(written_nt[:, 1:].tolist(), scores_n.tolist())]
    return [sorted(found[i : i + samples], key=lambda h: -h.score) for i in range(0, len(found), samples)]


def _hypothesis(row: list[int], logprob: float, settings: SearchSettings) -> Hypothesis:
    length = row.index(PAD) if PAD in row else len(row)
    score = logprob / settings.length_norm(length)
    cut = row[length - 1] != EOS
    return Hypothesis(row[: length - (not cut)], score, cut)
