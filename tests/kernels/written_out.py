"""Attention in float64, line by line as its definition says: one pair of a query and a key at a time, forward and backward.

Slow and obvious; the kernels are measured against it. A sequence is given on its own: q [n_q, H, D], k and v [n_k, G, D].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WORD = 0xFFFFFFFF


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the four words of Philox 4×32-10 (Salmon et al. 2011, section 3.3)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & WORD, (first >> 32) ^ c3 ^ k1, first & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def number(seed: int, row: int, i: int, j: int) -> int:
    """Return the 16 bits that decide on the weight of query i and key j, in sequence b and head h: row = b · H + h."""
    words = philox((j // 8, i, row, 0), (seed & WORD, (seed >> 32) & WORD))
    t = j % 8
    return words[t] & 0xFFFF if t < 4 else words[t - 4] >> 16


@dataclass
class Written:
    """What to compute; names as in `nlpcli.kernels.problem.Options`, arrays in float64."""

    scale: float
    causal: bool = False
    bottom_right: bool = False
    window: int | None = None
    softcap: float = 0.0
    slopes: np.ndarray | None = None
    bias: np.ndarray | None = None
    dropout_p: float = 0.0
    seed: int = 0

    def place(self, i: int, n_q: int, n_k: int) -> int:
        return i + (n_k - n_q if self.bottom_right else 0)

    def allowed(self, p: int, j: int) -> bool:
        if self.causal and j > p:
            return False
        return self.window is None or abs(p - j) <= self.window

    def bias_index(self, p: int, j: int) -> int:
        assert self.bias is not None
        reach = self.bias.shape[1] // 2
        return min(max(j - p, -reach), reach) + reach

    def factor(self, row: int, i: int, j: int) -> float:
        """Return what dropout multiplies a weight with."""
        threshold = round(self.dropout_p * 65536)
        return 0.0 if number(self.seed, row, i, j) < threshold else 1 / (1 - threshold / 65536)


def forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, b: int, w: Written) -> tuple[np.ndarray, np.ndarray]:
    """Return out [n_q, H, D] and lse [H, n_q] of sequence number b."""
    out, lse, _ = _weights(q, k, v, b, w)
    return out, lse


def backward(
    do: np.ndarray, dlse: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, b: int, w: Written
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the gradients of q, k, v and of the bias, given those of out and of lse."""
    out, _, pairs = _weights(q, k, v, b, w)
    group = q.shape[1] // k.shape[1]
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    dbias = None if w.bias is None else np.zeros_like(w.bias)
    for (h, i, j), (a, factor, slope_of_cap) in pairs.items():
        g = h // group
        dv[j, g] += a * factor * do[i, h]
        delta = do[i, h] @ out[i, h] - dlse[h, i]
        ds = a * (factor * (do[i, h] @ v[j, g]) - delta)
        if dbias is not None:
            dbias[h, w.bias_index(w.place(i, len(q), len(k)), j)] += ds
        dq[i, h] += w.scale * ds * slope_of_cap * k[j, g]
        dk[j, g] += w.scale * ds * slope_of_cap * q[i, h]
    return dq, dk, dv, dbias


def _weights(q: np.ndarray, k: np.ndarray, v: np.ndarray, b: int, w: Written) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return out, lse, and for each pair (h, i, j) that is allowed: its weight, dropout's factor, the derivative of the cap."""
    (n_q, heads, _), (n_k, groups, _) = q.shape, k.shape
    out, lse, pairs = np.zeros_like(q), np.full((heads, n_q), -math.inf), {}
    for h in range(heads):
        g = h // (heads // groups)
        for i in range(n_q):
            p = w.place(i, n_q, n_k)
            seen = [j for j in range(n_k) if w.allowed(p, j)]
            if not seen:
                continue
            scores, slopes_of_cap = [], []
            for j in seen:
                s, slope_of_cap = w.scale * (q[i, h] @ k[j, g]), 1.0
                if w.softcap:
                    t = math.tanh(s / w.softcap)
                    s, slope_of_cap = w.softcap * t, 1 - t * t
                if w.slopes is not None:
                    s -= w.slopes[h] * abs(p - j)
                if w.bias is not None:
                    s += w.bias[h, w.bias_index(p, j)]
                scores.append(s)
                slopes_of_cap.append(slope_of_cap)
            top = max(scores)
            total = sum(math.exp(s - top) for s in scores)
            lse[h, i] = top + math.log(total)
            for j, s, slope_of_cap in zip(seen, scores, slopes_of_cap, strict=True):
                a = math.exp(s - lse[h, i])
                factor = w.factor(b * heads + h, i, j) if w.dropout_p else 1.0
                out[i, h] += a * factor * v[j, g]
                pairs[h, i, j] = a, factor, slope_of_cap
    return out, lse, pairs
