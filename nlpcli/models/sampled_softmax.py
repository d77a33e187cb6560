"""Which words of a large vocabulary the output layer is trained on at one step (Jean et al. 2015).

The words of the batch and some drawn at random stand for all. A word that rarely gets among them counts for as many as it
stands for: the logit of word j loses log π(j), where π(j) is the probability that a step's words hold it. A step's loss then
has its minimum where the model gives each word its probability among all (Bengio & Senécal 2008).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FLATTENED = 0.75  # power of the words' counts that they are drawn by (Mikolov et al. 2013, §2.2)


class Sample(NamedTuple):
    """Words [c] in ascending order, the logarithm of each one's probability to be there [c], and the targets' places [n]."""

    words: Tensor
    log_inclusion: Tensor
    places: Tensor


class SampledSoftmax:
    """Draws words by how often they stand in the training text.

    Args:
        counts: how often each word of the vocabulary stands there, [v]; on the device of the model.
        draws: draws a step, with repetition, beside the words of the batch.
    """

    def __init__(self, counts: Tensor, draws: int) -> None:
        self.share_v = counts.double() / counts.sum()
        flat = (counts.double() + 1) ** FLATTENED
        self.drawn_v = 1 - (1 - flat / flat.sum()) ** draws

    def sample(self, targets: Tensor) -> Sample:
        """Draw for a batch with these targets [n]."""
        among = torch.rand(self.drawn_v.shape, device=targets.device) < self.drawn_v
        among[targets] = True
        words = among.nonzero()[:, 0]
        absent = (1 - self.drawn_v[words]) * (1 - self.share_v[words]) ** len(targets)
        return Sample(words, torch.log1p(-absent).float(), torch.searchsorted(words, targets))
