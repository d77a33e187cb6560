"""Training that begins from a model trained before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nlpcli import artifacts
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.train import train_tokenizer
from nlpcli.training.plan import plan
from nlpcli.training.train import train

STILL: dict[str, Any] = {"learning_rate": 1e-12, "warmup_steps": 0, "weight_decay": 0.0}  # a step that changes next to nothing


def trained(data: Path, out: str, architecture: str = "seq2seq", **settings: Any) -> Path:
    few: dict[str, Any] = {"batch_tokens": 512, "max_steps": 1, "eval_sentences": 2, **settings}
    made: Any = train(architecture=architecture, data=str(data), out=Path(out), **few)
    return Path(made.path)


def weights(path: Path, which: str = "last") -> dict[str, torch.Tensor]:
    return load_file(path / f"{which}.safetensors")


def test_it_begins_from_the_best_weights_and_takes_their_sizes(tiny_dataset: Path, tiny_model: Path) -> None:
    made = trained(tiny_dataset, "more", from_model=str(tiny_model), **STILL)
    before, after = weights(tiny_model, "model"), weights(made)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, rtol=0, atol=1e-9)
    manifest = artifacts.read_artifact(made).manifest
    assert manifest.config["d_model"] == 16
    assert manifest.config_source["d_model"] == "model"
    assert [(i.role, i.id) for i in manifest.inputs][1:] == [("from_model", artifacts.read_artifact(tiny_model).id)]


def test_text_is_encoded_with_the_tokenizer_of_the_model(tiny_corpus: Path, tiny_model: Path) -> None:
    made = trained(tiny_corpus, "tuned", from_model=str(tiny_model))
    ids = [artifacts.read_artifact(path).manifest.config["tokenizer_id"] for path in (made, tiny_model)]
    assert ids[0] == ids[1]
    assert not Path("tuned-tokenizer").exists()


def test_what_does_not_change_the_weights_may_be_changed(tiny_dataset: Path) -> None:
    small = {"d_model": 16, "d_ff": 16, "num_heads": 2, "encoder_layers": 1, "decoder_layers": 1, "positions": "rotary"}
    first = trained(tiny_dataset, "first", "transformer", **small)
    made = trained(tiny_dataset, "second", "transformer", from_model=str(first), attention_window=4, dropout=0.3)
    config = artifacts.read_artifact(made).manifest.config
    assert (config["attention_window"], config["dropout"], config["positions"]) == (4, 0.3, "rotary")


def test_a_finished_run_is_returned_as_it_is(tiny_dataset: Path, tiny_model: Path) -> None:
    whole = trained(tiny_dataset, "whole", from_model=str(tiny_model))
    made_at = (whole / "manifest.json").stat().st_mtime_ns
    assert trained(tiny_dataset, "whole", from_model=str(tiny_model), resume="auto") == whole
    assert (whole / "manifest.json").stat().st_mtime_ns == made_at


@pytest.mark.parametrize("do", [train, plan])
def test_weights_of_other_shapes_are_refused_before_anything_is_made(do: Any, tiny_corpus: Path, tiny_model: Path) -> None:
    with pytest.raises(ArtifactError, match="do not fit") as refused:
        do(architecture="seq2seq", data=str(tiny_corpus), out=Path("m"), from_model=str(tiny_model), d_model=32)
    assert "taken from it" in refused.value.fix
    assert not list(Path().iterdir())


def test_another_architecture_is_refused_before_anything_is_read(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="of the architecture seq2seq, not attention"):
        trained(Path("nowhere"), "m", "attention", from_model=str(tiny_model))


def test_a_dataset_with_another_vocabulary_is_refused(tiny_corpus: Path, tiny_model: Path) -> None:
    tokenizer = train_tokenizer(data=str(tiny_corpus), out=Path("other"), joint=True).path
    dataset = encode_dataset(data=str(tiny_corpus), tokenizer=tokenizer, out=Path("set")).path
    with pytest.raises(ArtifactError, match="did not make the dataset"):
        trained(dataset, "m", from_model=str(tiny_model))


def test_another_direction_is_refused(tiny_corpus: Path, tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="has learnt from other data") as refused:
        trained(tiny_corpus, "m", from_model=str(tiny_model), src="en", tgt="ko")
    assert "src: ko there, en here" in refused.value.cause


def test_a_dry_run_counts_the_model_that_would_be_trained(tiny_dataset: Path, tiny_model: Path) -> None:
    shown = plan(architecture="seq2seq", data=str(tiny_dataset), from_model=str(tiny_model))
    assert shown["parameters"] == f"{sum(w.numel() for w in weights(tiny_model).values()):,}"
    assert shown["settings"]["d_model"] == (16, "model")


def test_a_dry_run_on_text_shows_the_models_settings(tiny_corpus: Path, tiny_model: Path, run_cli: Any) -> None:
    ran = run_cli(
        "train", "seq2seq", "--data", tiny_corpus, "--from-model", tiny_model, "--dropout", "0.3", "--dry-run", "--json"
    )
    settings = json.loads(ran.out)["data"]["settings"]
    assert settings["d_model"] == {"value": 16, "source": "model"}
    assert settings["dropout"] == {"value": 0.3, "source": "flag"}
