"""`nlpcli export`: other tools' formats, each compared with PyTorch, and what they cannot hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import nlpcli
from nlpcli import artifacts
from nlpcli.errors import BadInput, OutputExists, RunFailed, Unavailable, UsageError
from nlpcli.export import graphs, huggingface, onnx
from nlpcli.export.plain import GraphScorer
from nlpcli.export.verify import TorchScorer
from nlpcli.models.load import load_model

from .conftest import GENTLY, Make

OUT = Path("out")
FILES = {
    "ctranslate2": {"model.bin", "config.json", "source_vocabulary.json", "target_vocabulary.json"},
    "onnx": {"encoder.onnx", "decoder.onnx"},
    "huggingface": {"model.safetensors", "config.json", "generation_config.json", "source.spm", "target.spm", "vocab.json"},
    "torchscript": {"encoder.pt", "decoder.pt"},
    "torch-export": {"encoder.pt2", "decoder.pt2"},
}
POST = {"norm_place": "post"}


@pytest.mark.parametrize("to", FILES)
def test_each_format_translates_as_pytorch(transformer: Make, to: Any) -> None:
    model = transformer(**POST)
    result = nlpcli.export_model(model=model.path, to=to, out=OUT)
    assert (result.to, result.pairs, result.equal) == (to, 20, 1.0)
    assert result.largest_difference < 1e-3
    assert result.bleu is not None
    assert result.bleu[0] == result.bleu[1]
    found = artifacts.open_artifact(OUT, "export")
    assert found.id == result.id
    assert found.manifest.metrics["equal"] == 1.0
    assert {file.path for file in found.manifest.files} >= FILES[to]
    assert [(i.role, i.id) for i in found.manifest.inputs] == [("model", model.id)]


ALIBI = {"positions": "alibi", "attention_window": 3}
ROTARY = {"positions": "rotary", "num_kv_heads": 1, "norm": "rms", "activation": "swiglu"}
LEARNED = {"positions": "learned", "max_positions": 300, "activation": "gelu", "norm_place": "post"}


@pytest.mark.parametrize(
    ("to", "settings"),
    [  # the others take longer to trace
        *(("torchscript", settings) for settings in (ALIBI, ROTARY, LEARNED)),
        pytest.param("onnx", ALIBI | ROTARY | {"positions": "alibi"}, marks=pytest.mark.thorough),
        pytest.param("torch-export", ALIBI | ROTARY | {"positions": "rotary"}, marks=pytest.mark.thorough),
    ],
)
def test_graphs_hold_every_transformer(transformer: Make, to: Any, settings: dict[str, Any]) -> None:
    result = nlpcli.export_model(model=transformer(validation=6, **settings).path, to=to, out=OUT)
    assert result.equal == 1.0


@pytest.mark.parametrize(
    "to",
    [pytest.param("onnx", marks=pytest.mark.thorough), "torchscript", pytest.param("torch-export", marks=pytest.mark.thorough)],
)
def test_graphs_have_free_lengths(transformer: Make, to: str) -> None:
    artifact = transformer(validation=6)
    nlpcli.export_model(model=artifact.path, to=to, out=OUT)
    scorer: GraphScorer = onnx.OnnxScorer(OUT) if to == "onnx" else graphs.TorchGraphScorer(OUT, graphs.ENDINGS[to])
    reference = TorchScorer(load_model(artifact)[0])  # type: ignore[arg-type]
    sources, targets = [[5, 3]], [[*range(4, 60), 3]]
    for rows in ((sources, targets), (targets * 3, sources * 3)):
        for ours, theirs in zip(reference.score(*rows), scorer.score(*rows), strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "model_type", "tables"),
    [
        ({"norm_place": "post", "tie_embeddings": "none"}, "marian", {"encoder.embed_tokens", "decoder.embed_tokens", "head"}),
        ({"norm_place": "post", "tie_embeddings": "decoder"}, "marian", {"encoder.embed_tokens", "decoder.embed_tokens"}),
        ({"norm_place": "post", "tie_embeddings": "all", "activation": "gelu"}, "marian", {"shared"}),
        ({"norm_place": "pre", "tie_embeddings": "all"}, "pegasus", {"shared"}),
    ],
)
def test_hugging_face_weights_have_their_names_and_shapes(
    transformer: Make, tiny_corpus: Path, settings: dict[str, Any], model_type: str, tables: set[str]
) -> None:
    tokenizer = None
    if settings["tie_embeddings"] == "all":
        tokenizer = nlpcli.train_tokenizer(data=str(tiny_corpus), out=Path("joint"), joint=True, vocab_size=700).path
    artifact = transformer(tokenizer=tokenizer, **settings)
    nlpcli.export_model(model=artifact.path, to="huggingface", out=OUT)
    config = json.loads((OUT / "config.json").read_text("utf-8"))
    assert config["model_type"] == model_type
    assert config["tie_word_embeddings"] == (settings["tie_embeddings"] != "none")
    weights = load_file(OUT / "model.safetensors")
    names = {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "model.shared.weight", "lm_head.weight"}
    wanted = {"lm_head.weight" if table == "head" else f"model.{table}.weight" for table in tables}
    assert names & set(weights) == wanted
    shapes = {
        "model.encoder.layers.1.self_attn.k_proj.weight": (16, 16),
        "model.decoder.layers.0.encoder_attn.v_proj.bias": (16,),
        "model.decoder.layers.1.encoder_attn_layer_norm.weight": (16,),
        "model.decoder.layers.1.fc1.weight": (24, 16),
        "model.decoder.layers.1.fc2.weight": (16, 24),
        "final_logits_bias": (1, config.get("decoder_vocab_size", config["vocab_size"])),
    }
    assert {name: tuple(weights[name].shape) for name in shapes} == shapes
    assert ("model.encoder.layer_norm.weight" in weights) == (model_type == "pegasus")


def test_hugging_face_tokenizer_has_our_ids(transformer: Make) -> None:
    artifact = transformer(**POST)
    nlpcli.export_model(model=artifact.path, to="huggingface", out=OUT)
    _, tokenizer = load_model(artifact)
    for side, table in (("ko", "vocab.json"), ("en", "target_vocab.json")):
        ids = json.loads((OUT / table).read_text("utf-8"))
        pieces = tokenizer.encode_pieces(["안녕하세요, hello"], side)[0]
        assert [ids[piece] for piece in pieces if piece in ids] == [
            i for i, piece in zip(tokenizer.encode(["안녕하세요, hello"], side)[0], pieces) if piece in ids
        ]
    settings = json.loads((OUT / "tokenizer_config.json").read_text("utf-8"))
    assert settings["separate_vocabs"] is True


@pytest.mark.parametrize(
    ("settings", "to", "named"),
    [
        ({"positions": "alibi"}, "ctranslate2", "--positions alibi"),
        ({"attention_window": 3}, "ctranslate2", "--attention-window"),
        ({"positions": "rotary", **POST}, "huggingface", "--positions rotary"),
        ({"norm": "rms", "activation": "swiglu", **POST}, "huggingface", "--norm rms, --activation swiglu"),
        ({"num_kv_heads": 1, **POST}, "huggingface", "--num-kv-heads 1"),
        ({"norm_place": "pre"}, "huggingface", "--tie-embeddings decoder"),
    ],
)
def test_what_a_format_cannot_hold_is_named(transformer: Make, settings: dict[str, Any], to: Any, named: str) -> None:
    model = transformer(**settings)
    with pytest.raises(UsageError, match=f"cannot be exported to {to}") as caught:
        nlpcli.export_model(model=model.path, to=to, out=OUT)
    assert named in caught.value.cause
    assert not OUT.exists()


def test_tokenizers_that_hugging_face_does_not_have_are_refused(transformer: Make, tiny_corpus: Path) -> None:
    words = nlpcli.train_tokenizer(data=str(tiny_corpus), out=Path("words"), kind="word", vocab_size=300).path
    with pytest.raises(UsageError, match="this tokenizer cannot be exported"):
        nlpcli.export_model(model=transformer(tokenizer=words, **POST).path, to="huggingface", out=OUT)
    assert not OUT.exists()


def test_only_transformers_for_translation_are_exported(tiny_model: Path, tiny_lm: Path) -> None:
    for path in (tiny_model, tiny_lm):
        with pytest.raises(UsageError) as caught:
            nlpcli.export_model(model=path, to="onnx", out=OUT)
        assert "Transformers for translation alone" in caught.value.cause


def test_number_formats_are_ctranslate2s(transformer: Make) -> None:
    with pytest.raises(UsageError, match="--quantization int8 is for --to ctranslate2"):
        nlpcli.export_model(model=transformer(**POST).path, to="huggingface", out=OUT, quantization="int8")


def test_given_pairs_are_compared_on(transformer: Make, tiny_corpus: Path) -> None:
    model = transformer(**POST)
    result = nlpcli.export_model(model=model.path, to="huggingface", out=OUT, data=str(tiny_corpus), split="test")
    assert result.pairs == 40
    assert artifacts.open_artifact(OUT).manifest.metrics["sample"] == f"test pairs of {tiny_corpus}"


def test_pairs_without_text_are_refused(transformer: Make, tiny_corpus: Path) -> None:
    copy = Path(shutil.copytree(tiny_corpus, "data/ko-en"))
    for side in ("ko", "en"):
        (copy / f"valid.{side}").write_text("\n\n", "utf-8")
    with pytest.raises(BadInput, match="nothing to compare on"):
        nlpcli.export_model(model=transformer(**POST).path, to="huggingface", out=OUT, data=str(copy))


def test_what_has_drifted_is_not_published(transformer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    write = huggingface._weights

    def one_wrong(*arguments: Any) -> dict[str, torch.Tensor]:
        weights = write(*arguments)
        weights["model.decoder.layers.0.fc2.bias"][0] += 0.1
        return weights

    monkeypatch.setattr(huggingface, "_weights", one_wrong)
    with pytest.raises(RunFailed, match="does not translate as PyTorch does"):
        nlpcli.export_model(model=transformer(**POST).path, to="huggingface", out=OUT)
    assert not OUT.exists()


def test_an_extra_that_is_missing_is_named(transformer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="onnx and onnxscript and onnxruntime") as caught:
        nlpcli.export_model(model=transformer(**POST).path, to="onnx", out=OUT)
    assert caught.value.fix == "pip install 'nlpcli[export]'"


def test_the_command_prints_the_artifacts_path(transformer: Make, run_cli: Callable[..., Any]) -> None:
    model = transformer(d_model=64, stirred=GENTLY)
    ran = run_cli("export", "--model", model.path, "--to", "ctranslate2", "--quantization", "int8", "--out", "made")
    assert ran.code == 0
    assert Path(ran.out.rstrip("\n")).samefile("made")
    assert "CTranslate2, int8: 20 validation pairs" in ran.err
    again = run_cli("export", "--model", model.path, "--to", "ctranslate2", "--quantization", "int8", "--out", "made")
    assert again.code == OutputExists.exit_code
    forced = run_cli(
        "export", "--model", model.path, "--to", "ctranslate2", "--quantization", "int8", "--out", "made", "--force", "--json"
    )
    assert json.loads(forced.out)["data"]["quantization"] == "int8"
