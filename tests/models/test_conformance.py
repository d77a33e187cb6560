"""What every translation model promises, whatever its settings. A new entry of CONFIGS is tested here by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.models.base import Objective, TranslationModel
from nlpcli.models.load import tied_names
from nlpcli.tokenization.batches import Batch
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD
from nlpcli.training.checkpoint import save_weights

from .tiny import SRC, TGT, TGT_VOCAB, batch_of, build, features_of, variants

pytestmark = pytest.mark.parametrize(("architecture", "settings"), variants("translation"))

B = len(SRC)
PADDINGS = [(torch.float32, 1e-5), (torch.float64, 1e-12)]


def rows_of(batch: Batch, rows: list[int]) -> Batch:
    return Batch(*(tensor[rows] for tensor in batch if tensor is not None))


def run_steps(model: TranslationModel, batch: Batch, steps: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    state = model.start(memory, 1)
    for t in range(steps):
        _, state = model.step(batch.tgt_in_bt[:, t], memory, state)
    return memory, state


def test_outputs_have_the_shapes_of_the_protocol(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    assert {tensor.size(0) for tensor in memory.values()} == {B}  # a row a sentence, whatever the number of beams
    state = model.start(memory, 3)
    assert {tensor.size(0) for tensor in state.values()} == {3 * B}
    stepped, after = model.step(torch.full((3 * B,), BOS), memory, state)
    assert after.keys() == state.keys()
    for name, tensor in after.items():  # the keys and values of a Transformer grow in dimension 2, a place a step
        grown = architecture == "transformer"
        assert tensor.shape[:2] + tensor.shape[3:] == state[name].shape[:2] + state[name].shape[3:]
        assert tensor.shape[2:3] == tuple(size + grown for size in state[name].shape[2:3])
    features = model.decode(batch.tgt_in_bt, memory)
    assert features.shape == (*batch.tgt_in_bt.shape, stepped.size(1))
    assert model.output(features).shape == (*batch.tgt_in_bt.shape, model.output.out_features)
    assert model(batch).shape == ()
    assert batch.count == sum(len(ids) + 1 for ids in TGT)


@pytest.mark.parametrize(("dtype", "tolerance"), PADDINGS, ids=["float32", "float64"])
def test_padding_changes_nothing(architecture: str, settings: dict[str, Any], dtype: torch.dtype, tolerance: float) -> None:
    model = build(architecture, settings).to(dtype)
    together = features_of(model, batch_of())
    losses = []
    for i in range(B):
        alone = batch_of(SRC[i : i + 1], TGT[i : i + 1])
        torch.testing.assert_close(together[i : i + 1, : len(TGT[i]) + 1], features_of(model, alone), rtol=0, atol=tolerance)
        losses.append(model(alone).item())
    assert model(batch_of()).item() == pytest.approx(sum(losses), rel=tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_teacher_forced_loss_is_the_sum_over_steps(architecture: str, settings: dict[str, Any], smoothing: float) -> None:
    model, batch = build(architecture, settings).double(), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    state, total = model.start(memory, 1), 0.0
    for t in range(batch.tgt_in_bt.size(1)):
        features, state = model.step(batch.tgt_in_bt[:, t], memory, state)
        logprobs = model.output(features).log_softmax(-1)
        wanted = batch.tgt_out_bt[:, t]
        surprise = -(1 - smoothing) * logprobs.gather(1, wanted[:, None])[:, 0] - smoothing * logprobs.mean(1)
        total += surprise[wanted != PAD].sum().item()
    assert model(batch, Objective(label_smoothing=smoothing)).item() == pytest.approx(total, rel=1e-9)


def test_each_sentence_is_translated_from_its_own_source(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    features = features_of(model, batch)
    exchanged = features_of(model, batch._replace(src_bs=batch.src_bs.flip(0), src_lengths_b=batch.src_lengths_b.flip(0)))
    for i in range(B):
        assert (features[i, 0] - exchanged[i, 0]).abs().max() > 1e-4


def test_the_future_is_not_seen(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    features = features_of(model, batch)
    changed = batch.tgt_in_bt.clone()
    changed[:, 3:] = 4 + (changed[:, 3:] + 1) % (TGT_VOCAB - 4)
    again = features_of(model, batch._replace(tgt_in_bt=changed))
    torch.testing.assert_close(again[:, :3], features[:, :3], rtol=0, atol=1e-6)
    assert (again[:, 3] - features[:, 3]).abs().amax(1).min() > 1e-6  # but the past is


def test_reorder_and_select_keep_rows_straight(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    order = torch.tensor([6, 0, 3, 3, 5])  # fewer, repeated and exchanged
    memory, state = run_steps(model, batch, 2)
    tokens = batch.tgt_in_bt[:, 2]
    features, after = model.step(tokens[order], model.select(memory, order), model.reorder(state, order))
    same_memory, same_state = run_steps(model, rows_of(batch, order.tolist()), 2)
    expected, expected_after = model.step(tokens[order], same_memory, same_state)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(after, expected_after, rtol=0, atol=1e-6)


def test_rows_of_beams_can_be_exchanged(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    tokens = torch.arange(2 * B) % (TGT_VOCAB - 4) + 4  # a different word in each beam
    _, state = model.step(tokens, memory, model.start(memory, 2))
    exchange = torch.arange(2 * B).view(B, 2).flip(1).flatten()
    features, _ = model.step(tokens, memory, model.reorder(state, exchange))
    _, exchanged_state = model.step(tokens[exchange], memory, model.start(memory, 2))
    expected, _ = model.step(tokens, memory, exchanged_state)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-6)
    straight, _ = model.step(tokens, memory, state)
    assert (features - straight).abs().amax(1).min() > 1e-6  # the exchange was one


def test_beams_begin_equal_and_sentence_by_sentence(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    one, three = model.start(memory, 1), model.start(memory, 3)
    for name, tensor in one.items():
        torch.testing.assert_close(three[name], tensor.repeat_interleave(3, 0), rtol=0, atol=0)
    tokens = torch.tensor([4, 9, 17]).repeat(B)
    features, _ = model.step(tokens, memory, three)
    for beam, token in enumerate((4, 9, 17)):
        expected, _ = model.step(torch.full((B,), token), memory, one)
        torch.testing.assert_close(features.view(B, 3, -1)[:, beam], expected, rtol=0, atol=1e-6)


def test_greedy_search_is_beam_search_with_one_beam(architecture: str, settings: dict[str, Any]) -> None:
    model = build(architecture, settings)
    with torch.no_grad():
        model.output.weight *= 4  # clear choices
    found = TorchEngine([model]).search(Request([[*ids, EOS] for ids in SRC], [6] * B), SearchSettings())
    for i in range(B):
        alone = batch_of(SRC[i : i + 1], TGT[i : i + 1])
        memory = model.encode(alone.src_bs, alone.src_lengths_b)
        ids = [BOS]
        while len(ids) <= 6 and ids[-1] != EOS:
            logits = model.output(model.decode(torch.tensor([ids]), memory)[0, -1])
            logits[[PAD, BOS]] = float("-inf")
            ids.append(int(logits.argmax()))
        assert found[i][0].ids == [word for word in ids[1:] if word != EOS]
        assert found[i][0].cut == (ids[-1] != EOS)


def test_it_learns_eight_sentences_by_heart(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}).train(), batch_of()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005 if architecture == "transformer" else 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        loss = model(batch) / batch.count
        if loss < 0.03:
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < 0.1
    found = TorchEngine([model]).search(Request([[*ids, EOS] for ids in SRC], [10] * B), SearchSettings())
    assert [hypotheses[0].ids for hypotheses in found] == TGT


def test_saved_weights_come_back_and_tied_ones_are_stored_once(
    architecture: str, settings: dict[str, Any], tmp_path: Any
) -> None:
    model, batch = build(architecture, settings, seed=1), batch_of()
    save_weights(tmp_path / "model.safetensors", dict(model.named_parameters()))
    stored = load_file(tmp_path / "model.safetensors")
    assert sum(t.numel() for t in stored.values()) == sum(p.numel() for p in model.parameters())
    other = build(architecture, settings, seed=2)
    assert not torch.equal(other(batch), model(batch))
    result = other.load_state_dict(stored, strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) == tied_names(other)
    assert bool(tied_names(other)) == (settings["tie_embeddings"] != "none")
    assert torch.equal(other(batch), model(batch))
    assert torch.equal(features_of(other, batch), features_of(model, batch))


@pytest.mark.parametrize("teacher_forcing", [1.0, 0.5])
def test_gradients_reach_every_parameter(architecture: str, settings: dict[str, Any], teacher_forcing: float) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}).train()
    model(batch_of(), Objective(label_smoothing=0.1, teacher_forcing=teacher_forcing)).backward()
    untouched = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert untouched == []
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_evaluation_is_deterministic_and_training_drops_out(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.3}), batch_of()
    assert torch.equal(model(batch), model(batch))
    model.train()
    assert not torch.equal(model(batch), model(batch))
    memory, again = (model.encode(batch.src_bs, batch.src_lengths_b) for _ in range(2))
    assert any(not torch.equal(memory[name], again[name]) for name in memory)  # on the source's side
    assert not torch.equal(model.decode(batch.tgt_in_bt, memory), model.decode(batch.tgt_in_bt, memory))  # on the target's


def test_full_teacher_forcing_is_plain_training(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}).train(), batch_of()
    assert torch.equal(model(batch, Objective(teacher_forcing=1.0)), model(batch))


def test_almost_full_teacher_forcing_is_plain_training_word_by_word(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}).train(), batch_of()
    torch.testing.assert_close(model(batch, Objective(teacher_forcing=1.0 - 1e-12)), model(batch))


def test_without_teacher_forcing_the_decoder_reads_its_own_words(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, {**settings, "dropout": 0.0}).train(), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    read = batch.tgt_in_bt[:, :1]
    for _ in range(batch.tgt_in_bt.size(1) - 1):
        read = torch.cat([read, model.output(model.decode(read, memory)[:, -1:]).argmax(-1)], 1)
    logits = model.output(model.decode(read, memory))
    expected = F.cross_entropy(logits.flatten(0, 1), batch.tgt_out_bt.flatten(), ignore_index=PAD, reduction="sum")
    loss = model(batch, Objective(teacher_forcing=0.0))
    torch.testing.assert_close(loss, expected)
    assert not torch.allclose(loss, model(batch))


def test_teacher_forcing_is_for_training_alone(architecture: str, settings: dict[str, Any]) -> None:
    model, batch = build(architecture, settings), batch_of()
    assert torch.equal(model(batch, Objective(teacher_forcing=0.0)), model(batch))
