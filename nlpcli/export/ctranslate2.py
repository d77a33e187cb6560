"""A Transformer in CTranslate2's format: the same numbers, or fewer bits of them.

The specification is put together layer by layer, as CTranslate2's `from_config` knows neither rotary positions nor groups
of heads. Both sides keep their weights as [out, in], self-attention as one matrix of queries, keys and values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ctranslate2.specs import Activation, TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
from torch import Tensor, nn

from nlpcli.decoding.settings import Quantization
from nlpcli.errors import UsageError
from nlpcli.export.support import POSITIONS, lacks, positions_of, why_not
from nlpcli.models.config import TransformerConfig
from nlpcli.models.positions import sinusoids
from nlpcli.models.transformer import Stack, TransformerTranslation
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, UNK

__all__ = ["convert", "why_not"]

ACTIVATIONS = {"relu": Activation.RELU, "gelu": Activation.GELU, "swiglu": Activation.SWISH}
NEVER = -1e4  # a logit without probability in every number format; our search bans padding and beginnings as well


def convert(
    model: TransformerTranslation,
    config: TransformerConfig,
    pieces: tuple[list[str], list[str]],
    folder: Path,
    quantization: Quantization = "float32",
) -> None:
    """Write a model into `folder`, which is made if it is not there.

    Args:
        pieces: the names of all ids of the source's and of the target's vocabulary, each different from the others.

    Raises:
        UsageError: CTranslate2 cannot compute such a model, or the names are not unique.
    """
    if problem := lacks(config):
        raise UsageError("this model cannot be exported to CTranslate2", cause=problem, fix="use --engine torch")
    for names in pieces:
        if len(set(names)) < len(names):
            raise UsageError("this vocabulary cannot be exported", cause="two ids have one name", fix="use --engine torch")
    spec = TransformerSpec(_encoder(model.encoder, config), _decoder(model, config))
    src, tgt = pieces
    spec.register_source_vocabulary(src)
    spec.register_target_vocabulary(tgt)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = tgt[UNK], tgt[BOS], tgt[EOS]
    spec.config.decoder_start_token = tgt[BOS]
    spec.config.add_source_eos = False  # sources are given with it, so that none is empty
    spec.config.add_attribute("max_positions", positions_of(config))
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def _settings(c: TransformerConfig) -> dict[str, Any]:
    found: dict[str, Any] = {
        "num_layers": c.encoder_layers,
        "num_heads": c.num_heads,
        "pre_norm": c.norm_place == "pre",
        "activation": ACTIVATIONS[c.activation],
        "ffn_glu": c.activation == "swiglu",
        "rms_norm": c.norm == "rms",
    }
    if c.num_kv_heads and c.num_kv_heads != c.num_heads:
        found["num_heads_kv"] = c.num_kv_heads
    if c.positions == "rotary":
        found |= {"rotary_dim": c.d_model // c.num_heads, "rotary_interleave": False}
    return found


def _encoder(stack: Stack, config: TransformerConfig) -> TransformerEncoderSpec:
    spec = TransformerEncoderSpec(**_settings(config))
    _put_stack(spec, spec.embeddings[0], stack, config)
    return spec


def _decoder(model: TransformerTranslation, config: TransformerConfig) -> TransformerDecoderSpec:
    settings = _settings(config) | {"num_layers": config.decoder_layers, "alignment_heads": config.num_heads}
    spec = TransformerDecoderSpec(**settings)
    _put_stack(spec, spec.embeddings, model.decoder, config)
    for of_spec, layer in zip(spec.layer, model.decoder.layers):
        if hasattr(of_spec.attention, "num_heads_kv"):
            del of_spec.attention.num_heads_kv  # what is shared in groups is the text's own keys and values
        cross = layer.cross_attention
        for i, part in enumerate((cross.q, cross.kv, cross.out)):
            _put_linear(of_spec.attention.linear[i], part.weight, part.bias)
        _put_norm(of_spec.attention.layer_norm, layer.around_cross.norm)
    _put_linear(spec.projection, model.output.weight, model.output.bias)
    spec.projection.bias[[PAD, BOS]] = NEVER
    return spec


def _put_stack(spec: Any, embeddings: Any, stack: Stack, config: TransformerConfig) -> None:
    embeddings.weight = _numbers(stack.embed.weight)
    if config.positions == "learned":
        spec.position_encodings.encodings = _numbers(stack.positions.table)  # type: ignore[union-attr, arg-type]
    elif config.positions == "sinusoidal":
        spec.position_encodings.encodings = _numbers(sinusoids(torch.arange(POSITIONS), config.d_model))
    elif hasattr(spec, "position_encodings"):
        del spec.position_encodings
    if config.norm_place == "pre":
        _put_norm(spec.layer_norm, stack.norm)
    for of_spec, layer in zip(spec.layer, stack.layers):
        attention, feed_forward = layer.self_attention, layer.feed_forward
        _put_linear(of_spec.self_attention.linear[0], attention.qkv.weight, attention.qkv.bias)
        _put_linear(of_spec.self_attention.linear[1], attention.out.weight, attention.out.bias)
        _put_norm(of_spec.self_attention.layer_norm, layer.around_self.norm)
        weights, biases = [feed_forward.inner.weight], [feed_forward.inner.bias]
        if config.activation == "swiglu":  # the half with the activation, then the half that it is multiplied with
            weights, biases = feed_forward.inner.weight.chunk(2), feed_forward.inner.bias.chunk(2)
            _put_linear(of_spec.ffn.linear_0_noact, weights[1], biases[1])
        _put_linear(of_spec.ffn.linear_0, weights[0], biases[0])
        _put_linear(of_spec.ffn.linear_1, feed_forward.out.weight, feed_forward.out.bias)
        _put_norm(of_spec.ffn.layer_norm, layer.around_feed_forward.norm)


def _put_linear(spec: Any, weight: Tensor, bias: Tensor) -> None:
    spec.weight, spec.bias = _numbers(weight), _numbers(bias)


def _put_norm(spec: Any, norm: nn.Module) -> None:
    spec.gamma = _numbers(norm.weight)  # type: ignore[arg-type]
    if isinstance(norm, nn.LayerNorm):
        spec.beta = _numbers(norm.bias)


def _numbers(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy().astype("float32")  # a copy: CTranslate2 multiplies in place when it quantises
