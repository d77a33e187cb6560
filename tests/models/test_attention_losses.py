"""Coverage, the losses on attention and its entropy, against their papers written out in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nlpcli.models.attention import alignment_loss
from nlpcli.models.base import Objective
from nlpcli.tokenization.tokenizer import BOS

from .tiny import SRC, TGT, batch_of
from .written_out import CELLS, CLOSE, Array, array, attend, decoder_step, double, encode, linear


def covered_features(model: Any, kind: str, src: list[int], tgt: list[int]) -> tuple[Array, Array]:
    """Return the features [t, h] and attention [t, s] of one pair with coverage."""
    outputs, h, c = encode(model, kind, src)
    covered, features, weights = np.zeros(len(outputs)), [], []
    for word_id in [BOS, *tgt]:
        word = array(model.tgt_embed.weight)[word_id]
        if model.bahdanau:
            a, context = attend(model.attention, h[-1], outputs, covered)
            out, h, c = decoder_step(model.decoder, kind, np.concatenate([word, context]), h, c)
            seen = np.concatenate([out, context, word])
        else:
            out, h, c = decoder_step(model.decoder, kind, word, h, c)
            a, context = attend(model.attention, out, outputs, covered)
            seen = np.concatenate([out, context])
        covered = covered + a
        features.append(np.tanh(linear(model.readout, seen)))
        weights.append(a)
    return np.stack(features), np.stack(weights)


@pytest.mark.parametrize("name", ["additive", "concat"])
@pytest.mark.parametrize("kind", CELLS)
def test_coverage_enters_the_score_as_see_et_al_write_it(kind: str, name: str) -> None:
    model = double("attention", cell=kind, attention=name, coverage=True)
    batch = batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    features, state = array(model.decode(batch.tgt_in_bt, memory)), model.start(memory, 1)
    for t in range(4):
        _, state = model.step(batch.tgt_in_bt[:, t], memory, state)
    for i, (src, tgt) in enumerate(zip(SRC, TGT)):
        expected, weights = covered_features(model, kind, src, tgt)
        np.testing.assert_allclose(features[i, : len(expected)], expected, **CLOSE)
        if len(weights) >= 4:
            np.testing.assert_allclose(array(state["covered"])[i, : len(src) + 1], weights[:4].sum(0), **CLOSE)


PENALISED = [
    {"attention": "additive"},
    {"attention": "additive", "coverage": True},
    {"attention": "general"},
    {"attention": "concat", "coverage": True},
]


def attention_of(model: Any, src: list[int], tgt: list[int]) -> Array:
    """Return the attention [t, s] of one pair, step by step."""
    if model.covers:
        return covered_features(model, "gru", src, tgt)[1]
    outputs, h, c = encode(model, "gru", src)
    weights = []
    for word_id in [BOS, *tgt]:
        word = array(model.tgt_embed.weight)[word_id]
        if model.bahdanau:
            a, context = attend(model.attention, h[-1], outputs)
            _, h, c = decoder_step(model.decoder, "gru", np.concatenate([word, context]), h, c)
        else:
            out, h, c = decoder_step(model.decoder, "gru", word, h, c)
            a, _ = attend(model.attention, out, outputs)
        weights.append(a)
    return np.stack(weights)


@pytest.mark.parametrize("settings", PENALISED, ids=lambda v: "-".join(map(str, v.values())))
def test_the_coverage_loss_is_the_papers(settings: dict[str, Any]) -> None:
    """See et al., eq. 12: the sum over steps and words of min(a, the attention of all steps before)."""
    model, batch = double("attention", dropout=0.0, **settings).train(), batch_of()
    penalty = 0.0
    for src, tgt in zip(SRC, TGT):
        covered = np.zeros(len(src) + 1)
        for a in attention_of(model, src, tgt):
            penalty += np.minimum(a, covered).sum()
            covered = covered + a
    plain = model(batch).item()
    assert model(batch, Objective(coverage_loss=0.7)).item() == pytest.approx(plain + 0.7 * penalty, rel=1e-12)
    assert model.eval()(batch, Objective(coverage_loss=0.7)).item() == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("settings", PENALISED, ids=lambda v: "-".join(map(str, v.values())))
def test_the_alignment_loss_is_the_papers(settings: dict[str, Any]) -> None:
    """Chen et al. 2016, eq. 4: −Σ A·log a; a word without links costs nothing."""
    model, batch = double("attention", dropout=0.0, **settings).train(), batch_of()
    align = torch.zeros(*batch.tgt_out_bt.shape, batch.src_bs.size(1))
    cost = 0.0
    for i, (src, tgt) in enumerate(zip(SRC, TGT)):
        a = attention_of(model, src, tgt)
        align[i, 0, 0] = 1.0  # the first word comes from the first
        cost -= np.log(a[0, 0])
        if len(tgt) > 1:  # the second from the first and the last alike, the others from none
            align[i, 1, 0] = align[i, 1, len(src) - 1] = 0.5 if len(src) > 1 else 1.0
            cost -= (np.log(a[1, 0]) + np.log(a[1, len(src) - 1])) / 2
    plain, guided = model(batch).item(), batch._replace(align_bts=align)
    assert model(guided, Objective(guided_alignment=0.4)).item() == pytest.approx(plain + 0.4 * cost, rel=1e-12)
    assert model(batch, Objective(guided_alignment=0.4)).item() == pytest.approx(plain, rel=1e-12)  # no links
    assert model(guided).item() == pytest.approx(plain, rel=1e-12)
    both = Objective(guided_alignment=0.4, coverage_loss=0.7, r_drop=1.0)
    penalty = model(batch, Objective(coverage_loss=0.7)).item() - plain
    assert model(guided, both).item() == pytest.approx(plain + penalty + 0.4 * cost, rel=1e-12)
    sampled = both._replace(teacher_forcing=1 - 1e-12)  # word by word
    assert model(guided, sampled).item() == pytest.approx(plain + penalty + 0.4 * cost, rel=1e-12)


def test_weight_on_no_word_at_all_gives_a_finite_alignment_loss() -> None:
    weights = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = alignment_loss(weights, torch.tensor([[[0.0, 1.0]]]), torch.tensor([[True]]))
    loss.backward()
    assert loss.isfinite()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


@pytest.mark.parametrize("settings", PENALISED, ids=lambda v: "-".join(map(str, v.values())))
def test_the_entropy_is_the_mean_over_real_words(settings: dict[str, Any]) -> None:
    model = double("attention", **settings)
    rows = np.concatenate([-(a * np.log(a)).sum(1) for a in (attention_of(model, s, t) for s, t in zip(SRC, TGT))])
    assert model.attention_entropy(batch_of()) == pytest.approx(rows.mean(), rel=1e-12)
    one_word = batch_of([[]], [[5, 6]])  # the end alone: nowhere else to look
    assert model.attention_entropy(one_word) == 0.0
