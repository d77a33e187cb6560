"""What every translation model offers, so that training and decoding need to know no class.

Axes: b sentence, s source position, t target position, n decoder row (sentence × beam, sentence-major), h feature,
v vocabulary. Padding is id 0 everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nlpcli.models.loss import label_smoothed_loss
from nlpcli.tokenization.batches import Batch
from nlpcli.tokenization.tokenizer import EOS, PAD

Memory = dict[str, Tensor]
State = dict[str, Tensor]


class TranslationModel(nn.Module, ABC):
    """An encoder-decoder with the protocol `encode`, `start`, `step`, `reorder`.

    A subclass sets `self.output`, the linear layer from features to the target vocabulary.
    """

    output: nn.Linear

    @abstractmethod
    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        """Return the embeddings of source and target; they may be one."""

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

    def reorder(self, state: State, rows_n: Tensor) -> State:
        """Keep the given rows of the state, in the given order."""
        return {name: tensor.index_select(0, rows_n) for name, tensor in state.items()}

    def select(self, memory: Memory, sentences_b: Tensor) -> Memory:
        """Keep the given sentences of the memory (finished ones leave the batch)."""
        return {name: tensor.index_select(0, sentences_b) for name, tensor in memory.items()}

    def forward(self, batch: Batch, label_smoothing: float = 0.0, teacher_forcing: float = 1.0) -> tuple[Tensor, int]:
        """Return the loss summed over the real target tokens, in nats, and their number.

        Args:
            label_smoothing: share of the probability mass spread over the vocabulary (Szegedy et al. 2016, §7).
            teacher_forcing: probability that the decoder reads the reference's previous word instead of its own
                guess (Bengio et al. 2015, §2.4).
        """
        memory = self.encode(batch.src_bs, batch.src_lengths_b)
        if teacher_forcing < 1.0 and self.training:
            features = self._decode_sampling(batch.tgt_in_bt, memory, teacher_forcing)
        else:
            features = self.decode(batch.tgt_in_bt, memory)
        real = batch.tgt_out_bt.ne(PAD)
        targets = batch.tgt_out_bt[real]
        loss = label_smoothed_loss(features[real], self.output.weight, self.output.bias, targets, label_smoothing)
        return loss, targets.numel()

    def _decode_sampling(self, tgt_in_bt: Tensor, memory: Memory, teacher_forcing: float) -> Tensor:
        state, guess, features = self.start(memory, 1), tgt_in_bt[:, 0], []
        for t in range(tgt_in_bt.size(1)):
            forced = torch.rand(guess.shape, device=guess.device) < teacher_forcing
            feature, state = self.step(torch.where(forced, tgt_in_bt[:, t], guess), memory, state)
            guess = self.output(feature.detach()).argmax(-1)
            features.append(feature)
        return torch.stack(features, dim=1)


def source_mask(src_bs: Tensor) -> Tensor:
    """Return [b, s], True where there is a word."""
    return src_bs.ne(PAD)


def with_end(ids: list[int]) -> list[int]:
    """Return source ids as the encoder reads them: ending with EOS, so never empty."""
    return [*ids, EOS]
