"""The Transformer (Vaswani et al. 2017): encoder-decoder, decoder alone (GPT, Radford et al. 2018), encoder alone.

Axes as in `base.py` and `blocks.py`; m is d_model.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nlpcli.kernels.dropout import Dropout
from nlpcli.models import layers
from nlpcli.models.base import Classifier, LanguageModel, Memory, Model, Objective, State, TranslationModel, source_mask
from nlpcli.models.blocks import KeysValues, Layer, make_norm
from nlpcli.models.config import Task
from nlpcli.models.config import TransformerConfig as Config
from nlpcli.models.positions import Learned, Sinusoidal, alibi, angles, causal_bias
from nlpcli.tokenization.tokenizer import PAD


class Stack(nn.Module):
    """Embedding with positions, layers, and the last normalisation when it stands before each sublayer."""

    def __init__(self, config: Config, embed: nn.Embedding, num_layers: int, cross: bool = False) -> None:
        super().__init__()
        c = config
        self.embed, self.scale = embed, math.sqrt(c.d_model)
        self.heads, self.kind, self.d_head = c.num_heads, c.positions, c.d_model // c.num_heads
        self.positions: nn.Module | None = None
        if c.positions == "sinusoidal":
            self.positions = Sinusoidal(c.d_model)
        elif c.positions == "learned":
            self.positions = Learned(c.d_model, c.max_positions)
        self.dropout = Dropout(c.dropout)
        self.layers: Any = nn.ModuleList(Layer(c, cross) for _ in range(num_layers))
        self.norm = make_norm(c) if c.norm_place == "pre" else nn.Identity()

    def read(self, ids_bt: Tensor, first: int = 0) -> Tensor:
        """Embed tokens that stand at positions from `first` on; [b, t, m]."""
        x = self.embed(ids_bt) * self.scale
        if self.positions is not None:
            x = self.positions(x, first)
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))  # sums between layers in bf16: half the memory to move
        dropped: Tensor = self.dropout(x)
        return dropped

    def forward(
        self,
        x_btm: Tensor,
        bias: Tensor | None,
        sources: list[tuple[KeysValues, Tensor | None]] | None = None,
        past: list[KeysValues] | None = None,
    ) -> tuple[Tensor, list[KeysValues]]:
        """Return features [b, t, m], and each layer's keys and values with those of `past` in front."""
        before = past[0][0].size(2) if past else 0
        turned = angles(x_btm.size(1), self.d_head, x_btm.device, before) if self.kind == "rotary" else None
        kept = []
        for i, layer in enumerate(self.layers):
            x_btm, keys_values = layer(x_btm, bias, turned, past[i] if past else None, sources[i] if sources else None)
            kept.append(keys_values)
        return self.norm(x_btm), kept

    def bias(self, queries: int, keys: int, device: torch.device, causal: bool) -> Tensor | None:
        """Return what is added to the scores for order alone: [q, k] or [h, q, k]; None if nothing is."""
        bias = causal_bias(queries, keys, device) if causal and queries > 1 else None
        if self.kind == "alibi":
            slopes = alibi(self.heads, queries, keys, device)
            bias = slopes if bias is None else slopes + bias
        return bias


