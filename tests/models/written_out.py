"""Recurrent cells and layers written out in numpy, line by line from their papers.

Gates are stacked as torch documents them: i, f, g, o for an LSTM and r, z, n for a GRU. The one difference to Cho et al.
2014 (eq. 8) is torch's: the reset gate multiplies U h + b, not h, as in their released code and in cuDNN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nlpcli.tokenization.tokenizer import EOS

from .tiny import build

Array = NDArray[np.float64]
CLOSE: dict[str, Any] = {"rtol": 0, "atol": 1e-12}
CELLS = ["rnn", "lstm", "gru"]


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


def decoder_step(stack: nn.RNNBase, kind: str, x: Array, h_lh: Array, c_lh: Array) -> tuple[Array, Array, Array]:
    """Run x through all layers once; return the top output and the new states."""
    h_lh, c_lh = h_lh.copy(), c_lh.copy()
    for layer in range(stack.num_layers):
        h_lh[layer], c_lh[layer] = cell_step(kind, weights_of(stack, layer), x, h_lh[layer], c_lh[layer])
        x = h_lh[layer]
    return x, h_lh, c_lh


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


def score(attention: Any, query: Array, outputs: Array, covered: Array | None = None) -> Array:
    """e_j for all source positions j: Bahdanau eq. 6 with A.1.2, Luong eq. 8, with coverage See et al. eq. 11."""
    if attention.score == "dot":
        return np.asarray([query @ out for out in outputs])
    w_k = array(attention.key.weight)
    if attention.score == "general":
        return np.asarray([query @ w_k @ out for out in outputs])
    v = array(attention.energy.weight)[0]
    if covered is None:
        return np.asarray([v @ np.tanh(linear(attention.query, query) + w_k @ out) for out in outputs])
    w_c = array(attention.covered.weight)[:, 0]
    seen = zip(outputs, covered)
    return np.asarray([v @ np.tanh(linear(attention.query, query) + w_k @ out + w_c * c) for out, c in seen])


def attend(attention: Any, query: Array, outputs: Array, covered: Array | None = None) -> tuple[Array, Array]:
    weights = softmax(score(attention, query, outputs, covered))
    return weights, np.asarray(sum(w * out for w, out in zip(weights, outputs)))


def double(architecture: str, **settings: Any) -> Any:
    return build(architecture, {"tie_embeddings": "none", **settings}).double()
