"""Which words of a large vocabulary the output layer is trained on at one step (Jean et al. 2015).

The words of the batch and some drawn at random stand for all. A word that rarely gets among them counts for as many as it
stands for: the logit of word j loses log π(j), where π(j) is the probability that a step's words hold it. A step's loss then
has its minimum where the model gives each word its probability among all (Bengio & Senécal 2008).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.spread import few_sizes
from nlpcli.tokenization.tokenizer import PAD

FLATTENED = 0.75  # power of the words' counts that they are drawn by (Mikolov et al. 2013, §2.2)


class Sample(NamedTuple):
    """Words [c] in ascending order, then padding; the logarithm of each one's probability to be there [c] (of padding's,
    infinite); the targets' places [n]."""

    words: Tensor
    log_inclusion: Tensor
    places: Tensor


class SampledSoftmax:
    """Draws words by how often they stand in the training text.

    Args:
        counts: how often each word of the vocabulary stands there, [v]; on the device of the model.
        draws: draws a step, with repetition, beside the words of the batch.
        sparse: the output layer's gradient holds the rows of these words alone.
    """

    def __init__(self, counts: Tensor, draws: int, sparse: bool = False) -> None:
        self.sparse = sparse
        self.share_v = counts.double() / counts.sum()
        flat = (counts.double() + 1) ** FLATTENED
        self.drawn_v = 1 - (1 - flat / flat.sum()) ** draws

    def sample(self, targets: Tensor) -> Sample:
        """Draw for a batch with these targets [n].

        Padding, which cannot be predicted, makes up one of few numbers of words (see `spread.py`).
        """
        among = torch.rand(self.drawn_v.shape, device=targets.device) < self.drawn_v
        among[targets] = True
        words = among.nonzero()[:, 0]
        absent = (1 - self.drawn_v[words]) * (1 - self.share_v[words]) ** len(targets)
        more = few_sizes(len(words)) - len(words)
        log_inclusion = F.pad(torch.log1p(-absent).float(), (0, more), value=math.inf)
        return Sample(F.pad(words, (0, more), value=PAD), log_inclusion, torch.searchsorted(words, targets))
