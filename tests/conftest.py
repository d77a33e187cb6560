"""What all tests share: an empty working folder each, no settings from outside, and small artifacts made once a run."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from nlpcli import console

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data" / "ko-en"
TINY = {"train": 600, "valid": 40, "test": 40}

os.environ.setdefault("TRITON_INTERPRET", "1")  # no GPU is needed; before anything loads Triton, which reads it then
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models here are too small for more; before torch is loaded

hypothesis.settings.register_profile("nlpcli", deadline=None, max_examples=60, database=None, print_blob=True)
hypothesis.settings.load_profile("nlpcli")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run every test in its own empty folder, without NLPCLI_* in the environment, and give back what main() changes."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NLPCLI_")]:
        monkeypatch.delenv(name)
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    console.set_level(console.NORMAL)
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder `ko-en` with train, valid and test of 600, 40 and 40 pairs; read only."""
    folder = tmp_path_factory.mktemp("tiny") / "ko-en"
    folder.mkdir()
    for split, count in TINY.items():
        for language in ("ko", "en"):
            lines = (SAMPLE / f"{split}.{language}").read_text("utf-8").split("\n")[:count]
            (folder / f"{split}.{language}").write_text("".join(line + "\n" for line in lines), "utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_corpus: Path) -> Path:
    """Return a tokenizer artifact (BPE, one vocabulary a language) made from `tiny_corpus`; read only."""
    from nlpcli.tokenization.train import train_tokenizer

    return train_tokenizer(data=str(tiny_corpus), out=tiny_corpus.parent / "tokenizer").path


@pytest.fixture(scope="session")
def tiny_dataset(tiny_corpus: Path, tiny_tokenizer: Path) -> Path:
    """Return a dataset artifact made from `tiny_corpus` with `tiny_tokenizer`; read only."""
    from nlpcli.tokenization.encode import encode_dataset

    out = tiny_corpus.parent / "dataset"
    return encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=out).path


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset artifact for language models: 600, 60 and 60 lines of Korean tales; read only."""
    folder = tmp_path_factory.mktemp("tales") / "text"
    folder.mkdir()
    for split, count in {"train": 600, "valid": 60, "test": 60}.items():
        lines = (SAMPLE.parent / "tales-ko" / f"{split}.txt").read_text("utf-8").split("\n")[:count]
        (folder / f"{split}.txt").write_text("".join(line + "\n" for line in lines), "utf-8")
    return _dataset(folder, task="lm")


@pytest.fixture(scope="session")
def tiny_labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset artifact for classifiers: 400, 60 and 60 Korean reviews; its text is the folder `text`; read only."""
    folder = tmp_path_factory.mktemp("reviews") / "text"
    folder.mkdir()
    for split, count in {"train": 400, "valid": 60, "test": 60}.items():
        lines = (SAMPLE.parent / "reviews-ko" / f"{split}.tsv").read_text("utf-8").split("\n")[: count + 1]
        (folder / f"{split}.tsv").write_text("".join(line + "\n" for line in lines), "utf-8")
    return _dataset(folder, task="classify")


def _dataset(folder: Path, *, task: str) -> Path:
    """Make a corpus, a tokenizer and a dataset beside `folder`."""
    from nlpcli.corpus.prepare import prepare_data
    from nlpcli.tokenization.encode import encode_dataset
    from nlpcli.tokenization.train import train_tokenizer

    lang = {"lang": "ko"} if task == "lm" else {}
    corpus = prepare_data(data=str(folder), out=folder.with_name("corpus"), task=task, **lang).path  # type: ignore[arg-type]
    tokenizer = train_tokenizer(data=str(corpus), out=folder.with_name("tokenizer"), vocab_size=600).path
    return encode_dataset(data=str(corpus), tokenizer=tokenizer, out=folder.with_name("dataset")).path


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit status and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Return a function that runs one command in this process: `run_cli("inspect", path, stdin=b"...")`."""
    from nlpcli.cli.main import main

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        written = capfd.readouterr()
        return Ran(code, written.out, written.err)

    return run


@pytest.fixture(scope="session")
def tiny_model(tiny_dataset: Path) -> Path:
    """Return a seq2seq model artifact trained on `tiny_dataset` for 20 steps; read only."""
    from nlpcli.training.train import train

    small = {"d_embed": 16, "d_model": 16, "batch_tokens": 512, "max_steps": 20, "eval_sentences": 4}
    return train(architecture="seq2seq", data=str(tiny_dataset), out=tiny_dataset.parent / "model", **small).path


@pytest.fixture(scope="session")
def tiny_lm(tiny_text: Path) -> Path:
    """Return a Transformer language model with a context of 12 tokens, trained for 15 steps; read only."""
    sizes = {"d_model": 16, "d_ff": 16, "num_heads": 2, "decoder_layers": 1, "positions": "learned", "max_positions": 12}
    return _model("transformer", tiny_text, "lm", context_length=12, **sizes)


@pytest.fixture(scope="session")
def tiny_rnn(tiny_text: Path) -> Path:
    """Return a recurrent language model trained for 15 steps; read only."""
    return _model("rnn", tiny_text, "rnn", context_length=12, d_embed=16, d_model=16, num_layers=2)


@pytest.fixture(scope="session")
def tiny_classifier(tiny_labelled: Path) -> Path:
    """Return a CNN that reads 80 tokens of a review, trained for 60 steps; read only."""
    return _model("cnn", tiny_labelled, "cnn", d_embed=16, num_filters=8, max_length=80, max_steps=60, dropout=0.1)


def _model(architecture: str, dataset: Path, name: str, **settings: object) -> Path:
    from nlpcli.training.train import train

    common = {"batch_tokens": 256, "max_steps": 15, "learning_rate": 0.01, "warmup_steps": 0, "precision": "32"}
    given = {**common, **settings}
    return train(architecture=architecture, data=str(dataset), out=dataset.with_name(f"model-{name}"), **given).path
