"""A Transformer's weights stand as they are in CTranslate2's format, and translate the same there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from ctranslate2.specs import Activation, TransformerSpec
from torch import nn

from nlpcli.decoding.search import beam_search
from nlpcli.models.positions import sinusoids
from nlpcli.models.transformer import TransformerTranslation

from .tiny import SRC, SRC_VOCAB, TGT_VOCAB, batch_of, build

LONGEST = 32


def put_linear(spec: Any, layer: nn.Linear) -> None:
    spec.weight, spec.bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()


def put_norm(spec: Any, norm: Any) -> None:
    spec.gamma, spec.beta = norm.weight.detach().numpy(), norm.bias.detach().numpy()


def put_stack(spec: Any, stack: Any, embeddings: Any) -> None:
    embeddings.weight = stack.embed.weight.detach().numpy()
    spec.position_encodings.encodings = sinusoids(torch.arange(LONGEST), stack.embed.embedding_dim).numpy()
    if isinstance(stack.norm, nn.LayerNorm):
        put_norm(spec.layer_norm, stack.norm)
    for of_spec, layer in zip(spec.layer, stack.layers):
        put_linear(of_spec.self_attention.linear[0], layer.self_attention.qkv)
        put_linear(of_spec.self_attention.linear[1], layer.self_attention.out)
        put_norm(of_spec.self_attention.layer_norm, layer.around_self.norm)
        if hasattr(layer, "cross_attention"):
            for i, part in enumerate((layer.cross_attention.q, layer.cross_attention.kv, layer.cross_attention.out)):
                put_linear(of_spec.attention.linear[i], part)
            put_norm(of_spec.attention.layer_norm, layer.around_cross.norm)
        put_linear(of_spec.ffn.linear_0, layer.feed_forward.inner)
        put_linear(of_spec.ffn.linear_1, layer.feed_forward.out)
        put_norm(of_spec.ffn.layer_norm, layer.around_feed_forward.norm)


def converted(model: TransformerTranslation, settings: dict[str, Any], folder: Path) -> ctranslate2.Translator:
    activation = {"relu": Activation.RELU, "gelu": Activation.GELU}[settings["activation"]]
    layers = len(model.encoder.layers), len(model.decoder.layers)
    spec = TransformerSpec.from_config(layers, 2, pre_norm=settings["norm_place"] == "pre", activation=activation)
    put_stack(spec.encoder, model.encoder, spec.encoder.embeddings[0])
    put_stack(spec.decoder, model.decoder, spec.decoder.embeddings)
    put_linear(spec.decoder.projection, model.output)
    marks = ["<pad>", "<unk>", "<s>", "</s>"]
    for register, size, side in (
        (spec.register_source_vocabulary, SRC_VOCAB, "s"),
        (spec.register_target_vocabulary, TGT_VOCAB, "t"),
    ):
        register([*marks, *(f"{side}{i}" for i in range(4, size))])
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))
    return ctranslate2.Translator(str(folder), compute_type="float32", intra_threads=1)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_place", ["pre", "post"])
def test_greedy_translations_are_those_of_ctranslate2(tmp_path: Path, norm_place: str, activation: str) -> None:
    settings: dict[str, Any] = {"norm_place": norm_place, "activation": activation, "encoder_layers": 3, "decoder_layers": 2}
    model = build("transformer", {**settings, "num_heads": 2, "d_model": 16, "d_ff": 24})
    assert isinstance(model, TransformerTranslation)
    with torch.no_grad():  # clear choices, and biases and norms that are not those of the beginning
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    translator = converted(model, settings, tmp_path / "ct2")
    batch = batch_of()
    ours = beam_search(model, batch.src_bs, batch.src_lengths_b, limits=[9] * len(SRC), beam_size=1, length_penalty=0.0)
    theirs = translator.translate_batch(
        [[f"s{i}" for i in ids] for ids in SRC],
        beam_size=1,
        max_decoding_length=9,
        return_scores=True,
        length_penalty=0,
        suppress_sequences=[["<pad>"], ["<s>"]],
    )
    for hypotheses, result in zip(ours, theirs):
        best = hypotheses[0]
        assert [f"t{i}" if i > 3 else "<unk>" for i in best.ids] == result.hypotheses[0]
        if not best.cut:
            np.testing.assert_allclose(best.score, result.scores[0], rtol=1e-4)
    assert len({tuple(h[0].ids) for h in ours}) > 1
