"""The Transformer (Vaswani et al. 2017): encoder-decoder, decoder alone (GPT, Radford et al. 2018), encoder alone.

Axes as in `base.py` and `blocks.py`; m is d_model.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nlpcli.kernels.attend import Sight
from nlpcli.kernels.choose import Wanted, packs
from nlpcli.kernels.dropout import Dropout
from nlpcli.kernels.problem import Options, default_scale
from nlpcli.models import layers
from nlpcli.models.base import Classifier, LanguageModel, Memory, Model, Objective, State, TranslationModel, source_mask
from nlpcli.models.blocks import KeysValues, Layer, make_norm, split_heads
from nlpcli.models.config import Task
from nlpcli.models.config import TransformerConfig as Config
from nlpcli.models.positions import Learned, Sinusoidal, alibi_slopes, angles
from nlpcli.models.rows import Rows, pack, padded, spread
from nlpcli.tokenization.batches import Batch
from nlpcli.tokenization.tokenizer import PAD


class Stack(nn.Module):
    """Embedding with positions, layers, and the last normalisation when it stands before each sublayer."""

    def __init__(self, config: Config, embed: nn.Embedding, num_layers: int, cross: bool = False) -> None:
        super().__init__()
        c = config
        self.embed, self.scale = embed, math.sqrt(c.d_model)
        self.heads, self.kind, self.d_head = c.num_heads, c.positions, c.d_model // c.num_heads
        self.window = c.attention_window
        self.tier: Wanted = "auto"
        self.positions: nn.Module | None = None
        if c.positions == "sinusoidal":
            self.positions = Sinusoidal(c.d_model)
        elif c.positions == "learned":
            self.positions = Learned(c.d_model, c.max_positions)
        self.dropout = Dropout(c.dropout)
        self.layers: Any = nn.ModuleList(Layer(c, cross) for _ in range(num_layers))
        self.norm = make_norm(c) if c.norm_place == "pre" else nn.Identity()

    def read(self, ids_bt: Tensor, rows: Rows) -> Tensor:
        """Embed tokens with their positions; [b, t, m]."""
        x = self.embed(ids_bt) * self.scale
        if self.positions is not None:
            x = self.positions(x, rows)
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))  # sums between layers in bf16: half the memory to move
        dropped: Tensor = self.dropout(x)
        return dropped

    def forward(
        self,
        ids_bt: Tensor,
        rows: Rows,
        causal: bool,
        sources: list[tuple[KeysValues, Sight]] | None = None,
        past: list[KeysValues] | None = None,
    ) -> tuple[Tensor, list[KeysValues]]:
        """Return features [b, t, m], and each layer's keys and values with those of `past` in front."""
        x_btm, sight = self.read(ids_bt, rows), self.sight(rows, causal, past is not None)
        turned = angles(rows.attention_at_t(), self.d_head) if self.kind == "rotary" else None
        kept = []
        for i, layer in enumerate(self.layers):
            x_btm, keys_values = layer(x_btm, sight, turned, past[i] if past else None, sources[i] if sources else None)
            kept.append(keys_values)
        return self.norm(x_btm), kept

    def sight(self, rows: Rows, causal: bool, continued: bool) -> Sight:
        """Return what a text sees of itself; a text that is continued, at one token a row, of all before it."""
        slopes = alibi_slopes(self.heads, rows.at_t.device) if self.kind == "alibi" else None
        at_end = continued and (slopes is not None or self.window is not None)
        options = Options(default_scale(self.d_head), causal and not continued, at_end, self.window, alibi_slopes=slopes)
        if causal:  # what comes after a text's end is not seen anyway
            rows = rows._replace(lengths_b=None)
        return Sight(rows.seen_by(rows), options, self.tier, rows.spread)

    def sight_of(self, source: Rows, rows: Rows) -> Sight:
        """Return what a text sees of its source."""
        return Sight(source.seen_by(rows), Options(default_scale(self.d_head)), self.tier, rows.spread)

    def packs(self, longest: int) -> bool:
        """Tell whether batches should be packed: where attention is not computed over dense rows anyway."""
        weight = self.embed.weight
        dtype = torch.get_autocast_dtype(weight.device.type) if torch.is_autocast_enabled(weight.device.type) else weight.dtype
        return packs(weight.device, dtype, self.d_head, longest, self.window, self.tier)


class WithAttention(Model):
    """A model whose attention can be told what is to compute it."""

    def use_attention(self, tier: Wanted) -> None:
        """Have a tier of the attention kernel compute what it can (see `choose`)."""
        for module in self.modules():
            if isinstance(module, Stack):
                module.tier = tier


