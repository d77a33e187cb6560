"""Exported models that are kept beside a model: made once, verified, made anew when they are damaged or another's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpcli import artifacts
from nlpcli.artifacts import Artifact
from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.errors import ArtifactError, RunFailed, UsageError
from nlpcli.export import cache, ctranslate2, make
from nlpcli.export.cache import places, ready_engine, settings, why_not

from .conftest import GENTLY, Make

PLACE = Path("model.engines/ctranslate2-float32")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what has been exported so far, by its number format."""
    calls: list[str] = []
    write = make.make

    def counted(artifact: Artifact, draft: Any, *rest: Any) -> Any:
        calls.append(draft.manifest.config["quantization"])
        return write(artifact, draft, *rest)

    monkeypatch.setattr(make, "make", counted)
    return calls


def translated(artifact: Artifact, checkpoint: str = "model") -> list[int]:
    engine = ready_engine(artifact, checkpoint)
    [[best, *_]] = engine.search(Request([[7, 9, 11, 3]], [8]), SearchSettings())
    return best.ids


def test_a_model_is_exported_once(transformer: Make, made: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    model = transformer()
    first = translated(model)
    told = capsys.readouterr().err
    assert "engine: exporting model for CTranslate2, once" in told
    assert "20 validation pairs" in told
    assert "100.0% of greedy translations are equal; BLEU" in told
    assert translated(model) == first
    assert capsys.readouterr().err == ""
    assert made == ["float32"]
    found = artifacts.open_artifact(PLACE, "export")
    assert found.manifest.config == settings("model", "float32", "cpu")
    assert found.manifest.metrics["equal"] == 1.0
    assert found.manifest.metrics["largest_difference"] < 1e-3
    assert [(i.role, i.id) for i in found.manifest.inputs] == [("model", model.id)]
    artifacts.open_artifact("model", "model")  # what stands beside it does not concern it


def test_weights_and_number_formats_are_kept_apart(transformer: Make, made: list[str]) -> None:
    model = transformer(d_model=64, stirred=GENTLY)
    ready_engine(model, "model", "int8")
    ready_engine(model, "last", "float32")
    ready_engine(model, "last", "float32")
    assert made == ["int8", "float32"]
    assert sorted(path.name for path in Path("model.engines").glob("*2-*")) == ["ctranslate2-float32-last", "ctranslate2-int8"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, 1000)


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("name", ["model.bin", "config.json", "target_vocabulary.json", "manifest.json"])
def test_what_is_damaged_is_made_anew(
    transformer: Make, made: list[str], harm: Callable[[Path], None], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = transformer()
    before = translated(model)
    harm(PLACE / name)
    capsys.readouterr()
    assert translated(model) == before
    assert "it is made anew" in capsys.readouterr().err
    assert made == ["float32", "float32"]
    artifacts.open_artifact(PLACE, "export")


def test_another_models_is_made_anew(transformer: Make, made: list[str]) -> None:
    translated(transformer(seed=1))
    translated(transformer(seed=2))
    assert made == ["float32", "float32"]


def test_that_of_another_ctranslate2_is_made_anew(transformer: Make, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = transformer()
    translated(model)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    translated(model)
    assert made == ["float32", "float32"]


def test_the_users_cache_is_used_where_the_models_folder_cannot_be_written(
    transformer: Make, made: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = transformer()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    beside, users = (place.parent for place in places(model, settings("model", "float32", "cpu")))
    assert users == tmp_path / "mine" / "nlpcli" / "engines" / model.id
    monkeypatch.setattr(cache, "_writable", lambda folder: folder != beside)
    for _ in range(2):
        translated(model)
    assert made == ["float32"]
    assert (users / "ctranslate2-float32" / "model.bin").is_file()
    assert not beside.exists()


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not cache._writable(tmp_path / "file" / "below")


@pytest.mark.parametrize("validation", [20, 0])
@pytest.mark.parametrize("quantization", ["float32", "int8"])
def test_one_weight_that_changes_on_the_way_is_noticed(
    transformer: Make, monkeypatch: pytest.MonkeyPatch, quantization: Any, validation: int
) -> None:
    model, put = transformer(validation=validation, d_model=64, stirred=GENTLY), ctranslate2._put_norm

    def put_wrong(spec: Any, norm: Any) -> None:
        put(spec, norm)
        spec.gamma[0] += 3.0 if quantization == "int8" else 0.01

    monkeypatch.setattr(ctranslate2, "_put_norm", put_wrong)
    with pytest.raises(RunFailed, match=rf"CTranslate2 \({quantization}\) does not translate as PyTorch does") as caught:
        ready_engine(model, "model", quantization)
    assert "nats" in caught.value.cause
    assert caught.value.fix == "use --engine torch, or --quantization float32"
    assert caught.value.exit_code == 6
    assert not list(Path("model.engines").glob("ctranslate2-*"))


def test_weights_that_are_no_numbers_are_noticed(transformer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model, put = transformer(), ctranslate2._put_linear

    def put_wrong(spec: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
        put(spec, weight, bias * float("nan"))

    monkeypatch.setattr(ctranslate2, "_put_linear", put_wrong)
    with pytest.raises(RunFailed):
        ready_engine(model)


@pytest.mark.parametrize(
    ("settings_", "named"), [({"positions": "alibi"}, "--positions alibi"), ({"attention_window": 4}, "--attention-window")]
)
def test_what_ctranslate2_does_not_have_is_named(transformer: Make, settings_: dict[str, Any], named: str) -> None:
    model = transformer(**settings_)
    assert named in why_not(model)
    with pytest.raises(UsageError, match="cannot compute this model") as caught:
        ready_engine(model)
    assert named in caught.value.cause


def test_other_architectures_and_tasks_are_named(tiny_model: Path, tiny_lm: Path, transformer: Make) -> None:
    assert "seq2seq" in why_not(artifacts.open_artifact(tiny_model, "model"))
    assert "a model for lm does not translate" in why_not(artifacts.open_artifact(tiny_lm, "model"))
    assert why_not(transformer()) == ""


def test_training_keeps_validation_pairs_to_compare_on(tiny_model: Path) -> None:
    kept = [(tiny_model / name).read_text("utf-8").splitlines() for name in ("valid.src", "valid.tgt")]
    assert len(kept[0]) == len(kept[1]) == 40
    names = {file.path for file in artifacts.open_artifact(tiny_model, "model").manifest.files}
    assert {"valid.src", "valid.tgt"} <= names


def test_a_broken_model_is_not_exported(transformer: Make) -> None:
    model = transformer()
    flip(Path("model/model.safetensors"))
    with pytest.raises(ArtifactError):
        artifacts.open_artifact(model.path, "model")
