"""The engine itself: ensembles, alignments, coverage, and what it refuses."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

from nlpcli.decoding.engine import Request
from nlpcli.decoding.ensemble import Ensemble
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.errors import RunFailed, UsageError
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, EOS

from .small import EITHER, MODELS, SRC, build, search

ALIGNING = pytest.mark.parametrize("kind", ["additive", "input-feeding", "coverage", "transformer"])
SOURCES = [[*ids, EOS] for ids in SRC]
LIMITS = [9] * len(SRC)


def request(**options: Any) -> Request:
    return Request(SOURCES, LIMITS, **options)


@pytest.mark.parametrize("settings", [{}, {"beam_size": 3}, {"sample": True}], ids=["greedy", "beam", "sample"])
@EITHER
def test_a_model_with_itself_is_itself(kind: str, settings: dict[str, Any]) -> None:
    model = build(kind)
    alone = TorchEngine([model]).search(request(), SearchSettings(**settings))
    twice = TorchEngine([model, deepcopy(model)]).search(request(), SearchSettings(**settings))
    assert [[h.ids for h in each] for each in alone] == [[h.ids for h in each] for each in twice]
    scores = [[h.score for each in found for h in each] for found in (alone, twice)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.parametrize("kinds", [["lstm", "transformer"], ["additive", "gru", "input-feeding"]])
def test_different_models_add_up_their_probabilities(kinds: list[str]) -> None:
    """Greedy search with the numpy mean of the probabilities, from whole prefixes."""
    models = [build(kind) for kind in kinds]
    found = TorchEngine(models).search(request(), SearchSettings(length_penalty=0.0))
    for source, [hypothesis] in zip(SRC, found):
        ids: list[int] = []
        total = 0.0
        while len(ids) < 9 and EOS not in ids:
            whole = [full_probabilities(model, source, ids) for model in models]
            mean = np.mean(whole, 0)
            mean[[0, BOS]] = 0.0
            mean /= mean.sum()
            ids.append(int(mean.argmax()))
            total += float(np.log(mean.max()))
        assert hypothesis.ids == [i for i in ids if i != EOS]
        assert hypothesis.score == pytest.approx(total, abs=1e-4)


@torch.no_grad()
def full_probabilities(model: TranslationModel, source: list[int], ids: list[int]) -> np.ndarray:
    src_bs, lengths_b = pad([[*source, EOS]])
    features = model.decode(torch.tensor([[BOS, *ids]]), model.encode(src_bs, lengths_b))
    probabilities: np.ndarray = model.output(features[0, -1]).softmax(-1).numpy()
    return probabilities


@torch.no_grad()
def test_an_ensemble_reads_all_at_once_what_it_reads_step_by_step() -> None:
    model = Ensemble([build(kind) for kind in MODELS]).eval()
    src_bs, lengths_b = pad(SOURCES)
    memory = model.encode(src_bs, lengths_b)
    tgt = torch.randint(4, 14, (len(SRC), 4), generator=torch.Generator().manual_seed(1))
    state, steps = model.start(memory, 1), []
    for tokens in tgt.T:
        features, state = model.step(tokens, memory, state)
        steps.append(features)
    torch.testing.assert_close(torch.stack(steps, 1), model.decode(tgt, memory), rtol=0, atol=1e-5)


@ALIGNING
def test_an_alignment_is_a_row_of_weights_for_each_token(kind: str) -> None:
    targets = [[4, EOS], [EOS], [5, 6, 7, EOS], [8, 8, EOS], [9, EOS], [4, 5, 6, 7, 8, EOS], [11, EOS]]
    engine = TorchEngine([build(kind)])
    found = engine.align(SOURCES, targets)
    assert [weights.shape for weights in found] == [(len(t), len(s)) for s, t in zip(SOURCES, targets)]
    for i, weights in enumerate(found):
        np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-5)
        np.testing.assert_allclose(engine.align(SOURCES[i : i + 1], targets[i : i + 1])[0], weights, atol=1e-5)
    assert max(float(np.ptp(weights)) for weights in found) > 0.01
    assert engine.align([], []) == []


@torch.no_grad()
def test_the_transformers_alignment_is_what_its_last_layer_attends_with() -> None:
    """The weighted mean of the values, put through the output projection, is what the layer itself returns."""
    model = deepcopy(build("transformer"))
    layer = model.decoder.layers[-1].cross_attention
    for layer_weights in (layer.q.weight, layer.kv.weight):
        layer_weights.mul_(3)  # clear preferences
    with torch.no_grad():  # all heads alike, so that their mean is each one's weights
        heads, (d, m) = layer.heads, layer.q.weight.shape
        for linear, parts in ((layer.q, 1), (layer.kv, 2)):
            shape = parts, heads, d // heads
            linear.weight.copy_(linear.weight.view(*shape, m)[:, :1].expand(*shape, m).reshape(-1, m))
            linear.bias.copy_(linear.bias.view(shape)[:, :1].expand(shape).reshape(-1))
    seen: list[torch.Tensor] = []
    layer.out.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    src_bs, lengths_b = pad(SOURCES[:1])
    memory = model.encode(src_bs, lengths_b)
    weights = model.alignment(torch.tensor([[BOS, 5, 6, 7]]), memory)
    values = memory[f"v{len(model.decoder.layers) - 1}"][0, 0]
    torch.testing.assert_close((weights[0].to(values) @ values), seen[0][0][..., : d // heads], rtol=0, atol=1e-6)


def test_an_ensemble_aligns_with_those_that_can() -> None:
    targets = [[*ids, EOS] for ids in SRC]
    one = TorchEngine([build("additive")]).align(SOURCES, targets)
    other = TorchEngine([build("transformer")]).align(SOURCES, targets)
    both = TorchEngine([build("lstm"), build("additive"), build("transformer")]).align(SOURCES, targets)
    for a, b, mean in zip(one, other, both):
        np.testing.assert_allclose(mean, (a + b) / 2, atol=1e-6)


@pytest.mark.parametrize("beam_size", [1, 4])
@ALIGNING
def test_the_coverage_penalty_is_that_of_the_paper(kind: str, beam_size: int) -> None:
    model, beta = build(kind), 0.4
    plain = search(model, SRC, LIMITS, beam_size=beam_size, length_penalty=0.7)
    found = search(model, SRC, LIMITS, beam_size=beam_size, length_penalty=0.7, coverage_penalty=beta)
    for source, hypotheses, before in zip(SRC, found, plain):
        expected = {}
        for h in before:
            [weights] = TorchEngine([model]).align([[*source, EOS]], [[*h.ids, EOS]])
            paid = weights[: len(h.ids) + (not h.cut)].sum(0)
            expected[tuple(h.ids)] = h.score + beta * float(np.log(np.minimum(paid, 1.0)).sum())
        assert {tuple(h.ids): h.score for h in hypotheses} == pytest.approx(expected, abs=1e-4)
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_model_without_attention_says_so(kind: str) -> None:
    engine = TorchEngine([build(kind)])
    with pytest.raises(UsageError, match="an alignment needs a model that looks at single words") as caught:
        engine.align(SOURCES, SOURCES)
    assert "no attention" in caught.value.cause
    assert "nlpcli train attention" in caught.value.fix
    with pytest.raises(UsageError) as caught:
        engine.search(request(), SearchSettings(coverage_penalty=0.2))
    assert "--coverage-penalty needs a model with attention" in caught.value.cause


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"sample": True}, "cannot be drawn"),
        ({"mbr": 4}, "cannot be drawn"),
        ({"beam_size": 4, "diverse_groups": 2}, "no --diverse-groups"),
        ({"sample": True, "coverage_penalty": 0.1}, "not for sampling"),
    ],
)
def test_what_cannot_work_together_is_refused(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError) as caught:
        TorchEngine([build("additive")]).search(request(required=[[[5]]] * len(SRC)), SearchSettings(**options))
    assert cause in caught.value.cause


@pytest.mark.parametrize("settings", [{}, {"beam_size": 3}, {"sample": True}], ids=["greedy", "beam", "sample"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_no_translation(settings: dict[str, Any], value: float) -> None:
    model = deepcopy(build("additive"))
    with torch.no_grad():
        model.output.bias[5] = value
    with pytest.raises(RunFailed, match="not numbers"):
        TorchEngine([model]).search(request(), SearchSettings(**settings))


def test_nothing_to_translate_is_nothing() -> None:
    assert TorchEngine([build("lstm")]).search(Request([], []), SearchSettings()) == []
