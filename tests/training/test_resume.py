"""An interrupted run, taken up again, ends in the same weights to the last bit."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sys
import time
from multiprocessing import get_context
from multiprocessing.context import ForkProcess as Process
from pathlib import Path

import pytest
import torch

from nlpcli.cli.main import main

SHORT = [*("--device", "cpu", "--dropout", "0.2", "--epochs", "1000", "--patience", "1000")]
RECURRENT = ["--d-embed", "24", "--d-model", "24"]
SETTINGS = [*RECURRENT, "--batch-tokens", "512", "--max-steps", "120", "--eval-every", "10", "--eval-sentences", "2", *SHORT]
TRANSFORMER = ["--d-model", "16", "--d-ff", "16", "--num-heads", "2", "--encoder-layers", "1", "--decoder-layers", "1"]
RUNS: dict[str, tuple[str, str, list[str]]] = {
    "seq2seq": ("seq2seq", "tiny_dataset", SETTINGS),
    "attention": ("attention", "tiny_dataset", SETTINGS),
    "transformer": (
        "transformer",
        "tiny_dataset",
        [
            *TRANSFORMER,
            *("--batch-tokens", "512", "--max-steps", "100", "--eval-every", "10", "--eval-sentences", "2"),
            *("--ema", "0.9", "--accumulate", "2", "--average-checkpoints", "3", "--schedule", "plateau", *SHORT),
        ],
    ),
    "rnn-lm": (
        "rnn",
        "tiny_text",
        [
            *(*RECURRENT, "--batch-tokens", "256", "--context-length", "16", "--sampled-softmax", "20"),
            *("--max-steps", "400", "--eval-every", "10", *SHORT),
        ],
    ),
    "rnn-classify": (
        "rnn",
        "tiny_labelled",
        [*RECURRENT, "--batch-tokens", "512", "--max-steps", "300", "--eval-every", "10", *SHORT],
    ),
    "cnn-classify": (
        "cnn",
        "tiny_labelled",
        [
            *("--d-embed", "24", "--num-filters", "8", "--batch-norm", "--batch-tokens", "512"),
            *("--max-steps", "600", "--eval-every", "10", *SHORT),
        ],
    ),
}

ALWAYS = ("attention", "transformer", "rnn-lm", "cnn-classify")  # what the others keep is among what these do


def arguments(architecture: str, dataset: Path, out: str, settings: list[str] = SETTINGS) -> list[str]:
    return ["train", architecture, "--data", str(dataset), "--out", out, *settings, "--resume", "auto"]


def started(words: list[str], threads: int) -> Process:
    """Run a command in a process of its own, forked from this one, which has loaded torch."""

    def run() -> None:
        torch.set_num_threads(threads)
        sys.exit(main(words))

    process = get_context("fork").Process(target=run)
    process.start()
    return process


def fingerprints(model: str) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(model).glob("*.safetensors")}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.thorough) for name in RUNS])
def test_a_killed_run_ends_in_the_same_weights(name, request):
    architecture, fixture, settings = RUNS[name]
    dataset = request.getfixturevalue(fixture)
    threads = 2 if name == "seq2seq" else 1  # several must not make a difference, but they do not help
    assert main(arguments(architecture, dataset, "whole", settings)) == 0
    killed = 0
    while not Path("killed").exists():
        process = started(arguments(architecture, dataset, "killed", settings), threads)
        if killed < 2:
            kill_at_a_random_moment(process)
            killed += 1
        process.join(timeout=120)
    assert killed == 2
    assert fingerprints("killed") == fingerprints("whole")
    manifests = [json.loads(Path(name, "manifest.json").read_text()) for name in ("whole", "killed")]
    assert manifests[0]["id"] == manifests[1]["id"]
    assert manifests[0]["metrics"] == manifests[1]["metrics"]
    assert [r["step"] for r in log("killed")] == [r["step"] for r in log("whole")]


def kill_at_a_random_moment(process: Process) -> None:
    """Let the run write one state at least, go on for a while that nobody chose, and kill it."""
    state = Path("killed.partial/state.pt")
    before = state.stat().st_mtime_ns if state.exists() else 0
    while not (state.exists() and state.stat().st_mtime_ns != before) and process.is_alive():
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.3))
    assert process.is_alive(), "the run ended before it could be killed: make it longer"
    process.kill()


def log(model: str) -> list[dict]:
    return [json.loads(line) for line in Path(model, "metrics.jsonl").read_text().splitlines()]


def test_resume_with_other_settings_lists_what_differs(tiny_dataset, capfd, monkeypatch):
    interrupt_after_steps(monkeypatch, 20)
    assert main(arguments("seq2seq", tiny_dataset, "m")) == 143
    capfd.readouterr()
    code = main([*arguments("seq2seq", tiny_dataset, "m"), "--learning-rate", "0.01", "--seed", "5"])
    out, err = capfd.readouterr()
    assert (code, out) == (4, "")
    assert "learning_rate: 0.001 then, 0.01 now" in err
    assert "seed: 1 then, 5 now" in err
    assert Path("m.partial/state.pt").exists()


def test_finished_run_is_returned_as_it_is(tiny_dataset, capfd):
    short = [*arguments("seq2seq", tiny_dataset, "m"), "--max-steps", "5"]
    assert main(short) == 0
    before = Path("m/manifest.json").stat().st_mtime_ns
    capfd.readouterr()
    assert main(short) == 0
    out, err = capfd.readouterr()
    assert out.strip() == str(Path("m").absolute())
    assert "finished already" in err
    assert Path("m/manifest.json").stat().st_mtime_ns == before


def test_longer_budget_goes_on_from_the_saved_state(tiny_dataset, capfd, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after_steps(patch, 20)
        assert main(arguments("seq2seq", tiny_dataset, "m")) == 143
    capfd.readouterr()
    assert main([*arguments("seq2seq", tiny_dataset, "m"), "--max-steps", "40"]) == 0
    assert "resumed at step 20" in capfd.readouterr().err
    assert json.loads(Path("m/manifest.json").read_text())["metrics"]["steps"] == 40


def interrupt_after_steps(monkeypatch, steps: int) -> None:
    """Send this process SIGTERM when the loop has made so many steps."""
    import os

    from nlpcli.training.loop import Trainer

    original = Trainer._step

    def step(self, *arguments):
        event = original(self, *arguments)
        if event.step == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return event

    monkeypatch.setattr(Trainer, "_step", step)
