"""From a model artifact to a model; and settings that cannot work, refused before anything is made."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from learnt import Learnt
from safetensors.torch import load_file, save_file
from torch import Tensor

from nlpcli import artifacts
from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.models import attention
from nlpcli.models.config import CONFIGS, TASKS, AttentionConfig, RnnConfig, Seq2SeqConfig, TransformerConfig
from nlpcli.models.load import build_model, check, load_model, sizes
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer


def remade(learnt: Learnt, config: dict[str, Any] | None = None, weights: dict[str, Tensor | None] | None = None) -> Artifact:
    """Return a valid artifact that differs from the learnt model in its config or its weights; None takes one away."""
    kept = open_artifact(learnt.path)
    settings = {**kept.manifest.config, **(config or {})}
    tensors = {**load_file(learnt.path / "model.safetensors"), **(weights or {})}
    with artifacts.create(Path("remade"), "model", command="test", config=settings) as draft:
        shutil.copytree(learnt.path / "tokenizer", draft.path / "tokenizer")
        save_file({name: t for name, t in tensors.items() if t is not None}, draft.path / "model.safetensors")
        return draft.publish()


def test_the_model_comes_back_with_its_settings_and_tokenizer(learnt: Learnt) -> None:
    model, tokenizer = load_model(open_artifact(learnt.path))
    assert isinstance(model, attention.AttentionSeq2Seq)
    assert not model.training
    assert tokenizer.languages == ["ko", "en"]
    assert model.output.weight is model.tgt_embed.weight  # tied, as it was
    stored = load_file(learnt.path / "model.safetensors")
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in stored.items())


def test_weights_of_another_shape_are_refused(learnt: Learnt) -> None:
    with pytest.raises(ArtifactError, match="weights do not fit"):
        load_model(remade(learnt, {"d_model": 16}))


@pytest.mark.parametrize("weights", [{"readout.weight": None}, {"extra.weight": torch.ones(2)}], ids=["missing", "unknown"])
def test_weights_missing_or_unknown_are_refused(learnt: Learnt, weights: dict[str, Tensor | None]) -> None:
    with pytest.raises(ArtifactError, match="missing or unknown"):
        load_model(remade(learnt, weights=weights))


def test_a_missing_tied_weight_is_refused_like_any_other(learnt: Learnt) -> None:
    """It is stored once, and that once it must be there."""
    with pytest.raises(ArtifactError, match="missing or unknown"):
        load_model(remade(learnt, weights={"tgt_embed.weight": None}))


def test_an_architecture_of_a_newer_version_is_refused_by_name(learnt: Learnt) -> None:
    with pytest.raises(ArtifactError, match="perceiver"):
        load_model(remade(learnt, {"architecture": "perceiver"}))


def test_another_tokenizer_is_refused_by_id(learnt: Learnt) -> None:
    with pytest.raises(ArtifactError, match="does not belong to this model") as refusal:
        load_model(remade(learnt, {"tokenizer_id": "0123456789abcdef"}))
    assert "0123456789abcdef" in refusal.value.cause


def refused(architecture: str, task: Any, tokenizer: Tokenizer | None = None, **settings: Any) -> str:
    with pytest.raises(UsageError, match="these settings cannot work") as refusal:
        check(architecture, CONFIGS[architecture](**settings), task, tokenizer)
    assert refusal.value.fix
    return refusal.value.cause


def test_settings_that_cannot_work_are_refused_all_at_once(tiny_tokenizer: Path) -> None:
    separate = Tokenizer.load(tiny_tokenizer)
    cause = refused("seq2seq", "translation", separate, d_model=15, bidirectional=True, tie_embeddings="all")
    assert "--d-model 15 is odd" in cause
    assert "--tie-embeddings all" in cause


REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    ("rnn", "lm", {"d_embed": 8, "d_model": 16}, "--tie-embeddings needs --d-embed 8 and --d-model 16 to be equal"),
    ("rnn", "classify", {"d_model": 15}, "--d-model 15 is odd"),
    ("attention", "translation", {"attention": "additive", "input_feeding": True}, "--input-feeding is Luong's"),
    ("attention", "translation", {"attention": "dot", "coverage": True}, "not --attention dot"),
    ("transformer", "lm", {"d_model": 10, "num_heads": 4}, "--num-heads 4 does not divide --d-model 10"),
    ("transformer", "lm", {"d_model": 12, "num_heads": 4, "positions": "rotary"}, "but a head has 3"),
    ("transformer", "lm", {"num_heads": 4, "num_kv_heads": 3}, "--num-kv-heads 3 does not divide --num-heads 4"),
    ("transformer", "lm", {"d_model": 15, "num_heads": 5}, "--positions sinusoidal needs an even --d-model, not 15"),
]


@pytest.mark.parametrize(("architecture", "task", "settings", "cause"), REFUSED, ids=str)
def test_each_of_them_is_named(architecture: str, task: Any, settings: dict[str, Any], cause: str) -> None:
    assert cause in refused(architecture, task, **settings)


@pytest.mark.parametrize("architecture", CONFIGS)
@pytest.mark.parametrize("task", ["translation", "lm", "classify"])
def test_an_architecture_does_its_own_tasks_alone(architecture: str, task: Any) -> None:
    if task in TASKS[architecture]:
        check(architecture, CONFIGS[architecture](), task)
        model = build_model(architecture, CONFIGS[architecture](), task, 30, 30)
        assert model.output.out_features == 30
        assert model.embeddings()[0].num_embeddings == 30
    else:
        assert f"{architecture} does not do {task}, but " in refused(architecture, task)


def test_settings_that_can_work_are_not_refused(tiny_corpus: Path, tiny_tokenizer: Path) -> None:
    separate = Tokenizer.load(tiny_tokenizer)
    check("seq2seq", Seq2SeqConfig(d_model=15, bidirectional=False), "translation", separate)
    check("rnn", RnnConfig(d_embed=15, d_model=15), "lm")  # which reads in one direction
    check("transformer", TransformerConfig(d_model=15, num_heads=5, positions="alibi"), "lm")
    made = train_tokenizer(data=str(tiny_corpus), out=Path("joint"), joint=True, src="ko", tgt="en")
    joint = Tokenizer.load(made.path)
    config = AttentionConfig(d_embed=8, d_model=8, tie_embeddings="all")
    check("attention", config, "translation", joint)
    model = build_model("attention", config, "translation", *sizes(joint))
    assert model.output.out_features == joint.vocab_size("ko") == joint.vocab_size("en")


def test_sizes_are_those_of_what_is_read_and_of_what_is_predicted(tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.load(tiny_tokenizer)
    assert sizes(tokenizer) == (tokenizer.vocab_size("ko"), tokenizer.vocab_size("en"))
    assert sizes(tokenizer, 3) == (tokenizer.vocab_size("ko"), 3)
