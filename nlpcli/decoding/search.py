"""Beam search over the protocol `encode`, `start`, `step`, `reorder`; beam 1 is greedy search.

All sentences of a batch advance together, beams as rows. A sentence leaves the batch when `beam_size` of its
hypotheses have ended (first come, first served: Kasai et al. 2022, §2). Scores are log-probabilities divided by Wu et
al.'s length penalty ((5 + length) / 6)^α (2016, eq. 14).

Axes: b live sentence, k beam, n = b × k row, v vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD


class Hypothesis(NamedTuple):
    """One translation: its ids without EOS, its score (length-penalised), and whether the length limit cut it off."""

    ids: list[int]
    score: float
    cut: bool


@dataclass
class _Live:
    """The sentences still being translated; row n = b × beam_size + k."""

    sentences: list[int]
    limits_b: Tensor
    memory: Memory
    state: State
    scores_bk: Tensor
    tokens_nt: Tensor
    ended: dict[int, list[Hypothesis]]


@torch.inference_mode()
def beam_search(
    model: TranslationModel,
    src_bs: Tensor,
    src_lengths_b: Tensor,
    *,
    limits: list[int],
    beam_size: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """Translate a batch of sources (ids ending with EOS); return each one's hypotheses, the best first.

    Args:
        limits: the most tokens that each translation may have, EOS not counted.
        length_penalty: α; 0 compares plain log-probabilities.
    """
    live = _start(model, src_bs, src_lengths_b, limits, beam_size)
    length = 0
    while live.sentences:
        length += 1
        features, live.state = model.step(live.tokens_nt[:, -1], live.memory, live.state)
        scores, beams, tokens = _candidates(model.output(features), live.scores_bk)
        _end(live, scores, beams, tokens, length, length_penalty)
        rows = _advance(live, scores, beams, tokens)
        _cut(live, length, length_penalty)
        _retire(model, live, rows)
    return [sorted(live.ended[i], key=lambda h: -h.score)[:beam_size] for i in range(len(limits))]


def penalised(logprob: float, length: int, length_penalty: float) -> float:
    """Divide a log-probability by ((5 + length) / 6)^α; `length` counts the tokens with EOS."""
    return float(logprob / ((5 + length) / 6) ** length_penalty)


def _start(model: TranslationModel, src_bs: Tensor, lengths_b: Tensor, limits: list[int], beam_size: int) -> _Live:
    memory = model.encode(src_bs, lengths_b)
    scores = torch.full((len(limits), beam_size), float("-inf"), device=src_bs.device)
    scores[:, 0] = 0.0
    return _Live(
        sentences=list(range(len(limits))),
        limits_b=torch.tensor(limits),
        memory=memory,
        state=model.start(memory, beam_size),
        scores_bk=scores,
        tokens_nt=torch.full((scores.numel(), 1), BOS, device=src_bs.device),
        ended={i: [] for i in range(len(limits))},
    )


def _candidates(logits_nv: Tensor, scores_bk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the 2k best continuations of each sentence: scores, beam they continue, token; all [b, 2k]."""
    logits_nv[:, [PAD, BOS]] = float("-inf")
    logprobs = logits_nv.float().log_softmax(-1)
    sentences, beams = scores_bk.shape
    vocabulary = logprobs.size(-1)
    total = (scores_bk.reshape(-1, 1) + logprobs).view(sentences, beams * vocabulary)
    scores, flat = total.topk(min(2 * beams, total.size(1)), dim=1)
    return scores, flat // vocabulary, flat % vocabulary


def _end(live: _Live, scores: Tensor, beams: Tensor, tokens: Tensor, length: int, length_penalty: float) -> None:
    """Put aside the hypotheses that chose EOS, if it is among their sentence's k best continuations."""
    beam_size = live.scores_bk.size(1)
    ends = tokens[:, :beam_size].eq(EOS) & scores[:, :beam_size].isfinite()
    for b, column in ends.nonzero().tolist():
        row = b * beam_size + int(beams[b, column])
        score = penalised(float(scores[b, column]), length, length_penalty)
        live.ended[live.sentences[b]].append(Hypothesis(live.tokens_nt[row, 1:].tolist(), score, False))


def _advance(live: _Live, scores: Tensor, beams: Tensor, tokens: Tensor) -> Tensor:
    """Keep the k best continuations that go on; return the rows [n] that they continue."""
    sentences, beam_size = live.scores_bk.shape
    goes_on = tokens.ne(EOS)
    best = torch.argsort(goes_on.to(torch.uint8), dim=1, descending=True, stable=True)[:, :beam_size]
    live.scores_bk = scores.gather(1, best).masked_fill(~goes_on.gather(1, best), float("-inf"))
    first_rows = torch.arange(sentences, device=beams.device)[:, None] * beam_size
    rows = (first_rows + beams.gather(1, best)).flatten()
    live.tokens_nt = torch.cat([live.tokens_nt[rows], tokens.gather(1, best).reshape(-1, 1)], 1)
    return rows


def _cut(live: _Live, length: int, length_penalty: float) -> None:
    """End the hypotheses of sentences that have reached their limit, and say so in each."""
    beam_size = live.scores_bk.size(1)
    for b in (live.limits_b <= length).nonzero().flatten().tolist():
        ended = live.ended[live.sentences[b]]
        for k in range(beam_size - len(ended)):
            if live.scores_bk[b, k].isfinite():
                score = penalised(float(live.scores_bk[b, k]), length, length_penalty)
                ended.append(Hypothesis(live.tokens_nt[b * beam_size + k, 1:].tolist(), score, True))
        live.scores_bk[b] = float("-inf")


def _retire(model: TranslationModel, live: _Live, rows_n: Tensor) -> None:
    """Reorder the state to `rows_n` and let finished sentences leave the batch."""
    beam_size = live.scores_bk.size(1)
    open_beams = live.scores_bk.isfinite().any(1).tolist()
    stays = [b for b, i in enumerate(live.sentences) if len(live.ended[i]) < beam_size and open_beams[b]]
    if len(stays) < len(live.sentences):
        kept = torch.tensor(stays, dtype=torch.long, device=rows_n.device)
        kept_rows = (kept[:, None] * beam_size + torch.arange(beam_size, device=rows_n.device)).flatten()
        live.sentences = [live.sentences[b] for b in stays]
        live.limits_b = live.limits_b[kept.cpu()]
        live.memory = model.select(live.memory, kept)
        live.scores_bk, live.tokens_nt, rows_n = live.scores_bk[kept], live.tokens_nt[kept_rows], rows_n[kept_rows]
    live.state = model.reorder(live.state, rows_n)
