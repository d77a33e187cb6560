"""CTranslate2 behind the interface of engines, beside PyTorch behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ctranslate2
import pytest

from nlpcli.decoding.ctranslate2_engine import QUANTIZATIONS, CTranslate2Engine, check_quantization, lacks
from nlpcli.decoding.engine import Engine, Hypothesis, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.errors import ArtifactError, BadInput, Unavailable
from nlpcli.tokenization.tokenizer import EOS

from .test_ctranslate2 import SRC, TGT, ending, written

SOURCES = ending(SRC)
ROOMY = [9] * len(SRC)


@pytest.fixture(scope="module", params=range(3))
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, CTranslate2Engine]:
    """PyTorch, and CTranslate2 with the same weights."""
    model, engine = written(tmp_path_factory.mktemp("engine") / "ct2", seed=request.param, norm_place="post")
    return TorchEngine([model]), engine


def assert_same_best(ours: list[list[Hypothesis]], theirs: list[list[Hypothesis]]) -> None:
    assert [(h[0].ids, h[0].cut) for h in theirs] == [(h[0].ids, h[0].cut) for h in ours]
    assert [h[0].score for h in theirs] == pytest.approx([h[0].score for h in ours], abs=2e-4)


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("form", ["wu", "marian"])
def test_both_find_the_same(engines: Any, beam_size: int, alpha: float, form: Any) -> None:
    settings = SearchSettings(beam_size=beam_size, length_penalty=alpha, length_penalty_form=form)
    for limits in (ROOMY, list(range(3, 3 + len(SRC)))):
        request = Request(SOURCES, limits)
        assert_same_best(*(engine.search(request, settings) for engine in engines))


@pytest.mark.parametrize("beam_size", [1, 3])
def test_bans_are_the_same(engines: Any, beam_size: int) -> None:
    request = Request(SOURCES, ROOMY, suppressed=[[5], [7, 8], [9, 9], []])
    settings = SearchSettings(beam_size=beam_size, no_repeat_ngram=2)
    assert_same_best(*(engine.search(request, settings) for engine in engines))


def test_beginnings_are_kept_and_count(engines: Any) -> None:
    prefixes = [ids[: i % 3] for i, ids in enumerate(TGT)]
    ours, theirs = (engine.search(Request(SOURCES, ROOMY, prefixes), SearchSettings()) for engine in engines)
    assert_same_best(ours, theirs)
    assert all(h[0].ids[: len(prefix)] == prefix for h, prefix in zip(theirs, prefixes))


def test_n_best_is_sorted(engines: Any) -> None:
    for hypotheses in engines[1].search(Request(SOURCES, ROOMY), SearchSettings(beam_size=4, n_best=4)):
        scores = [h.score for h in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.ids) for h in hypotheses}) == len(hypotheses) == 4


def test_results_come_in_the_order_of_the_requests(engines: Any) -> None:
    _, engine = engines
    requests = [Request([source], [9]) for source in SOURCES]
    together = engine.search(Request(SOURCES, ROOMY), SearchSettings())
    one_by_one = list(engine.map(iter(requests), SearchSettings()))
    assert [found[0][0].ids for found in one_by_one] == [found[0].ids for found in together]
    pending = [engine.submit(request, SearchSettings()) for request in requests]
    assert [p.result()[0][0].ids for p in reversed(pending)] == [found[0].ids for found in reversed(together)]


def test_nothing_becomes_nothing(engines: Any) -> None:
    [found, _] = engines[1].search(Request([[EOS], [7, EOS]], [9, 9]), SearchSettings(beam_size=2))
    assert found == [Hypothesis([], 0.0, False)] * 2  # as many as beams, so that there are n best of it


def test_no_sentences_make_no_translations(engines: Any) -> None:
    assert engines[1].search(Request([], []), SearchSettings()) == []


def test_scores_can_be_left_out(tmp_path: Path) -> None:
    _, engine = written(tmp_path / "ct2")
    request = Request(SOURCES, ROOMY)
    scored, engine.scores = engine.search(request, SearchSettings()), False
    found = engine.search(request, SearchSettings())
    assert [h[0].ids for h in found] == [h[0].ids for h in scored]
    assert all(h[0].score != h[0].score for h in found)  # nan


@pytest.mark.parametrize(
    ("settings", "request_", "named"),
    [
        (SearchSettings(sample=True), Request([], []), "sampling"),
        (SearchSettings(mbr=4), Request([], []), "sampling"),
        (SearchSettings(beam_size=4, diverse_groups=2), Request([], []), "diverse beams"),
        (SearchSettings(coverage_penalty=0.2), Request([], []), "coverage"),
        (SearchSettings(beam_size=2, stop="best"), Request([], []), "--stop best"),
        (SearchSettings(), Request([], [], required=[[]]), "must stand"),
        (SearchSettings(beam_size=2), Request([], [], prefixes=[[]]), "beginnings"),
    ],
)
def test_what_it_cannot_do_is_named(settings: SearchSettings, request_: Request, named: str) -> None:
    assert named in lacks(settings, request_)


def test_what_it_can_do_it_does_not_name() -> None:
    assert lacks(SearchSettings(stop="best"), Request([], [], prefixes=[[]], suppressed=[[]])) == ""
    assert lacks(SearchSettings(beam_size=5, n_best=5, no_repeat_ngram=3), Request([], [])) == ""


def test_positions_end_where_the_model_says(tmp_path: Path) -> None:
    _, engine = written(tmp_path / "ct2", positions="learned", max_positions=6)
    found = engine.search(Request([[7, EOS]], [50], [[8, 8]]), SearchSettings(no_repeat_ngram=0))
    assert len(found[0][0].ids) <= 6
    with pytest.raises(BadInput, match="a text of 7 tokens is too long for CTranslate2") as caught:
        engine.search(Request([[7] * 6 + [EOS]], [9]), SearchSettings())
    assert "6 positions" in caught.value.cause


@pytest.mark.parametrize("length", [1_500, 4_000])
def test_long_texts_are_neither_cut_nor_refused(tmp_path: Path, length: int) -> None:
    """CTranslate2 reads 1,024 tokens and writes 256 where nothing else is said."""
    model, engine = written(tmp_path / "ct2")
    source = [*([7, 9, 5, 11] * (length // 4)), EOS]
    scored = engine.score([source, [*source[4:-5], 6, EOS]], [[8, 9, EOS]] * 2)
    assert abs(float(scored[0].sum()) - float(scored[1].sum())) > 0
    found = engine.search(
        Request([source], [400]),
        SearchSettings(),
    )
    ours = TorchEngine([model]).search(Request([source], [400]), SearchSettings())
    assert found[0][0].ids == ours[0][0].ids


def test_the_length_norm_is_the_one_of_the_papers() -> None:
    assert SearchSettings(length_penalty=0.5).length_norm(19) == 2.0  # ((5 + 19) / 6)^0.5
    assert SearchSettings(length_penalty=0.5, length_penalty_form="marian").length_norm(9) == 3.0
    assert SearchSettings(length_penalty=0.0).length_norm(7) == 1.0


def test_a_number_format_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    has = ctranslate2.get_supported_compute_types("cpu")
    missing = [name for name in QUANTIZATIONS if name not in has]
    for name in missing:
        with pytest.raises(Unavailable, match=f"--quantization {name}") as caught:
            CTranslate2Engine(tmp_path, compute_type=name)
        assert all(known in caught.value.cause for known in has if known in QUANTIZATIONS)
        assert "--quantization int8" in caught.value.fix


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(Unavailable, match="CTranslate2 sees no CUDA device"):
        check_quantization("float32", "cuda")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read by CTranslate2"):
        CTranslate2Engine(tmp_path)


def test_torch_is_not_loaded(tmp_path: Path) -> None:
    written(tmp_path / "ct2")
    code = f"""
import sys
from pathlib import Path
import nlpcli.export.cache
from nlpcli.decoding.ctranslate2_engine import CTranslate2Engine
from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
found = CTranslate2Engine(Path({str(tmp_path / "ct2")!r})).search(Request([[7, 3]], [9]), SearchSettings())
assert found[0][0].ids or found[0][0].cut is False
print([name for name in ("torch", "sentencepiece", "gensim", "sacrebleu") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
