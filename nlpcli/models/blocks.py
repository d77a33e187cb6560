"""The parts of a Transformer: self-attention, cross-attention, feed-forward, and the layers they make.

Axes: b sentence, t position, q query, k key, s source position, n decoder row, h head, d features of a head, m features of
the model.
"""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nlpcli.kernels.attend import Sight
from nlpcli.kernels.dropout import Dropout, add_dropped
from nlpcli.kernels.feed_forward import feed_forward, fits
from nlpcli.kernels.spread import Spread
from nlpcli.models.config import TransformerConfig
from nlpcli.models.positions import rotate

KeysValues = tuple[Tensor, Tensor]


class RMSNorm(nn.RMSNorm):
    """RMSNorm (Zhang & Sennrich 2019) in the number format of what it is given, which is the fast way."""

    def forward(self, x: Tensor) -> Tensor:
        assert self.weight is not None
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def make_norm(config: TransformerConfig) -> nn.Module:
    """Return LayerNorm (Ba et al. 2016) or RMSNorm."""
    return nn.LayerNorm(config.d_model) if config.norm == "layer" else RMSNorm(config.d_model, eps=1e-6)


def linear(d_in: int, d_out: int) -> nn.Linear:
    """Return a linear layer with Glorot's uniform weights (2010, eq. 16) and no bias at first."""
    layer = nn.Linear(d_in, d_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def split_heads(x_btm: Tensor, heads: int) -> Tensor:
    """[b, t, heads × d] → [b, t, h, d]."""
    return x_btm.view(*x_btm.shape[:2], heads, -1)


class SelfAttention(nn.Module):
    """Multi-head attention of a text to itself (Vaswani et al. 2017, §3.2.2).

    With fewer heads of keys and values, groups of queries share them (Ainslie et al. 2023).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.kv_heads = config.num_kv_heads or config.num_heads
        self.dropout = config.attention_dropout
        d_head = config.d_model // self.heads
        self.qkv = linear(config.d_model, (self.heads + 2 * self.kv_heads) * d_head)
        self.out = linear(config.d_model, config.d_model)

    def forward(
        self, x_btm: Tensor, sight: Sight, turned_td: Tensor | None = None, past: KeysValues | None = None
    ) -> tuple[Tensor, KeysValues]:
        """Return what each position gathered [b, t, m], and all keys and values up to here [b, kv heads, t, d]."""
        parts = split_heads(sight.lay_out(self.qkv(x_btm)), self.heads + 2 * self.kv_heads)
        q, k, v = torch.split(parts, [self.heads, self.kv_heads, self.kv_heads], 2)
        if turned_td is not None:
            q, k = rotate(q, turned_td), rotate(k, turned_td)
        keys, values = k.transpose(1, 2), v.transpose(1, 2)
        if past is not None:
            keys, values = torch.cat([past[0].to(k.dtype), keys], 2), torch.cat([past[1].to(v.dtype), values], 2)
        seen = sight.attend(q, keys.transpose(1, 2), values.transpose(1, 2), self.dropout if self.training else 0.0)
        return self.out(sight.gather(seen.flatten(2))), (keys, values)


class CrossAttention(nn.Module):
    """Multi-head attention of a translation to its source."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.dropout = config.attention_dropout
        self.q = linear(config.d_model, config.d_model)
        self.kv = linear(config.d_model, 2 * config.d_model)
        self.out = linear(config.d_model, config.d_model)

    def keys_values(self, source_bsm: Tensor, spread: Spread | None = None) -> KeysValues:
        """Project the encoder's output once a sentence, to keys and values [b, h, s, d]."""
        both = self.kv(source_bsm)
        both = both if spread is None else spread.lay_out(both)
        k, v = split_heads(both, 2 * self.heads).transpose(1, 2).chunk(2, 1)
        return k, v

    def forward(self, x_bqm: Tensor, keys_values: KeysValues, sight: Sight) -> Tensor:
        """Return what each query gathered from the source, [b, q, m]."""
        q, (k, v) = split_heads(sight.lay_out(self.q(x_bqm)), self.heads), keys_values
        seen = sight.attend(q, k.transpose(1, 2), v.transpose(1, 2), self.dropout if self.training else 0.0)
        out: Tensor = self.out(sight.gather(seen.flatten(2)))
        return out


class FeedForward(nn.Module):
    """Two linear layers with ReLU or GELU between them, or SwiGLU (Shazeer 2020, eq. 6)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.activation = config.activation
        gated = config.activation == "swiglu"
        self.inner = linear(config.d_model, config.d_ff * (2 if gated else 1))
        self.out = linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.ff_dropout)

    def forward(self, x_btm: Tensor) -> Tensor:
        if self.training and self.activation == "relu" and fits(x_btm):
            return feed_forward(x_btm, self.inner.weight, self.inner.bias, self.out.weight, self.out.bias, self.dropout.p)
        inner = self.inner(x_btm)
        if self.activation == "swiglu":
            gate, value = inner.chunk(2, -1)
            inner = F.silu(gate) * value
        else:
            # not in place: a product's result is a view, and autograd would copy its gradient
            inner = F.relu(inner) if self.activation == "relu" else F.gelu(inner)
        out: Tensor = self.out(self.dropout(inner))
        return out


class Residual(nn.Module):
    """x + dropout(sublayer(x)), normalised before the sublayer or after the sum (Xiong et al. 2020)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = make_norm(config)
        self.pre = config.norm_place == "pre"
        self.dropout = config.dropout

    def forward(self, x_btm: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        p = self.dropout if self.training else 0.0
        if self.pre:
            return add_dropped(x_btm, sublayer(self.norm(x_btm)), p)
        out: Tensor = self.norm(add_dropped(x_btm, sublayer(x_btm), p))
        return out


class Layer(nn.Module):
    """Self-attention, in a decoder with a source cross-attention, then feed-forward; each with its residual."""

    def __init__(self, config: TransformerConfig, cross: bool = False) -> None:
        super().__init__()
        self.self_attention, self.around_self = SelfAttention(config), Residual(config)
        if cross:
            self.cross_attention, self.around_cross = CrossAttention(config), Residual(config)
        self.feed_forward, self.around_feed_forward = FeedForward(config), Residual(config)

    def forward(
        self,
        x_btm: Tensor,
        sight: Sight,
        turned_td: Tensor | None = None,
        past: KeysValues | None = None,
        source: tuple[KeysValues, Sight] | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """Return the layer's output and its keys and values, those of `past` in front.

        Args:
            source: keys and values of the source, and what is seen of them.
        """
        kept: list[KeysValues] = []

        def attend(x: Tensor) -> Tensor:
            out: Tensor
            out, keys_values = self.self_attention(x, sight, turned_td, past)
            kept.append(keys_values)
            return out

        x = self.around_self(x_btm, attend)
        if source is not None:
            x = self.around_cross(x, lambda y: self._cross(y, *source))
        x = self.around_feed_forward(x, self.feed_forward)
        return x, kept[0]

    def _cross(self, x_nqm: Tensor, keys_values: KeysValues, sight: Sight) -> Tensor:
        """Rows of beams, one query each, look at their sentence's source together."""
        sentences = len(x_nqm) if sight.spread else keys_values[0].size(0)
        together = x_nqm if len(x_nqm) == sentences else x_nqm.reshape(sentences, -1, x_nqm.size(-1))
        out: Tensor = self.cross_attention(together, keys_values, sight)
        return out.reshape(x_nqm.shape)
