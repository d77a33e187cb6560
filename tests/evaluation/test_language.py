"""Perplexity of language models, against a loop over single tokens and counts by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from nlpcli.artifacts import read_artifact
from nlpcli.evaluation.evaluate import evaluate
from nlpcli.evaluation.language import total_loss
from nlpcli.models.base import LanguageModel
from nlpcli.models.load import load_model
from nlpcli.tokenization.tokenizer import EOS, Tokenizer

Run = Callable[..., Any]
LINES = ["옛날 옛날에 여우가 살았어요.", "", "여우는 배가 고팠어요. 그래서 숲으로 갔어요.", "끝.", "그리고 아무도 없었다."]


def loaded(path: Path) -> tuple[LanguageModel, Tokenizer, dict[str, Any]]:
    artifact = read_artifact(path)
    model, tokenizer = load_model(artifact)
    assert isinstance(model, LanguageModel)
    return model, tokenizer, artifact.manifest.config


def stream_of(tokenizer: Tokenizer, lines: list[str]) -> list[int]:
    return [token for ids in tokenizer.encode(lines, tokenizer.languages[0]) for token in (*ids, EOS)]


@torch.no_grad()
def by_hand(model: LanguageModel, stream: list[int], block: int | None) -> float:
    """Return −Σ log p of each token after those before it; with `block`, only those of its own block are seen."""
    total, before = 0.0, EOS
    for i, token in enumerate(stream):
        if i == 0 or (block and i % block == 0):
            state = model.start(1)
        features, state = model.step(torch.tensor([before]), state)
        total -= float(model.output(features).log_softmax(-1)[0, token])
        before = token
    return total


@pytest.mark.parametrize("batch_tokens", [1, 24, 8192])
@pytest.mark.parametrize(("name", "block"), [("tiny_rnn", None), ("tiny_lm", 12)])
def test_the_loss_is_that_of_every_token(
    name: str, block: int | None, batch_tokens: int, request: pytest.FixtureRequest
) -> None:
    """A recurrent model carries its state through the text, a Transformer begins each block of its context anew."""
    model, tokenizer, config = loaded(request.getfixturevalue(name))
    lines = LINES * 3
    stream = stream_of(tokenizer, lines)
    nats, tokens = total_loss(model, tokenizer, lines, config, batch_tokens, "cpu")
    assert tokens == len(stream) > 60
    assert nats == pytest.approx(by_hand(model, stream, block), rel=1e-5)


def test_words_and_characters_are_counted_with_the_ends_of_lines(tiny_rnn: Path) -> None:
    Path("text").mkdir()
    Path("text/train.txt").write_text("x\n", "utf-8")
    Path("text/test.txt").write_text("".join(line + "\n" for line in LINES), "utf-8")
    model, tokenizer, _ = loaded(tiny_rnn)
    stream = stream_of(tokenizer, LINES)
    nats = by_hand(model, stream, None)
    [group] = evaluate(model=tiny_rnn, data="text", device="cpu").splits["test"]
    assert (group.name, group.lines) == ("all", 5)
    assert group.value("perplexity") == pytest.approx(math.exp(nats / len(stream)), rel=1e-4)
    words, characters = 4 + 0 + 6 + 1 + 3 + 5, sum(len(line) + 1 for line in LINES)
    assert group.value("word perplexity") == pytest.approx(math.exp(nats / words), rel=1e-4)
    assert group.value("bits per character") == pytest.approx(nats / characters / math.log(2), rel=1e-4)


def test_language_models_are_measured_one_at_a_time(run_cli: Run, tiny_lm: Path, tiny_text: Path) -> None:
    ran = run_cli("evaluate", "--model", tiny_lm, "--model", tiny_lm, "--data", tiny_text.with_name("text"))
    assert ran.code == 2
    assert "one at a time" in ran.err


def test_perplexity_is_an_upper_gate_and_the_artifact_keeps_it(run_cli: Run, tiny_lm: Path, tiny_text: Path) -> None:
    data = tiny_text.with_name("text")
    common = ["evaluate", "--model", tiny_lm, "--data", data, "--split", "valid", "--split", "test", "--device", "cpu"]
    ran = run_cli(*common, "--out", "scores", "--fail-under", "perplexity=1e9", "--fail-under", "Word Perplexity=1e300")
    assert ran.code == 0, ran.err
    assert ran.out.rstrip().endswith(str(Path("scores").absolute()))
    table = msgspec.json.decode(Path("scores/scores.json").read_bytes())
    assert set(table) == {"valid", "test"}
    value = table["test"][0]["scores"][0]
    assert (value["metric"], value["value"] > 1) == ("perplexity", True)
    made = read_artifact("scores").manifest
    assert made.metrics["test"]["perplexity"] == round(value["value"], 2)
    assert made.config["task"] == "lm"
    failed = run_cli(*common, "--fail-under", "perplexity=1.5")
    assert failed.code == 8
    assert "valid: perplexity" in failed.err
    assert "is over 1.5" in failed.err


def test_a_gate_of_another_task_is_a_usage_error(run_cli: Run, tiny_lm: Path, tiny_text: Path) -> None:
    ran = run_cli("evaluate", "--model", tiny_lm, "--data", tiny_text.with_name("text"), "--fail-under", "BLEU=10")
    assert (ran.code, ran.out) == (2, "")
    assert "metrics are perplexity, word perplexity, bits per character" in ran.err


def test_an_empty_split_is_refused(run_cli: Run, tiny_lm: Path) -> None:
    Path("text").mkdir()
    Path("text/train.txt").write_text("x\n", "utf-8")
    Path("text/test.txt").write_text("\n\n", "utf-8")
    ran = run_cli("evaluate", "--model", tiny_lm, "--data", "text")
    assert (ran.code, ran.out) == (3, "")
    assert "test.txt is empty" in ran.err
