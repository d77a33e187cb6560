"""Bad input and bad luck, one test each, on exit code, text and stdout: a clear error, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from nlpcli import artifacts
from nlpcli.cli.main import main

NLPCLI = [sys.executable, "-m", "nlpcli"]
SMALL = ["--d-embed", "16", "--d-model", "16", "--batch-tokens", "512", "--device", "cpu", "--precision", "32"]


@pytest.fixture
def run(capfd):
    """Run a command in this process; return its exit code, stdout and stderr."""

    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run_command


def copy_corpus(source: Path, name: str = "ko-en") -> Path:
    return Path(shutil.copytree(source, name))


def assert_error(err: str, *parts: str) -> None:
    """Every error says what and where, why, and what to do."""
    assert "error: " in err
    assert "  fix: " in err
    for part in parts:
        assert part in err


def test_sides_with_different_line_counts(run, tiny_corpus):
    folder = copy_corpus(tiny_corpus)
    lines = (folder / "train.en").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "train.en").write_text("".join(lines[:-1]), encoding="utf-8")
    code, out, err = run("data", "prepare", "--data", "./ko-en", "--out", "made")
    assert (code, out) == (3, "")
    assert_error(err, f"train.ko has {len(lines)} lines", f"train.en has {len(lines) - 1}", "wc -l")
    assert not Path("made").exists()
    assert not Path("made.partial").exists()


def test_line_that_is_not_utf8(run, tiny_corpus):
    folder = copy_corpus(tiny_corpus)
    lines = (folder / "train.ko").read_bytes().split(b"\n")
    lines[6] = "안녕하세요 여러분".encode("cp949")
    (folder / "train.ko").write_bytes(b"\n".join(lines))
    code, out, err = run("data", "prepare", "--data", "./ko-en", "--out", "made")
    assert (code, out) == (3, "")
    assert_error(err, "line 7 is not UTF-8", "probably CP949", "iconv -f CP949 -t UTF-8")
    assert not Path("made").exists()


def test_unknown_data_name(run):
    code, out, err = run("train", "seq2seq", "--data", "ko-em")
    assert (code, out) == (3, "")
    assert_error(err, "unknown data name: ko-em", "did you mean ko-en?")


def test_artifact_of_the_wrong_kind(run, tiny_tokenizer):
    code, out, err = run("translate", "--model", tiny_tokenizer, "x.ko")
    assert (code, out) == (4, "")
    assert_error(err, "is a tokenizer, not a model", "nlpcli inspect")


def test_truncated_file_in_an_artifact(run, tiny_tokenizer):
    copy = Path(shutil.copytree(tiny_tokenizer, "tokenizer"))
    os.truncate(copy / "ko.model", 1000)
    Path("x.ko").write_text("안녕\n", encoding="utf-8")
    code, out, err = run("tokenize", "encode", "--tokenizer", copy, "--lang", "ko", "x.ko")
    assert (code, out) == (4, "")
    assert_error(err, "ko.model has 1000 bytes instead of")


def test_changed_file_in_an_artifact(run, tiny_model):
    copy = Path(shutil.copytree(tiny_model, "model"))
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    code, out, err = run("inspect", copy, "--verify")
    assert (code, out) == (4, "")
    assert_error(err, "model.safetensors has changed")


def test_tokenizer_that_does_not_belong_to_the_data(run, tiny_corpus, tiny_dataset):
    assert run("tokenize", "train", "--data", tiny_corpus, "--out", "other", "--vocab-size", "900", "--src", "ko")[0] == 0
    code, out, err = run("train", "seq2seq", "--data", tiny_dataset, "--tokenizer", "other", "--out", "m", *SMALL)
    assert (code, out) == (4, "")
    assert_error(err, "--tokenizer other", "did not make the dataset")


def test_tokenizer_that_does_not_belong_to_the_model(run, tiny_corpus, tiny_model):
    """The folder inside the model is replaced by another tokenizer, and the manifest made to agree with its files."""
    copy = Path(shutil.copytree(tiny_model, "model"))
    assert run("tokenize", "train", "--data", tiny_corpus, "--out", "other", "--vocab-size", "900", "--src", "ko")[0] == 0
    shutil.rmtree(copy / "tokenizer")
    shutil.copytree("other", copy / "tokenizer")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"] = [f for f in manifest["files"] if not f["path"].startswith("tokenizer/")]
    manifest["id"] = artifacts._identity(msgspec.convert(manifest, artifacts.Manifest))
    (copy / "manifest.json").write_text(json.dumps(manifest))
    Path("x.ko").write_text("안녕\n", encoding="utf-8")
    code, out, err = run("translate", "--model", copy, "x.ko")
    assert (code, out) == (4, "")
    assert_error(err, "does not belong to this model")


def test_output_that_exists(run, tiny_corpus, tiny_model):
    before = (tiny_model / "manifest.json").read_bytes()
    code, out, err = run("train", "seq2seq", "--data", tiny_corpus, "--out", tiny_model)
    assert (code, out) == (5, "")
    assert_error(err, "already exists", "--force")
    assert (tiny_model / "manifest.json").read_bytes() == before
    Path("x.ko").write_text("안녕\n", encoding="utf-8")
    Path("x.en").write_text("precious\n", encoding="utf-8")
    code, out, err = run("translate", "--model", tiny_model, "x.ko", "--out", "x.en")
    assert (code, out) == (5, "")
    assert Path("x.en").read_text(encoding="utf-8") == "precious\n"


def test_training_does_not_replace_a_corpus_that_stands_where_its_own_would(run, tiny_corpus):
    prepare = ["data", "prepare", "--data", tiny_corpus, "--out", "work/m-data", "--hold-out", "7"]
    assert run(*prepare)[0] == 0
    before = artifacts.open_artifact("work/m-data").id
    train = ["train", "seq2seq", "--data", tiny_corpus, "--out", "work/m", *SMALL, "--max-steps", "1"]
    code, out, err = run(*train)
    assert (code, out) == (5, "")
    assert_error(err, "work/m-data is there, made from other data or with other settings", "--force")
    assert artifacts.open_artifact("work/m-data").id == before
    assert run(*train, "--force")[0] == 0


@pytest.mark.parametrize("name", ["m", "m-data"], ids=["the output", "what is made beside it"])
def test_folder_that_is_no_artifact_is_never_replaced(run, tiny_corpus, name):
    folder = copy_corpus(tiny_corpus, name)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    code, out, err = run("train", "seq2seq", "--data", tiny_corpus, "--out", "m", "--max-steps", "1", "--force", *SMALL)
    assert (code, out) == (5, "")
    assert_error(err, "is a folder that nlpcli did not make")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_loss_that_turns_nan(run, tiny_dataset):
    diverging = ["--learning-rate", "1e30", "--clip-norm", "1e30", "--warmup-steps", "0", "--max-steps", "50"]
    code, out, err = run("train", "seq2seq", "--data", tiny_dataset, "--out", "m", *SMALL, *diverging)
    assert (code, out) == (6, "")
    assert_error(err, "the loss became", "3 times at ever lower", "even at learning rate 1.2", "lower --learning-rate")
    assert "the last good state (step 0) is in" in err
    assert err.count("no finite gradient since step") == 3
    assert not Path("m").exists()


def test_disk_full_while_publishing(run, tiny_corpus, monkeypatch):
    """The disk fills up at the very end, when the files are flushed; the artifact that stood there stays."""
    assert run("data", "prepare", "--data", tiny_corpus, "--src", "ko", "--out", "made")[0] == 0
    before = {p.name: p.read_bytes() for p in Path("made").iterdir()}

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    code, out, err = run("data", "prepare", "--data", tiny_corpus, "--src", "ko", "--out", "made", "--force")
    assert (code, out) == (6, "")
    assert_error(err, "the disk is full", "free space")
    assert {p.name: p.read_bytes() for p in Path("made").iterdir()} == before
    assert not Path("made.partial").exists()


def test_disk_really_full(tiny_corpus):
    """The same on a file system of 64 kB, where the machine lets a process mount one for itself."""
    Path("small").mkdir()
    mount = "mount -t tmpfs -o size=64k none small"
    command = " ".join([*NLPCLI, "data", "prepare", "--data", str(tiny_corpus), "--src", "ko", "--out", "small/made"])
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a process mount a file system")
    done = subprocess.run(
        [*namespace, f"{mount} && {command}; code=$?; ls -A small; exit $code"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    assert done.stdout == ""  # neither an artifact's path nor anything left in the folder
    assert_error(done.stderr, "the disk is full")


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_during_training_saves_the_state(tiny_dataset, signum, status):
    command = [*NLPCLI, "train", "seq2seq", "--data", str(tiny_dataset), "--out", "m", *SMALL]
    command += ["--max-steps", "100000", "--epochs", "100000", "--eval-every", "100000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = Path("m.partial/metrics.jsonl")
    wait_until(lambda: log.exists() and log.stat().st_size > 0, process)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, "")
    assert_error(err, "interrupted at step", "nlpcli train seq2seq --data", "--resume auto")
    assert Path("m.partial/state.pt").exists()
    assert not Path("m").exists()


def test_unfinished_run_is_not_overwritten(run, tiny_dataset):
    Path("m.partial").mkdir()
    Path("m.partial/state.pt").write_bytes(b"three days of work")
    code, out, err = run("train", "seq2seq", "--data", tiny_dataset, "--out", "m", *SMALL)
    assert (code, out) == (5, "")
    assert_error(err, "an unfinished run", "--resume auto", "--force")
    assert Path("m.partial/state.pt").read_bytes() == b"three days of work"


def test_signal_outside_training_leaves_nothing(tiny_corpus, tiny_tokenizer):
    """stdin stays open, so the command waits in the middle of its work when the signal comes."""
    command = [*NLPCLI, "tokenize", "encode", "--tokenizer", str(tiny_tokenizer), "--lang", "ko"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, b"")
    assert b"interrupted by SIGTERM" in err


def test_closed_pipe_is_silent(tiny_tokenizer, tiny_corpus):
    lines = (tiny_corpus / "train.ko").read_bytes() * 50
    Path("many.ko").write_bytes(lines)
    command = [*NLPCLI, "tokenize", "encode", "--tokenizer", str(tiny_tokenizer), "--lang", "ko", "many.ko"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def wait_until(condition, process: subprocess.Popen, seconds: float = 60) -> None:
    """Wait for a condition of a running command; fail if the command ends first."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
