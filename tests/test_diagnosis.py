"""`nlpcli doctor`: what is said of a machine is so, and what a GPU would need is said where there is none."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import torch

import nlpcli
from nlpcli.cli.main import main


def test_it_says_what_is_chosen_and_why(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cpu", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)["data"]
    assert data["device"] == "cpu"
    assert data["processor"]["cores"] == str(os.cpu_count())
    assert data["environment"]["torch"] == torch.__version__
    assert data["attention"]["sentences, padded"].startswith("plain: ")
    assert data["attention"]["16,384 tokens, causal"].startswith("sdpa: ")
    assert data["attention"]["16,384 tokens, a window of 512"].startswith("reference: ")


def test_it_reads_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cpu"]) == 0
    out = capfd.readouterr().out
    assert "the kernel is for NVIDIA GPUs, not for cpu" in out
    assert "precision" in out


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["doctor", "--device", "cuda"]) == 7


def test_what_is_not_installed_is_named_with_the_line_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr("nlpcli.diagnosis.find_spec", nothing)
    assert nlpcli.doctor(device="cpu").missing["kiwipiepy"].endswith("pip install 'nlpcli[ko]'")
