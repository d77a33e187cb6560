"""What a translation may not hold, and how it must begin; edits of the logits of a step.

Axes: b live sentence, n live row (so many a sentence), t position, v vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, PAD

NEVER = float("-inf")
Places = tuple[Tensor, Tensor]  # rows and tokens


class Constraints:
    """Suppressed words, repeated n-grams and forced beginnings.

    What cannot be written takes no probability away from what can: it is banned before the softmax. What must be written
    is spared from bans, and its probability counts.
    """

    def __init__(self, request: Request, settings: SearchSettings, rows: int, device: torch.device) -> None:
        words = [list(word) for word in request.suppressed if word]
        self.rows, self.ngram = rows, settings.no_repeat_ngram
        self.single = torch.tensor([word[0] for word in words if len(word) == 1], device=device, dtype=torch.long)
        self.sequences = [torch.tensor(word, device=device) for word in words if len(word) > 1]
        self.prefixes_bt = pad(request.prefixes)[0].to(device) if any(request.prefixes) else None

    @property
    def looks_back(self) -> bool:
        """Tell whether what has been written decides on what may be."""
        return bool(self.sequences) or self.ngram > 0

    def forced(self, length: int) -> Tensor | None:
        """Return the token that each row must write as its `length`th, 0 where it is free; nothing if all are."""
        if self.prefixes_bt is None or length > self.prefixes_bt.size(1):
            return None
        return self.prefixes_bt[:, length - 1].repeat_interleave(self.rows)

    def ban(self, logits_nv: Tensor, tokens_nt: Tensor, spared: list[Places]) -> None:
        """Ban, in place, what may not follow rows of tokens that begin with BOS.

        Args:
            spared: what must be writable all the same.
        """
        values = [logits_nv[places] for places in spared]
        logits_nv[:, PAD] = NEVER
        logits_nv[:, BOS] = NEVER
        if len(self.single):
            logits_nv.index_fill_(1, self.single, NEVER)
        for word in self.sequences:
            if tokens_nt.size(1) >= len(word):
                begun_n = tokens_nt[:, 1 - len(word) :].eq(word[:-1]).all(1)
                logits_nv[begun_n, word[-1]] = NEVER
        if self.ngram and tokens_nt.size(1) >= self.ngram:
            logits_nv[repetitions(tokens_nt, self.ngram)] = NEVER
        for places, value in zip(spared, values):
            logits_nv[places] = value

    def select(self, kept_b: Tensor) -> None:
        """Keep the given sentences."""
        if self.prefixes_bt is not None:
            self.prefixes_bt = self.prefixes_bt[kept_b]


def repetitions(tokens_nt: Tensor, size: int) -> Places:
    """Return rows and tokens that would complete an n-gram which the row has already."""
    windows = tokens_nt.unfold(1, size, 1)
    same = windows[..., :-1].eq(tokens_nt[:, None, tokens_nt.size(1) - size + 1 :]).all(-1)
    rows, at = same.nonzero(as_tuple=True)
    return rows, windows[rows, at, -1]


def places_of(forced_n: Tensor) -> Places:
    """Return where the forced tokens stand."""
    rows = forced_n.nonzero()[:, 0]
    return rows, forced_n[rows]


def only(logprobs_nv: Tensor, places: Places) -> None:
    """Leave a row with a forced token nothing else, in place; its log-probability stays what it is."""
    values = logprobs_nv[places]
    logprobs_nv[places[0]] = NEVER
    logprobs_nv[places] = values
