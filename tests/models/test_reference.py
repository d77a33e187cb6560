"""The recurrent translation models against their papers, written out in numpy line by line.

Everything is computed one sentence at a time, without padding, in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nlpcli.models.base import Objective, TranslationModel
from nlpcli.models.config import TASKS
from nlpcli.tokenization.tokenizer import BOS

from .tiny import SRC, TGT, batch_of, build
from .written_out import CELLS, CLOSE, array, attend, decoder_step, double, encode, linear

SCORES = ["additive", "dot", "general", "concat"]


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
TINY_TRANSFORMER = {"d_model": 8, "d_ff": 5, "max_positions": 6, "encoder_layers": 1, "decoder_layers": 1}
OBJECTIVE = Objective(label_smoothing=0.1, coverage_loss=0.3, guided_alignment=0.2)
CHECKED = [
    ("seq2seq", {"cell": "rnn", "context": "every", "bidirectional": False}),
    ("seq2seq", {"cell": "lstm", "context": "first", "num_layers": 2}),
    ("seq2seq", {"cell": "gru", "context": "every", "tie_embeddings": "all"}),
    ("attention", {"cell": "gru", "attention": "additive"}),
    ("attention", {"cell": "lstm", "attention": "dot", "input_feeding": True, "tie_embeddings": "none"}),
    ("attention", {"cell": "gru", "attention": "general", "num_layers": 2}),
    ("attention", {"cell": "rnn", "attention": "concat", "input_feeding": True, "tie_embeddings": "all"}),
    ("attention", {"cell": "gru", "attention": "additive", "coverage": True}),
    ("attention", {"cell": "rnn", "attention": "concat", "coverage": True}),
    ("transformer", {"norm": "layer", "positions": "learned", "activation": "gelu"}),
    ("transformer", {"norm": "rms", "norm_place": "post", "positions": "rotary", "activation": "swiglu", "num_kv_heads": 1}),
    ("transformer", {"positions": "alibi", "tie_embeddings": "all", "num_kv_heads": 2}),
]


@pytest.mark.parametrize(
    ("architecture", "settings"), CHECKED, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values()))
)
def test_gradients_are_those_of_finite_differences(architecture: str, settings: dict[str, Any]) -> None:
    settings = {**settings, "dropout": 0.0, **(TINY_TRANSFORMER if architecture == "transformer" else TINY)}
    model: TranslationModel = build(architecture, settings, vocab=(8, 8)).double().train()
    align = torch.eye(4, dtype=torch.float64)[None, :3].expand(2, -1, -1)
    batch = batch_of([[4, 5, 6], [7]], [[5, 4], [6]])._replace(align_bts=align)
    names, tensors = zip(*model.named_parameters())

    def loss(*values: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = torch.func.functional_call(model, dict(zip(names, values)), (batch, OBJECTIVE))
        return total

    assert torch.autograd.gradcheck(loss, tensors, fast_mode=True)


def test_finite_differences_are_checked_for_every_architecture() -> None:
    assert {name for name, _ in CHECKED} == {name for name, tasks in TASKS.items() if "translation" in tasks}
