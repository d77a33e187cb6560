"""A Transformer as a good engineer would write it for translating on a CPU in an afternoon: plain torch, with a KV cache.

It reads the files of an nlpcli model (safetensors, manifest, SentencePiece) and imports nothing of nlpcli. Self-attention
keeps keys and values; those of the source are computed once a sentence and not repeated for its beams; sentences that
are done leave the batch. The search is CTranslate2's: a sentence is done when as many hypotheses as beams have ended.

Axes: b sentence, k beam, n = b × k row, s source position, t target position, h head, d features of a head, m features.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

PAD, UNK, BOS, EOS = range(4)
Ids = list[list[int]]


def config_of(folder: Path) -> dict[str, Any]:
    """Return the settings of an nlpcli model.

    Raises:
        SystemExit: it is no Transformer of the kind that is compared.
    """
    config = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["config"]
    wanted = {"architecture": "transformer", "norm": "layer", "norm_place": "pre", "positions": "sinusoidal"}
    wanted |= {"num_kv_heads": None, "attention_window": None, "activation": "relu"}
    if wrong := [f"{k} {config[k]}" for k, v in wanted.items() if config.get(k, v) != v]:
        raise SystemExit(f"{folder}: compared are Transformers with {wanted}, not with {', '.join(wrong)}")
    return dict(config)


def weights_of(folder: Path) -> dict[str, Tensor]:
    """Return the weights of an nlpcli model; tied ones under each of their names."""
    w = load_file(folder / "model.safetensors")
    w.setdefault("decoder.embed.weight", w.get("encoder.embed.weight", w.get("output.weight")))
    w.setdefault("encoder.embed.weight", w["decoder.embed.weight"])
    w.setdefault("output.weight", w["decoder.embed.weight"])
    return w


def sinusoids(longest: int, features: int) -> Tensor:
    """Return sines in the first half of the features and cosines in the second, [t, m]."""
    turned = torch.arange(longest)[:, None] * 10_000.0 ** (-torch.arange(0, features, 2) / features)
    return torch.cat([turned.sin(), turned.cos()], -1)


class Plain:
    """Encoder and decoder, for translating alone."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        config = config_of(folder)
        self.w = {name: x.to(dtype) for name, x in weights_of(folder).items()}
        self.heads, self.scale = config["num_heads"], math.sqrt(config["d_model"])
        self.layers = {side: config[f"{side}_layers"] for side in ("encoder", "decoder")}
        self.positions = sinusoids(2048, config["d_model"]).to(dtype)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        return x.view(*x.shape[:2], parts * self.heads, -1).transpose(1, 2).chunk(parts, 1)

    def _join(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def _feed_forward(self, x: Tensor, layer: str) -> Tensor:
        inner = self._linear(self._norm(x, f"{layer}.around_feed_forward.norm"), f"{layer}.feed_forward.inner")
        return x + self._linear(F.relu_(inner), f"{layer}.feed_forward.out")

    def encode(self, src_bs: Tensor) -> tuple[list[tuple[Tensor, ...]], Tensor]:
        """Return each decoder layer's keys and values of the source, and the mask [b, 1, 1, s]."""
        mask = src_bs.ne(PAD)[:, None, None]
        x = self.w["encoder.embed.weight"][src_bs] * self.scale + self.positions[: src_bs.size(1)]
        for i in range(self.layers["encoder"]):
            layer = f"encoder.layers.{i}"
            qkv = self._linear(self._norm(x, f"{layer}.around_self.norm"), f"{layer}.self_attention.qkv")
            seen = F.scaled_dot_product_attention(*self._split(qkv, 3), attn_mask=mask)
            x = self._feed_forward(x + self._linear(self._join(seen), f"{layer}.self_attention.out"), layer)
        x = self._norm(x, "encoder.norm")
        names = (f"decoder.layers.{i}.cross_attention.kv" for i in range(self.layers["decoder"]))
        return [self._split(self._linear(x, name), 2) for name in names], mask

    def step(self, tokens_n: Tensor, at: int, past: list[Any], sources: list[Any], mask: Tensor) -> tuple[Tensor, list[Any]]:
        """Return logits [n, v] and the keys and values so far, of all layers."""
        x, kept = (self.w["decoder.embed.weight"][tokens_n] * self.scale + self.positions[at])[:, None], []
        for i in range(self.layers["decoder"]):
            layer = f"decoder.layers.{i}"
            qkv = self._linear(self._norm(x, f"{layer}.around_self.norm"), f"{layer}.self_attention.qkv")
            q, k, v = self._split(qkv, 3)
            if past:
                k, v = torch.cat([past[i][0], k], 2), torch.cat([past[i][1], v], 2)
            kept.append((k, v))
            x = x + self._linear(self._join(F.scaled_dot_product_attention(q, k, v)), f"{layer}.self_attention.out")
            q = self._linear(self._norm(x, f"{layer}.around_cross.norm"), f"{layer}.cross_attention.q")
            (q,) = self._split(q.view(len(mask), -1, q.size(-1)), 1)  # the beams of a sentence look at it together
            seen = self._join(F.scaled_dot_product_attention(q, *sources[i], attn_mask=mask)).view_as(x)
            x = self._feed_forward(x + self._linear(seen, f"{layer}.cross_attention.out"), layer)
        return self._linear(self._norm(x[:, 0], "decoder.norm"), "output").float(), kept

    @torch.inference_mode()
    def translate(self, sources: Ids, beams: int, alpha: float, longest: int) -> Ids:
        """Return the best translation of each source; hypotheses are compared by log-probability / length^alpha."""
        width = max(map(len, sources))
        memory, mask = self.encode(torch.tensor([ids + [PAD] * (width - len(ids)) for ids in sources]))
        live, past = torch.arange(len(sources)), []
        scores = torch.full((len(sources), beams), -math.inf)
        scores[:, 0] = 0.0
        written = torch.full((scores.numel(), 1), BOS)
        ended: list[list[tuple[float, list[int]]]] = [[] for _ in sources]
        for at in range(longest):
            logits, past = self.step(written[:, -1], at, past, memory, mask)
            logits[:, [PAD, BOS]] = -math.inf
            total = (scores.view(-1, 1) + logits.log_softmax(-1)).view(len(live), -1)
            best, flat = total.topk(2 * beams, 1)
            rows = flat // logits.size(1) + torch.arange(len(live))[:, None] * beams
            tokens = flat % logits.size(1)
            is_end = tokens.eq(EOS)
            for b, column in is_end[:, :beams].nonzero().tolist():
                score = float(best[b, column]) / (at + 1) ** alpha
                ended[live[b]].append((score, written[rows[b, column], 1:].tolist()))
            goes_on = torch.argsort(is_end.long(), dim=1, stable=True)[:, :beams]
            scores, rows, tokens = (x.gather(1, goes_on) for x in (best, rows, tokens))
            if at + 1 == longest:
                for b, i in enumerate(live.tolist()):
                    ended[i] += [
                        (float(scores[b, 0]) / (at + 1) ** alpha, [*written[rows[b, 0], 1:].tolist(), int(tokens[b, 0])])
                    ]
            stays = torch.tensor([len(ended[i]) < beams for i in live.tolist()])
            if not stays.any():
                break
            if not stays.all():
                live, scores, rows, tokens, mask = (x[stays] for x in (live, scores, rows, tokens, mask))
                memory = [(k[stays], v[stays]) for k, v in memory]
            chosen = rows.flatten()
            written = torch.cat([written[chosen], tokens.view(-1, 1)], 1)
            if beams > 1 or len(chosen) < past[0][0].size(0):
                past = [(k[chosen], v[chosen]) for k, v in past]
        return [max(found)[1] for found in ended]
