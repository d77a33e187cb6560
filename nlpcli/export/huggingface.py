"""A Transformer as a Hugging Face model: MarianMT (normalised after each sublayer) or Pegasus (before it).

Both add sines in the first half of the features and cosines in the second, as we do, and scale embeddings by √d_model.
What was written is read back by its names and computed as those classes do, so that it is checked without them.

Axes: b sentence, t position, h head, d features of a head, m features of the model.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from nlpcli.errors import UsageError
from nlpcli.export.plain import GraphScorer
from nlpcli.export.support import POSITIONS
from nlpcli.files import write_bytes
from nlpcli.models.config import TransformerConfig
from nlpcli.models.positions import sinusoids
from nlpcli.models.transformer import TransformerTranslation
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

LONGEST = 512  # tokens of a text, of Hugging Face's own default for Marian's tokenizer
KINDS = ("bpe", "unigram")


def lacks(config: TransformerConfig) -> str:
    """Say what of a Transformer neither class has; nothing if one has all."""
    c = config
    problems = [
        (c.positions != "sinusoidal", f"--positions {c.positions}"),
        (c.norm != "layer", f"--norm {c.norm}"),
        (c.activation == "swiglu", "--activation swiglu"),
        (c.num_kv_heads not in (None, c.num_heads), f"--num-kv-heads {c.num_kv_heads}"),
        (c.attention_window is not None, "--attention-window"),
        (
            c.norm_place == "pre" and c.tie_embeddings != "all",
            f"--norm-place pre with --tie-embeddings {c.tie_embeddings} (Pegasus has one table of vectors for all)",
        ),
    ]
    missing = [name for is_there, name in problems if is_there]
    return f"MarianMT and Pegasus do not have {', '.join(missing)}" if missing else ""


def write(
    model: TransformerTranslation, config: TransformerConfig, tokenizer: Tokenizer, folder: Path, wanted: dict[str, Any]
) -> GraphScorer:
    """Write weights, settings and, where Hugging Face can do what the tokenizer does, the tokenizer.

    Raises:
        UsageError: text is cut or written otherwise before SentencePiece sees it.
    """
    if tokenizer.kind not in KINDS or tokenizer.jamo or tokenizer.pretokenizer != "none":
        raise UsageError(
            "this tokenizer cannot be exported to huggingface",
            cause="Marian's has neither morphemes, jamo, whole words nor characters",
            fix="train with a tokenizer of --kind bpe or unigram, --pretokenizer none and without --jamo, or --to onnx",
        )
    save_file(_weights(model, config), folder / "model.safetensors", {"format": "pt"})
    src, tgt = (tokenizer.vocab_size(language) for language in tokenizer.languages)
    _write_json(folder / "config.json", _config(config, src, tgt))
    generation = {"num_beams": 1, "max_length": LONGEST, "suppress_tokens": [PAD, BOS], "forced_eos_token_id": None}
    _write_json(folder / "generation_config.json", {**_marks(), **generation})
    _write_tokenizer(tokenizer, folder)
    return HuggingFaceScorer(folder)


def _marks() -> dict[str, int]:
    marks = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
    return marks | {"decoder_start_token_id": BOS}


def _config(c: TransformerConfig, src_vocab_size: int, tgt_vocab_size: int) -> dict[str, Any]:
    post, tied = c.norm_place == "post", c.tie_embeddings != "none"
    halves = {
        f"{half}_{name}": value
        for half, layers in (("encoder", c.encoder_layers), ("decoder", c.decoder_layers))
        for name, value in (("layers", layers), ("ffn_dim", c.d_ff), ("attention_heads", c.num_heads))
    }
    own = {"share_encoder_decoder_embeddings": c.tie_embeddings == "all", "decoder_vocab_size": tgt_vocab_size}
    return {
        "architectures": ["MarianMTModel" if post else "PegasusForConditionalGeneration"],
        "model_type": "marian" if post else "pegasus",
        "vocab_size": src_vocab_size,
        "d_model": c.d_model,
        **halves,
        "activation_function": c.activation,
        "scale_embedding": True,
        "dropout": c.dropout,
        "attention_dropout": c.attention_dropout,
        "activation_dropout": c.ff_dropout,
        "max_position_embeddings": POSITIONS,
        "is_encoder_decoder": True,
        "tie_word_embeddings": tied,
        "forced_eos_token_id": None,
        "dtype": "float32",
        **_marks(),
        **(own if post else {}),
    }


def _weights(model: TransformerTranslation, c: TransformerConfig) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {"final_logits_bias": model.output.bias[None]}
    if c.tie_embeddings == "all":
        found["model.shared.weight"] = model.encoder.embed.weight
    else:
        found["model.encoder.embed_tokens.weight"] = model.encoder.embed.weight
        found["model.decoder.embed_tokens.weight"] = model.decoder.embed.weight
    if c.tie_embeddings == "none":
        found["lm_head.weight"] = model.output.weight
    for half, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
        found[f"model.{half}.embed_positions.weight"] = sinusoids(torch.arange(POSITIONS), c.d_model)
        if c.norm_place == "pre":
            found |= _pair(f"model.{half}.layer_norm", stack.norm)
        for i, layer in enumerate(stack.layers):
            found |= _layer(f"model.{half}.layers.{i}", layer)
    return {name: tensor.detach().float().cpu().clone().contiguous() for name, tensor in found.items()}


def _layer(at: str, layer: Any) -> dict[str, Tensor]:
    own = layer.self_attention
    found = _pair(f"{at}.self_attn.out_proj", own.out) | _pair(f"{at}.self_attn_layer_norm", layer.around_self.norm)
    for name, weight, bias in zip("qkv", own.qkv.weight.chunk(3), own.qkv.bias.chunk(3)):
        found |= {f"{at}.self_attn.{name}_proj.weight": weight, f"{at}.self_attn.{name}_proj.bias": bias}
    found |= _pair(f"{at}.fc1", layer.feed_forward.inner) | _pair(f"{at}.fc2", layer.feed_forward.out)
    found |= _pair(f"{at}.final_layer_norm", layer.around_feed_forward.norm)
    if hasattr(layer, "cross_attention"):
        cross = layer.cross_attention
        found |= _pair(f"{at}.encoder_attn.q_proj", cross.q) | _pair(f"{at}.encoder_attn.out_proj", cross.out)
        for name, weight, bias in zip("kv", cross.kv.weight.chunk(2), cross.kv.bias.chunk(2)):
            found |= {f"{at}.encoder_attn.{name}_proj.weight": weight, f"{at}.encoder_attn.{name}_proj.bias": bias}
        found |= _pair(f"{at}.encoder_attn_layer_norm", layer.around_cross.norm)
    return found


def _pair(at: str, module: Any) -> dict[str, Tensor]:
    return {f"{at}.weight": module.weight, f"{at}.bias": module.bias}


def _write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Marian's tokenizer reads SentencePiece's models, and ids from tables of pieces."""
    src, tgt = tokenizer.languages
    tables = []
    for language, name in ((src, "source.spm"), (tgt, "target.spm")):
        processor = tokenizer.of(language)
        write_bytes(folder / name, processor.serialized_model_proto())
        tables.append({processor.id_to_piece(i): i for i in range(processor.vocab_size())})
    _write_json(folder / "vocab.json", tables[0])
    if not tokenizer.joint:
        _write_json(folder / "target_vocab.json", tables[1])
    processor = tokenizer.of(src)
    marks = {"pad_token": PAD, "unk_token": UNK, "eos_token": EOS}
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": src,
        "target_lang": tgt,
        "model_max_length": LONGEST,
        "separate_vocabs": not tokenizer.joint,
        "clean_up_tokenization_spaces": False,
        **{name: processor.id_to_piece(i) for name, i in marks.items()},
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _write_json(path: Path, data: Any) -> None:
    write_bytes(path, msgspec.json.format(msgspec.json.encode(data)) + b"\n")


