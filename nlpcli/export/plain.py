"""The Transformer in operators that every graph format has: no kernels, no caches, no shapes that Python looks at.

The weights are the model's own modules; the arithmetic is written once more, as in the papers, so that it can be traced.

Axes: b sentence, s source position, t target position, h head, d features of a head, m features of the model.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlpcli.decoding.engine import Ids
from nlpcli.models.config import TransformerConfig
from nlpcli.models.positions import alibi_slopes, angles, sinusoids
from nlpcli.models.transformer import Stack, TransformerTranslation
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, Tokenizer


class Encoder(nn.Module):
    """source ids [b, s], ending with EOS and padded with 0 → what the decoder reads, [b, s, m]."""

    def __init__(self, model: TransformerTranslation, config: TransformerConfig) -> None:
        super().__init__()
        self.stack, self.config = model.encoder, config

    def forward(self, src_bs: Tensor) -> Tensor:
        return _through(self.stack, self.config, src_bs, src_bs.ne(PAD)[:, None, None])


class Decoder(nn.Module):
    """Target ids [b, t], beginning with BOS, what the encoder wrote, source ids → logits [b, t, vocabulary] of the next."""

    def __init__(self, model: TransformerTranslation, config: TransformerConfig) -> None:
        super().__init__()
        self.stack, self.output, self.config = model.decoder, model.output, config

    def forward(self, tgt_bt: Tensor, source_bsm: Tensor, src_bs: Tensor) -> Tensor:
        at_t = torch.arange(tgt_bt.size(1), device=tgt_bt.device)
        before = (at_t[:, None] >= at_t[None, :])[None, None]
        seen = src_bs.ne(PAD)[:, None, None]
        logits: Tensor = self.output(_through(self.stack, self.config, tgt_bt, before, (source_bsm, seen)))
        return logits


def _through(
    stack: Stack, config: TransformerConfig, ids_bt: Tensor, sees: Tensor, source: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    c, at_t = config, torch.arange(ids_bt.size(1), device=ids_bt.device)
    x = stack.embed(ids_bt) * math.sqrt(c.d_model)
    if c.positions == "learned":
        x = x + stack.positions.table[at_t]  # type: ignore[union-attr, index]
    elif c.positions == "sinusoidal":
        x = x + sinusoids(at_t, c.d_model)
    turned = angles(at_t, c.d_model // c.num_heads) if c.positions == "rotary" else None
    apart = (at_t[:, None] - at_t[None, :]).abs()
    if c.attention_window is not None:
        sees = sees & (apart <= c.attention_window)
    bias = torch.where(sees, 0.0, torch.finfo(torch.float32).min)
    if c.positions == "alibi":
        bias = bias - alibi_slopes(c.num_heads, ids_bt.device)[:, None, None] * apart
    for layer in stack.layers:
        x = _around(layer.around_self, x, lambda y, part=layer.self_attention: _attend_itself(part, y, bias, turned))
        if source is not None:
            x = _around(layer.around_cross, x, lambda y, part=layer.cross_attention: _attend_source(part, y, *source))
        x = _around(layer.around_feed_forward, x, lambda y, part=layer.feed_forward: _feed(part, y))
    normed: Tensor = stack.norm(x)
    return normed


def _around(around: Any, x: Tensor, sublayer: Any) -> Tensor:
    found: Tensor = x + sublayer(around.norm(x)) if around.pre else around.norm(x + sublayer(x))
    return found


def _attend_itself(part: Any, x_btm: Tensor, bias: Tensor, turned_td: Tensor | None) -> Tensor:
    heads = part.heads + 2 * part.kv_heads
    x_bhtd = part.qkv(x_btm).unflatten(-1, (heads, -1)).transpose(1, 2)
    q, k, v = x_bhtd.split([part.heads, part.kv_heads, part.kv_heads], 1)
    if turned_td is not None:
        q, k = _turn(q, turned_td), _turn(k, turned_td)
    k, v = (y.repeat_interleave(part.heads // part.kv_heads, 1) for y in (k, v))
    return _gather(part, q, k, v, bias)


def _attend_source(part: Any, x_btm: Tensor, source_bsm: Tensor, seen: Tensor) -> Tensor:
    q = part.q(x_btm).unflatten(-1, (part.heads, -1)).transpose(1, 2)
    k, v = part.kv(source_bsm).unflatten(-1, (2 * part.heads, -1)).transpose(1, 2).chunk(2, 1)
    return _gather(part, q, k, v, torch.where(seen, 0.0, torch.finfo(torch.float32).min))


def _gather(part: Any, q_bhtd: Tensor, k_bhsd: Tensor, v_bhsd: Tensor, bias: Tensor) -> Tensor:
    scores = q_bhtd @ k_bhsd.transpose(2, 3) / math.sqrt(part.out.in_features // part.heads) + bias
    out: Tensor = part.out((scores.softmax(-1) @ v_bhsd).transpose(1, 2).flatten(2))
    return out


def _turn(x_bhtd: Tensor, turned_td: Tensor) -> Tensor:
    cos, sin = turned_td.cos(), turned_td.sin()
    first, second = x_bhtd.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def _feed(part: Any, x: Tensor) -> Tensor:
    inner = part.inner(x)
    if part.activation == "swiglu":
        gate, value = inner.chunk(2, -1)
        inner = F.silu(gate) * value
    else:
        inner = F.relu(inner) if part.activation == "relu" else F.gelu(inner)
    out: Tensor = part.out(inner)
    return out


def example(config: TransformerConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources [b, s], targets [b, t] and what an encoder would write [b, s, m], to trace with."""
    return torch.full((2, 7), EOS + 1), torch.full((2, 5), EOS + 1), torch.zeros(2, 7, config.d_model)


def copy_pieces(tokenizer: Tokenizer, folder: Path) -> None:
    """Put the tokenizer beside the graphs, whole."""
    shutil.copytree(tokenizer.artifact.path, folder / "tokenizer")


class GraphScorer:
    """Two graphs, encoder and decoder, as functions of numpy arrays; each step of a translation decodes all its tokens."""

    def encode(self, src_bs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def decode(self, tgt_bt: np.ndarray, source_bsm: np.ndarray, src_bs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        src_bs, tgt_bt = pad(sources)[0].numpy(), pad([[BOS, *ids[:-1]] for ids in targets])[0].numpy()
        logits_btv = self.decode(tgt_bt, self.encode(src_bs), src_bs).copy()
        logits_btv[..., [PAD, BOS]] = -np.inf
        logprobs = torch.from_numpy(logits_btv).float().log_softmax(-1).numpy()
        return [rows[np.arange(len(ids)), ids] for rows, ids in zip(logprobs, targets)]

    def greedy(self, sources: Sequence[Ids], limits: Sequence[int]) -> list[Ids]:
        src_bs = pad(sources)[0].numpy()
        source_bsm, tgt_bt = self.encode(src_bs), np.full((len(sources), 1), BOS)
        written: list[Ids] = [[] for _ in sources]
        live = list(range(len(sources)))
        while live:
            logits = self.decode(tgt_bt, source_bsm, src_bs)[:, -1].copy()
            logits[:, [PAD, BOS]] = -np.inf
            chosen = logits.argmax(-1)
            for i, token in zip(live, chosen.tolist()):
                written[i] += [token] if token != EOS else []
            stays = [r for r, i in enumerate(live) if chosen[r] != EOS and len(written[i]) < limits[i]]
            live = [live[r] for r in stays]
            src_bs, source_bsm = src_bs[stays], source_bsm[stays]
            tgt_bt = np.concatenate([tgt_bt, chosen[:, None]], 1)[stays]
        return written
