"""Presets: every one builds, and each is the weakest word on a setting but the default."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpcli.config import read_config
from nlpcli.errors import UsageError
from nlpcli.models.config import CONFIGS, TASKS
from nlpcli.models.load import build_model, check
from nlpcli.training.presets import SIZES, choose_preset, preset_settings
from nlpcli.training.resolve import check_early, split_settings

Run = Callable[..., Any]
EVERY = [(a, task, preset) for a in CONFIGS for task in TASKS[a] for preset in SIZES[a]]
PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


@pytest.mark.parametrize(("architecture", "task", "preset"), EVERY, ids=["-".join(each) for each in EVERY])
def test_every_preset_builds(architecture: str, task: Any, preset: str) -> None:
    model, training = split_settings(architecture, preset_settings(preset, architecture, task, 1000))
    check(architecture, model, task)
    with torch.device("meta"):
        made = build_model(architecture, model, task, 8000, 4 if task == "classify" else 8000)
    assert sum(p.numel() for p in made.parameters()) > 100_000
    assert training.learning_rate <= 4e-3


@pytest.mark.parametrize("architecture", CONFIGS)
def test_presets_grow(architecture: str) -> None:
    task = TASKS[architecture][0]
    counts = []
    for name in ("tiny", "small", "base", "big"):
        model, _ = split_settings(architecture, preset_settings(name, architecture, task, 1000))
        with torch.device("meta"):
            made = build_model(architecture, model, task, 8000, 4 if task == "classify" else 8000)
        counts.append(sum(p.numel() for p in made.parameters()))
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("rows", "device", "chosen"),
    [
        *((100, "cpu", "tiny"), (5_000, "cpu", "small"), (10**7, "cpu", "small")),
        *((100, "cuda", "tiny"), (10**5, "cuda", "small"), (10**6, "cuda", "base"), (10**7, "cuda", "big")),
    ],
)
def test_the_data_and_the_device_choose(rows: int, device: str, chosen: str) -> None:
    assert choose_preset("auto", "transformer", rows, device) == chosen
    assert choose_preset("tiny", "transformer", rows, device) == "tiny"


def test_a_preset_that_an_architecture_does_not_have_is_named() -> None:
    with pytest.raises(UsageError, match="cnn has no preset deep"):
        choose_preset("deep", "cnn", 10, "cpu")


def test_flag_environment_file_preset_default(run_cli: Run, tiny_labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.toml").write_text("[train]\nd_embed = 10\npatience = 7\n[train.cnn]\nnum_filters = 5\n", "utf-8")
    monkeypatch.setenv("NLPCLI_TRAIN_CNN_NUM_FILTERS", "6")
    monkeypatch.setenv("NLPCLI_TRAIN_CNN_D_EMBED", "11")
    arguments = ["train", "cnn", "--data", tiny_labelled, "--out", "m", "--config", "c.toml", "--d-embed", "12"]
    ran = run_cli(*arguments, "--max-steps", "1", "--batch-tokens", "256")
    assert ran.code == 0, ran.err
    assert "preset: tiny, for 400 rows on cpu" in ran.err
    manifest = json.loads(Path("m/manifest.json").read_text("utf-8"))
    found = {name: (value, manifest["config_source"].get(name)) for name, value in manifest["config"].items()}
    assert found["d_embed"] == (12, "flag")
    assert found["num_filters"] == (6, "environment")
    assert found["patience"] == (7, "file")
    assert found["epochs"] == (8, "preset")
    assert found["label_smoothing"] == (0.0, "preset")
    assert found["weight_decay"] == (0.01, "default")
    assert manifest["config"]["preset"] == "tiny"


def test_a_dry_run_shows_what_the_preset_chooses(run_cli: Run, tiny_labelled: Path) -> None:
    ran = run_cli("train", "cnn", "--data", tiny_labelled, "--preset", "small", "--dry-run")
    assert ran.code == 0, ran.err
    assert "num_filters" in ran.out
    assert list(Path.cwd().iterdir()) == []


def test_a_sampled_softmax_is_refused_beside_what_needs_all_words(run_cli: Run) -> None:
    ran = run_cli("train", "seq2seq", "--data", "ko-en", "--sampled-softmax", "100", "--r-drop", "1", "--dry-run")
    assert ran.code == 2, ran.err
    assert "--sampled-softmax has no --label-smoothing; --sampled-softmax has no --r-drop" in ran.err


@pytest.mark.parametrize("more", [["--task", "classify", "--dry-run"], ["--max-steps", "1"]])
def test_a_sampled_softmax_is_refused_where_classes_are_predicted(run_cli: Run, tiny_labelled: Path, more: list[str]) -> None:
    ran = run_cli("train", "rnn", "--data", tiny_labelled, "--sampled-softmax", "100", "--out", "m", *more)
    assert ran.code == 2, ran.err
    assert "--sampled-softmax is for models that predict words, not classes" in ran.err


@pytest.mark.parametrize(
    ("architecture", "data", "shown"),
    [
        ("rnn", "reviews-ko", "reviews-ko (train, valid, test, classify)"),
        ("rnn", "tales-ko", "tales-ko (train, valid, test, lm)"),
        ("transformer", "ko-en", "ko-en (train, valid, test, ko-en, translation)"),
    ],
)
def test_a_dry_run_finds_text_as_training_would(run_cli: Run, architecture: str, data: str, shown: str) -> None:
    ran = run_cli("train", architecture, "--data", data, "--dry-run")
    assert ran.code == 0, ran.err
    assert shown in ran.out
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(("architecture", "data"), [("rnn", "nowhere"), ("cnn", "nowhere.tsv"), ("cnn", "tales-ko")])
def test_a_dry_run_says_what_is_not_there(run_cli: Run, architecture: str, data: str) -> None:
    ran = run_cli("train", architecture, "--data", data, "--dry-run")
    assert ran.code == 3, ran.err
    assert data in ran.err


def test_what_one_preset_can_mend_is_not_refused_early() -> None:
    """Tied embeddings need equal sizes, and the preset may yet choose the other one; a classifier does not tie."""
    check_early("rnn", "auto", "auto", {"d_embed": 24, "d_model": 32}, None)
    check_early("rnn", "lm", "auto", {"d_embed": 512}, None)
    for task, settings in (("lm", {"d_embed": 24, "d_model": 32}), ("lm", {"d_embed": 24})):
        with pytest.raises(UsageError, match="cannot work"):
            check_early("rnn", task, "auto", settings, None)
    with pytest.raises(UsageError) as e:
        check_early("cnn", "lm", "auto", {}, None)
    assert "cnn does not do lm, but classify" in e.value.cause


@pytest.mark.parametrize("path", sorted(PIPELINES.glob("*.toml")), ids=lambda path: path.name)
def test_settings_of_the_pipelines_are_settings_of_their_commands(path: Path, run_cli: Run) -> None:
    tree = tomllib.loads(path.read_text("utf-8"))
    tables = [name for name in tree.get("train", {}) if isinstance(tree["train"][name], dict)]
    for architecture in tables or list(CONFIGS):
        ran = run_cli("train", architecture, "--config", path, "--help")
        assert ran.code == 0, ran.err
        table = {**tree.get("train", {}), **tree.get("train", {}).get(architecture, {})}
        flat = {k.replace("-", "_"): v for k, v in table.items() if not isinstance(v, dict)}
        known = {*flat}
        found = read_config(path, ["train", architecture], known)
        words = {k: v for k, v in found.items() if k in CONFIGS[architecture].__struct_fields__ or k in _training()}
        split_settings(architecture, words)  # no value out of range


def _training() -> set[str]:
    from nlpcli.training.settings import TrainSettings

    return set(TrainSettings.__struct_fields__)
