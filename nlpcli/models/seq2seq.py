"""Sequence to sequence through one fixed vector: Sutskever et al. 2014 and Cho et al. 2014.

The encoder reads the whole source; the last hidden state of its top layer is the context c, and the decoder must write
the translation from it alone. With `context = "first"` it meets c only as its initial state (Sutskever); with "every" it
also reads c beside each word and writes each word from [state; c; word] (Cho, §2.2). Axes as in `base.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nlpcli.kernels.dropout import Dropout
from nlpcli.models import layers
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.models.config import Seq2SeqConfig as Config
from nlpcli.models.config import Task


class Seq2Seq(TranslationModel):
    """Encoder and decoder joined by one vector."""

    def __init__(self, config: Config, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        c = config
        src_embed = layers.embedding(src_vocab_size, c.d_embed)
        self.tgt_embed = src_embed if c.tie_embeddings == "all" else layers.embedding(tgt_vocab_size, c.d_embed)
        self.encoder = layers.RecurrentEncoder(c.cell, src_embed, c.d_model, c.num_layers, c.dropout, c.bidirectional)
        self.reads_context = c.context == "every"
        extra = c.d_model if self.reads_context else 0
        self.decoder = layers.recurrent(c.cell, c.d_embed + extra, c.d_model, c.num_layers, c.dropout)
        self.readout = nn.Linear(c.d_model + (extra + c.d_embed if self.reads_context else 0), c.d_embed)
        self.dropout = Dropout(c.dropout)
        self.output = nn.Linear(c.d_embed, tgt_vocab_size)
        if c.tie_embeddings != "none":
            self.output.weight = self.tgt_embed.weight

    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        return self.encoder.embed, self.tgt_embed

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        _, last = self.encoder(src_bs, src_lengths_b)
        return dict(last)

    def start(self, memory: Memory, beams: int) -> State:
        return layers.repeat_rows({**memory, "context": memory["h"][:, -1]}, beams)

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        features, state = self._read(tokens_n[:, None], state)
        return features[:, 0], state

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        return self._read(tgt_in_bt, self.start(memory, 1))[0]

    def _read(self, tokens_nt: Tensor, state: State) -> tuple[Tensor, State]:
        words = self.dropout(self.tgt_embed(tokens_nt))
        context_nth = state["context"][:, None].expand(-1, tokens_nt.size(1), -1)
        inputs = torch.cat([words, context_nth], -1) if self.reads_context else words
        out, after = layers.run(self.decoder, inputs, state)
        out = self.dropout(out)
        seen = torch.cat([out, context_nth, words], -1) if self.reads_context else out
        return torch.tanh(self.readout(seen)), {**after, "context": state["context"]}


def build(config: Config, task: Task, inputs: int, outputs: int) -> Seq2Seq:
    """Return a new model with fresh weights."""
    return Seq2Seq(config, inputs, outputs)
