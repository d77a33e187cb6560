"""The Transformer against torch's own layers with the same weights, and against its papers written out in numpy."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nlpcli.errors import BadInput
from nlpcli.models.base import PLAIN, TranslationModel
from nlpcli.models.loss import label_smoothed_loss
from nlpcli.models.positions import angles, rotate, sinusoids
from nlpcli.models.rows import padded
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

from .tiny import SRC, TGT, batch_of, block_of, build, features_of, stream_of, texts_of, variants
from .written_out import Array, array, linear, sigmoid, softmax

NEAR: dict[str, Any] = {"rtol": 0, "atol": 1e-5}  # angles are computed in fp32
HEADS = 4


def shaken(model: nn.Module) -> Any:
    """Return the model in float64 with random values in all biases and gains too."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():  # gains about 1, biases about 0
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.3 + ("norm.weight" in name))
    return model.double()


def read(stack: Any, ids_bt: Tensor) -> Tensor:
    embedded: Tensor = stack.read(ids_bt, padded(ids_bt.size(1), ids_bt.device))
    return embedded


# torch's own layers


def copy_layer(ours: Any, theirs: Any) -> None:
    """Copy the weights of one of our layers into `nn.TransformerEncoderLayer` or `nn.TransformerDecoderLayer`."""
    pairs = [(ours.self_attention, theirs.self_attn, ours.self_attention.qkv)]
    sublayers = [ours.around_self, ours.around_feed_forward]
    if hasattr(ours, "cross_attention"):
        cross = ours.cross_attention
        both = nn.Linear(cross.q.in_features, 3 * cross.q.in_features).double()
        both.weight, both.bias = (
            nn.Parameter(torch.cat([getattr(cross.q, name), getattr(cross.kv, name)]).detach()) for name in ("weight", "bias")
        )
        pairs.append((cross, theirs.multihead_attn, both))
        sublayers.insert(1, ours.around_cross)
    with torch.no_grad():
        for own, other, inner in pairs:
            other.in_proj_weight.copy_(inner.weight)
            other.in_proj_bias.copy_(inner.bias)
            other.out_proj.load_state_dict(own.out.state_dict())
        for i, sublayer in enumerate(sublayers, 1):
            getattr(theirs, f"norm{i}").load_state_dict(sublayer.norm.state_dict())
        theirs.linear1.load_state_dict(ours.feed_forward.inner.state_dict())
        theirs.linear2.load_state_dict(ours.feed_forward.out.state_dict())


