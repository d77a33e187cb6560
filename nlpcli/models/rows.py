"""How the texts of a batch lie in a tensor: padded to one length; packed, one after the other without padding; or packed, and
padded for attention alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nlpcli.kernels.problem import Shape
from nlpcli.kernels.spread import Spread, few_sizes
from nlpcli.tokenization.tokenizer import PAD


class Rows(NamedTuple):
    """Texts in a tensor [b, t, …]; packed ones in a single row [1, t, …].

    `at_t` is the position of each token in its text, `longest` more than the largest of them.
    """

    at_t: Tensor
    longest: int
    lengths_b: Tensor | None = None  # of padded texts; None: all have the full length
    offsets_b: Tensor | None = None  # of packed texts: where each begins, and the end of the last
    spread: Spread | None = None  # of packed texts that attention sees as padded ones; `lengths_b` are theirs

    def seen_by(self, queries: Rows) -> Shape:
        """Return how queries and these keys lie, for the attention kernel."""
        return Shape(queries.lengths_b, self.lengths_b, queries.offsets_b, self.offsets_b)

    def attention_at_t(self) -> Tensor:
        """Return the position of each token as attention sees them."""
        return self.at_t if self.spread is None else torch.arange(self.spread.shape[1], device=self.at_t.device)


def padded(size: int, device: torch.device, lengths_b: Tensor | None = None, first: int = 0) -> Rows:
    """Return rows of `size` tokens, of which the given numbers are real; the first token stands at position `first`."""
    at_t = torch.arange(first, first + size, device=device)
    return Rows(at_t, first + size, None if lengths_b is None else lengths_b.to(device, torch.int32, non_blocking=True))


def pack(ids_bt: Tensor, real_bt: Tensor) -> tuple[Tensor, Rows]:
    """Leave out the padding: return ids [1, t], and how the texts lie in them. On a CPU one more text, of padding, makes t one
    of few sizes (see `kernels/spread.py`)."""
    ids_t, at_t = ids_bt[real_bt], torch.arange(ids_bt.size(1), device=ids_bt.device).expand_as(ids_bt)[real_bt]
    lengths_b = real_bt.sum(1)
    if ids_bt.device.type == "cpu":
        more = few_sizes(len(ids_t)) - len(ids_t)
        ids_t, at_t, lengths_b = (
            F.pad(ids_t, (0, more), value=PAD),
            F.pad(at_t, (0, more)),
            F.pad(lengths_b, (0, 1), value=more),
        )
    return ids_t[None], Rows(at_t, ids_bt.size(1), offsets_b=F.pad(lengths_b.cumsum(0), (1, 0)))


def spread(ids_bt: Tensor, real_bt: Tensor) -> tuple[Tensor, Rows]:
    """Leave out the padding but in attention: return ids [1, n], some last ones of no text, and how the texts lie in them."""
    how, positions = Spread.of(real_bt), torch.arange(ids_bt.size(1), device=ids_bt.device)
    at_n = how.take_up(positions.expand_as(ids_bt), 0)[0]
    return how.take_up(ids_bt, PAD), Rows(at_n, ids_bt.size(1), real_bt.sum(1, dtype=torch.int32), spread=how)
