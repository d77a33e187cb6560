"""Beam search beside CTranslate2's, of the same weights: all hypotheses with their scores."""

from __future__ import annotations

from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from models.tiny import SRC, SRC_VOCAB, TGT_VOCAB, config_of
from models.tiny import build as build_tiny

from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.export.ctranslate2 import convert
from nlpcli.tokenization.tokenizer import EOS

SETTINGS: dict[str, Any] = {"encoder_layers": 1, "decoder_layers": 2, "num_heads": 2}
LIMIT = 9


def names(ids: list[int]) -> list[str]:
    return [f"t{i}" for i in ids]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[TorchEngine, ctranslate2.Translator]:
    """Return both with a model that has clear choices, and ends some translations before the limit."""
    model, folder = build_tiny("transformer", SETTINGS), tmp_path_factory.mktemp("ctranslate2")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        model.output.bias[EOS] += 1.0
    pieces = [f"s{i}" for i in range(SRC_VOCAB)], names(list(range(TGT_VOCAB)))
    convert(model, config_of("transformer", "translation", SETTINGS), pieces, folder)
    return TorchEngine([model]), ctranslate2.Translator(str(folder), compute_type="float32", intra_threads=1)


@pytest.mark.parametrize(
    "options",
    [{}, {"no_repeat_ngram": 2}, {"suppressed": [[6], [9, 10], [4, 4]]}],
    ids=["plain", "no-repeat-ngram", "suppressed"],
)
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_all_hypotheses_are_the_same(both: Any, beam_size: int, alpha: float, options: dict[str, Any]) -> None:
    """Whether they have ended or the limit has cut them off, of sentences that end at different steps."""
    engine, translator = both
    suppressed = options.get("suppressed", [])
    search = SearchSettings(
        beam_size=beam_size,
        n_best=beam_size,
        length_penalty=alpha,
        length_penalty_form="marian",
        no_repeat_ngram=options.get("no_repeat_ngram", 0),
    )
    sources = [[*ids, EOS] for ids in SRC]
    ours = engine.search(Request(sources, [LIMIT] * len(SRC), suppressed=suppressed), search)
    theirs = translator.translate_batch(
        [[f"s{i}" for i in ids] for ids in sources],
        beam_size=beam_size,
        num_hypotheses=beam_size,
        max_decoding_length=LIMIT,
        min_decoding_length=0,
        return_scores=True,
        length_penalty=alpha,
        no_repeat_ngram_size=search.no_repeat_ngram,
        suppress_sequences=[["t0"], ["t2"], *map(names, suppressed)],
    )
    for hypotheses, result in zip(ours, theirs):
        assert [names(h.ids) for h in hypotheses] == result.hypotheses
        np.testing.assert_allclose([h.score for h in hypotheses], result.scores, rtol=1e-4)
    assert len({len(h.ids) for hypotheses in ours for h in hypotheses}) > 1
