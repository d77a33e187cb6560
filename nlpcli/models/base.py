"""What every model offers, so that training and decoding need to know no class.

A model reads a batch and returns its loss. The three tasks add what is needed to use it: a translation model encodes and
writes word by word, a language model writes on from a prompt, a classifier gives scores to classes.

Axes: b sentence, s source position, t target position, n decoder row (sentence × beam, sentence-major), h feature,
v vocabulary. Padding is id 0 everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nlpcli.models.loss import label_smoothed_loss, sampled_loss
from nlpcli.models.r_drop import r_drop_loss
from nlpcli.models.sampled_softmax import SampledSoftmax
from nlpcli.tokenization.batches import Batch
from nlpcli.tokenization.tokenizer import EOS, PAD, UNK

Memory = dict[str, Tensor]
State = dict[str, Tensor]


class Objective(NamedTuple):
    """What is minimised besides the plain loss, and what the decoder is fed in training.

    Args:
        label_smoothing: share of the probability mass spread over the vocabulary (Szegedy et al. 2016, §7).
        r_drop: weight α of the divergence between two passes with dropout (Liang et al. 2021, eq. 4).
        word_dropout: share of input words replaced by the unknown word.
        teacher_forcing: probability that a decoder reads the reference's previous word instead of its own guess
            (Bengio et al. 2015, §2.4).
        guided_alignment: weight of the cross-entropy between attention and alignments given with the data.
        coverage_loss: weight of the penalty on attending twice to a place (See et al. 2017, eq. 12).
    """

    label_smoothing: float = 0.0
    r_drop: float = 0.0
    word_dropout: float = 0.0
    teacher_forcing: float = 1.0
    guided_alignment: float = 0.0
    coverage_loss: float = 0.0


PLAIN = Objective()


class Model(nn.Module, ABC):
    """A network over ids with an output layer. A subclass sets `self.output`, from features to what is predicted.

    `sampled_softmax` draws the words of the output layer that a step of training computes; None: all.
    """

    output: nn.Linear
    sampled_softmax: SampledSoftmax | None = None

    @abstractmethod
    def embeddings(self) -> tuple[nn.Embedding, ...]:
        """Return the embedding of each language of the tokenizer; they may be one."""

    @abstractmethod
    def features(self, batch: Any, objective: Objective) -> tuple[Tensor, Tensor]:
        """Return the features [n, h] from which the batch's n real targets [n] are predicted."""

    def forward(self, batch: Any, objective: Objective = PLAIN) -> Tensor:
        """Return the loss summed over the batch's `count` real targets, in nats."""
        features, targets = self.features(batch, objective)
        layer = self.output.weight, self.output.bias
        if objective.r_drop and self.training:
            again, _ = self.features(batch, objective)
            return r_drop_loss(features, again, *layer, targets, objective.label_smoothing, objective.r_drop)
        if self.sampled_softmax and self.training:
            return sampled_loss(features, *layer, targets, self.sampled_softmax)
        return label_smoothed_loss(features, *layer, targets, objective.label_smoothing)

    def drop_words(self, ids: Tensor, objective: Objective) -> Tensor:
        """Replace a share of the words by the unknown word, in training."""
        if not objective.word_dropout or not self.training:
            return ids
        dropped = torch.rand(ids.shape, device=ids.device) < objective.word_dropout
        return ids.masked_fill(dropped & (ids > EOS), UNK)


class TranslationModel(Model):
    """An encoder-decoder with the protocol `encode`, `start`, `step`, `reorder`.

    `aligns` tells whether it looks at single words of the source, so that there is an `alignment`.
    """

    aligns = False

    @abstractmethod
    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        """Read the source (ids ending with EOS) once; the result is kept per sentence, not per beam."""

    @abstractmethod
    def start(self, memory: Memory, beams: int) -> State:
        """Return the decoder's state before the first word: tensors with n = sentences × beams rows."""

    @abstractmethod
    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Read one token a row; return features [n, h] for `output` and the next state."""

    @abstractmethod
    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        """Read all target tokens at once (teacher forcing); return features [b, t, h] for `output`."""

    def alignment(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        """Return the attention [b, t, s] that target positions pay to source positions: rows sum to 1, 0 at padding."""
        raise NotImplementedError

    def reorder(self, state: State, rows_n: Tensor) -> State:
        """Keep the given rows of the state, in the given order."""
        return {name: tensor.index_select(0, rows_n) for name, tensor in state.items()}

    def select(self, memory: Memory, sentences_b: Tensor) -> Memory:
        """Keep the given sentences of the memory (finished ones leave the batch)."""
        return {name: tensor.index_select(0, sentences_b) for name, tensor in memory.items()}

    def features(self, batch: Batch, objective: Objective) -> tuple[Tensor, Tensor]:
        memory = self.encode(self.drop_words(batch.src_bs, objective), batch.src_lengths_b)
        tgt_in_bt = self.drop_words(batch.tgt_in_bt, objective)
        if objective.teacher_forcing < 1.0 and self.training:
            features_bth = self._decode_sampling(tgt_in_bt, memory, objective.teacher_forcing)
        else:
            features_bth = self.decode(tgt_in_bt, memory)
        real = batch.tgt_out_bt.ne(PAD)
        return features_bth[real], batch.tgt_out_bt[real]

    def _decode_sampling(self, tgt_in_bt: Tensor, memory: Memory, teacher_forcing: float) -> Tensor:
        state, guess, features = self.start(memory, 1), tgt_in_bt[:, 0], []
        for t in range(tgt_in_bt.size(1)):
            forced = torch.rand(guess.shape, device=guess.device) < teacher_forcing
            feature, state = self.step(torch.where(forced, tgt_in_bt[:, t], guess), memory, state)
            guess = self.output(feature.detach()).argmax(-1)
            features.append(feature)
        return torch.stack(features, dim=1)


class LanguageModel(Model):
    """A network that predicts the next token of a stream.

    `carries` tells whether the state goes on from batch to batch; else every row begins anew.
    """

    carries = False

    @abstractmethod
    def start(self, rows: int) -> State:
        """Return the state before the first token, for so many rows."""

    @abstractmethod
    def step(self, tokens_n: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one token a row; return features [n, h] for `output` and the next state."""

    def carried(self) -> State:
        """Return the state that the next batch goes on from, as tensors; none if nothing is carried."""
        return {}

    def carry(self, state: State) -> None:
        """Go on from what `carried` returned."""


class Classifier(Model):
    """A network that gives a score to each class of a text."""

    @abstractmethod
    def read(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        """Return features [b, h] of texts (ids ending with EOS)."""

    def logits(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        """Return the scores [b, classes] of texts."""
        scores: Tensor = self.output(self.read(ids_bs, lengths_b))
        return scores

    def features(self, batch: Any, objective: Objective) -> tuple[Tensor, Tensor]:
        return self.read(self.drop_words(batch.ids_bs, objective), batch.lengths_b), batch.labels_b


def source_mask(src_bs: Tensor) -> Tensor:
    """Return [b, s], True where there is a word."""
    return src_bs.ne(PAD)


def with_end(ids: list[int]) -> list[int]:
    """Return source ids as the encoder reads them: ending with EOS, so never empty."""
    return [*ids, EOS]
