"""What somebody writes in an afternoon: `nn.Transformer` or `nn.LSTM` with attention, and `F.cross_entropy`, for `train.py`.

The sizes, the places of dropout and the tied output layer are nlpcli's.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from train_peers import DROPOUT, FF, HEADS, LAYERS, PAD, D


class PlainTransformer(nn.Module):
    """nn.Transformer with sinusoidal positions, normalising before each sublayer as nlpcli does."""

    def __init__(self, src_size: int, tgt_size: int) -> None:
        super().__init__()
        self.src, self.tgt = (nn.Embedding(size, D, PAD) for size in (src_size, tgt_size))
        self.body = nn.Transformer(D, HEADS, LAYERS, LAYERS, FF, DROPOUT, batch_first=True, norm_first=True)
        self.output = nn.Linear(D, tgt_size)
        self.output.weight = self.tgt.weight
        nn.init.normal_(self.tgt.weight, std=D**-0.5)
        nn.init.normal_(self.src.weight, std=D**-0.5)
        self.dropout = nn.Dropout(DROPOUT)
        angles = torch.arange(512)[:, None] * torch.exp(torch.arange(0, D, 2) * (-math.log(1e4) / D))
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], -1).flatten(1))

    def read(self, table: nn.Embedding, ids: Tensor) -> Tensor:
        return self.dropout(table(ids) * math.sqrt(D) + self.positions[: ids.size(1)])

    def forward(self, src: Tensor, lengths: Tensor, tgt: Tensor) -> Tensor:
        order = nn.Transformer.generate_square_subsequent_mask(tgt.size(1))
        padding = torch.zeros(src.shape).masked_fill(src.eq(PAD), -math.inf)
        hidden = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
        x, y = self.read(self.src, src), self.read(self.tgt, tgt)
        return self.output(self.body(x, y, tgt_mask=order, tgt_is_causal=True, **hidden))


class PlainAttention(nn.Module):
    """nn.LSTM in both directions, nn.LSTM, Luong's general attention over all target positions at once."""

    def __init__(self, src_size: int, tgt_size: int) -> None:
        super().__init__()
        self.src, self.tgt = (nn.Embedding(size, D, PAD) for size in (src_size, tgt_size))
        self.encoder = nn.LSTM(D, D // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(D, D, batch_first=True)
        self.key, self.readout = nn.Linear(D, D, bias=False), nn.Linear(2 * D, D)
        self.output = nn.Linear(D, tgt_size)
        self.output.weight = self.tgt.weight
        nn.init.normal_(self.tgt.weight, std=D**-0.5)
        nn.init.normal_(self.src.weight, std=D**-0.5)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, src: Tensor, lengths: Tensor, tgt: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(self.dropout(self.src(src)), lengths, batch_first=True, enforce_sorted=False)
        packed, last = self.encoder(packed)
        values, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        first = tuple(state.transpose(0, 1).flatten(1)[None] for state in last)
        out, _ = self.decoder(self.dropout(self.tgt(tgt)), first)
        scores = (out @ self.key(values).transpose(1, 2)).masked_fill(src.eq(PAD)[:, None], -math.inf)
        context = scores.softmax(-1).to(values.dtype) @ values
        return self.output(torch.tanh(self.readout(torch.cat([self.dropout(out), context], -1))))


PLAIN = {"transformer": PlainTransformer, "attention": PlainAttention}


def plain_loss(model: nn.Module, batch: Any, smoothing: float) -> Tensor:
    """Return the loss summed over real targets; `batch` is (src, lengths, tgt_in, tgt_out)."""
    src, lengths, tgt_in, tgt_out = batch[:4]
    logits = model(src, lengths, tgt_in).float()
    options: Any = {"ignore_index": PAD, "label_smoothing": smoothing, "reduction": "sum"}
    return F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), **options)
