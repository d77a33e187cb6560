"""Batches by token budget: rows of similar length together, so that little is spent on padding."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor

from nlpcli.tokenization.alignment import Alignments, alignment_rows
from nlpcli.tokenization.cut import Cut, by_token_budget
from nlpcli.tokenization.dataset import Side
from nlpcli.tokenization.sampling import Sampling
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, Tokenizer

POOL = 100  # batches whose rows are sorted by length together: enough for little padding, few enough to stay random


class Batch(NamedTuple):
    """Teacher-forcing pairs. `tgt_in_bt` begins with BOS, `tgt_out_bt` ends with EOS; both are padded with PAD.

    `src_lengths_b` stays on the CPU: packing needs it there. A row of `align_bts` says to which source positions a word of
    `tgt_out_bt` is linked: shares that sum to 1, or zeros where there is no link.
    """

    src_bs: Tensor
    src_lengths_b: Tensor
    tgt_in_bt: Tensor
    tgt_out_bt: Tensor
    align_bts: Tensor | None = None

    @property
    def count(self) -> int:  # type: ignore[override]  # tuple.count is of no use here
        """The number of tokens to predict, padding aside."""
        return int((self.tgt_out_bt != PAD).sum())

    def to(self, device: torch.device) -> Batch:
        """Move the ids to `device`."""
        src, lengths, tgt_in, tgt_out, align = self
        move = [ids.to(device, non_blocking=True) for ids in (src, tgt_in, tgt_out)]
        return Batch(move[0], lengths, move[1], move[2], None if align is None else align.to(device, non_blocking=True))


class TextBatch(NamedTuple):
    """Texts and the numbers of their classes. Each text ends with EOS and is padded with PAD; the lengths stay on the CPU."""

    ids_bs: Tensor
    lengths_b: Tensor
    labels_b: Tensor

    @property
    def count(self) -> int:  # type: ignore[override]  # tuple.count is of no use here
        """The number of labels to predict."""
        return len(self.labels_b)

    def to(self, device: torch.device) -> TextBatch:
        """Move ids and labels to `device`."""
        return TextBatch(self.ids_bs.to(device, non_blocking=True), self.lengths_b, self.labels_b.to(device, non_blocking=True))


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


class RowBatches:
    """Rows of similar length together, in an order that follows from (seed, epoch) alone, so that any point can be resumed.

    Args:
        rows: the numbers of the rows that are used.
        sizes: tokens of every row (of its longer side), marks included.
        sort_keys: by which rows are alike.
        batch_tokens: bound on rows × the largest size of a batch.
    """

    def __init__(self, rows: np.ndarray, sizes: np.ndarray, sort_keys: np.ndarray, *, batch_tokens: int, seed: int) -> None:
        self.rows, self.sizes, self.sort_keys, self.batch_tokens, self.seed = rows, sizes, sort_keys, batch_tokens, seed

    def epoch(self, number: int) -> Cut:
        """Return the epoch's batches of row numbers, shuffled."""
        rng = np.random.default_rng([self.seed, number])
        order = rng.permutation(self.rows)
        average = max(1, int(self.batch_tokens / self.sizes[self.rows].mean())) if len(self.rows) else 1
        pools = np.split(order, range(average * POOL, len(order), average * POOL))
        by_length = np.concatenate([pool[np.argsort(self.sort_keys[pool], kind="stable")] for pool in pools])
        cut = by_token_budget(by_length, self.sizes, self.batch_tokens)
        return Cut(cut.order, cut.bounds, rng.permutation(len(cut)))

    def in_order(self) -> Cut:
        """Return batches of all rows by length, for evaluation."""
        order = self.rows[np.argsort(self.sort_keys[self.rows], kind="stable")]
        return by_token_budget(order, self.sizes, self.batch_tokens)


def _small(numbers: np.ndarray) -> np.ndarray:
    """Return whole numbers in 32 bits if they fit: an epoch of a billion tokens is millions of rows."""
    return numbers.astype(np.int32) if int(numbers.max(initial=0)) < 1 << 31 else numbers


