"""Decoding with a cache and packed weights against the models as they are trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nlpcli.errors import Unavailable
from nlpcli.kernels import choose
from nlpcli.models.precision import pack_linear, quantize

from .tiny import SRC, TGT, TGT_VOCAB, batch_of, build, features_of, variants

B = len(SRC)
TRANSLATION = pytest.mark.parametrize(("architecture", "settings"), variants("translation"))
NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
STEPS = 27  # more than a new cache has room for


@pytest.fixture(autouse=True)
def without_gradients() -> Any:
    with torch.inference_mode():
        yield


def tokens_of(rows: int, steps: int, seed: int = 0) -> Tensor:
    return torch.randint(4, TGT_VOCAB, (rows, steps), generator=torch.Generator().manual_seed(seed))


@TRANSLATION
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_stepwise_is_teacher_forced(architecture: str, settings: dict[str, Any], dtype: torch.dtype) -> None:
    model, batch = build(architecture, settings).to(dtype), batch_of()
    ready = quantize(model)
    expected = features_of(model, batch)
    memory = ready.encode(batch.src_bs, batch.src_lengths_b)
    state = ready.start(memory, 1)
    for t in range(batch.tgt_in_bt.size(1)):
        features, state = ready.step(batch.tgt_in_bt[:, t], memory, state)
        torch.testing.assert_close(features, expected[:, t], rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)
        torch.testing.assert_close(ready.output(features), model.output(expected[:, t]), **NEAR)
    torch.testing.assert_close(ready.decode(batch.tgt_in_bt, memory), expected, **NEAR)


@TRANSLATION
@pytest.mark.parametrize("beams", [1, 3])
def test_beams_that_change_places_and_sentences_that_leave(architecture: str, settings: dict[str, Any], beams: int) -> None:
    """The same walk of a search, with the model as it is trained and with the one made ready."""
    model, batch = build(architecture, settings), batch_of()
    walk = torch.Generator().manual_seed(3)
    models = [model, quantize(model)]
    memories = [m.encode(batch.src_bs, batch.src_lengths_b) for m in models]
    states = [m.start(memory, beams) for m, memory in zip(models, memories)]
    sentences = B
    for step in range(STEPS):
        tokens = tokens_of(sentences * beams, 1, step)[:, 0]
        found = []
        for i, m in enumerate(models):
            features, states[i] = m.step(tokens, memories[i], states[i])
            found.append(features)
        torch.testing.assert_close(found[1], found[0], **NEAR)
        kept = torch.arange(sentences)
        if step in (3, 9, 10, 24):
            kept = torch.randperm(sentences, generator=walk)[: sentences - 1].sort().values
            memories = [m.select(memory, kept) for m, memory in zip(models, memories)]
        beam_of = torch.randint(beams, (len(kept), beams), generator=walk)
        rows = (kept[:, None] * beams + beam_of).flatten()
        states = [m.reorder(state, rows) for m, state in zip(models, states)]
        sentences = len(kept)


@pytest.mark.parametrize("beams", [1, 3])
def test_our_kernel_looks_at_the_source_where_it_runs(beams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Triton's interpreter: the same features as without it."""
    pytest.importorskip("triton")
    from nlpcli.kernels import triton_decode

    model, batch = build("transformer", {}), batch_of()
    ready = quantize(model)
    memory = ready.encode(batch.src_bs, batch.src_lengths_b)

    def features() -> list[Tensor]:
        state, found = ready.start(memory, beams), []
        for t in range(2):
            feature, state = ready.step(tokens_of(B * beams, 1, t)[:, 0], memory, state)
            found.append(feature)
        return found

    expected = features()
    ran, decode = [], triton_decode.decode
    monkeypatch.setattr(triton_decode, "decode", lambda *arguments: ran.append(1) or decode(*arguments))
    monkeypatch.setattr(choose, "_faults", {(torch.device("cpu"), torch.float32, model.decoder.d_head): ""})
    torch.testing.assert_close(features(), expected, **NEAR)
    assert len(ran) == 2 * len(model.decoder.layers)


