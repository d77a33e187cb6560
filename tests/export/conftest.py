"""Small Transformers as artifacts: never trained, but with clear choices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from nlpcli import artifacts
from nlpcli.artifacts import Artifact
from nlpcli.export.support import write_validation
from nlpcli.models.config import TransformerConfig
from nlpcli.models.load import build_model, sizes
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.training.checkpoint import save_weights

SMALL = {"d_model": 16, "d_ff": 24, "num_heads": 2, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
GENTLY = 0.02  # so that fewer bits make no other model of it
Make = Callable[..., Artifact]


def stir(model: torch.nn.Module, share: float = 0.3) -> Any:
    """Give a fresh model clear choices, and biases and norms that are not those of the beginning."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(share * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def transformer(tiny_corpus: Path, tiny_tokenizer: Path, tmp_path: Path) -> Make:
    """Return a function that makes a model artifact, `model` in the test's folder."""

    def make(
        seed: int = 1, validation: int = 20, tokenizer: Path | None = None, stirred: float = 0.3, **settings: Any
    ) -> Artifact:
        config = TransformerConfig(**{**SMALL, **settings})
        loaded = Tokenizer.load(tokenizer or tiny_tokenizer)
        facts = {"architecture": "transformer", "src": "ko", "tgt": "en", "tokenizer_id": loaded.id}
        out = tmp_path / "model"
        config_of = facts | msgspec.to_builtins(config)
        with artifacts.create(out, "model", command="nlpcli train transformer", config=config_of, force=True) as draft:
            for weights, salt in (("model", 0), ("last", 1)):
                torch.manual_seed(seed + 100 * salt)
                model = stir(build_model("transformer", config, "translation", *sizes(loaded)), stirred)
                save_weights(draft.path / f"{weights}.safetensors", dict(model.named_parameters()))
            shutil.copytree(loaded.artifact.path, draft.path / "tokenizer")
            if validation:
                write_validation(draft.path, *(lines(tiny_corpus / f"valid.{side}")[:validation] for side in ("ko", "en")))
            return draft.publish()

    return make


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()