class PairBatches(RowBatches):
    """The batches of one split of pairs.

    Args:
        batch_tokens: bound on rows × the longest side of a batch, padding and marks included.
        max_length: pairs with more tokens on either side, or with an empty side, are left out and counted.
        sampling: draws segmentations for training; the budget counts the tokens of the best ones.
        alignments: links of words, given with the data.
    """

    def __init__(
        self,
        src: Side,
        tgt: Side,
        *,
        batch_tokens: int,
        max_length: int,
        seed: int,
        sampling: SubwordSampling | None = None,
        alignments: Alignments | None = None,
    ) -> None:
        self.src, self.tgt, self.sampling, self.alignments = src, tgt, sampling, alignments
        src_lengths, tgt_lengths = src.lengths, tgt.lengths
        empty, too_long = (src_lengths == 0) | (tgt_lengths == 0), (src_lengths > max_length) | (tgt_lengths > max_length)
        self.empty, self.too_long = np.flatnonzero(empty), np.flatnonzero(too_long)
        rows = _small(np.flatnonzero(~(empty | too_long)))
        sizes = np.minimum(np.maximum(src_lengths, tgt_lengths), max_length) + 1
        # by the longer side, which fills the budget, then by the target
        sort_keys = _small(sizes.astype(np.int64) * (max_length + 1) + np.minimum(tgt_lengths, max_length))
        super().__init__(rows, sizes, sort_keys, batch_tokens=batch_tokens, seed=seed)

    def load(self, rows: Sequence[int], step: int | None = None) -> Batch:
        """Read the rows' ids and set them side by side for teacher forcing; with `step`, sampled if there is sampling."""
        src, tgt = ([side[i].tolist() for i in rows] for side in (self.src, self.tgt))
        if self.sampling and step is not None:
            src, tgt = self.sampling.draw(src, 0, step), self.sampling.draw(tgt, 1, step)
        src_bs, src_lengths_b = pad([[*ids, EOS] for ids in src])
        tgt_in, _ = pad([[BOS, *ids] for ids in tgt])
        tgt_out, _ = pad([[*ids, EOS] for ids in tgt])
        align = None
        if self.alignments:
            links = [self.alignments.links(row, *pair) for row, *pair in zip(rows, src, tgt)]
            align = alignment_rows(links, tgt_out.size(1), src_bs.size(1))
        return Batch(src_bs, src_lengths_b, tgt_in, tgt_out, align)


class LabelledBatches(RowBatches):
    """The batches of one split of labelled texts. Every text that is not empty is used, as each needs its label.

    Args:
        labels: the number of each row's class, see `Dataset.label_ids`.
        batch_tokens: bound on rows × the longest text of a batch, padding and EOS included.
        max_length: of a longer text the first so many tokens are used (and EOS); such rows are counted in `cut`. Those in
            `empty` are left out.
    """

    def __init__(self, side: Side, labels: np.ndarray, *, batch_tokens: int, max_length: int, seed: int) -> None:
        assert len(side) == len(labels), "a label for each row"
        self.side, self.labels, self.max_length = side, labels, max_length
        lengths = side.lengths
        self.empty = np.flatnonzero(lengths == 0)
        self.cut = np.flatnonzero(lengths > max_length)
        sizes = np.minimum(lengths, max_length) + 1
        super().__init__(_small(np.flatnonzero(lengths)), sizes, sizes, batch_tokens=batch_tokens, seed=seed)

    def load(self, rows: Sequence[int], step: int | None = None) -> TextBatch:
        """Read the rows' ids and labels; what is loaded does not depend on the step."""
        ids_bs, lengths_b = pad([[*self.side[i][: self.max_length].tolist(), EOS] for i in rows])
        return TextBatch(ids_bs, lengths_b, torch.from_numpy(self.labels[rows].astype(np.int64)))
