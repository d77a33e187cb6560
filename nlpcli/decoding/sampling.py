"""Tokens by chance: which ones may be drawn, and draws that depend on nothing but the seed and the sentence.

Axes: n row, v vocabulary, k candidate.
"""

from __future__ import annotations

import hashlib
from typing import Sequence

import numpy as np
import torch
from torch import Tensor

from nlpcli.decoding.engine import Ids
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.topk import best
from nlpcli.kernels.philox import philox

NEVER = float("-inf")
CANDIDATES = 16  # tokens that get a random number of their own; the others get one together
NUCLEI = 32, 512  # as many tokens as mostly, and nearly always, hold `top_p` of the probability; else all are sorted


def truncated(logits_nv: Tensor, top_k: int = 0, top_p: float = 1.0, epsilon: float = 0.0) -> Tensor:
    """Leave the tokens that may be drawn, the others get -inf; of each row the most probable one stays.

    Args:
        top_k: the so many most probable ones (Fan et al. 2018); 0 leaves all.
        top_p: the most probable ones that have this probability together (Holtzman et al. 2020, §3.1).
        epsilon: those of at least this probability (Hewitt et al. 2022, §4.1), measured after the other two.
    """
    if top_k:
        least = best(logits_nv, top_k)[0][:, -1:]
        logits_nv = logits_nv.masked_fill(logits_nv < least, NEVER)
    if top_p < 1:
        logits_nv = logits_nv.masked_fill(~_nucleus(logits_nv.softmax(-1), top_p), NEVER)
    if epsilon > 0:
        p_nv = logits_nv.softmax(-1)
        logits_nv = logits_nv.masked_fill(p_nv < p_nv.amax(-1, keepdim=True).clamp_max(epsilon), NEVER)
    return logits_nv


def _nucleus(p_nv: Tensor, top_p: float) -> Tensor:
    """Return which tokens are needed to hold `top_p` of the probability."""
    kept_nv = torch.zeros_like(p_nv, dtype=torch.bool)
    rows = torch.arange(len(p_nv), device=p_nv.device)
    for size in (*NUCLEI, p_nv.size(1)):
        ordered, order = best(p_nv[rows], size)
        needed = ordered.cumsum(-1) - ordered < top_p
        needed[:, 0] = True
        kept_nv[rows] = torch.zeros_like(p_nv[rows], dtype=torch.bool).scatter_(1, order, needed)
        rows = rows[needed[:, -1]]
        if not len(rows):
            break
    return kept_nv


class Draws:
    """Draws tokens for the samples of sentences.

    The random number of a token is a function of (seed, ids of the source, number of the sample, step, token), so a sample
    is the same in whatever batch, order or run it is drawn. The token with the greatest sum of log-probability and Gumbel
    noise is a draw from the distribution (Gumbel-max; Maddison et al. 2014, §2), which small changes of rounding rarely
    change. The most probable tokens have noise of their own; all others together are one candidate with the sum of their
    probabilities, and if that wins, one of them is drawn by inversion.
    """

    def __init__(self, sources: Sequence[Ids], settings: SearchSettings, samples: int, device: torch.device) -> None:
        self.settings = settings
        keys = torch.tensor([_key(settings.seed, ids) for ids in sources], device=device)
        self.keys_n = keys.repeat_interleave(samples)
        self.samples_n = torch.arange(samples, device=device).repeat(len(sources))

    def __call__(self, logprobs_nv: Tensor, rows_n: Tensor, step: int) -> Tensor:
        """Draw a token for each of the given rows."""
        s = self.settings
        if s.temperature != 1.0 or s.top_k or s.top_p < 1 or s.epsilon:
            logprobs_nv = truncated(logprobs_nv / s.temperature, s.top_k, s.top_p, s.epsilon).log_softmax(-1)
        values, tokens = best(logprobs_nv, CANDIDATES + 1)
        head = values[:, :CANDIDATES].double()
        others_n = (1 - head.exp().sum(1)).clamp_min(0.0)
        if values.size(1) <= CANDIDATES:
            others_n = torch.zeros_like(others_n)
        else:
            others_n = others_n.masked_fill(values[:, -1].isinf(), 0.0)
        own = tokens[:, :CANDIDATES]
        together = torch.full_like(own[:, :1], logprobs_nv.size(1))  # a number that no token has
        noise, spare = self._noise(rows_n, step, torch.cat([own, together], 1))
        winner = (torch.cat([head, others_n.log()[:, None]], 1) + noise).argmax(1, keepdim=True)
        drawn = torch.cat([own, together], 1).gather(1, winner)[:, 0]
        for row in drawn.eq(logprobs_nv.size(1)).nonzero()[:, 0].tolist():
            rest = logprobs_nv[row].double().exp().index_fill_(0, own[row], 0.0).cumsum(0)
            drawn[row] = torch.searchsorted(rest, spare[row] * rest[-1], right=True)
        return drawn

    def _noise(self, rows_n: Tensor, step: int, tokens_nk: Tensor) -> tuple[Tensor, Tensor]:
        """Return Gumbel noise [n, k] for tokens, and one more uniform number a row."""
        zero = torch.zeros_like(tokens_nk)
        words = philox((tokens_nk, zero + step, self.samples_n[rows_n][:, None], zero), self.keys_n[rows_n][:, None])
        first, second = ((word.double() + 0.5) / 2**32 for word in words[:2])
        return -(-first.log()).log(), second[:, -1]


def _key(seed: int, ids: Ids) -> int:
    """Return 64 bits that stand for a seed and a sentence."""
    text = np.asarray([seed, *ids], "<i8").tobytes()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)
