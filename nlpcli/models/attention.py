"""Sequence to sequence with attention: Bahdanau et al. 2015 and Luong et al. 2015.

The decoder looks at all encoder outputs instead of one vector. A score for every source position becomes a weight by
softmax, and the weighted sum of the outputs is that step's context:

    additive  v·tanh(W q + U k)   Bahdanau, eq. 6 and A.1.2; q is the state before the step, the context enters the cell
    dot       q·k                 Luong, eq. 8; q is the state after the step
    general   q·(W k)             Luong, eq. 8
    concat    v·tanh(W q + U k)   Luong, eq. 8

With `input_feeding` the attentional vector of a step is fed to the next one (Luong, §3.3). Axes as in `base.py`; q is a
query (a beam, or a target position), k a key (a source position).
"""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from nlpcli.config import Positive, Probability
from nlpcli.models import layers
from nlpcli.models.base import Memory, State, TranslationModel, source_mask

Score = Literal["additive", "dot", "general", "concat"]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and choices of the attention model."""

    cell: layers.Cell = "gru"
    d_embed: Positive = 256
    d_model: Positive = 512
    num_layers: Positive = 1
    bidirectional: bool = True
    attention: Score = "general"
    input_feeding: bool = False
    dropout: Probability = 0.3
    tie_embeddings: layers.Tie = "decoder"


class Attention(nn.Module):
    """Scores keys by queries and returns the weighted sums of the values, which are the encoder's outputs."""

    def __init__(self, score: Score, d_model: int) -> None:
        super().__init__()
        self.score = score
        if score != "dot":
            self.key = nn.Linear(d_model, d_model, bias=False)
        if score in ("additive", "concat"):
            self.query = nn.Linear(d_model, d_model)
            self.energy = nn.Linear(d_model, 1, bias=False)

    def keys(self, values_bkh: Tensor) -> Tensor:
        """Project the encoder's outputs once a sentence."""
        keys: Tensor = values_bkh if self.score == "dot" else self.key(values_bkh)
        return keys

    def forward(self, queries_bqh: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts [b, q, h] and weights [b, q, k], zero at padding."""
        keys_bkh = memory["keys"]
        if self.score in ("additive", "concat"):
            hidden = torch.tanh(self.query(queries_bqh)[:, :, None] + keys_bkh[:, None])
            scores_bqk = self.energy(hidden)[..., 0]
        else:
            scores_bqk = queries_bqh @ keys_bkh.transpose(1, 2)
        scores_bqk = scores_bqk.masked_fill(~memory["mask"][:, None], float("-inf"))
        at_least_fp32 = torch.promote_types(scores_bqk.dtype, torch.float32)
        weights_bqk = scores_bqk.softmax(-1, dtype=at_least_fp32).to(memory["values"].dtype)
        return weights_bqk @ memory["values"], weights_bqk


class AttentionSeq2Seq(TranslationModel):
    """A recurrent encoder-decoder with attention."""

    def __init__(self, config: Config, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        c = config
        self.bahdanau = c.attention == "additive"
        self.feeds = self.bahdanau or c.input_feeding
        src_embed = layers.embedding(src_vocab_size, c.d_embed)
        self.tgt_embed = src_embed if c.tie_embeddings == "all" else layers.embedding(tgt_vocab_size, c.d_embed)
        self.encoder = layers.RecurrentEncoder(c.cell, src_embed, c.d_model, c.num_layers, c.dropout, c.bidirectional)
        fed = c.d_model if self.bahdanau else c.d_embed if c.input_feeding else 0
        self.decoder = layers.recurrent(c.cell, c.d_embed + fed, c.d_model, c.num_layers, c.dropout)
        self.attention = Attention(c.attention, c.d_model)
        self.readout = nn.Linear(2 * c.d_model + (c.d_embed if self.bahdanau else 0), c.d_embed)
        self.dropout = nn.Dropout(c.dropout)
        self.output = nn.Linear(c.d_embed, tgt_vocab_size)
        if c.tie_embeddings != "none":
            self.output.weight = self.tgt_embed.weight

    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        return self.encoder.embed, self.tgt_embed

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        values, last = self.encoder(src_bs, src_lengths_b)
        return {"values": values, "keys": self.attention.keys(values), "mask": source_mask(src_bs), **last}

    def start(self, memory: Memory, beams: int) -> State:
        state = layers.repeat_rows({name: memory[name] for name in ("h", "c") if name in memory}, beams)
        if self.feeds and not self.bahdanau:
            state["fed"] = memory["values"].new_zeros(len(state["h"]), self.readout.out_features)
        return state

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        words = self.dropout(self.tgt_embed(tokens_n))
        return self._step_additive(words, memory, state) if self.bahdanau else self._step_luong(words, memory, state)

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        state = self.start(memory, 1)
        words_bth = self.dropout(self.tgt_embed(tgt_in_bt))
        if not self.feeds:
            out, _ = layers.run(self.decoder, words_bth, state)
            return self._attentional(out, memory)
        one_step = self._step_additive if self.bahdanau else self._step_luong
        features = []
        for words_bh in words_bth.unbind(1):
            feature, state = one_step(words_bh, memory, state)
            features.append(feature)
        return torch.stack(features, dim=1)

    def _step_additive(self, words_nh: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        before = state["h"][:, -1]
        context = self._context(before, memory)
        out, state = layers.run(self.decoder, torch.cat([words_nh, context], -1)[:, None], state)
        seen = torch.cat([self.dropout(out[:, 0]), context, words_nh], -1)
        return torch.tanh(self.readout(seen)), state

    def _step_luong(self, words_nh: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        inputs = torch.cat([words_nh, state["fed"]], -1) if self.feeds else words_nh
        out, after = layers.run(self.decoder, inputs[:, None], state)
        sentences = memory["mask"].size(0)
        features = self._attentional(out.reshape(sentences, -1, out.size(-1)), memory).reshape(len(words_nh), -1)
        if self.feeds:
            after["fed"] = features
        return features, after

    def _attentional(self, out_bqh: Tensor, memory: Memory) -> Tensor:
        """Luong's attentional vector h̃ = tanh(W [state; context]) (eq. 5)."""
        context, _ = self.attention(out_bqh, memory)
        return torch.tanh(self.readout(torch.cat([self.dropout(out_bqh), context], -1)))

    def _context(self, query_nh: Tensor, memory: Memory) -> Tensor:
        sentences = memory["mask"].size(0)
        context: Tensor = self.attention(query_nh.reshape(sentences, -1, query_nh.size(-1)), memory)[0]
        return context.reshape(len(query_nh), -1)


def build(config: Config, src_vocab_size: int, tgt_vocab_size: int) -> AttentionSeq2Seq:
    """Return a new model with fresh weights."""
    return AttentionSeq2Seq(config, src_vocab_size, tgt_vocab_size)
