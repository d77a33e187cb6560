"""`nlpcli train … --find-learning-rate`: one number, and nothing made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

Run = Callable[..., Any]
SMALL: dict[str, list[str]] = {
    "seq2seq": ["--d-embed", "16", "--d-model", "16"],
    "rnn": ["--d-embed", "16", "--d-model", "16"],
    "cnn": ["--d-embed", "16", "--num-filters", "4"],
}


@pytest.mark.parametrize(
    ("architecture", "dataset"), [("seq2seq", "tiny_dataset"), ("rnn", "tiny_text"), ("cnn", "tiny_labelled")]
)
def test_it_prints_one_rate_and_makes_nothing(
    architecture: str, dataset: str, run_cli: Run, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(dataset)
    common = ["train", architecture, "--data", data, "--out", "m", "--batch-tokens", "256", "--find-learning-rate"]
    ran = run_cli(*common, *SMALL[architecture])
    assert ran.code == 0, ran.err
    assert 1e-6 < float(ran.out) < 1
    assert list(Path.cwd().iterdir()) == []
    if architecture == "seq2seq":
        found = msgspec.json.decode(run_cli(*common, *SMALL[architecture], "--json").out)["data"]
        assert f"{found['suggestion']:.3g}\n" == ran.out
        assert len(found["points"]) > 20
        rates = [rate for rate, _ in found["points"]]
        assert rates == sorted(rates)
        assert list(Path.cwd().iterdir()) == []
