"""What is measured to find the fastest way, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from learnt import Learnt

from nlpcli.decoding import autotune as module
from nlpcli.decoding.autotune import autotune
from nlpcli.errors import BadInput


def test_the_fastest_of_what_was_measured_is_told(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.02)
    Path("in.ko").write_text("".join(f"{line}\n" for line in learnt.src * 40), "utf-8")
    found = autotune(model=learnt.path, files=[Path("in.ko")])
    best = max(found.trials, key=lambda trial: trial.sentences_per_second)
    assert found.options == best.options
    assert found.lines >= module.FIRST_LINES
    assert found.trials[0].speedup == 1.0
    assert found.trials[0].same == 100.0
    said = [" ".join(trial.options) for trial in found.trials]
    assert any("--quantization int8" in options for options in said)
    assert not any("ctranslate2" in options for options in said)  # the model has recurrent cells
    assert any("--batch-tokens" in options for options in said)


def test_a_file_without_text_is_refused(learnt: Learnt) -> None:
    Path("in.ko").write_text("\n \n", "utf-8")
    with pytest.raises(BadInput, match="no text to measure on"):
        autotune(model=learnt.path, files=[Path("in.ko")])
