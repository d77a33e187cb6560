"""The sampled softmax: what it estimates, and what a model trained with it comes to know."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nlpcli.kernels.spread import few_sizes
from nlpcli.models.loss import label_smoothed_loss, sampled_loss
from nlpcli.models.sampled_softmax import SampledSoftmax
from nlpcli.training import optimisation, run
from nlpcli.training.train import train

WORDS = 60


def zipf() -> Tensor:
    """Counts of words: the r-th is there 1/r times as often as the first."""
    return (10_000 / torch.arange(1, WORDS + 1)).long()


def layer(width: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    made = [torch.randn(size, generator=g).requires_grad_() for size in ((30, width), (WORDS, width), (WORDS,))]
    return made[0], made[1], made[2], torch.randint(WORDS, (30,), generator=g)


def test_a_sample_holds_the_targets_and_tells_their_places() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([5, 59, 5, 0])
    sample = SampledSoftmax(zipf(), 10).sample(targets)
    assert sample.words.tolist() == sorted(set(sample.words.tolist()))
    assert sample.words[sample.places].tolist() == targets.tolist()
    assert 3 <= len(sample.words) <= 13
    assert (sample.log_inclusion <= 0).all()


def test_when_every_word_is_drawn_it_is_the_whole_loss_in_value_and_gradients() -> None:
    features, weight, bias, targets = layer()
    every = SampledSoftmax(torch.ones(WORDS), 100_000)
    for offsets in (bias, None):
        leaves = [features, weight] + ([bias] if offsets is not None else [])
        ours = sampled_loss(features, weight, offsets, targets, every)
        whole = label_smoothed_loss(features, weight, offsets, targets, 0.0)
        torch.testing.assert_close(ours, whole)
        for found, expected in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(whole, leaves), strict=True):
            torch.testing.assert_close(found, expected)


def test_the_sum_over_a_sample_is_the_sum_over_the_vocabulary_on_average() -> None:
    """Horvitz & Thompson 1952: each word counts for one over the probability that it is there."""
    torch.manual_seed(2)
    counts, scores = zipf(), torch.randn(WORDS, dtype=torch.float64)
    softmax, share = SampledSoftmax(counts, 15), counts / counts.sum()
    sums = []
    for _ in range(4000):
        sample = softmax.sample(torch.multinomial(share, 8, replacement=True))
        sums.append((scores[sample.words] - sample.log_inclusion).exp().sum())
    error = torch.stack(sums).std() / len(sums) ** 0.5
    assert abs(torch.stack(sums).mean() - scores.exp().sum()) < 4 * error


def test_a_model_trained_with_it_knows_how_probable_each_word_is() -> None:
    """The biases alone, of words whose probabilities are known: what is learnt is held against those, over all words."""
    torch.manual_seed(3)
    counts = zipf()
    share, softmax = counts / counts.sum(), SampledSoftmax(counts, 15)
    bias, nothing = torch.zeros(WORDS, requires_grad=True), torch.zeros(256, 1)
    optimizer = torch.optim.Adam([bias], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 1500)
    for _ in range(1500):
        targets = torch.multinomial(share, len(nothing), replacement=True)
        loss = sampled_loss(nothing, torch.zeros(WORDS, 1), bias, targets, softmax)
        optimizer.zero_grad()
        (loss / len(nothing)).backward()
        optimizer.step()
        schedule.step()
    divergence = (share * (share.log() - bias.detach().log_softmax(0))).sum()
    assert divergence < 0.002
    uniform = (share * (share.log() + torch.tensor(float(WORDS)).log())).sum()
    assert uniform > 0.3


def test_train_takes_it_up(tiny_text: Path) -> None:
    small = {"d_embed": 8, "d_model": 8, "batch_tokens": 128, "context_length": 16, "max_steps": 2}
    paths = [Path("sampled"), Path("whole")]
    for path, draws in zip(paths, (5, 0)):
        assert train(architecture="rnn", data=str(tiny_text), out=path, sampled_softmax=draws, **small).path == path.resolve()
    weights = [(path / "last.safetensors").read_bytes() for path in paths]
    assert weights[0] != weights[1]


def test_the_number_of_words_is_one_of_few_and_those_added_change_nothing() -> None:
    torch.manual_seed(4)
    softmax = SampledSoftmax(torch.ones(1000), 300)
    sample = softmax.sample(torch.arange(200, 240))
    real = sample.words > 0
    assert len(sample.words) == few_sizes(len(sample.words)) > int(real.sum())
    features, weight = torch.randn(40, 8), torch.randn(1000, 8)
    padded, plain = (
        label_smoothed_loss(features, weight[sample.words[kept]], -sample.log_inclusion[kept], sample.places, 0.0)
        for kept in (slice(None), real | (sample.log_inclusion < 0))
    )
    torch.testing.assert_close(padded, plain)


PLAIN_DESCENT = {
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "weight_decay": 0.01,
    "clip_norm": 0.5,
    "clip_value": 0.4,
    "ema": 0.9,
}
SMALL = {"d_embed": 8, "d_model": 8, "batch_tokens": 128, "context_length": 16, "max_steps": 12, "accumulate": 2}


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_of_its_words_alone_train_the_same_model(
    tiny_text: Path, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    made = []
    for sparse in (True, False):
        if not sparse:
            for module in (run, optimisation):
                monkeypatch.setattr(module, "sparse_gradients", lambda settings: False)
        settings = {**SMALL, **PLAIN_DESCENT, "tie_embeddings": tied, "precision": "32", "sampled_softmax": 40}
        path = train(architecture="rnn", data=str(tiny_text), out=Path(f"sparse-{sparse}"), **settings).path
        made.append(load_file(path / "last.safetensors"))
    torch.testing.assert_close(*made)