@TRANSLATION
def test_a_sentence_is_translated_the_same_in_any_company(architecture: str, settings: dict[str, Any]) -> None:
    ready, batch = quantize(build(architecture, settings)), batch_of()
    together = logits_of(ready, batch)
    for i in range(B):
        alone = logits_of(ready, batch_of(SRC[i : i + 1], TGT[i : i + 1]))
        torch.testing.assert_close(alone[0], together[i, : alone.size(1)], **NEAR)


def test_a_row_of_int8_is_the_same_in_any_company() -> None:
    layer = pack_linear(torch.nn.Linear(64, 96), "int8", "cpu")
    rows = torch.randn(7, 64) * torch.logspace(-3, 3, 7)[:, None]
    together = layer(rows)
    for i in range(7):
        assert torch.equal(layer(rows[i : i + 1])[0], together[i])
    assert torch.equal(layer(torch.zeros(2, 64)), layer.bias.expand(2, -1))
    expected = torch.nn.functional.linear(rows, layer.weight, layer.bias)
    assert ((together - expected).abs() < 0.02 * rows.abs().amax(1, keepdim=True)).all()


def logits_of(model: Any, batch: Any) -> Tensor:
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    state, found = model.start(memory, 1), []
    for tokens in batch.tgt_in_bt.unbind(1):
        features, state = model.step(tokens, memory, state)
        found.append(model.output(features))
    return torch.stack(found, 1)


@TRANSLATION
@pytest.mark.parametrize(("quantization", "drift"), [("bfloat16", 0.06), ("int8", 0.25)])
def test_small_formats_are_near(architecture: str, settings: dict[str, Any], quantization: str, drift: float) -> None:
    model, batch = build(architecture, settings), batch_of()
    found, expected = (logits_of(m, batch).log_softmax(-1) for m in (quantize(model, quantization), model))
    assert 0 < (found - expected).abs().max() < drift


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_steps_of_recurrent_layers_are_torch_s(cell: str) -> None:
    model = build("seq2seq", {"cell": cell, "num_layers": 2})
    ready = quantize(model)
    state: Any = torch.randn(2, 5, 16)
    state = (state, torch.randn(2, 5, 16)) if cell == "lstm" else state
    x = torch.randn(5, 4, model.decoder.input_size)
    torch.testing.assert_close(ready.decoder(x, state), model.decoder(x, state), **NEAR)


def test_the_model_given_is_left_as_it_is() -> None:
    model, batch = build("attention", {}), batch_of()
    before = features_of(model, batch)
    ready = quantize(model, "int8")
    assert torch.equal(features_of(model, batch), before)
    assert ready.tgt_embed.weight is model.tgt_embed.weight


@pytest.mark.parametrize(
    ("architecture", "task"), [("rnn", "lm"), ("transformer", "lm"), ("rnn", "classify"), ("cnn", "classify")]
)
def test_other_tasks_are_packed_too(architecture: str, task: Any) -> None:
    model = build(architecture, {}, task)
    ready = quantize(model)
    if task == "classify":
        batch = batch_of()
        torch.testing.assert_close(
            ready.logits(batch.src_bs, batch.src_lengths_b), model.logits(batch.src_bs, batch.src_lengths_b), **NEAR
        )
        return
    states = [m.start(3) for m in (model, ready)]
    for tokens in tokens_of(3, 6).unbind(1):
        found = []
        for i, m in enumerate((model, ready)):
            features, states[i] = m.step(tokens, states[i])
            found.append(m.output(features))
        torch.testing.assert_close(found[1], found[0], **NEAR)


def test_formats_that_are_not_there_are_refused() -> None:
    with pytest.raises(Unavailable, match="PyTorch does not have it on a CPU"):
        quantize(build("seq2seq", {}), "int8_bfloat16")
