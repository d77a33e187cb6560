"""A Transformer's weights stand as they are in CTranslate2's format, and translate the same there."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpcli.decoding.ctranslate2_engine import CTranslate2Engine
from nlpcli.decoding.engine import Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.errors import UsageError
from nlpcli.export.ctranslate2 import convert
from nlpcli.export.verify import TorchScorer
from nlpcli.models.config import TransformerConfig
from nlpcli.models.load import build_model
from nlpcli.tokenization.tokenizer import EOS

from .conftest import SMALL, stir

VOCABULARIES = 23, 20
SRC = [[5, 9, 4], [7], [10, 11], [19, 18, 6, 8, 10, 11], [12, 13], [5, 9, 9, 4], [14, 7, 15], [16, 17, 18, 19, 6]]
TGT = [[4, 5, 6, 7], [8], [9, 10], [19, 12, 13, 14, 15], [4, 5, 5], [], [8, 8, 4, 11, 6], [7, 13]]
VARIANTS: list[dict[str, Any]] = [
    {"norm_place": "pre"},
    {"norm_place": "post"},
    {"norm_place": "pre", "norm": "rms"},
    {"norm_place": "post", "norm": "rms"},
    {"activation": "gelu"},
    {"activation": "swiglu"},
    {"activation": "swiglu", "norm": "rms", "positions": "rotary", "norm_place": "post"},
    {"positions": "learned", "max_positions": 40},
    {"positions": "rotary"},
    {"tie_embeddings": "none"},
    {"tie_embeddings": "all"},
    {"num_kv_heads": 1},
    {"num_kv_heads": 1, "positions": "rotary", "activation": "gelu"},
    {"num_kv_heads": 2, "num_heads": 4},
    {"encoder_layers": 4, "decoder_layers": 1},
    {"encoder_layers": 1, "decoder_layers": 3, "norm_place": "post", "tie_embeddings": "none"},
]


def names(size: int) -> list[str]:
    return ["<pad>", "<unk>", "<s>", "</s>", *(f"▁{i}" for i in range(4, size))]


def written(folder: Path, quantization: Any = "float32", seed: int = 0, **settings: Any) -> tuple[Any, CTranslate2Engine]:
    """Return a model in PyTorch and in CTranslate2."""
    config = TransformerConfig(**{**SMALL, **settings})
    src, tgt = (VOCABULARIES[0],) * 2 if config.tie_embeddings == "all" else VOCABULARIES
    torch.manual_seed(seed)
    model = stir(build_model("transformer", config, "translation", src, tgt))
    convert(model, config, (names(src), names(tgt)), folder, quantization)
    return model, CTranslate2Engine(folder, compute_type=quantization)


def ending(rows: list[list[int]]) -> list[list[int]]:
    return [[*ids, EOS] for ids in rows]


@pytest.mark.parametrize("settings", VARIANTS, ids=lambda s: "-".join(f"{k}={v}" for k, v in s.items()))
def test_float32_computes_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    model, engine = written(tmp_path / "ct2", **settings)
    reference = TorchEngine([model])
    src, tgt = ending([*SRC, []]), ending([*TGT, [4, 9]])
    for ours, theirs in zip(TorchScorer(model).score(src, tgt), engine.score(src, tgt), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=2e-5)
    for ours, theirs in zip(reference.align(src, tgt), engine.align(src, tgt), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
    for beams in (1, 3):
        request, search = Request(ending(SRC), [9] * len(SRC)), SearchSettings(beam_size=beams)
        for ours, theirs in zip(reference.search(request, search), engine.search(request, search), strict=True):
            assert (theirs[0].ids, theirs[0].cut) == (ours[0].ids, ours[0].cut)
            assert theirs[0].score == pytest.approx(ours[0].score, abs=1e-4)
            assert len(theirs) <= beams


def test_int8_is_near(tmp_path: Path) -> None:
    model, engine = written(tmp_path / "ct2", "int8", d_model=64, d_ff=128)
    src, tgt = ending(SRC), ending(TGT)
    differences = np.concatenate(engine.score(src, tgt)) - np.concatenate(TorchScorer(model).score(src, tgt))
    assert 0 < np.abs(differences).mean() < 0.5


def test_a_conversion_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    config = TransformerConfig(**SMALL)
    model = stir(build_model("transformer", config, "translation", *VOCABULARIES))
    before = deepcopy(model.state_dict())
    convert(model, config, (names(VOCABULARIES[0]), names(VOCABULARIES[1])), tmp_path / "ct2", "int8")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "named"), [({"positions": "alibi"}, "--positions alibi"), ({"attention_window": 3}, "--attention-window")]
)
def test_what_it_does_not_have_is_named(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        written(tmp_path / "ct2", **settings)
    assert named in caught.value.cause
    assert not (tmp_path / "ct2").exists()


def test_two_ids_of_one_name_are_refused(tmp_path: Path) -> None:
    config = TransformerConfig(**SMALL)
    model: Any = build_model("transformer", config, "translation", *VOCABULARIES)
    with pytest.raises(UsageError, match="cannot be exported") as caught:
        convert(model, config, (["a"] * VOCABULARIES[0], names(VOCABULARIES[1])), tmp_path / "ct2")
    assert caught.value.cause == "two ids have one name"
