"""Recurrent networks (Elman 1990, LSTM, GRU) as language model (Mikolov et al. 2010) and as classifier.

The language model reads streams: a row of a batch goes on where the same row of the batch before it ended, and so does the
hidden state, cut off from its gradient. Axes: b text, s position in a text, n row of a stream, t position in a row, l layer,
h feature.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nlpcli.kernels.dropout import Dropout
from nlpcli.models import layers
from nlpcli.models.base import PLAIN, Classifier, LanguageModel, Model, Objective, State, source_mask
from nlpcli.models.config import RnnConfig as Config
from nlpcli.models.config import Task
from nlpcli.models.r_drop import r_drop_loss
from nlpcli.tokenization.tokenizer import PAD


class VariationalDropout(nn.Module):
    """Drops the same features at every position of a row (Gal & Ghahramani 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropout = Dropout(share)

    def forward(self, x_nth: Tensor) -> Tensor:
        if not self.training:
            return x_nth
        mask: Tensor = self.dropout(x_nth.new_ones(x_nth.size(0), 1, x_nth.size(2)))
        return x_nth * mask


class Recurrent(nn.Module):
    """Embedding and recurrent layers, with dropout before each layer."""

    def __init__(self, config: Config, vocab_size: int, bidirectional: bool = False) -> None:
        super().__init__()
        c = config
        self.embed = layers.embedding(vocab_size, c.d_embed)
        self.dropout = VariationalDropout(c.dropout) if c.variational_dropout else Dropout(c.dropout)
        width = c.d_model // 2 if bidirectional else c.d_model
        # one fused stack, unless there is a mask to be kept between its layers
        depths = [1] * c.num_layers if c.variational_dropout else [c.num_layers]
        self.stacks = nn.ModuleList(
            layers.recurrent(c.cell, c.d_model if i else c.d_embed, width, depth, c.dropout, bidirectional)
            for i, depth in enumerate(depths)
        )

    def stream(self, ids_nt: Tensor, state: State) -> tuple[Tensor, State]:
        """Read rows on from a state of rows [n, l, h]; return the features [n, t, h], dropped out, and the next state."""
        x, after = self.embed(ids_nt), []
        for i, stack in enumerate(self.stacks):
            assert isinstance(stack, nn.RNNBase)
            before = {name: tensor[:, i : i + stack.num_layers] for name, tensor in state.items()}
            x, last = layers.run(stack, self.dropout(x), before)
            after.append(last)
        return self.dropout(x), {name: torch.cat([last[name] for last in after], 1) for name in state}

    def texts(self, ids_bs: Tensor, lengths_b: Tensor) -> tuple[Tensor, Tensor]:
        """Read padded texts; return features [b, s, h], zero at padding, and the top layer's last states [b, h]."""
        x = self.embed(ids_bs)
        for stack in self.stacks:
            assert isinstance(stack, nn.RNNBase)
            x, last = layers.read_padded(stack, self.dropout(x), lengths_b)
        directions = last[0][-2:] if stack.bidirectional else last[0][-1:]
        return x, directions.transpose(0, 1).flatten(1)


class RecurrentLM(LanguageModel):
    """Predicts the next token of a stream from all before it."""

    carries = True

    def __init__(self, config: Config, vocab_size: int) -> None:
        super().__init__()
        c = config
        self.body = Recurrent(c, vocab_size)
        self.shape = (c.num_layers, c.d_model)
        self.states = ("h", "c") if c.cell == "lstm" else ("h",)
        self.output = nn.Linear(c.d_model, vocab_size)
        nn.init.zeros_(self.output.bias)
        if c.tie_embeddings:
            self.output.weight = self.body.embed.weight
        self._ended: dict[bool, State] = {}  # where the last batch of training and of evaluation ended

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.body.embed,)

    def start(self, rows: int) -> State:
        return {name: self.output.weight.new_zeros(rows, *self.shape) for name in self.states}

    def step(self, tokens_n: Tensor, state: State) -> tuple[Tensor, State]:
        features, state = self.body.stream(tokens_n[:, None], state)
        return features[:, 0], state

    def features(self, batch: Any, objective: Objective) -> tuple[Tensor, Tensor]:
        """Read a batch on from where the last one ended, unless it is the first or has another number of rows."""
        state = self._ended.get(self.training, {})
        if batch.first or not state or len(state["h"]) != len(batch.in_bt):
            state = self.start(len(batch.in_bt))
        features_nth, state = self.body.stream(self.drop_words(batch.in_bt, objective), state)
        self._ended[self.training] = {name: tensor.detach() for name, tensor in state.items()}
        real = batch.out_bt.ne(PAD)
        return features_nth[real], batch.out_bt[real]

    def forward(self, batch: Any, objective: Objective = PLAIN) -> Tensor:
        if not objective.r_drop or not self.training:
            return super().forward(batch, objective)
        before = self.carried()
        features, targets = self.features(batch, objective)
        self.carry(before)  # R-Drop reads the batch again, from where it began
        again, _ = self.features(batch, objective)
        layer = self.output.weight, self.output.bias
        return r_drop_loss(features, again, *layer, targets, objective.label_smoothing, objective.r_drop)

    def carried(self) -> State:
        return self._ended.get(True, {})

    def carry(self, state: State) -> None:
        self._ended[True] = {name: tensor.to(self.output.weight.device) for name, tensor in state.items()}


class RecurrentClassifier(Classifier):
    """Reads a text in one or both directions and pools its states."""

    def __init__(self, config: Config, vocab_size: int, classes: int) -> None:
        super().__init__()
        self.body = Recurrent(config, vocab_size, config.bidirectional)
        self.pooling = config.pooling
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.d_model, classes)

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.body.embed,)

    def read(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        features_bsh, pooled_bh = self.body.texts(ids_bs, lengths_b)
        if self.pooling == "mean":
            pooled_bh = features_bsh.sum(1) / lengths_b.to(features_bsh.device)[:, None]
        elif self.pooling == "max":
            padding_bs = ~source_mask(ids_bs)
            pooled_bh = features_bsh.masked_fill(padding_bs[..., None], float("-inf")).max(1).values
        read: Tensor = self.dropout(pooled_bh)
        return read


def build(config: Config, task: Task, inputs: int, outputs: int) -> Model:
    """Return a new model with fresh weights."""
    return RecurrentLM(config, inputs) if task == "lm" else RecurrentClassifier(config, inputs, outputs)
