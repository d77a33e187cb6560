"""The weights of an nlpcli Transformer in other tools' own classes and formats; see `translate.py`.

PYTHONSAFEPATH=1 PYTHON benchmarks/translate_convert.py MODEL OUT      a folder that Eole loads
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from translate_plain import BOS, EOS, PAD, UNK, config_of, sinusoids, weights_of

LONGEST = 5000  # positions, as many as Eole has


def pegasus(folder: Path) -> Any:
    """Return PegasusForConditionalGeneration with a vocabulary for each side, which the class itself has not."""
    import torch
    from torch import nn
    from transformers import PegasusConfig, PegasusForConditionalGeneration
    from transformers.utils import logging

    logging.set_verbosity_error()
    c, w = config_of(folder), weights_of(folder)
    both = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", c[f"{side}_layers"]), ("ffn_dim", c["d_ff"]), ("attention_heads", c["num_heads"]))
    }
    marks = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": BOS}
    marks |= {"forced_eos_token_id": None}
    size = {"d_model": c["d_model"], "max_position_embeddings": LONGEST, "vocab_size": len(w["output.weight"])}
    plain = {"activation_function": "relu", "scale_embedding": True, "tie_word_embeddings": False, "use_cache": True}
    with torch.device("meta"):
        model = PegasusForConditionalGeneration(PegasusConfig(**both, **marks, **size, **plain))
        model.model.encoder.embed_tokens = nn.Embedding(len(w["encoder.embed.weight"]), c["d_model"])
        model.model.decoder.embed_tokens = nn.Embedding(size["vocab_size"], c["d_model"])
    named = {f"model.{side}.{name}": x for side in ("encoder", "decoder") for name, x in _pegasus_side(w, side, c).items()}
    named |= {"lm_head.weight": w["output.weight"], "final_logits_bias": w["output.bias"][None]}
    named |= {"model.shared.weight": w["decoder.embed.weight"]}
    model.load_state_dict(named, assign=True)
    model.generation_config.max_length = None
    model.generation_config.forced_eos_token_id = None
    return model


def _pegasus_side(w: dict[str, Any], side: str, c: dict[str, Any]) -> dict[str, Any]:
    found = {"embed_tokens.weight": w[f"{side}.embed.weight"], "embed_positions.weight": sinusoids(LONGEST, c["d_model"])}
    found |= _both(w, f"{side}.norm", "layer_norm")
    for i in range(c[f"{side}_layers"]):
        ours, theirs = f"{side}.layers.{i}", f"layers.{i}"
        found |= _parts(w, f"{ours}.self_attention.qkv", [f"{theirs}.self_attn.{x}_proj" for x in "qkv"])
        found |= _both(w, f"{ours}.self_attention.out", f"{theirs}.self_attn.out_proj")
        found |= _both(w, f"{ours}.around_self.norm", f"{theirs}.self_attn_layer_norm")
        if side == "decoder":
            found |= _both(w, f"{ours}.cross_attention.q", f"{theirs}.encoder_attn.q_proj")
            found |= _parts(w, f"{ours}.cross_attention.kv", [f"{theirs}.encoder_attn.{x}_proj" for x in "kv"])
            found |= _both(w, f"{ours}.cross_attention.out", f"{theirs}.encoder_attn.out_proj")
            found |= _both(w, f"{ours}.around_cross.norm", f"{theirs}.encoder_attn_layer_norm")
        found |= _both(w, f"{ours}.feed_forward.inner", f"{theirs}.fc1") | _both(w, f"{ours}.feed_forward.out", f"{theirs}.fc2")
        found |= _both(w, f"{ours}.around_feed_forward.norm", f"{theirs}.final_layer_norm")
    return found


def _both(w: dict[str, Any], ours: str, theirs: str) -> dict[str, Any]:
    return {f"{theirs}.{part}": w[f"{ours}.{part}"].contiguous() for part in ("weight", "bias")}


def _parts(w: dict[str, Any], ours: str, theirs: list[str]) -> dict[str, Any]:
    cut = {part: w[f"{ours}.{part}"].chunk(len(theirs)) for part in ("weight", "bias")}
    return {f"{name}.{part}": cut[part][i].contiguous() for i, name in enumerate(theirs) for part in cut}


def write_eole(folder: Path, out: Path) -> None:
    """Write a folder that `eole predict` loads; its sinusoids are kept in the weights, so they can be ours."""
    import sentencepiece
    import torch
    from safetensors.torch import save_file

    c, w = config_of(folder), weights_of(folder)
    named = {"generator.weight": w["output.weight"].clone(), "generator.bias": w["output.bias"]}
    for side, short in (("encoder", "src"), ("decoder", "tgt")):
        named |= {f"{short}_emb.embeddings.weight": w[f"{side}.embed.weight"].clone()}
        named |= {f"{short}_emb.pe.pe": sinusoids(LONGEST, c["d_model"])[:, None].contiguous()}
        named |= _both(w, f"{side}.norm", f"{side}.layer_norm")
        for i in range(c[f"{side}_layers"]):
            ours, theirs = f"{side}.layers.{i}", f"{side}.transformer_layers.{i}"
            self_parts = [f"{theirs}.self_attn.linear_{x}" for x in ("query", "keys", "values")]
            named |= _parts(w, f"{ours}.self_attention.qkv", self_parts)
            named |= _both(w, f"{ours}.self_attention.out", f"{theirs}.self_attn.final_linear")
            named |= _both(w, f"{ours}.around_self.norm", f"{theirs}.input_layernorm")
            if side == "decoder":
                named |= _both(w, f"{ours}.cross_attention.q", f"{theirs}.context_attn.linear_query")
                cross = [f"{theirs}.context_attn.linear_{x}" for x in ("keys", "values")]
                named |= _parts(w, f"{ours}.cross_attention.kv", cross)
                named |= _both(w, f"{ours}.cross_attention.out", f"{theirs}.context_attn.final_linear")
                named |= _both(w, f"{ours}.around_cross.norm", f"{theirs}.precontext_layernorm")
                named |= {f"{theirs}.layer_scalar": torch.ones(1)}
            named |= _both(w, f"{ours}.feed_forward.inner", f"{theirs}.mlp.gate_up_proj")
            named |= _both(w, f"{ours}.feed_forward.out", f"{theirs}.mlp.down_proj")
            named |= _both(w, f"{ours}.around_feed_forward.norm", f"{theirs}.post_attention_layernorm")
    out.mkdir(parents=True, exist_ok=True)
    save_file(named, out / "model.00.safetensors")
    words = {}
    for short in ("src", "tgt"):
        path = folder / "tokenizer" / f"{c[short]}.model"
        path = path if path.exists() else folder / "tokenizer" / "joint.model"
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        words[short] = [model.id_to_piece(i) for i in range(model.vocab_size())]
    marks = dict(zip(("pad", "unk", "bos", "eos"), (words["tgt"][i] for i in (PAD, UNK, BOS, EOS))))
    specials = {f"{name}_token": mark for name, mark in marks.items()}
    vocabulary = {**words, "decoder_start_token": marks["bos"], "specials": specials}
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    embeddings = {"word_vec_size": c["d_model"], "src_word_vec_size": c["d_model"], "tgt_word_vec_size": c["d_model"]}
    embeddings |= {"position_encoding": True, "position_encoding_type": "SinusoidalInterleaved"}
    same = {"hidden_size": c["d_model"], "heads": c["num_heads"], "transformer_ff": c["d_ff"], "norm_eps": 1e-5}
    same |= {"add_qkvbias": True, "add_final_linear_bias": True, "add_ffnbias": True, "layer_norm": "standard"}
    same |= {"mlp_activation_fn": "relu", "position_encoding_type": "SinusoidalInterleaved"}
    sides = {side: {**same, f"{side}_type": "transformer", "layers": c[f"{side}_layers"]} for side in ("encoder", "decoder")}
    model_config = {"architecture": "transformer", **same, "embeddings": embeddings, **sides, "layers": c["decoder_layers"]}
    model_config |= {"share_embeddings": False, "share_decoder_embeddings": False}
    settings = {"model": model_config, "training": {}, "share_vocab": False, **specials, "transforms": []}
    settings |= {"src_vocab": "", "tgt_vocab": "", "data": {}, "src_vocab_size": len(words["src"])}
    settings |= {"tgt_vocab_size": len(words["tgt"]), "decoder_start_token": marks["bos"]}
    (out / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")


if __name__ == "__main__":
    write_eole(Path(sys.argv[1]), Path(sys.argv[2]))
