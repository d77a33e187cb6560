"""What every classifier promises, whatever its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from nlpcli.models.base import Objective
from nlpcli.models.load import tied_names
from nlpcli.tokenization.batches import TextBatch
from nlpcli.training.checkpoint import save_weights

from .tiny import CLASSES, LABELS, SRC, SRC_VOCAB, build, texts_of, variants

pytestmark = pytest.mark.parametrize(("architecture", "settings"), variants("classify"))

B = len(SRC)
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 1e-12}


def logits_of(model: Any, batch: TextBatch) -> torch.Tensor:
    scores: torch.Tensor = model.logits(batch.ids_bs, batch.lengths_b)
    return scores


def test_a_text_has_a_score_for_each_class(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings, "classify").double(), texts_of()
    scores = logits_of(model, batch)
    assert scores.shape == (B, CLASSES)
    expected = F.cross_entropy(scores, batch.labels_b, reduction="sum", label_smoothing=0.1)
    torch.testing.assert_close(model(batch, Objective(label_smoothing=0.1)), expected)
    assert batch.count == B


def test_padding_changes_nothing(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "classify").double()
    together = logits_of(model, texts_of())
    for i in range(B):
        alone = logits_of(model, texts_of(SRC[i : i + 1], LABELS[i : i + 1]))
        torch.testing.assert_close(alone, together[i : i + 1], **CLOSE)
    wider = logits_of(model, texts_of([*SRC, [4] * 30], [*LABELS, 0]))
    torch.testing.assert_close(wider[:B], together, **CLOSE)


def test_the_order_of_rows_does_not_matter(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "classify").double()
    turned = logits_of(model, texts_of(SRC[::-1], LABELS[::-1]))
    torch.testing.assert_close(turned.flip(0), logits_of(model, texts_of()), **CLOSE)


def test_every_word_counts(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "classify").double()
    text = [5, 9, 4, 17]
    read = model.read(*texts_of([text], [0])[:2])
    for i in range(len(text)):
        changed = [*text]
        changed[i] = 20
        assert (model.read(*texts_of([changed], [0])[:2]) - read).abs().max() > 1e-9


def test_an_empty_text_is_classified_too(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "classify").train()
    assert logits_of(model, texts_of([[]], [0])).isfinite().all()
    loss = model(texts_of([[], [5, 6]], [0, 1]))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_it_learns_eight_texts_by_heart(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}, "classify").train(), texts_of()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        loss = model(batch) / batch.count
        if loss < 0.02:
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < 0.05
    if not settings.get("batch_norm"):  # whose moments for evaluation follow slowly
        assert logits_of(model.eval(), batch).argmax(-1).tolist() == LABELS


def test_saved_weights_come_back(architecture: str, settings: dict[str, Any], tmp_path: Any) -> None:
    model, batch = build(architecture, settings, "classify", seed=1).train(), texts_of()
    model(batch)  # moments, where there are any, move
    model.eval()
    save_weights(tmp_path / "model.safetensors", dict(model.named_parameters()))
    other = build(architecture, settings, "classify", seed=2)
    assert not torch.equal(logits_of(other, batch), logits_of(model, batch))
    result = other.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    assert not result.unexpected_keys
    assert not result.missing_keys
    assert not tied_names(other)
    assert torch.equal(logits_of(other, batch), logits_of(model, batch))


def test_gradients_reach_every_parameter(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}, "classify").train()
    model(texts_of(), Objective(label_smoothing=0.1)).backward()
    learnt = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    untouched = [name for name, grad in learnt.items() if grad is None or not grad.abs().sum() > 0]
    assert untouched == []


def test_evaluation_is_deterministic_and_training_drops_out(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.3}, "classify"), texts_of()
    assert torch.equal(model(batch), model(batch))
    model.train()
    assert not torch.equal(model(batch), model(batch))


def test_r_drop_without_dropout_is_the_plain_loss(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}, "classify").double().train(), texts_of()
    torch.testing.assert_close(model(batch, Objective(r_drop=5.0)), model(batch))


def test_dropped_words_are_unknown_ones(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}, "classify").train(), texts_of()
    unknown = texts_of([[1] * len(text) for text in SRC])
    assert torch.equal(model(batch, Objective(word_dropout=1 - 1e-9)), model(unknown))


def test_mixed_precision_stays_near(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings, "classify"), texts_of()
    with torch.autocast("cpu", torch.bfloat16):
        near = logits_of(model, batch).float()
    torch.testing.assert_close(near, logits_of(model, batch), rtol=0, atol=0.05)


def test_words_of_the_whole_vocabulary_can_be_read(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "classify")
    assert logits_of(model, texts_of([list(range(4, SRC_VOCAB))], [0])).isfinite().all()
