"""Language models and classifiers against their papers, written out in numpy; one text at a time, without padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nlpcli.models.base import PLAIN, Objective

from .tiny import SRC, block_of, build, stream_of, texts_of
from .written_out import CELLS, CLOSE, Array, array, cell_step, linear, sigmoid, weights_of


def layers_of(body: Any) -> list[tuple[Any, int]]:
    """Return (stack, number in the stack) of every layer from the bottom up."""
    return [(stack, i) for stack in body.stacks for i in range(stack.num_layers)]


def read(body: Any, kind: str, ids: list[int]) -> tuple[Array, Array]:
    """Return the top layer's outputs [s, h], and its last state in each direction, side by side [h]."""
    inputs = array(body.embed.weight)[ids]
    for stack, layer in layers_of(body):
        outs, ends = [], []
        for backwards in [False, True][: 1 + stack.bidirectional]:
            h = c = np.zeros(stack.hidden_size)
            states = []
            for x in inputs[::-1] if backwards else inputs:
                h, c = cell_step(kind, weights_of(stack, layer, backwards), x, h, c)
                states.append(h)
            outs.append(np.stack(states[::-1] if backwards else states))
            ends.append(h)
        inputs = np.concatenate(outs, -1)
    return inputs, np.concatenate(ends)


@pytest.mark.parametrize("variational", [False, True], ids=["plain", "variational"])
@pytest.mark.parametrize(("layers", "d_embed"), [(1, 16), (2, 11)])
@pytest.mark.parametrize("kind", CELLS)
def test_the_language_model_is_the_papers_recurrence(kind: str, layers: int, d_embed: int, variational: bool) -> None:
    settings = {"cell": kind, "num_layers": layers, "d_embed": d_embed, "variational_dropout": variational}
    model, stream = build("rnn", {**settings, "tie_embeddings": d_embed == 16}, "lm").double(), stream_of(3, 9)
    features, targets = model.features(block_of(stream), PLAIN)
    for i, row in enumerate(stream.tolist()):
        expected, _ = read(model.body, kind, row[:-1])
        np.testing.assert_allclose(array(features.view(3, 8, -1))[i], expected, **CLOSE)
        assert targets.view(3, 8)[i].tolist() == row[1:]


