"""Sequence to sequence with attention: Bahdanau et al. 2015 and Luong et al. 2015.

The decoder looks at all encoder outputs instead of one vector. A score for every source position becomes a weight by
softmax, and the weighted sum of the outputs is that step's context:

    additive  v·tanh(W q + U k)   Bahdanau, eq. 6 and A.1.2; q is the state before the step, the context enters the cell
    dot       q·k                 Luong, eq. 8; q is the state after the step
    general   q·(W k)             Luong, eq. 8
    concat    v·tanh(W q + U k)   Luong, eq. 8

With `input_feeding` the attentional vector of a step is fed to the next one (Luong, §3.3). With `coverage` the attention c
that each source position has had so far enters the additive and concat scores, v·tanh(W q + U k + w c) (See et al. 2017,
eq. 11). Axes as in `base.py`; q is a query (a beam, or a target position), k a key (a source position).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import torch
from torch import Tensor, nn

from nlpcli.kernels.dropout import Dropout
from nlpcli.models import layers
from nlpcli.models.base import PLAIN, Memory, Objective, State, TranslationModel, source_mask
from nlpcli.models.config import AttentionConfig as Config
from nlpcli.models.config import Score, Task
from nlpcli.tokenization.batches import Batch
from nlpcli.tokenization.tokenizer import PAD


class Attention(nn.Module):
    """Scores keys by queries and returns the weighted sums of the values, which are the encoder's outputs."""

    def __init__(self, score: Score, d_model: int, coverage: bool = False) -> None:
        super().__init__()
        self.score = score
        if score != "dot":
            self.key = nn.Linear(d_model, d_model, bias=False)
        if score in ("additive", "concat"):
            self.query = nn.Linear(d_model, d_model)
            self.energy = nn.Linear(d_model, 1, bias=False)
        if coverage:
            self.covered = nn.Linear(1, d_model, bias=False)
        self._watched: list[Tensor] | None = None

    def keys(self, values_bkh: Tensor) -> Tensor:
        """Project the encoder's outputs once a sentence."""
        keys: Tensor = values_bkh if self.score == "dot" else self.key(values_bkh)
        return keys

    def forward(self, queries_bqh: Tensor, memory: Memory, covered_bqk: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return contexts [b, q, h] and weights [b, q, k], zero at padding, at least in fp32.

        Args:
            covered_bqk: with coverage, the sum of the weights of all steps before.
        """
        keys_bkh = memory["keys"]
        if self.score in ("additive", "concat"):
            hidden = self.query(queries_bqh)[:, :, None] + keys_bkh[:, None]
            if covered_bqk is not None:
                hidden = hidden + self.covered(covered_bqk[..., None])
            scores_bqk = self.energy(torch.tanh(hidden))[..., 0]
        else:
            scores_bqk = queries_bqh @ keys_bkh.transpose(1, 2)
        scores_bqk = scores_bqk.masked_fill(~memory["mask"][:, None], float("-inf"))
        weights_bqk = scores_bqk.softmax(-1, dtype=torch.promote_types(scores_bqk.dtype, torch.float32))
        if self._watched is not None:
            self._watched.append(weights_bqk)
        return weights_bqk.to(memory["values"].dtype) @ memory["values"], weights_bqk

    @contextmanager
    def watched(self) -> Iterator[list[Tensor]]:
        """Collect the weights of all calls within the context."""
        self._watched = []
        try:
            yield self._watched
        finally:
            self._watched = None


class AttentionSeq2Seq(TranslationModel):
    """A recurrent encoder-decoder with attention."""

    aligns = True

    def __init__(self, config: Config, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        c = config
        self.bahdanau = c.attention == "additive"
        self.feeds = c.input_feeding and not self.bahdanau
        self.covers = c.coverage
        self.stepwise = self.bahdanau or self.feeds or self.covers
        src_embed = layers.embedding(src_vocab_size, c.d_embed)
        self.tgt_embed = src_embed if c.tie_embeddings == "all" else layers.embedding(tgt_vocab_size, c.d_embed)
        self.encoder = layers.RecurrentEncoder(c.cell, src_embed, c.d_model, c.num_layers, c.dropout, c.bidirectional)
        fed = c.d_model if self.bahdanau else c.d_embed if self.feeds else 0
        self.decoder = layers.recurrent(c.cell, c.d_embed + fed, c.d_model, c.num_layers, c.dropout)
        self.attention = Attention(c.attention, c.d_model, c.coverage)
        self.readout = nn.Linear(2 * c.d_model + (c.d_embed if self.bahdanau else 0), c.d_embed)
        self.dropout = Dropout(c.dropout)
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
        rows, values = len(state["h"]), memory["values"]
        if self.feeds:
            state["fed"] = values.new_zeros(rows, self.readout.out_features)
        if self.covers:
            state["covered"] = values.new_zeros(rows, values.size(1), dtype=torch.promote_types(values.dtype, torch.float32))
        return state

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        return self._step(self.dropout(self.tgt_embed(tokens_n)), memory, state)

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        state = self.start(memory, 1)
        words_bth = self.dropout(self.tgt_embed(tgt_in_bt))
        if not self.stepwise:
            out, _ = layers.run(self.decoder, words_bth, state)
            context, _ = self.attention(out, memory)
            return self._attentional(out, context)
        features = []
        for words_bh in words_bth.unbind(1):
            feature, state = self._step(words_bh, memory, state)
            features.append(feature)
        return torch.stack(features, dim=1)

    def alignment(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        with self.attention.watched() as steps:
            self.decode(tgt_in_bt, memory)
        return torch.cat(steps, 1)

    def _step(self, words_nh: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        if self.bahdanau:
            context, covered = self._look(state["h"][:, -1], memory, state)
            out, after = layers.run(self.decoder, torch.cat([words_nh, context], -1)[:, None], state)
            features = self._attentional(out[:, 0], context, words_nh)
        else:
            inputs = torch.cat([words_nh, state["fed"]], -1) if self.feeds else words_nh
            out, after = layers.run(self.decoder, inputs[:, None], state)
            context, covered = self._look(out[:, 0], memory, state)
            features = self._attentional(out[:, 0], context)
        if self.feeds:
            after["fed"] = features
        return features, {**after, **covered}

    def _look(self, query_nh: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Attend with one query a row; return the contexts, and what has been covered now."""
        sentences = memory["mask"].size(0)
        before = state["covered"].view(sentences, -1, memory["mask"].size(1)) if self.covers else None
        context, weights = self.attention(query_nh.reshape(sentences, -1, query_nh.size(-1)), memory, before)
        now = {} if before is None else {"covered": (before + weights).flatten(0, 1)}
        return context.reshape(len(query_nh), -1), now

    def _attentional(self, out: Tensor, *seen: Tensor) -> Tensor:
        """Luong's attentional vector h̃ = tanh(W [state; context]) (eq. 5); Bahdanau's reads the word too."""
        return torch.tanh(self.readout(torch.cat([self.dropout(out), *seen], -1)))

    def forward(self, batch: Batch, objective: Objective = PLAIN) -> Tensor:
        guided = objective.guided_alignment if batch.align_bts is not None else 0.0
        if not self.training or not (guided or objective.coverage_loss):
            return super().forward(batch, objective)
        with self.attention.watched() as steps:
            loss = super().forward(batch, objective)
        b, t = batch.tgt_out_bt.shape
        passes = torch.cat(steps, 1).view(b, -1, t, batch.src_bs.size(1)).unbind(1)  # two with R-Drop, of half the weight each
        real_bt = batch.tgt_out_bt.ne(PAD)
        for weights_bts in passes:
            if objective.coverage_loss:
                loss = loss + objective.coverage_loss / len(passes) * coverage_loss(weights_bts, real_bt)
            if guided and batch.align_bts is not None:
                loss = loss + guided / len(passes) * alignment_loss(weights_bts, batch.align_bts, real_bt)
        return loss

    @torch.no_grad()
    def attention_entropy(self, batch: Batch) -> float:
        """Return the mean entropy of the attention, in nats, over the batch's real target positions."""
        with self.attention.watched() as steps:
            self.decode(batch.tgt_in_bt, self.encode(batch.src_bs, batch.src_lengths_b))
        weights_bts = torch.cat(steps, 1)
        entropy_bt = -torch.xlogy(weights_bts, weights_bts).sum(-1)
        return float(entropy_bt[batch.tgt_out_bt.ne(PAD)].mean())


def coverage_loss(weights_bts: Tensor, real_bt: Tensor) -> Tensor:
    """Return Σ over real t and s of min(a, c), where c is the attention of all steps before (See et al. 2017, eq. 12)."""
    covered_bts = weights_bts.cumsum(1) - weights_bts
    return torch.minimum(weights_bts, covered_bts).sum(-1)[real_bt].sum()


def alignment_loss(weights_bts: Tensor, align_bts: Tensor, real_bt: Tensor) -> Tensor:
    """Return the cross-entropy −Σ A·log a of the attention with given links, summed over real t (Chen et al. 2016, eq. 4)."""
    logs_bts = weights_bts.clamp_min(torch.finfo(weights_bts.dtype).tiny).log()
    return -(align_bts.to(logs_bts) * logs_bts).sum(-1)[real_bt].sum()


def build(config: Config, task: Task, inputs: int, outputs: int) -> AttentionSeq2Seq:
    """Return a new model with fresh weights."""
    return AttentionSeq2Seq(config, inputs, outputs)