def hide_padding(ids_bs: Tensor) -> Tensor | None:
    """Return [b, 1, 1, s]: 0 at words and −∞ at padding; None if there is no padding."""
    mask = source_mask(ids_bs)
    if mask.all():
        return None
    return torch.zeros(ids_bs.shape, device=ids_bs.device).masked_fill(~mask, -math.inf)[:, None, None]


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Add two biases of which either may be missing."""
    return other if one is None else one if other is None else one + other


class TransformerTranslation(TranslationModel):
    """Encoder and decoder."""

    def __init__(self, config: Config, src_vocab_size: int, tgt_vocab_size: int) -> None:
        super().__init__()
        c = config
        src_embed = layers.embedding(src_vocab_size, c.d_model)
        tgt_embed = src_embed if c.tie_embeddings == "all" else layers.embedding(tgt_vocab_size, c.d_model)
        self.encoder = Stack(c, src_embed, c.encoder_layers)
        self.decoder = Stack(c, tgt_embed, c.decoder_layers, cross=True)
        self.output = nn.Linear(c.d_model, tgt_vocab_size)
        nn.init.zeros_(self.output.bias)
        if c.tie_embeddings != "none":
            self.output.weight = tgt_embed.weight

    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        return self.encoder.embed, self.decoder.embed

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        hidden = hide_padding(src_bs)
        order = self.encoder.bias(src_bs.size(1), src_bs.size(1), src_bs.device, causal=False)
        source, _ = self.encoder(self.encoder.read(src_bs), both(order, hidden))
        memory = {} if hidden is None else {"hidden": hidden}
        for i, layer in enumerate(self.decoder.layers):
            memory[f"k{i}"], memory[f"v{i}"] = layer.cross_attention.keys_values(source)
        return memory

    def start(self, memory: Memory, beams: int) -> State:
        keys = memory["k0"]
        width = self.decoder.layers[0].self_attention.kv_heads
        empty = keys.new_zeros(keys.size(0) * beams, width, 0, keys.size(-1))
        return {f"{name}{i}": empty for i in range(len(self.decoder.layers)) for name in "kv"}

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        past = [(state[f"k{i}"], state[f"v{i}"]) for i in range(len(self.decoder.layers))]
        before = past[0][0].size(2)
        bias = self.decoder.bias(1, before + 1, tokens_n.device, causal=True)
        x = self.decoder.read(tokens_n[:, None], before)
        features, kept = self.decoder(x, bias, self._sources(memory), past)
        return features[:, 0], {f"{name}{i}": x for i, pair in enumerate(kept) for name, x in zip("kv", pair)}

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        length = tgt_in_bt.size(1)
        bias = self.decoder.bias(length, length, tgt_in_bt.device, causal=True)
        features: Tensor = self.decoder(self.decoder.read(tgt_in_bt), bias, self._sources(memory))[0]
        return features

    def _sources(self, memory: Memory) -> list[tuple[KeysValues, Tensor | None]]:
        hidden = memory.get("hidden")
        return [((memory[f"k{i}"], memory[f"v{i}"]), hidden) for i in range(len(self.decoder.layers))]


class TransformerLM(LanguageModel):
    """A decoder alone: each row of a batch begins anew."""

    def __init__(self, config: Config, vocab_size: int) -> None:
        super().__init__()
        c = config
        self.decoder = Stack(c, layers.embedding(vocab_size, c.d_model), c.decoder_layers)
        self.output = nn.Linear(c.d_model, vocab_size)
        nn.init.zeros_(self.output.bias)
        if c.tie_embeddings != "none":
            self.output.weight = self.decoder.embed.weight

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.decoder.embed,)

    def features(self, batch: Any, objective: Objective) -> tuple[Tensor, Tensor]:
        ids_bt = self.drop_words(batch.in_bt, objective)
        bias = self.decoder.bias(ids_bt.size(1), ids_bt.size(1), ids_bt.device, causal=True)
        features, _ = self.decoder(self.decoder.read(ids_bt), bias)
        real = batch.out_bt.ne(PAD)
        return features[real], batch.out_bt[real]

    def start(self, rows: int) -> State:
        first = self.decoder.layers[0].self_attention
        empty = self.output.weight.new_zeros(rows, first.kv_heads, 0, self.decoder.d_head)
        return {f"{name}{i}": empty for i in range(len(self.decoder.layers)) for name in "kv"}

    def step(self, tokens_n: Tensor, state: State) -> tuple[Tensor, State]:
        past = [(state[f"k{i}"], state[f"v{i}"]) for i in range(len(self.decoder.layers))]
        before = past[0][0].size(2)
        bias = self.decoder.bias(1, before + 1, tokens_n.device, causal=True)
        features, kept = self.decoder(self.decoder.read(tokens_n[:, None], before), bias, None, past)
        return features[:, 0], {f"{name}{i}": x for i, pair in enumerate(kept) for name, x in zip("kv", pair)}


class TransformerClassifier(Classifier):
    """An encoder alone; a text is the mean of its words' features."""

    def __init__(self, config: Config, vocab_size: int, classes: int) -> None:
        super().__init__()
        self.encoder = Stack(config, layers.embedding(vocab_size, config.d_model), config.encoder_layers)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.d_model, classes)

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.encoder.embed,)

    def read(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        order = self.encoder.bias(ids_bs.size(1), ids_bs.size(1), ids_bs.device, causal=False)
        features, _ = self.encoder(self.encoder.read(ids_bs), both(order, hide_padding(ids_bs)))
        kept = features * source_mask(ids_bs)[..., None]
        mean: Tensor = self.dropout(kept.sum(1) / lengths_b.to(kept.device)[:, None])
        return mean


def build(config: Config, task: Task, inputs: int, outputs: int) -> Model:
    """Return a new model with fresh weights."""
    if task == "translation":
        return TransformerTranslation(config, inputs, outputs)
    return TransformerLM(config, inputs) if task == "lm" else TransformerClassifier(config, inputs, outputs)
