"""The models against their papers, written out in numpy line by line.

Gates are stacked as torch documents them: i, f, g, o for an LSTM and r, z, n for a GRU. The one difference to Cho et al.
2014 (eq. 8) is torch's: the reset gate multiplies U h + b, not h, as in their released code and in cuDNN.
Everything is computed one sentence at a time, without padding, in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from nlpcli.models import ARCHITECTURES
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.tokenizer import BOS, EOS

from .tiny import SRC, TGT, batch_of, build

Array = NDArray[np.float64]
CLOSE = {"rtol": 0, "atol": 1e-12}
CELLS = ["rnn", "lstm", "gru"]
SCORES = ["additive", "dot", "general", "concat"]


def array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().numpy())


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def linear(layer: nn.Linear, x: Array) -> Array:
    y = x @ array(layer.weight).T
    return y if layer.bias is None else y + array(layer.bias)


def cell_step(kind: str, weights: tuple[Array, Array, Array, Array], x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of one layer in one direction: weights are (W, U, b_W, b_U)."""
    w, u, b_w, b_u = weights
    from_x, from_h = w @ x + b_w, u @ h + b_u
    if kind == "rnn":  # Elman 1990
        return np.tanh(from_x + from_h), c
    if kind == "lstm":  # Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000
        i, f, g, o = np.split(from_x + from_h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    r_x, z_x, n_x = np.split(from_x, 3)  # Cho et al. 2014, eq. 5-8
    r_h, z_h, n_h = np.split(from_h, 3)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    return z * h + (1 - z) * np.tanh(n_x + r * n_h), c


def weights_of(stack: nn.RNNBase, layer: int, backwards: bool = False) -> tuple[Array, Array, Array, Array]:
    suffix = f"_l{layer}" + ("_reverse" if backwards else "")
    w, u, b_w, b_u = (array(getattr(stack, name + suffix)) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return w, u, b_w, b_u


def encode(model: Any, kind: str, ids: list[int]) -> tuple[Array, Array, Array]:
    """Return the outputs [s, h], and the last h and c of every layer [l, h], directions side by side."""
    stack = model.encoder.stack
    inputs = array(model.encoder.embed.weight)[[*ids, EOS]]
    last_h, last_c = [], []
    for layer in range(stack.num_layers):
        outs, ends = [], []
        for backwards in [False, True][: 1 + stack.bidirectional]:
            h = c = np.zeros(stack.hidden_size)
            read = []
            for x in inputs[::-1] if backwards else inputs:
                h, c = cell_step(kind, weights_of(stack, layer, backwards), x, h, c)
                read.append(h)
            outs.append(np.stack(read[::-1] if backwards else read))
            ends.append((h, c))
        inputs = np.concatenate(outs, -1)
        last_h.append(np.concatenate([h for h, _ in ends]))
        last_c.append(np.concatenate([c for _, c in ends]))
    return inputs, np.stack(last_h), np.stack(last_c)


def decoder_step(stack: nn.RNNBase, kind: str, x: Array, h_lh: Array, c_lh: Array) -> tuple[Array, Array, Array]:
    """Run x through all layers once; return the top output and the new states."""
    h_lh, c_lh = h_lh.copy(), c_lh.copy()
    for layer in range(stack.num_layers):
        h_lh[layer], c_lh[layer] = cell_step(kind, weights_of(stack, layer), x, h_lh[layer], c_lh[layer])
        x = h_lh[layer]
    return x, h_lh, c_lh


def score(attention: Any, query: Array, outputs: Array) -> Array:
    """e_j for all source positions j: Bahdanau eq. 6 with A.1.2, Luong eq. 8."""
    if attention.score == "dot":
        return np.asarray([query @ out for out in outputs])
    w_k = array(attention.key.weight)
    if attention.score == "general":
        return np.asarray([query @ w_k @ out for out in outputs])
    v = array(attention.energy.weight)[0]
    return np.asarray([v @ np.tanh(linear(attention.query, query) + w_k @ out) for out in outputs])


def attend(attention: Any, query: Array, outputs: Array) -> tuple[Array, Array]:
    weights = softmax(score(attention, query, outputs))
    return weights, np.asarray(sum(w * out for w, out in zip(weights, outputs)))


def double(architecture: str, **settings: Any) -> Any:
    return build(architecture, {"tie_embeddings": "none", **settings}).double()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forwards", "both-ways"])
@pytest.mark.parametrize("kind", CELLS)
def test_the_encoder_computes_the_papers_recurrence(kind: str, bidirectional: bool, layers: int) -> None:
    model = double("attention", cell=kind, bidirectional=bidirectional, num_layers=layers)
    batch = batch_of()
    outputs_bsh, last = model.encoder(batch.src_bs, batch.src_lengths_b)
    for i, ids in enumerate(SRC):
        outputs, h, c = encode(model, kind, ids)
        np.testing.assert_allclose(array(outputs_bsh)[i, : len(ids) + 1], outputs, **CLOSE)
        assert not array(outputs_bsh)[i, len(ids) + 1 :].any()
        np.testing.assert_allclose(array(last["h"])[i], h, **CLOSE)
        if kind == "lstm":
            np.testing.assert_allclose(array(last["c"])[i], c, **CLOSE)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("context", ["first", "every"])
@pytest.mark.parametrize("kind", CELLS)
def test_the_fixed_context_model_computes_its_papers(kind: str, context: str, layers: int) -> None:
    """Sutskever et al.: c is the decoder's first state. Cho et al. §2.2: it also enters each step and each readout."""
    model = double("seq2seq", cell=kind, context=context, num_layers=layers)
    batch = batch_of()
    features = array(model.decode(batch.tgt_in_bt, model.encode(batch.src_bs, batch.src_lengths_b)))
    for i, (src, tgt) in enumerate(zip(SRC, TGT)):
        _, h, c = encode(model, kind, src)
        summary = h[-1]
        for t, word_id in enumerate([BOS, *tgt]):
            word = array(model.tgt_embed.weight)[word_id]
            x = np.concatenate([word, summary]) if context == "every" else word
            out, h, c = decoder_step(model.decoder, kind, x, h, c)
            seen = np.concatenate([out, summary, word]) if context == "every" else out
            np.testing.assert_allclose(features[i, t], np.tanh(linear(model.readout, seen)), **CLOSE)


@pytest.mark.parametrize("name", SCORES)
def test_attention_is_the_papers_score_and_a_softmax_over_real_words(name: str) -> None:
    model, batch = double("attention", attention=name), batch_of()
    memory = model.encode(batch.src_bs, batch.src_lengths_b)
    queries = torch.randn(len(SRC), 3, 16, generator=torch.manual_seed(3), dtype=torch.float64)
    contexts, weights = model.attention(queries, memory)
    for i, ids in enumerate(SRC):
        outputs = encode(model, "gru", ids)[0]
        for q in range(3):
            expected, context = attend(model.attention, array(queries)[i, q], outputs)
            np.testing.assert_allclose(array(weights)[i, q, : len(ids) + 1], expected, **CLOSE)
            np.testing.assert_allclose(array(contexts)[i, q], context, **CLOSE)
        assert not array(weights)[i, :, len(ids) + 1 :].any()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("feeding", [False, True], ids=["plain", "input-feeding"])
@pytest.mark.parametrize("name", ["dot", "general", "concat"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_decoder_step_is_luongs(kind: str, name: str, feeding: bool, layers: int) -> None:
    """Eq. 5: h̃ = tanh(W_c [h; c]), where c attends with the state *after* the step; §3.3: h̃ enters the next step.

    (The columns of W_c for h come first here; the paper has those for c first.)
    """
    model = double("attention", cell=kind, attention=name, input_feeding=feeding, num_layers=layers)
    batch = batch_of()
    features = array(model.decode(batch.tgt_in_bt, model.encode(batch.src_bs, batch.src_lengths_b)))
    for i, (src, tgt) in enumerate(zip(SRC[:3], TGT)):
        outputs, h, c = encode(model, kind, src)
        attentional = np.zeros(model.readout.out_features)
        for t, word_id in enumerate([BOS, *tgt]):
            word = array(model.tgt_embed.weight)[word_id]
            out, h, c = decoder_step(model.decoder, kind, np.concatenate([word, attentional]) if feeding else word, h, c)
            _, context = attend(model.attention, out, outputs)
            attentional = np.tanh(linear(model.readout, np.concatenate([out, context])))
            np.testing.assert_allclose(features[i, t], attentional, **CLOSE)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_a_decoder_step_is_bahdanaus(kind: str, layers: int) -> None:
    """A.2.2: c_i attends with s_{i-1}, s_i = f(s_{i-1}, y_{i-1}, c_i), and the word is read out of s_i, y_{i-1} and c_i."""
    model = double("attention", cell=kind, attention="additive", num_layers=layers)
    batch = batch_of()
    features = array(model.decode(batch.tgt_in_bt, model.encode(batch.src_bs, batch.src_lengths_b)))
    for i, (src, tgt) in enumerate(zip(SRC[:3], TGT)):
        outputs, h, c = encode(model, kind, src)
        for t, word_id in enumerate([BOS, *tgt]):
            word = array(model.tgt_embed.weight)[word_id]
            _, context = attend(model.attention, h[-1], outputs)
            out, h, c = decoder_step(model.decoder, kind, np.concatenate([word, context]), h, c)
            seen = np.concatenate([out, context, word])
            np.testing.assert_allclose(features[i, t], np.tanh(linear(model.readout, seen)), **CLOSE)


TINY = {"d_embed": 3, "d_model": 4}
CHECKED = [
    ("seq2seq", {"cell": "rnn", "context": "every", "bidirectional": False}),
    ("seq2seq", {"cell": "lstm", "context": "first", "num_layers": 2}),
    ("seq2seq", {"cell": "gru", "context": "every", "tie_embeddings": "all"}),
    ("attention", {"cell": "gru", "attention": "additive"}),
    ("attention", {"cell": "lstm", "attention": "dot", "input_feeding": True, "tie_embeddings": "none"}),
    ("attention", {"cell": "gru", "attention": "general", "num_layers": 2}),
    ("attention", {"cell": "rnn", "attention": "concat", "input_feeding": True, "tie_embeddings": "all"}),
]


@pytest.mark.parametrize(
    ("architecture", "settings"), CHECKED, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values()))
)
def test_gradients_are_those_of_finite_differences(architecture: str, settings: dict[str, Any]) -> None:
    settings = {**settings, "dropout": 0.0, **TINY}
    model: TranslationModel = build(architecture, settings, vocab=(8, 8)).double().train()
    batch = batch_of([[4, 5, 6], [7]], [[5, 4], [6]])
    names, tensors = zip(*model.named_parameters())

    def loss(*values: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = torch.func.functional_call(model, dict(zip(names, values)), (batch, 0.1))[0]
        return total

    assert torch.autograd.gradcheck(loss, tensors, fast_mode=True)


def test_finite_differences_are_checked_for_every_architecture() -> None:
    assert {name for name, _ in CHECKED} == set(ARCHITECTURES)
