"""Two processes on one machine: the weights of one process, one voice, and an end together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nlpcli.cli.main import main
from nlpcli.training.loop import Trainer
from nlpcli.training.settings import TrainSettings

from .looping import Rows, build, make

pytestmark = pytest.mark.slow
THOROUGH = pytest.mark.thorough

NLPCLI = [sys.executable, "-m", "nlpcli"]
COMMON = ["--batch-tokens", "512", "--dropout", "0", "--precision", "32", "--device", "cpu", "--eval-every", "5"]
LM = ["--d-embed", "16", "--d-model", "16", "--context-length", "16", "--optimizer", "momentum", *COMMON]
HEADS = ["--d-model", "16", "--d-ff", "16", "--num-heads", "2", "--encoder-layers", "2", "--decoder-layers", "2"]
TRANSFORMER = [*HEADS, "--ema", "0.9", "--eval-sentences", "2", *COMMON]
SMALL = ["--d-embed", "16", "--d-model", "16", "--label-smoothing", "0.1", "--eval-sentences", "2", *COMMON]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def train(dataset: Path, out: str, *more: str, architecture: str = "seq2seq", settings: list[str] = SMALL) -> Any:
    command = [*NLPCLI, "train", architecture, "--data", str(dataset), "--out", out, *settings, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def assert_weights_are_equal(one: str, two: str) -> None:
    for name in ("last.safetensors", "model.safetensors"):
        expected, found = load_file(Path(one, name)), load_file(Path(two, name))
        for key, tensor in expected.items():
            torch.testing.assert_close(found[key], tensor, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "data", "settings", "more"),
    [
        pytest.param("seq2seq", "tiny_dataset", SMALL, [], marks=THOROUGH),
        ("rnn", "tiny_text", LM, []),
        pytest.param("rnn", "tiny_text", [*LM, "--l1", "0.01", "--clip-value", "0.1"], ["--shard"], marks=THOROUGH),
        ("transformer", "tiny_dataset", TRANSFORMER, ["--shard"]),
    ],
)
def test_two_processes_make_the_weights_of_one(
    architecture: str, data: str, settings: list[str], more: list[str], request: pytest.FixtureRequest
) -> None:
    dataset = request.getfixturevalue(data)
    settings = [*settings, "--max-steps", "10", "--accumulate", "2"]
    assert main(["train", architecture, "--data", str(dataset), "--out", "one", *settings]) == 0
    two = train(dataset, "two", "--devices", "2", *more, architecture=architecture, settings=settings)
    assert two.returncode == 0, two.stderr
    assert_weights_are_equal("one", "two")
    assert two.stdout.strip() == str(Path("two").absolute())  # one voice
    assert two.stderr.count(f"model: {architecture}") == 1
    assert two.stderr.count("step 5:") == 1
    assert "warning" not in two.stderr.lower(), two.stderr
    logs = [[json.loads(line) for line in Path(name, "metrics.jsonl").read_text().splitlines()] for name in ("one", "two")]
    assert [r["valid_loss"] for r in logs[1]] == pytest.approx([r["valid_loss"] for r in logs[0]], abs=1e-5)
    assert json.loads(Path("two/manifest.json").read_text())["config"]["devices"] == 2


@pytest.mark.parametrize(
    "spread", [[], pytest.param(["--shard", "--ema", "0.9", "--optimizer", "adamw"], marks=THOROUGH)], ids=" ".join
)
def test_an_interrupt_ends_both_and_the_run_goes_on_in_its_streams(spread: list[str], tiny_text: Path) -> None:
    """Each process takes up the states of its own rows, and its own dropout."""
    settings = [*LM, "--dropout", "0.2", "--schedule", "constant", *spread]
    more = ["--devices", "2", "--resume", "auto", "--epochs", "100000", "--max-steps"]
    command = [*NLPCLI, "train", "rnn", "--data", str(tiny_text), "--out", "two", *settings, *more, "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as p:
        wait_for(Path("two.partial/state.pt"), p)
        os.killpg(p.pid, signal.SIGINT)
        out, err = p.communicate(timeout=60)
    assert (p.returncode, out) == (130, ""), err
    assert err.count("interrupted at step") == 1
    assert "Traceback" not in err, err
    assert not alive(p.pid)
    assert not Path("two").exists()
    step = torch.load("two.partial/state.pt", weights_only=True)["progress"]["step"]
    assert step > 0
    last = str(step + 5)
    resumed = train(tiny_text, "two", *more, last, architecture="rnn", settings=settings)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.count(f"resumed at step {step}") == 1
    whole = train(tiny_text, "whole", *more, last, architecture="rnn", settings=settings)
    assert whole.returncode == 0, whole.stderr
    assert Path("two/last.safetensors").read_bytes() == Path("whole/last.safetensors").read_bytes()


def test_processes_that_torchrun_starts_find_each_other(tiny_dataset: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [*NLPCLI, "train", "seq2seq", "--data", str(tiny_dataset), "--out", "two", *SMALL, "--max-steps", "4"]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    common |= {"TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "0", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [*arguments, "--devices", "2"],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [p.communicate(timeout=120) for p in ranks]
    assert [p.returncode for p in ranks] == [0, 0], said
    assert said[0][0].strip() == str(Path("two").absolute())
    assert said[1] == ("", "")
    assert main(["train", "seq2seq", "--data", str(tiny_dataset), "--out", "one", *SMALL, "--max-steps", "4"]) == 0
    assert_weights_are_equal("one", "two")


@pytest.mark.parametrize(("tie", "code"), [("all", 2), pytest.param("decoder", 3, marks=THOROUGH)])
def test_an_error_is_said_once_and_ends_both(tie: str, code: int, tiny_dataset: Path) -> None:
    """Settings that do not fit the data, and data that is not there."""
    started = time.monotonic()
    ran = train(tiny_dataset if code == 2 else Path("nowhere"), "m", "--devices", "2", "--tie-embeddings", tie)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.count("error:") == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert time.monotonic() - started < 100


def test_what_a_spread_model_cannot_do_is_refused_at_once(tiny_dataset: Path) -> None:
    ran = train(tiny_dataset, "m", "--shard", "--average-checkpoints", "3")
    assert ran.returncode == 2
    assert "--shard needs --devices" in ran.stderr
    assert "--shard has no --average-checkpoints" in ran.stderr


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_every_row_is_computed_once(ranks: int, pieces: int) -> None:
    rows = list(range(7))
    batch, seen = Rows([rows]).load(rows), []

    class Of:
        def __init__(self, rank: int) -> None:
            self.global_rank, self.world_size = rank, ranks

    for rank in range(ranks):
        trainer: Trainer = make(Rows([rows]), build())
        trainer.gradients.fabric = Of(rank)  # type: ignore[assignment]
        trainer.gradients.pieces = pieces
        seen += [row for part, weight in trainer.gradients.cut(batch) if weight for row in part.src_bs.tolist()]
    assert sorted(seen) == sorted(batch.src_bs.tolist())


def test_batch_sizes_are_not_found_out_by_several_processes(tiny_dataset: Path) -> None:
    ran = train(tiny_dataset, "m", "--devices", "2", "--batch-tokens", "auto")
    assert ran.returncode == 2
    assert ran.stderr.count("--batch-tokens auto is for one process") == 1, ran.stderr
    assert TrainSettings().batch_tokens != "auto"


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 90) -> None:
    """Wait until a second state has been written."""
    end, first = time.monotonic() + seconds, 0
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        now = path.stat().st_mtime_ns if path.exists() else 0
        if first and now != first:
            return
        first = first or now
        time.sleep(0.02)


def alive(group: int) -> bool:
    """Tell whether a process of the group is left."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True