class TransformerTranslation(WithAttention, TranslationModel):
    """Encoder and decoder."""

    aligns = True

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
        rows = padded(src_bs.size(1), src_bs.device, src_lengths_b)
        assert rows.lengths_b is not None
        return {**self._read_source(src_bs, rows), "lengths": rows.lengths_b}

    def _read_source(self, src_bs: Tensor, rows: Rows) -> Memory:
        source, _ = self.encoder(src_bs, rows, causal=False)
        memory = {}
        for i, layer in enumerate(self.decoder.layers):
            memory[f"k{i}"], memory[f"v{i}"] = layer.cross_attention.keys_values(source, rows.spread)
        return memory

    def start(self, memory: Memory, beams: int) -> State:
        keys = memory["k0"]
        width = self.decoder.layers[0].self_attention.kv_heads
        empty = keys.new_zeros(keys.size(0) * beams, width, 0, keys.size(-1))
        return {f"{name}{i}": empty for i in range(len(self.decoder.layers)) for name in "kv"}

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        past = [(state[f"k{i}"], state[f"v{i}"]) for i in range(len(self.decoder.layers))]
        rows = padded(1, tokens_n.device, first=past[0][0].size(2))
        features, kept = self.decoder(tokens_n[:, None], rows, True, self._sources(memory, rows, source_rows(memory)), past)
        return features[:, 0], {f"{name}{i}": x for i, pair in enumerate(kept) for name, x in zip("kv", pair)}

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        rows = padded(tgt_in_bt.size(1), tgt_in_bt.device)
        features: Tensor = self.decoder(tgt_in_bt, rows, True, self._sources(memory, rows, source_rows(memory)))[0]
        return features

    def alignment(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        """Return the mean over the heads of the last layer's cross-attention, the one that CTranslate2 returns, too."""
        layer, i = self.decoder.layers[-1].cross_attention, len(self.decoder.layers) - 1
        asked: list[Tensor] = []
        watch = layer.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[0]))
        try:
            self.decode(tgt_in_bt, memory)
        finally:
            watch.remove()
        q = split_heads(layer.q(asked[0]), layer.heads).transpose(1, 2)
        scores = q @ memory[f"k{i}"].transpose(2, 3) * default_scale(self.decoder.d_head)
        seen_bs = torch.arange(scores.size(-1), device=q.device) < memory["lengths"][:, None]
        return scores.masked_fill(~seen_bs[:, None, None], float("-inf")).softmax(-1, torch.float32).mean(1)

    def features(self, batch: Batch, objective: Objective) -> tuple[Tensor, Tensor]:
        """Read a batch; where attention takes packed rows, and on a CPU, without its padding."""
        packs = self.encoder.packs(max(batch.src_bs.size(1), batch.tgt_in_bt.size(1)))
        sampling = objective.teacher_forcing < 1.0 and self.training
        if sampling or not (packs or batch.src_bs.device.type == "cpu"):
            return super().features(batch, objective)
        take_up = pack if packs else spread
        src, src_rows = take_up(self.drop_words(batch.src_bs, objective), source_mask(batch.src_bs))
        real = batch.tgt_out_bt.ne(PAD)
        tgt, rows = take_up(self.drop_words(batch.tgt_in_bt, objective), real)
        memory = self._read_source(src, src_rows)
        features, _ = self.decoder(tgt, rows, True, self._sources(memory, rows, src_rows))
        targets = batch.tgt_out_bt[real]
        return features[0, : len(targets)], targets

    def _sources(self, memory: Memory, rows: Rows, source: Rows) -> list[tuple[KeysValues, Sight]]:
        sight = self.decoder.sight_of(source, rows)
        return [((memory[f"k{i}"], memory[f"v{i}"]), sight) for i in range(len(self.decoder.layers))]


def source_rows(memory: Memory) -> Rows:
    """Return where the sources of a batch lie."""
    return padded(memory["k0"].size(2), memory["k0"].device, memory["lengths"])


class TransformerLM(WithAttention, LanguageModel):
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
        features, _ = self.decoder(ids_bt, padded(ids_bt.size(1), ids_bt.device), causal=True)
        real = batch.out_bt.ne(PAD)
        return features[real], batch.out_bt[real]

    def start(self, rows: int) -> State:
        first = self.decoder.layers[0].self_attention
        empty = self.output.weight.new_zeros(rows, first.kv_heads, 0, self.decoder.d_head)
        return {f"{name}{i}": empty for i in range(len(self.decoder.layers)) for name in "kv"}

    def step(self, tokens_n: Tensor, state: State) -> tuple[Tensor, State]:
        past = [(state[f"k{i}"], state[f"v{i}"]) for i in range(len(self.decoder.layers))]
        rows = padded(1, tokens_n.device, first=past[0][0].size(2))
        features, kept = self.decoder(tokens_n[:, None], rows, True, None, past)
        return features[:, 0], {f"{name}{i}": x for i, pair in enumerate(kept) for name, x in zip("kv", pair)}


class TransformerClassifier(WithAttention, Classifier):
    """An encoder alone; a text is the mean of its words' features."""

    def __init__(self, config: Config, vocab_size: int, classes: int) -> None:
        super().__init__()
        self.encoder = Stack(config, layers.embedding(vocab_size, config.d_model), config.encoder_layers)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.d_model, classes)

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return (self.encoder.embed,)

    def read(self, ids_bs: Tensor, lengths_b: Tensor) -> Tensor:
        features, _ = self.encoder(ids_bs, padded(ids_bs.size(1), ids_bs.device, lengths_b), causal=False)
        kept = features * source_mask(ids_bs)[..., None]
        mean: Tensor = self.dropout(kept.sum(1) / lengths_b.to(kept.device)[:, None])
        return mean


def build(config: Config, task: Task, inputs: int, outputs: int) -> Model:
    """Return a new model with fresh weights."""
    if task == "translation":
        return TransformerTranslation(config, inputs, outputs)
    return TransformerLM(config, inputs) if task == "lm" else TransformerClassifier(config, inputs, outputs)