class HuggingFaceScorer(GraphScorer):
    """The files, read by name and computed as `modeling_marian.py` and `modeling_pegasus.py` do."""

    def __init__(self, folder: Path) -> None:
        self.w = load_file(folder / "model.safetensors")
        self.c = msgspec.json.decode((folder / "config.json").read_bytes())
        self.pre = self.c["model_type"] == "pegasus"

    @torch.no_grad()
    def encode(self, src_bs: np.ndarray) -> np.ndarray:
        ids = torch.from_numpy(src_bs)
        return self._half("encoder", ids, ids.ne(PAD)[:, None, None]).numpy()

    @torch.no_grad()
    def decode(self, tgt_bt: np.ndarray, source_bsm: np.ndarray, src_bs: np.ndarray) -> np.ndarray:
        tgt, source, seen = torch.from_numpy(tgt_bt), torch.from_numpy(source_bsm), torch.from_numpy(src_bs).ne(PAD)
        before = torch.ones(tgt.size(1), tgt.size(1), dtype=torch.bool).tril()
        features = self._half("decoder", tgt, before, (source, seen[:, None, None]))
        head = self.w["lm_head.weight"] if "lm_head.weight" in self.w else self._embedding("decoder")
        return (features @ head.T + self.w["final_logits_bias"]).numpy()

    def _embedding(self, half: str) -> Tensor:
        shared = self.w.get("model.shared.weight")
        return self.w[f"model.{half}.embed_tokens.weight"] if shared is None else shared

    def _half(self, half: str, ids_bt: Tensor, sees: Tensor, source: tuple[Tensor, Tensor] | None = None) -> Tensor:
        at, scale = f"model.{half}", math.sqrt(self.c["d_model"]) if self.c["scale_embedding"] else 1.0
        x = F.embedding(ids_bt, self._embedding(half)) * scale + self.w[f"{at}.embed_positions.weight"][: ids_bt.size(1)]
        heads, act = self.c[f"{half}_attention_heads"], getattr(F, self.c["activation_function"])
        for i in range(self.c[f"{half}_layers"]):
            layer = f"{at}.layers.{i}"
            x = self._around(f"{layer}.self_attn_layer_norm", x, lambda y, n=layer: self._attend(n, "self", y, y, sees, heads))
            if source is not None:
                read, seen = source
                x = self._around(
                    f"{layer}.encoder_attn_layer_norm",
                    x,
                    lambda y, n=layer, r=read, s=seen: self._attend(n, "encoder", y, r, s, heads),
                )
            x = self._around(
                f"{layer}.final_layer_norm", x, lambda y, n=layer: self._linear(f"{n}.fc2", act(self._linear(f"{n}.fc1", y)))
            )
        return self._norm(f"{at}.layer_norm", x) if self.pre else x

    def _around(self, norm: str, x: Tensor, sublayer: Any) -> Tensor:
        found: Tensor = x + sublayer(self._norm(norm, x)) if self.pre else self._norm(norm, x + sublayer(x))
        return found

    def _attend(self, layer: str, kind: str, x_btm: Tensor, read_bsm: Tensor, sees: Tensor, heads: int) -> Tensor:
        at = f"{layer}.{kind}_attn"
        q, k, v = (
            self._linear(f"{at}.{name}_proj", y).view(*y.shape[:2], heads, -1).transpose(1, 2)
            for name, y in (("q", x_btm), ("k", read_bsm), ("v", read_bsm))
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=sees)
        return self._linear(f"{at}.out_proj", seen.transpose(1, 2).flatten(2))

    def _linear(self, at: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{at}.weight"], self.w[f"{at}.bias"])

    def _norm(self, at: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.c["d_model"],), self.w[f"{at}.weight"], self.w[f"{at}.bias"])
