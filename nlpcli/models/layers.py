"""Pieces that several architectures share: embeddings, recurrent stacks and the recurrent encoder.

Axes: b sentence, s source position, n decoder row, l layer, h feature.
"""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpcli.models.base import State
from nlpcli.models.config import Cell
from nlpcli.tokenization.tokenizer import PAD

CELLS: dict[Cell, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def embedding(vocab_size: int, d_embed: int) -> nn.Embedding:
    """Return an embedding with unit-length rows on average and a zero row for padding."""
    layer = nn.Embedding(vocab_size, d_embed, padding_idx=PAD)
    nn.init.normal_(layer.weight, std=d_embed**-0.5)
    with torch.no_grad():
        layer.weight[PAD].zero_()
    return layer


def recurrent(cell: Cell, d_in: int, d_out: int, layers: int, dropout: float, bidirectional: bool = False) -> nn.RNNBase:
    """Return a stack of Elman, LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) layers."""
    between = dropout if layers > 1 else 0.0
    stack = CELLS[cell](d_in, d_out, layers, batch_first=True, dropout=between, bidirectional=bidirectional)
    for name, parameter in stack.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.chunk(parameter.size(0) // d_out):
                nn.init.orthogonal_(gate)
    return stack


def run(stack: nn.RNNBase, x_nth: Tensor, state: State) -> tuple[Tensor, State]:
    """Run a stack over x from a state of rows [n, l, h]; return the top layer's outputs and the next state."""
    layers_first = [state[name].transpose(0, 1).contiguous() for name in ("h", "c") if name in state]
    out, last = stack(x_nth, tuple(layers_first) if len(layers_first) == 2 else layers_first[0])
    last = last if isinstance(last, tuple) else (last,)
    return out, {name: tensor.transpose(0, 1) for name, tensor in zip(("h", "c"), last)}


class RecurrentEncoder(nn.Module):
    """Embeds the source and reads it with a recurrent stack; both directions share `d_model` between them.

    Returns from `forward`: the outputs [b, s, d_model] (zero at padding) and the final state of every layer, the
    directions side by side, as rows {h: [b, l, d_model]} (and c for an LSTM).
    """

    def __init__(self, cell: Cell, embed: nn.Embedding, d_model: int, layers: int, dropout: float, bidirectional: bool):
        super().__init__()
        self.embed = embed
        self.dropout = nn.Dropout(dropout)
        width = d_model // 2 if bidirectional else d_model
        self.stack = recurrent(cell, embed.embedding_dim, width, layers, dropout, bidirectional)

    def forward(self, src_bs: Tensor, src_lengths_b: Tensor) -> tuple[Tensor, State]:
        x = self.dropout(self.embed(src_bs))
        packed = pack_padded_sequence(x, src_lengths_b, batch_first=True, enforce_sorted=False)
        out, last = self.stack(packed)
        out_bsh, _ = pad_packed_sequence(out, batch_first=True, total_length=src_bs.size(1))
        last = last if isinstance(last, tuple) else (last,)
        return out_bsh, {name: self._rows(tensor) for name, tensor in zip(("h", "c"), last)}

    def _rows(self, last: Tensor) -> Tensor:
        """[layers × directions, b, width] → [b, layers, d_model]."""
        rows = last.transpose(0, 1)
        return rows.reshape(rows.size(0), self.stack.num_layers, -1)


def repeat_rows(state: State, beams: int) -> State:
    """Repeat every row for its beams."""
    return {name: tensor.repeat_interleave(beams, 0) for name, tensor in state.items()} if beams > 1 else state
