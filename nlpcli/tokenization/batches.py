"""Batches by token budget: rows of similar length together, so that little is spent on padding."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor

from nlpcli.tokenization.dataset import Side
from nlpcli.tokenization.sampling import Sampling
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, Tokenizer

POOL = 100  # batches whose rows are sorted by length together: enough for little padding, few enough to stay random


class Batch(NamedTuple):
    """Teacher-forcing pairs. `tgt_in_bt` begins with BOS, `tgt_out_bt` ends with EOS; both are padded with PAD.

    `src_lengths_b` stays on the CPU: packing needs it there.
    """

    src_bs: Tensor
    src_lengths_b: Tensor
    tgt_in_bt: Tensor
    tgt_out_bt: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move the ids to `device`."""
        src, lengths, tgt_in, tgt_out = self
        move = [ids.to(device, non_blocking=True) for ids in (src, tgt_in, tgt_out)]
        return Batch(move[0], lengths, move[1], move[2])


def by_token_budget(order: Sequence[int], lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` into batches whose rows × longest row stay within `budget` (one row at least)."""
    batch: list[int] = []
    longest = 0
    for row in order:
        if batch and max(longest, lengths[row]) * (len(batch) + 1) > budget:
            yield batch
            batch, longest = [], 0
        batch.append(row)
        longest = max(longest, lengths[row])
    if batch:
        yield batch


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Set rows of ids side by side: ids [b, s] padded with PAD, and lengths [b]."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), PAD)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.as_tensor(row)
    return ids, lengths


class SubwordSampling:
    """Draws new segmentations of rows of ids, the same for the same step: ids → text → ids.

    Args:
        alpha: see `Sampling`.
    """

    def __init__(self, tokenizer: Tokenizer, languages: tuple[str, str], alpha: float, seed: int) -> None:
        self.tokenizer, self.languages, self.alpha, self.seed = tokenizer, languages, alpha, seed

    def draw(self, rows: list[list[int]], side: int, step: int) -> list[list[int]]:
        """Draw for one side: 0 source, 1 target."""
        language = self.languages[side]
        seed = int(np.random.SeedSequence([self.seed, step, side]).generate_state(1)[0])
        return self.tokenizer.encode(self.tokenizer.decode(rows, language), language, Sampling(self.alpha, seed))


class PairBatches:
    """The batches of one split, in an order that follows from (seed, epoch) alone, so that any point can be resumed.

    Args:
        batch_tokens: bound on rows × the longest side of a batch, padding and marks included.
        max_length: pairs with more tokens on either side, or with an empty side, are left out and counted.
        sampling: draws segmentations for training; the budget counts the tokens of the best ones.
    """

    def __init__(
        self, src: Side, tgt: Side, *, batch_tokens: int, max_length: int, seed: int, sampling: SubwordSampling | None = None
    ) -> None:
        self.src, self.tgt, self.batch_tokens, self.seed, self.sampling = src, tgt, batch_tokens, seed, sampling
        src_lengths, tgt_lengths = src.lengths, tgt.lengths
        self.empty = np.flatnonzero((src_lengths == 0) | (tgt_lengths == 0))
        self.too_long = np.flatnonzero((src_lengths > max_length) | (tgt_lengths > max_length))
        self.rows = np.setdiff1d(np.arange(len(src)), np.union1d(self.empty, self.too_long))
        self.sizes = np.maximum(src_lengths, tgt_lengths) + 1
        # by the longer side, which fills the budget, then by the target
        self.sort_keys = self.sizes.astype(np.int64) * (int(tgt_lengths.max(initial=0)) + 1) + tgt_lengths

    def epoch(self, number: int) -> list[list[int]]:
        """Return the epoch's batches of row numbers, shuffled."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(self.rows)
        average = max(1, int(self.batch_tokens / self.sizes[self.rows].mean())) if len(self.rows) else 1
        pools = np.split(order, range(average * POOL, len(order), average * POOL))
        by_length = np.concatenate([pool[np.argsort(self.sort_keys[pool], kind="stable")] for pool in pools])
        batches = list(by_token_budget(by_length.tolist(), self.sizes, self.batch_tokens))
        return [batches[i] for i in rng.permutation(len(batches))]

    def in_order(self) -> list[list[int]]:
        """Return batches of all rows by length, for evaluation."""
        order = self.rows[np.argsort(self.sort_keys[self.rows], kind="stable")]
        return list(by_token_budget(order.tolist(), self.sizes, self.batch_tokens))

    def load(self, rows: Sequence[int], step: int | None = None) -> Batch:
        """Read the rows' ids and set them side by side for teacher forcing; with `step`, sampled if there is sampling."""
        src, tgt = ([side[i].tolist() for i in rows] for side in (self.src, self.tgt))
        if self.sampling and step is not None:
            src, tgt = self.sampling.draw(src, 0, step), self.sampling.draw(tgt, 1, step)
        src_bs, src_lengths_b = pad([[*ids, EOS] for ids in src])
        tgt_in, _ = pad([[BOS, *ids] for ids in tgt])
        tgt_out, _ = pad([[*ids, EOS] for ids in tgt])
        return Batch(src_bs, src_lengths_b, tgt_in, tgt_out)