@pytest.mark.parametrize("variational", [False, True], ids=["plain", "variational"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(("bidirectional", "layers"), [(False, 1), (True, 1), (True, 2)])
@pytest.mark.parametrize("kind", CELLS)
def test_the_classifier_pools_real_words(kind: str, bidirectional: bool, layers: int, pooling: str, variational: bool) -> None:
    settings = {"cell": kind, "bidirectional": bidirectional, "num_layers": layers, "pooling": pooling}
    model = build("rnn", {**settings, "variational_dropout": variational}, "classify").double()
    batch = texts_of()
    scores = array(model.logits(batch.ids_bs, batch.lengths_b))
    for i, length in enumerate(batch.lengths_b.tolist()):
        states, last = read(model.body, kind, batch.ids_bs[i, :length].tolist())
        pooled = {"last": last, "mean": states.mean(0), "max": states.max(0)}[pooling]
        np.testing.assert_allclose(scores[i], linear(model.output, pooled), **CLOSE)


def found(model: Any, ids: list[int]) -> Array:
    """Kim 2014, eq. 2-3: c_i = f(w · x_{i:i+h-1} + b) for each window, then the maximum; zeros stand around the text."""
    words, highest = array(model.embed.weight)[ids], []
    for windows in model.windows:
        w, b = array(windows.weight), array(windows.bias)  # [filters, d, width]
        width = w.shape[2]
        around = np.concatenate([np.zeros((width // 2, words.shape[1])), words, np.zeros((width, words.shape[1]))])
        values = [[(w[f] * around[i : i + width].T).sum() + b[f] for f in range(len(w))] for i in range(len(ids))]
        highest.append(np.max(values, axis=0))
    return np.concatenate(highest)


@pytest.mark.parametrize("widths", [(3, 4, 5), (2, 2), (1,), (9, 3, 3)], ids=str)
def test_the_convolutional_classifier_is_kims(widths: tuple[int, ...]) -> None:
    model, batch = build("cnn", {"widths": widths}, "classify").double(), texts_of()
    scores = array(model.logits(batch.ids_bs, batch.lengths_b))
    for i, length in enumerate(batch.lengths_b.tolist()):
        features = np.maximum(found(model, batch.ids_bs[i, :length].tolist()), 0)
        np.testing.assert_allclose(scores[i], linear(model.output, features), **CLOSE)


def test_batch_normalisation_is_torchs() -> None:
    model, batch = build("cnn", {"batch_norm": True, "dropout": 0.0}, "classify").double().train(), texts_of()
    highest = torch.tensor(np.stack([found(model, batch.ids_bs[i, :n].tolist()) for i, n in enumerate(batch.lengths_b)]))
    theirs = torch.nn.BatchNorm1d(highest.size(1)).double()
    for _ in range(3):
        torch.testing.assert_close(model.read(batch.ids_bs, batch.lengths_b), F.relu(theirs(highest)), rtol=0, atol=1e-9)
    model.eval(), theirs.eval()
    torch.testing.assert_close(model.read(batch.ids_bs, batch.lengths_b), F.relu(theirs(highest)), rtol=0, atol=1e-9)


def test_one_text_alone_is_normalised_by_what_was_seen_before() -> None:
    model = build("cnn", {"batch_norm": True, "dropout": 0.0}, "classify").train()
    alone = texts_of(SRC[:1], [0])
    trained = model.read(alone.ids_bs, alone.lengths_b)
    model.eval()
    assert torch.equal(model.read(alone.ids_bs, alone.lengths_b), trained)


CHECKED: list[tuple[str, Any, dict[str, Any]]] = [
    ("rnn", "lm", {"cell": "rnn", "d_embed": 3, "d_model": 4, "tie_embeddings": False}),
    ("rnn", "lm", {"cell": "lstm", "d_embed": 4, "d_model": 4, "num_layers": 2, "variational_dropout": True}),
    ("rnn", "classify", {"cell": "gru", "d_embed": 3, "d_model": 4, "pooling": "max"}),
    ("rnn", "classify", {"cell": "lstm", "d_embed": 3, "d_model": 4, "pooling": "mean", "num_layers": 2}),
    ("rnn", "classify", {"cell": "rnn", "d_embed": 3, "d_model": 3, "pooling": "last", "bidirectional": False}),
    ("cnn", "classify", {"d_embed": 3, "num_filters": 2, "widths": (2, 3)}),
    ("cnn", "classify", {"d_embed": 3, "num_filters": 2, "widths": (2, 3), "batch_norm": True}),
    ("transformer", "lm", {"d_model": 8, "d_ff": 5, "decoder_layers": 1, "positions": "rotary", "norm": "rms"}),
    ("transformer", "classify", {"d_model": 8, "d_ff": 5, "encoder_layers": 1, "positions": "alibi"}),
]


@pytest.mark.parametrize(("architecture", "task", "settings"), CHECKED, ids=str)
def test_gradients_are_those_of_finite_differences(architecture: str, task: Any, settings: dict[str, Any]) -> None:
    model = build(architecture, {**settings, "dropout": 0.0}, task, vocab=(8, 8)).double().train()
    batch = (
        block_of(torch.tensor([[4, 5, 6, 4], [7, 5, 5, 6]])) if task == "lm" else texts_of([[4, 5, 6], [7], [5, 5]], [0, 1, 2])
    )
    learnt = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def loss(*values: torch.Tensor) -> torch.Tensor:
        weights = dict(zip(learnt, values))
        total: torch.Tensor = torch.func.functional_call(model, weights, (batch, Objective(label_smoothing=0.1, r_drop=0.5)))
        return total

    assert torch.autograd.gradcheck(loss, tuple(learnt.values()), fast_mode=True)


def test_an_lstm_of_one_step_is_the_one_in_the_books() -> None:
    """Without a library's stack at all: one word, from nothing, by hand."""
    model = build("rnn", {"cell": "lstm"}, "lm").double()
    w_x, _, b_x, b_h = weights_of(model.body.stacks[0], 0)
    i, _, g, o = np.split(w_x @ array(model.body.embed.weight)[7] + b_x + b_h, 4)
    expected = sigmoid(o) * np.tanh(sigmoid(i) * np.tanh(g))
    features, _ = model.step(torch.tensor([7]), model.start(1))
    np.testing.assert_allclose(array(features)[0], expected, **CLOSE)
