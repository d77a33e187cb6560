"""A Transformer that translates, word by word: what `transformer.py` computes, with less to move and to decide at a step.

Keys and values lie as the products read them, those of a sentence's beams side by side, and are written in place into room
that grows. Beams therefore never move: a mask says which of its sentence's keys a beam has come by, and reordering beams
reorders rows of the mask. `transformer.py` is the reference; the tests hold both equal.

Axes: b sentence, n row (sentence × beam), k beam, g key/value head, q query head of a group, c place in the cache
(position × beam), s source position, d features of a head, m features of the model.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nlpcli.kernels.attend import Sight
from nlpcli.kernels.choose import choose
from nlpcli.kernels.problem import default_scale
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.models.blocks import CrossAttention, KeysValues, SelfAttention
from nlpcli.models.positions import alibi_slopes, angles, rotate
from nlpcli.models.rows import padded
from nlpcli.models.transformer import TransformerTranslation, source_rows

ROOM = 16  # a new cache has room for so many positions more than the source; when they are full, it doubles


class Now(NamedTuple):
    """A step: the position `at`, the first one that is seen, the beams, what is added to the scores, rotary angles."""

    at: int
    first: int
    beams: int
    mask: Tensor | None  # broadcast to [b, g, q, k, c]
    turned_td: Tensor | None = None


class CachedTranslation(TranslationModel):
    """The protocol over the modules of a `TransformerTranslation`, for inference.

    A state is used up by the `step` it is given to. Rows given to `reorder` stay with their sentence.
    """

    aligns = True

    def __init__(self, model: TransformerTranslation) -> None:
        super().__init__()
        self.model, self.output, self.decoder = model, model.output, model.decoder
        self.kv_heads = self.decoder.layers[0].self_attention.kv_heads
        self.eval()

    def embeddings(self) -> tuple[nn.Embedding, ...]:
        return self.model.embeddings()

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        memory = self.model.encode(src_bs, src_lengths_b)
        memory = {name: x.contiguous() for name, x in memory.items()}
        seen_bs = torch.arange(src_bs.size(1), device=src_bs.device) < memory["lengths"][:, None]
        memory["mask"] = torch.zeros(src_bs.shape, dtype=memory["k0"].dtype, device=src_bs.device).masked_fill_(
            ~seen_bs, -math.inf
        )
        return memory

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        return self.model.decode(tgt_in_bt, memory)

    def alignment(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        return self.model.alignment(tgt_in_bt, memory)

    def start(self, memory: Memory, beams: int) -> State:
        keys = memory["k0"]
        room = (len(keys), self.kv_heads, (keys.size(2) + ROOM) * beams, self.decoder.d_head)
        state = {f"{name}{i}": keys.new_empty(room) for i in range(len(self.decoder.layers)) for name in "kv"}
        return {**state, "seen": keys.new_empty(len(keys) * beams, 0)}

    def reorder(self, state: State, rows_n: Tensor) -> State:
        sentences, beams = len(state["k0"]), len(state["seen"]) // len(state["k0"])
        kept_b = rows_n[::beams] // beams
        state = {**state, "seen": state["seen"].index_select(0, rows_n)}
        if len(kept_b) != sentences or not torch.equal(kept_b, torch.arange(sentences, device=kept_b.device)):
            state = {name: x if name == "seen" else x.index_select(0, kept_b) for name, x in state.items()}
        return state

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        state, now = self._now(state, len(tokens_n))
        rows = padded(1, tokens_n.device, first=now.at)
        x_nm = self.decoder.read(tokens_n[:, None], rows)[:, 0]
        if self.decoder.kind == "rotary":
            now = now._replace(turned_td=angles(rows.at_t, self.decoder.d_head))
        sight = self.decoder.sight_of(source_rows(memory), rows)
        look = partial(look_by_kernel, sight) if by_kernel(sight, memory["k0"]) else partial(look_at_source, memory["mask"])
        for i, layer in enumerate(self.decoder.layers):
            cache, source = (state[f"k{i}"], state[f"v{i}"]), (memory[f"k{i}"], memory[f"v{i}"])
            x_nm = layer.around_self(x_nm, partial(look_back, layer.self_attention, cache, now))
            x_nm = layer.around_cross(x_nm, partial(look, layer.cross_attention, source))
            x_nm = layer.around_feed_forward(x_nm, layer.feed_forward)
        return self.decoder.norm(x_nm), state

    def _now(self, state: State, rows: int) -> tuple[State, Now]:
        """Return the state with room for a position, where each row sees it, and what the layers need to know."""
        sentences, seen_nc = len(state["k0"]), state["seen"]
        beams = rows // sentences
        at = seen_nc.size(1) // beams
        itself = seen_nc.new_full((beams, beams), -math.inf).fill_diagonal_(0.0)
        seen_nc = torch.cat([seen_nc, itself.repeat(sentences, 1)], 1)
        if (at + 1) * beams > state["k0"].size(2):
            state = {name: x if name == "seen" else torch.cat([x, torch.empty_like(x)], 2) for name, x in state.items()}
        first = 0 if self.decoder.window is None else max(0, at - self.decoder.window)
        mask = seen_nc[:, first * beams :].view(sentences, 1, 1, beams, -1) if beams > 1 else None
        if self.decoder.kind == "alibi":
            slopes = alibi_slopes(self.decoder.heads, seen_nc.device).view(1, self.kv_heads, -1, 1, 1)
            distances_c = torch.arange(at - first, -1, -1, device=seen_nc.device).repeat_interleave(beams)
            falls = (-slopes * distances_c).to(seen_nc.dtype)
            mask = falls if mask is None else mask + falls
        return {**state, "seen": seen_nc}, Now(at, first, beams, mask)


def look_back(attention: SelfAttention, cache: KeysValues, now: Now, x_nm: Tensor) -> Tensor:
    """Write each row's key and value into the cache [b, g, c, d]; return what it gathered from those it sees."""
    n, beams, heads, g = len(x_nm), now.beams, attention.heads, attention.kv_heads
    q, k, v = attention.qkv(x_nm).view(n, 1, heads + 2 * g, -1).split([heads, g, g], 2)
    if now.turned_td is not None:
        q, k = rotate(q, now.turned_td), rotate(k, now.turned_td)
    here, used = slice(now.at * beams, (now.at + 1) * beams), slice(now.first * beams, (now.at + 1) * beams)
    for kept, new in zip(cache, (k, v)):
        kept[:, :, here] = new.view(-1, beams, g, new.size(-1)).transpose(1, 2)
    keys, values = (x.flatten(0, 1)[:, used] for x in cache)
    q = q.view(-1, beams, g, heads // g, q.size(-1)).permute(0, 2, 3, 1, 4)
    return attention.out(_gather(q, keys, values, now.mask))  # type: ignore[no-any-return]


def by_kernel(sight: Sight, keys: Tensor) -> bool:
    """Tell whether our own kernel, which reads the source once for all beams of a sentence and no padding, is to look at it."""
    return choose(keys, keys.size(2), sight.shape, sight.options, sight.wanted).tier in ("kernel", "hopper")


def look_by_kernel(sight: Sight, attention: CrossAttention, source: KeysValues, x_nm: Tensor) -> Tensor:
    """Return what `look_at_source` does."""
    keys, values = (x.transpose(1, 2) for x in source)
    q = attention.q(x_nm).view(len(keys), -1, attention.heads, keys.size(-1))
    return attention.out(sight.attend(q, keys, values).reshape(x_nm.shape))  # type: ignore[no-any-return]


def look_at_source(mask_bs: Tensor, attention: CrossAttention, source: KeysValues, x_nm: Tensor) -> Tensor:
    """Return what each row gathered from its sentence's source [b, h, s, d]."""
    q = attention.q(x_nm).view(len(mask_bs), -1, attention.heads, 1, source[0].size(-1)).permute(0, 2, 3, 1, 4)
    keys, values = (x.flatten(0, 1) for x in source)
    return attention.out(_gather(q, keys, values, mask_bs[:, None, None, None]))  # type: ignore[no-any-return]


def _gather(q_bgqkd: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax(q kᵀ / √d + mask) v as rows [n, m]; keys, values [b × g, c, d], mask broadcast to [b, g, q, k, c]."""
    b, g, group, beams, d = q_bgqkd.shape
    scores = torch.bmm((q_bgqkd * default_scale(d)).reshape(b * g, group * beams, d), keys.mT)
    if mask is not None:
        scores.view(b, g, group, beams, -1).add_(mask)
    seen = torch.bmm(scores.softmax(-1), values).view(b, g, group, beams, d)
    return seen.permute(0, 3, 1, 2, 4).reshape(b * beams, -1)
