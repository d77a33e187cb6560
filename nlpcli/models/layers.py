"""Pieces that several architectures share: embeddings, recurrent stacks and the recurrent encoder.

Axes: b sentence, s source position, n decoder row, l layer, h feature.
"""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpcli.kernels.dropout import Dropout, dropout
from nlpcli.models.base import State
from nlpcli.models.config import Cell
from nlpcli.tokenization.tokenizer import PAD

HOLD = 1e4  # far beyond what a gate's sum can reach
TOGETHER = 48  # rows up to which oneDNN computes a step of an LSTM in one product
TILE = 16  # rows of its products beyond that, if these divide their number

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
    rows, more = len(x_nth), _missing_rows(stack, x_nth)
    states = [F.pad(state[name].transpose(0, 1), (0, 0, 0, more)).contiguous() for name in ("h", "c") if name in state]
    out, last = stack(F.pad(x_nth, (0, 0, 0, 0, 0, more)), tuple(states) if len(states) == 2 else states[0])
    last = last if isinstance(last, tuple) else (last,)
    return out[:rows], {name: tensor[:, :rows].transpose(0, 1) for name, tensor in zip(("h", "c"), last)}


def _missing_rows(stack: nn.RNNBase, x_nth: Tensor) -> int:
    """Return how many rows to add so that oneDNN can cut them into tiles. It takes blocks of one size; of 127 rows, a prime
    number, each is a block of its own, which takes seven times as long as 128 rows do."""
    rows = len(x_nth)
    return -rows % TILE if isinstance(stack, nn.LSTM) and x_nth.device.type == "cpu" and rows > TOGETHER else 0


def read_padded(stack: nn.RNNBase, x_bsh: Tensor, lengths_b: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a stack from zero over rows of different lengths.

    Returns the outputs, zero at padding, and each row's state after its last word (h, and c for an LSTM), each
    [layers × directions, b, h].
    """
    if x_bsh.device.type == "cpu" and isinstance(stack, (nn.LSTM, nn.GRU)):
        return _read_holding(stack, x_bsh, lengths_b)
    packed = pack_padded_sequence(x_bsh, lengths_b.cpu(), batch_first=True, enforce_sorted=False)
    out, last = stack(packed)
    out_bsh, _ = pad_packed_sequence(out, batch_first=True, total_length=x_bsh.size(1))
    return out_bsh, last if isinstance(last, tuple) else (last,)


def _read_holding(stack: nn.RNNBase, x_bsh: Tensor, lengths_b: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same without packing, which costs more on a CPU than reading the padding, and for an LSTM bars the fused code.

    More input features tell padding, with weights so large that the gates hold the cell there to the last bit; so many that
    all together are tiles (oneDNN takes three times as long for an odd number). For the direction that reads from the end,
    rows are turned round within their length, so that padding comes last in both.
    """
    steps = torch.arange(x_bsh.size(1))
    padding_bs1 = (steps >= lengths_b[:, None])[..., None]
    turned_bs1 = torch.where(padding_bs1[..., 0], steps, lengths_b[:, None] - 1 - steps)[..., None]
    ends_b11 = (lengths_b - 1)[:, None, None].expand(-1, 1, stack.hidden_size)
    hold = x_bsh.new_tensor([-HOLD, HOLD, 0.0, 0.0] if isinstance(stack, nn.LSTM) else [0.0, HOLD, 0.0])
    column = hold.repeat_interleave(stack.hidden_size)[:, None]
    lasts = []
    for layer in range(stack.num_layers):
        if layer and stack.dropout:
            x_bsh = dropout(x_bsh, stack.dropout) if stack.training else x_bsh
        outs = []
        for direction in range(2 if stack.bidirectional else 1):
            own = x_bsh.gather(1, turned_bs1.expand_as(x_bsh)) if direction else x_bsh
            w_ih, *others = stack.all_weights[layer * (1 + stack.bidirectional) + direction]
            more = TILE - own.size(-1) % TILE
            told = torch.cat([own, padding_bs1.to(own).expand(-1, -1, more)], -1)
            weights = [torch.cat([w_ih, column.to(w_ih).expand(-1, more)], 1), *others]
            out, *last = _one_layer(stack, told, weights)
            lasts.append([out.gather(1, ends_b11).transpose(0, 1), *last[1:]])
            outs.append(out.gather(1, turned_bs1.expand_as(out)) if direction else out)
        x_bsh = torch.cat(outs, -1) if stack.bidirectional else outs[0]
    return x_bsh.masked_fill(padding_bs1, 0.0), tuple(torch.cat(states) for states in zip(*lasts))


def _one_layer(stack: nn.RNNBase, x_bsh: Tensor, weights: list[Tensor]) -> tuple[Tensor, ...]:
    rows, more = len(x_bsh), _missing_rows(stack, x_bsh)
    x_bsh, zeros = F.pad(x_bsh, (0, 0, 0, 0, 0, more)), x_bsh.new_zeros(1, rows + more, stack.hidden_size)
    plain = (True, 1, 0.0, False, False, True)  # biases, one layer, no dropout, not in training, one direction, rows first
    if not isinstance(stack, nn.LSTM):
        return torch.gru(x_bsh, zeros, weights, *plain)
    out, h, c = torch.lstm(x_bsh, (zeros, zeros), weights, *plain)
    return out[:rows], h[:, :rows], c[:, :rows]


class RecurrentEncoder(nn.Module):
    """Embeds the source and reads it with a recurrent stack; both directions share `d_model` between them.

    Returns from `forward`: the outputs [b, s, d_model] (zero at padding) and the final state of every layer, the
    directions side by side, as rows {h: [b, l, d_model]} (and c for an LSTM).
    """

    def __init__(self, cell: Cell, embed: nn.Embedding, d_model: int, layers: int, dropout: float, bidirectional: bool):
        super().__init__()
        self.embed = embed
        self.dropout = Dropout(dropout)
        width = d_model // 2 if bidirectional else d_model
        self.stack = recurrent(cell, embed.embedding_dim, width, layers, dropout, bidirectional)

    def forward(self, src_bs: Tensor, src_lengths_b: Tensor) -> tuple[Tensor, State]:
        x = self.dropout(self.embed(src_bs))
        out_bsh, last = read_padded(self.stack, x, src_lengths_b)
        return out_bsh, {name: self._rows(tensor) for name, tensor in zip(("h", "c"), last)}

    def _rows(self, last: Tensor) -> Tensor:
        """[layers × directions, b, width] → [b, layers, d_model]."""
        rows = last.transpose(0, 1)
        return rows.reshape(rows.size(0), self.stack.num_layers, -1)


def repeat_rows(state: State, beams: int) -> State:
    """Repeat every row for its beams."""
    return {name: tensor.repeat_interleave(beams, 0) for name, tensor in state.items()} if beams > 1 else state
