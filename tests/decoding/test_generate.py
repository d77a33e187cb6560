"""Text that a language model writes on: what is drawn, from what, and how far it looks back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from nlpcli.artifacts import read_artifact
from nlpcli.decoding.generate import SamplingSettings, draw, generate, prompt_ids, sample
from nlpcli.models.base import LanguageModel
from nlpcli.models.load import load_model
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

Run = Callable[..., Any]
EITHER = pytest.mark.parametrize("name", ["tiny_lm", "tiny_rnn"])
GREEDY = SamplingSettings(temperature=0, max_tokens=10)


def loaded(path: Path) -> tuple[LanguageModel, Tokenizer]:
    model, tokenizer = load_model(read_artifact(path))
    assert isinstance(model, LanguageModel)
    return model, tokenizer


@torch.no_grad()
def next_logits(model: LanguageModel, ids: list[int]) -> Tensor:
    """Read all tokens from the beginning, one by one; return the scores of the next one that may be written."""
    state = model.start(1)
    for token in ids:
        features, state = model.step(torch.tensor([token]), state)
    logits: Tensor = model.output(features)[0]
    logits[[PAD, UNK, BOS]] = float("-inf")
    return logits


@EITHER
def test_greedy_is_the_argmax_of_the_stepwise_scores(name: str, request: pytest.FixtureRequest) -> None:
    model, _ = loaded(request.getfixturevalue(name))
    [found] = sample(model, [EOS], GREEDY, None)
    ids = [EOS]
    for _ in range(10):
        ids.append(int(next_logits(model, ids).argmax()))
    assert found == ids


@EITHER
def test_narrow_sampling_is_greedy(name: str, request: pytest.FixtureRequest) -> None:
    model, _ = loaded(request.getfixturevalue(name))
    greedy = sample(model, [EOS], GREEDY, None)
    for settings in ({"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-6}, {"top_p": 0.0}):
        narrow = SamplingSettings(max_tokens=10, **{"temperature": 0.8, **settings})
        assert sample(model, [EOS], narrow, None) == greedy


@EITHER
def test_the_seed_makes_the_text(name: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    options: dict[str, Any] = {"model": path, "prompt": "옛날", "max_tokens": 30, "temperature": 1.0, "num_samples": 2}
    first, again, other = (generate(**options, seed=seed) for seed in (1, 1, 2))
    assert first.texts == again.texts != other.texts
    assert first.texts[0] != first.texts[1]
    assert first.tokens == 60
    assert all(text.startswith("옛날") for text in first.texts)


@pytest.mark.parametrize("window", [1, 2, 5, 12])
def test_past_its_window_a_model_reads_the_later_half_anew(tiny_lm: Path, window: int) -> None:
    """Its learnt positions end at 12: a token more would be an error."""
    model, _ = loaded(tiny_lm)
    [found] = sample(model, [EOS, 10, 11], SamplingSettings(temperature=0, max_tokens=40), window)
    ids = [EOS, 10, 11]
    seen = ids[-window:]
    for _ in range(40):
        token = int(next_logits(model, seen).argmax())
        ids.append(token)
        seen = [*seen, token] if len(seen) < window else ids[-max(1, window // 2) :]
    assert found == ids


def test_a_prompt_longer_than_the_window_is_read_from_its_end(tiny_lm: Path) -> None:
    made = generate(model=tiny_lm, prompt="옛날 옛적에 " * 20, max_tokens=5)
    assert made.texts[0].startswith("옛날 옛적에 옛날")


def test_lines_of_a_prompt_are_read_as_lines(tiny_rnn: Path) -> None:
    _, tokenizer = loaded(tiny_rnn)
    ids = prompt_ids(tokenizer, "하나 둘\n셋")
    first, second = tokenizer.encode(["하나 둘", "셋"], "ko")
    assert ids == [EOS, *first, EOS, *second]
    assert prompt_ids(tokenizer, "") == [EOS]
    made = generate(model=tiny_rnn, prompt="하나 둘\n셋", max_tokens=3, temperature=0)
    assert made.texts[0].startswith("하나 둘\n셋")
    assert generate(model=tiny_rnn, prompt="하나\n", max_tokens=3, temperature=0).texts[0].startswith("하나\n")


def test_marks_are_never_drawn() -> None:
    logits = torch.zeros(2000, 8)
    logits[:, [PAD, UNK, BOS]] = 50.0
    generator = torch.Generator().manual_seed(1)
    for settings in ({}, {"temperature": 0}, {"top_k": 2}, {"top_p": 0.9}):
        drawn = draw(logits.clone(), SamplingSettings(**settings), generator)  # type: ignore[arg-type]
        assert not set(drawn.tolist()) & {PAD, UNK, BOS}


def shares(settings: SamplingSettings, probabilities: list[float], count: int = 20_000) -> list[float]:
    logits = torch.tensor([0.0, 0.0, 0.0, *probabilities]).log().repeat(count, 1)
    drawn = draw(logits, settings, torch.Generator().manual_seed(3))
    return [float(drawn.eq(3 + i).float().mean()) for i in range(len(probabilities))]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, [0.5, 0.3, 0.15, 0.05]),
        ({"temperature": 0.5}, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        ({"temperature": 1.0, "top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"temperature": 1.0, "top_k": 99}, [0.5, 0.3, 0.15, 0.05]),
        ({"temperature": 1.0, "top_p": 0.6}, [0.625, 0.375, 0, 0]),
        ({"temperature": 1.0, "top_p": 0.4}, [1, 0, 0, 0]),
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.85}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
    ],
)
def test_tokens_are_drawn_as_often_as_they_should_be(settings: dict[str, Any], expected: list[float]) -> None:
    assert shares(SamplingSettings(**settings), [0.5, 0.3, 0.15, 0.05]) == pytest.approx(expected, abs=0.015)


def test_the_command_writes_texts_apart_from_each_other(run_cli: Run, tiny_rnn: Path) -> None:
    options = ["--prompt", "옛날", "--max-tokens", "20", "--num-samples", "3", "--seed", "4"]
    ran = run_cli("generate", "--model", tiny_rnn, *options)
    assert ran.code == 0, ran.err
    assert len(ran.out.split("\n---\n")) == 3
    data = msgspec.json.decode(run_cli("generate", "--model", tiny_rnn, *options, "--json").out)["data"]
    assert "\n---\n".join(data["texts"]) + "\n" == ran.out
    assert data["tokens"] == 60
    assert "generated 60 tokens" in ran.err


def test_the_last_weights_can_be_used(tiny_rnn: Path) -> None:
    assert generate(model=tiny_rnn, max_tokens=2, checkpoint="last").tokens == 2


def test_a_model_that_is_no_language_model_is_refused(run_cli: Run, tiny_classifier: Path, tiny_model: Path) -> None:
    for model, task in ((tiny_classifier, "classify"), (tiny_model, "translation")):
        ran = run_cli("generate", "--model", model)
        assert (ran.code, ran.out) == (4, "")
        assert "is no language model" in ran.err
        assert f"it was trained for {task}" in ran.err


def test_a_value_out_of_range_is_a_usage_error(run_cli: Run, tiny_rnn: Path) -> None:
    for option in (["--max-tokens", "0"], ["--top-p", "1.5"], ["--temperature", "-1"]):
        assert run_cli("generate", "--model", tiny_rnn, *option).code == 2