def torchs(ours: Any, kind: str, settings: dict[str, Any]) -> Any:
    """Return torch's stack of layers with the weights of ours."""
    pre = settings["norm_place"] == "pre"
    options = {"dropout": 0.0, "activation": settings["activation"], "norm_first": pre, "batch_first": True}
    layer_class = nn.TransformerEncoderLayer if kind == "encoder" else nn.TransformerDecoderLayer
    stack_class: Any = nn.TransformerEncoder if kind == "encoder" else nn.TransformerDecoder
    nested = {"enable_nested_tensor": False} if kind == "encoder" else {}
    norm = nn.LayerNorm(16) if pre else None
    stack = stack_class(layer_class(16, HEADS, 24, **options), len(ours.layers), norm, **nested).double().eval()
    for own, other in zip(ours.layers, stack.layers, strict=True):
        copy_layer(own, other)
    if norm is not None:
        stack.norm.load_state_dict(ours.norm.state_dict())
    return stack


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_place", ["pre", "post"])
def test_encoder_and_decoder_are_torchs(norm_place: str, activation: str) -> None:
    settings = {"norm_place": norm_place, "activation": activation, "encoder_layers": 2, "decoder_layers": 3}
    model, batch = shaken(build("transformer", settings)), batch_of()
    encoder, decoder = torchs(model.encoder, "encoder", settings), torchs(model.decoder, "decoder", settings)
    padding = batch.src_bs.eq(PAD)
    source = encoder(read(model.encoder, batch.src_bs), src_key_padding_mask=padding)
    causal = nn.Transformer.generate_square_subsequent_mask(batch.tgt_in_bt.size(1)).double()
    hidden = padding.double() * -1e300
    expected = decoder(read(model.decoder, batch.tgt_in_bt), source, tgt_mask=causal, memory_key_padding_mask=hidden)
    torch.testing.assert_close(features_of(model, batch), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_place", ["pre", "post"])
def test_the_language_model_is_torchs_encoder_with_a_mask(norm_place: str, activation: str) -> None:
    settings = {"norm_place": norm_place, "activation": activation}
    model, stream = shaken(build("transformer", settings, "lm")), stream_of(3, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(7).double()
    expected = torchs(model.decoder, "encoder", settings)(read(model.decoder, stream[:, :-1]), mask=causal)
    features, _ = model.features(block_of(stream), PLAIN)
    torch.testing.assert_close(features.view(expected.shape), expected, rtol=0, atol=1e-10)


# the papers


def normalised(norm: Any, x: Array) -> Array:
    """LayerNorm: Ba et al. 2016, eq. 4; RMSNorm: Zhang & Sennrich 2019, eq. 4; each with the small number of its code."""
    if isinstance(norm, nn.Identity):
        return x
    if isinstance(norm, nn.LayerNorm):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * array(norm.weight) + array(norm.bias)
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * array(norm.weight))


def turned(x_td: Array) -> Array:
    """Su et al. 2021, eq. 12-16: features as complex numbers, multiplied by e^{i m θ}; the pairs are (i, i + d/2)."""
    half = x_td.shape[1] // 2
    out = np.empty_like(x_td)
    for m, x in enumerate(x_td):
        for i in range(half):
            z = complex(x[i], x[i + half]) * np.exp(1j * m * 10000 ** (-2 * i / x_td.shape[1]))
            out[m, i], out[m, i + half] = z.real, z.imag
    return out


def attended(
    q_heads: list[Array], k_heads: list[Array], v_heads: list[Array], positions: str, causal: bool, window: int | None = None
) -> Array:
    """Vaswani et al. 2017, eq. 1, head by head and query by query.

    A head of keys serves a group of queries (Ainslie et al. 2023, §2.2); ALiBi subtracts m·|i − j| (Press et al. 2022, §3).
    """
    heads = []
    for h in range(len(q_heads)):
        kv = h // (len(q_heads) // len(k_heads))
        q, k, v = q_heads[h], k_heads[kv], v_heads[kv]
        if positions == "rotary":
            q, k = turned(q), turned(k)
        slope = 2 ** (-8 * (h + 1) / len(q_heads)) if positions == "alibi" else 0.0
        rows = []
        for i in range(len(q)):
            seen = [j for j in range(i + 1 if causal else len(k)) if window is None or abs(i - j) <= window]
            scores = [q[i] @ k[j] / math.sqrt(q.shape[1]) - slope * abs(i - j) for j in seen]
            rows.append(softmax(np.array(scores)) @ v[seen])
        heads.append(np.stack(rows))
    return np.concatenate(heads, -1)


def self_attended(attention: Any, x: Array, positions: str, causal: bool, window: int | None) -> Array:
    parts = np.split(linear(attention.qkv, x), attention.heads + 2 * attention.kv_heads, -1)
    q, k, v = parts[: attention.heads], parts[attention.heads :][: attention.kv_heads], parts[-attention.kv_heads :]
    return linear(attention.out, attended(q, k, v, positions, causal, window))


def cross_attended(attention: Any, x: Array, source: Array) -> Array:
    q, kv = np.split(linear(attention.q, x), HEADS, -1), np.split(linear(attention.kv, source), 2 * HEADS, -1)
    return linear(attention.out, attended(q, kv[:HEADS], kv[HEADS:], "none", causal=False))


def fed_forward(layer: Any, x: Array, activation: str) -> Array:
    """Eq. 2; GELU: Hendrycks & Gimpel 2016, x·Φ(x); SwiGLU: Shazeer 2020, eq. 6, (Swish(xW) ⊙ xV) W2."""
    inner = linear(layer.inner, x)
    if activation == "relu":
        inner = np.maximum(inner, 0)
    elif activation == "gelu":
        inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
    else:
        gate, value = np.split(inner, 2, -1)
        inner = gate * sigmoid(gate) * value
    return linear(layer.out, inner)


def with_residual(around: Any, x: Array, sublayer: Any, place: str) -> Array:
    if place == "pre":
        return np.asarray(x + sublayer(normalised(around.norm, x)))
    return normalised(around.norm, x + sublayer(x))


def stack(ours: Any, ids: list[int], settings: dict[str, Any], causal: bool, source: Array | None = None) -> Array:
    """Return the features [t, m] of one text."""
    positions, place = settings.get("positions", "sinusoidal"), settings.get("norm_place", "pre")
    activation = settings.get("activation", "relu")
    x = array(ours.embed.weight)[ids] * math.sqrt(16)
    if positions == "sinusoidal":
        x = x + papers_sinusoids(len(ids), 16)[:, [*range(0, 16, 2), *range(1, 16, 2)]]
    elif positions == "learned":
        x = x + array(ours.positions.table)[: len(ids)]
    for layer in ours.layers:
        window = settings.get("attention_window")
        to_itself = partial(self_attended, layer.self_attention, positions=positions, causal=causal, window=window)
        x = with_residual(layer.around_self, x, to_itself, place)
        if source is not None:
            x = with_residual(layer.around_cross, x, partial(cross_attended, layer.cross_attention, source=source), place)
        forward = partial(fed_forward, layer.feed_forward, activation=activation)
        x = with_residual(layer.around_feed_forward, x, forward, place)
    return normalised(ours.norm, x)


def papers_sinusoids(length: int, features: int) -> Array:
    """Vaswani et al. 2017, §3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(the same)."""
    table = np.empty((length, features))
    for pos in range(length):
        for i in range(features // 2):
            table[pos, 2 * i] = math.sin(pos / 10000 ** (2 * i / features))
            table[pos, 2 * i + 1] = math.cos(pos / 10000 ** (2 * i / features))
    return table


def of_transformer(task: Any) -> Any:
    """Return the settings under which the Transformer is tested for a task."""
    rows = [v for v in variants(task) if v.values[0] == "transformer"]
    return pytest.mark.parametrize("settings", [pytest.param(v.values[1], id=v.id) for v in rows])


@of_transformer("translation")
def test_translation_is_the_papers(settings: dict[str, Any]) -> None:
    model, batch = shaken(build("transformer", settings)), batch_of()
    features = array(features_of(model, batch))
    for i, (src, tgt) in enumerate(zip(SRC, TGT)):
        source = stack(model.encoder, [*src, EOS], settings, causal=False)
        expected = stack(model.decoder, [BOS, *tgt], settings, causal=True, source=source)
        np.testing.assert_allclose(features[i, : len(tgt) + 1], expected, **NEAR)


@of_transformer("lm")
def test_the_language_model_is_the_papers(settings: dict[str, Any]) -> None:
    model, stream = shaken(build("transformer", settings, "lm")), stream_of(3, 8)
    features, _ = model.features(block_of(stream), PLAIN)
    for i, row in enumerate(stream.tolist()):
        expected = stack(model.decoder, row[:-1], settings, causal=True)
        np.testing.assert_allclose(array(features.view(3, 7, -1))[i], expected, **NEAR)


@of_transformer("classify")
def test_the_classifier_is_the_mean_of_the_papers_encoder(settings: dict[str, Any]) -> None:
    model, batch = shaken(build("transformer", settings, "classify")), texts_of()
    scores = array(model.logits(batch.ids_bs, batch.lengths_b))
    for i, text in enumerate(SRC):
        expected = linear(model.output, stack(model.encoder, [*text, EOS], settings, causal=False).mean(0))
        np.testing.assert_allclose(scores[i], expected, **NEAR)


@pytest.mark.parametrize("features", [2, 6, 16, 512])
@pytest.mark.parametrize("first", [0, 5])
def test_sinusoids_are_the_papers_up_to_their_order(features: int, first: int) -> None:
    expected = papers_sinusoids(first + 40, features)[first:]
    found = array(sinusoids(torch.arange(first, first + 40), features))
    np.testing.assert_allclose(found[:, : features // 2], expected[:, ::2], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[:, features // 2 :], expected[:, 1::2], rtol=0, atol=1e-5)


def test_turned_features_know_distances_alone() -> None:
    """Su et al. 2021, §3.1: the product of a turned query and a turned key depends on m − n, whatever m and n."""
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    at = angles(torch.arange(30), 8).double()
    products: Tensor = rotate(q.expand(1, 30, 1, 8), at)[0, :, 0] @ rotate(k.expand(1, 30, 1, 8), at)[0, :, 0].T
    for distance in range(-29, 30):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=0, atol=1e-5)


@of_transformer("translation")
def test_rows_without_padding_give_the_same(settings: dict[str, Any]) -> None:
    """The loss and the gradients of texts without padding, in attention too or not, are those of padded ones."""
    model, batch = shaken(build("transformer", settings)), batch_of()

    def padded() -> Tensor:
        features, targets = TranslationModel.features(model, batch, PLAIN)
        return label_smoothed_loss(features, model.output.weight, model.output.bias, targets, 0.0)

    found = []
    for tier, loss_of in (("auto", padded), ("auto", lambda: model(batch, PLAIN)), ("reference", lambda: model(batch, PLAIN))):
        model.use_attention(tier)
        model.zero_grad()
        loss = loss_of()
        loss.backward()
        found.append((loss.detach(), [p.grad.clone() for p in model.parameters()]))
    for loss, grads in found[1:]:
        torch.testing.assert_close(loss, found[0][0])
        torch.testing.assert_close(grads, found[0][1], rtol=1e-6, atol=1e-9)


def test_without_positions_told_the_words_would_be_a_bag() -> None:
    """Each way of telling positions makes the order matter."""
    for positions in ("sinusoidal", "learned", "rotary", "alibi"):
        model = build("transformer", {"positions": positions}, "classify").double()
        there, back = texts_of([[5, 9, 4, 17]], [0]), texts_of([[17, 4, 9, 5]], [0])
        assert (model.read(*there[:2]) - model.read(*back[:2])).abs().max() > 1e-6, positions


@pytest.mark.parametrize("task", ["lm", "classify"])
def test_positions_that_were_not_learned_are_refused(task: Any) -> None:
    model = build("transformer", {"positions": "learned", "max_positions": 5}, task)
    batch: Any = block_of(stream_of(2, 7)) if task == "lm" else texts_of([[4] * 5], [0])
    with pytest.raises(BadInput, match="a text of 6 tokens is too long for this model"):
        model(batch)


def test_writing_on_beyond_the_learned_positions_is_refused() -> None:
    model = build("transformer", {"positions": "learned", "max_positions": 5}, "lm")
    state = model.start(1)
    for _ in range(5):
        _, state = model.step(torch.tensor([4]), state)
    with pytest.raises(BadInput, match="a text of 6 tokens is too long for this model"):
        model.step(torch.tensor([4]), state)
