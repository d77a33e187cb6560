"""What every language model promises, whatever its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nlpcli.models.base import PLAIN, LanguageModel, Objective
from nlpcli.models.load import tied_names
from nlpcli.tokenization.blocks import BlockBatch
from nlpcli.tokenization.tokenizer import EOS, PAD
from nlpcli.training.checkpoint import save_weights

from .tiny import SRC_VOCAB, block_of, build, stream_of, variants

every = pytest.mark.parametrize(("architecture", "settings"), variants("lm"))
recurrent = pytest.mark.parametrize(("architecture", "settings"), [v for v in variants("lm") if v.values[0] == "rnn"])
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 1e-12}


def logits_of(model: LanguageModel, ids_bt: Tensor) -> Tensor:
    """Return the scores at every position, each row read from its beginning."""
    block = block_of(torch.cat([ids_bt, ids_bt[:, :1]], 1))
    features, _ = model.features(block, PLAIN)
    scores: Tensor = model.output(features).view(*ids_bt.shape, -1)
    return scores


@every
def test_word_by_word_is_all_at_once(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(3, 9)
    state, stepped = model.start(3), []
    for t in range(9):
        features, state = model.step(ids[:, t], state)
        stepped.append(model.output(features))
    torch.testing.assert_close(torch.stack(stepped, 1), logits_of(model, ids), **CLOSE)


@every
def test_the_loss_is_the_summed_surprise(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(3, 10)
    block = block_of(ids)
    surprise = -logits_of(model, block.in_bt).log_softmax(-1).gather(2, block.out_bt[..., None])
    assert model(block).item() == pytest.approx(surprise.sum().item(), rel=1e-12)
    assert block.count == 27


@every
def test_padding_at_the_end_of_a_row_costs_nothing(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(2, 10)
    alone = sum(model(block_of(ids[i : i + 1, :length])).item() for i, length in enumerate((10, 6)))
    block = BlockBatch(ids[:, :-1].clone(), ids[:, 1:].clone(), True)
    block.in_bt[1, 5:], block.out_bt[1, 5:] = PAD, PAD
    assert model(block).item() == pytest.approx(alone, rel=1e-12)


@every
def test_the_future_is_not_seen(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(3, 8)
    changed = ids.clone()
    changed[:, 4:] = EOS + 1 + (changed[:, 4:] - EOS) % (SRC_VOCAB - EOS - 1)
    before, after = logits_of(model, ids), logits_of(model, changed)
    torch.testing.assert_close(after[:, :4], before[:, :4], **CLOSE)
    assert (after[:, 4] - before[:, 4]).abs().amax(1).min() > 1e-6  # but the past is
    assert (after[:, 7] - before[:, 7]).abs().amax(1).min() > 1e-9


@every
def test_rows_know_nothing_of_each_other(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(4, 7)
    together = logits_of(model, ids)
    for i in range(4):
        torch.testing.assert_close(logits_of(model, ids[i : i + 1]), together[i : i + 1], **CLOSE)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(logits_of(model, ids[order]), together[order], **CLOSE)


@every
def test_states_are_rows_and_may_be_reordered(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, settings, "lm").double(), stream_of(3, 4)
    state = model.start(3)
    for t in range(3):
        _, state = model.step(ids[:, t], state)
    assert {tensor.size(0) for tensor in state.values()} == {3}
    order = torch.tensor([2, 0, 0])
    expected, _ = model.step(ids[:, 3], state)
    features, _ = model.step(ids[order, 3], {name: tensor[order] for name, tensor in state.items()})
    torch.testing.assert_close(features, expected[order], **CLOSE)


@recurrent
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_stream_in_parts_is_one_long_row(architecture: str, settings: dict[str, Any], training: bool) -> None:
    model, ids = build(architecture, {**settings, "dropout": 0.0}, "lm").double().train(training), stream_of(2, 13)
    whole = model(block_of(ids)).item()
    parts = [block_of(ids[:, begin : begin + 5], first=begin == 0) for begin in (0, 4, 8)]
    assert sum(model(part).item() for part in parts) == pytest.approx(whole, rel=1e-12)
    anew = sum(model(part._replace(first=True)).item() for part in parts)
    assert anew != pytest.approx(whole, rel=1e-6)


@recurrent
def test_another_number_of_rows_begins_anew(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "lm")
    one, two = block_of(stream_of(1, 6), first=False), block_of(stream_of(2, 6), first=False)
    fresh = model(two._replace(first=True)).item()
    model(one)
    assert model(two).item() == fresh


@recurrent
def test_a_carried_state_comes_back(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, {**settings, "dropout": 0.0}, "lm").train(), stream_of(2, 11)
    first, second = block_of(ids[:, :6]), block_of(ids[:, 5:], first=False)
    assert model.carried() == {}
    model(first).backward()
    kept = {name: tensor.clone() for name, tensor in model.carried().items()}
    assert not any(tensor.requires_grad for tensor in kept.values())
    expected = model(second)
    expected.backward()  # not through the first batch, which is gone
    other = build(architecture, {**settings, "dropout": 0.0}, "lm").train()
    other.carry(kept)
    assert torch.equal(other(second), expected)


@recurrent
def test_evaluation_leaves_the_state_of_training_alone(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, {**settings, "dropout": 0.0}, "lm").train(), stream_of(2, 11)
    model(block_of(ids[:, :6]))
    kept = {name: tensor.clone() for name, tensor in model.carried().items()}
    model.eval()(block_of(stream_of(2, 6, seed=1)))
    assert all(torch.equal(model.carried()[name], tensor) for name, tensor in kept.items())


@recurrent
def test_both_passes_of_r_drop_begin_at_the_same_state(architecture: str, settings: dict[str, Any]) -> None:
    model, ids = build(architecture, {**settings, "dropout": 0.0}, "lm").double().train(), stream_of(2, 13)
    whole = model(block_of(ids)).item()
    parts = [block_of(ids[:, begin : begin + 5], first=begin == 0) for begin in (0, 4, 8)]
    # without dropout the passes agree, and the divergence is 0
    assert sum(model(part, Objective(r_drop=1.0)).item() for part in parts) == pytest.approx(whole, rel=1e-12)


@every
def test_a_transformer_carries_nothing_and_others_do(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings, "lm").train()
    model(block_of(stream_of(2, 6)))
    assert set(model.carried()) == ({"h", "c"} if settings.get("cell") == "lstm" else {"h"} if "cell" in settings else set())
    model.carry({})


@every
def test_it_learns_a_stream_by_heart(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}, "lm").train()
    # no word twice in a row: the last one alone tells the next
    rows = torch.stack([torch.randperm(SRC_VOCAB - 4, generator=torch.Generator().manual_seed(i)) + 4 for i in range(3)])
    block = block_of(torch.cat([torch.tensor([[4], [9], [14]]), rows[:, :10]], 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        loss = model(block) / block.count
        if loss < 0.05:
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < 0.1
    model.eval()
    state, word = model.start(3), block.in_bt[:, 0]
    for t in range(10):
        features, state = model.step(word, state)
        word = model.output(features).argmax(-1)
        assert torch.equal(word, block.out_bt[:, t])


@every
def test_saved_weights_come_back(architecture: str, settings: dict[str, Any], tmp_path: Any) -> None:
    model, block = build(architecture, settings, "lm", seed=1), block_of(stream_of(3, 9))
    save_weights(tmp_path / "model.safetensors", dict(model.named_parameters()))
    other = build(architecture, settings, "lm", seed=2)
    assert not torch.equal(other(block), model(block))
    result = other.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) == tied_names(other)
    assert bool(tied_names(other)) == (settings["tie_embeddings"] not in (False, "none"))
    assert torch.equal(other(block), model(block))


@every
def test_gradients_reach_every_parameter(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}, "lm").train()
    model(block_of(stream_of(3, 9)), Objective(label_smoothing=0.1)).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []


@every
def test_evaluation_is_deterministic_and_training_drops_out(architecture: str, settings: dict[str, Any]) -> None:
    model, block = build(architecture, {**settings, "dropout": 0.3}, "lm"), block_of(stream_of(3, 9))
    assert torch.equal(model(block), model(block))
    model.train()
    assert not torch.equal(model(block), model(block))


@every
def test_dropped_words_are_unknown_ones_in_training_alone(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}, "lm").train()
    block, almost_all = block_of(stream_of(3, 9)), Objective(word_dropout=1 - 1e-9)
    unknown = block._replace(in_bt=torch.full_like(block.in_bt, 1))
    assert torch.equal(model(block, almost_all), model(unknown))
    model.eval()
    assert torch.equal(model(block, almost_all), model(block))


@recurrent
@pytest.mark.parametrize("autocast", [torch.bfloat16], ids=["bf16"])
def test_a_state_is_carried_in_mixed_precision_too(architecture: str, settings: dict[str, Any], autocast: torch.dtype) -> None:
    model, ids = build(architecture, {**settings, "dropout": 0.0}, "lm").train(), stream_of(2, 13)
    whole = model(block_of(ids)).item()
    with torch.autocast("cpu", autocast):
        losses = [model(block_of(ids[:, begin : begin + 5], first=begin == 0)) for begin in (0, 4, 8)]
    assert sum(loss.item() for loss in losses) == pytest.approx(whole, rel=0.02)


def test_variational_dropout_is_the_same_at_every_position() -> None:
    model = build("rnn", {"variational_dropout": True, "dropout": 0.5}, "lm").train()
    x = torch.ones(4, 7, 16)
    dropped = model.body.dropout(x)
    assert torch.equal(dropped, dropped[:, :1].expand_as(x))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])  # but another one in every row
