"""The choice of device and number format, and what is said when it cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpcli.devices import pick_device, pick_precision
from nlpcli.errors import Unavailable, UsageError


def test_a_device_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == "cpu"
    with pytest.raises(Unavailable, match="no CUDA device"):
        pick_device("cuda")
    with pytest.raises(UsageError, match="unknown device"):
        pick_device("tpu")


def test_a_device_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == "cuda"
    assert pick_device("cpu") == "cpu"


@pytest.mark.parametrize("native", [False, True])
def test_formats_of_a_gpu(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native)
    assert pick_precision("auto", "cuda") == ("bf16" if native else "32")
    assert (pick_precision("16", "cuda"), pick_precision("32", "cuda")) == ("16", "32")
    if native:
        assert pick_precision("bf16", "cuda") == "bf16"
    else:
        with pytest.raises(Unavailable, match="this GPU has no bf16"):
            pick_precision("bf16", "cuda")


@pytest.mark.parametrize("native", [False, True])
def test_formats_of_a_cpu(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": native})
    assert pick_precision("auto", "cpu") == ("bf16" if native else "32")
    assert (pick_precision("bf16", "cpu"), pick_precision("32", "cpu")) == ("bf16", "32")
    with pytest.raises(Unavailable, match="float16 is for GPUs") as e:
        pick_precision("16", "cpu")
    assert (e.value.exit_code, e.value.fix) == (7, "use --precision bf16 or 32")


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown precision"):
        pick_precision("64", "cpu")


def test_training_in_float16_on_a_cpu_is_refused_before_anything_is_made(
    run_cli: Callable[..., Any], tiny_dataset: Path
) -> None:
    ran = run_cli("train", "seq2seq", "--data", tiny_dataset, "--out", "m", "--device", "cpu", "--precision", "16")
    assert (ran.code, ran.out) == (7, "")
    assert "--precision 16" in ran.err
    assert list(Path.cwd().iterdir()) == []
