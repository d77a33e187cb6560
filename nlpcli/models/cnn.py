"""A convolutional classifier (Kim 2014).

Filters of several widths slide over a text's word vectors; of each only its maximum over the text is kept. Zeros stand before
and behind a text, so that there are as many windows as words, whatever the width, and a text may be shorter than a window.
Axes: b text, s position, f filter, d feature of a word.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlpcli.kernels.dropout import Dropout
from nlpcli.models import layers
from nlpcli.models.base import Classifier, source_mask
from nlpcli.models.config import CnnConfig as Config
from nlpcli.models.config import Task


class BatchNorm(nn.Module):
    """Batch normalisation of features [b, f] (Ioffe & Szegedy 2015).

    The moments for evaluation are parameters without a gradient, so that they are saved and averaged like the others. A
    batch of one text has no variance and is normalised by them too.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
        self.mean = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.variance = nn.Parameter(torch.ones(features), requires_grad=False)

    def forward(self, x_bf: Tensor) -> Tensor:
        of_batch = self.training and len(x_bf) > 1
        return F.batch_norm(x_bf, self.mean, self.variance, self.weight, self.bias, of_batch)


class TextCnn(Classifier):
    """Parallel convolutions over time, the maximum of each, dropout and an output layer."""

    def __init__(self, config: Config, vocab_size: int, classes: int) -> None:
        super().__init__()
        c = config
        self.embed = layers.embedding(vocab_size, c.d_embed)
        self.windows = nn.ModuleList(nn.Conv1d(c.d_embed, c.num_filters, width, padding=width // 2) for width in c.widths)
        found = c.num_filters * len(c.widths)
        self.norm = BatchNorm(found) if c.batch_norm else nn.Identity()
        self.dropout = Dropout(c.dropout)
        self.output = nn.Linear(found, classes)

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.embed,)

    def read(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        x_bds = self.embed(ids_bs).transpose(1, 2)
        # an even width gives one window more, whose middle lies behind the text
        found_bfs = torch.cat([windows(x_bds)[..., : ids_bs.size(1)] for windows in self.windows], 1)
        padding_bs = ~source_mask(ids_bs)
        highest_bf = found_bfs.masked_fill(padding_bs[:, None], float("-inf")).max(-1).values
        read: Tensor = self.dropout(F.relu(self.norm(highest_bf)))  # the same maximum as of ReLU's values, of fewer numbers
        return read


def build(config: Config, task: Task, inputs: int, outputs: int) -> TextCnn:
    """Return a new model with fresh weights."""
    return TextCnn(config, inputs, outputs)
