"""A Transformer as two graphs that PyTorch loads without this package: TorchScript, and torch.export, which follows it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor, nn

from nlpcli.export.plain import Decoder, Encoder, GraphScorer, copy_pieces, example
from nlpcli.models.config import TransformerConfig
from nlpcli.models.transformer import TransformerTranslation
from nlpcli.tokenization.tokenizer import Tokenizer

ENDINGS = {"torchscript": "pt", "torch-export": "pt2"}


def write(
    model: TransformerTranslation, config: TransformerConfig, tokenizer: Tokenizer, folder: Path, wanted: dict[str, Any]
) -> GraphScorer:
    """Write encoder and decoder, and the tokenizer; sentences and lengths are free, ids are int64."""
    model.requires_grad_(False)
    src, tgt, source = example(config)
    ending, save = ENDINGS[wanted["to"]], {"torchscript": _trace, "torch-export": _export}[wanted["to"]]
    save(Encoder(model, config).eval(), (src,), folder / f"encoder.{ending}")
    save(Decoder(model, config).eval(), (tgt, source, src), folder / f"decoder.{ending}")
    copy_pieces(tokenizer, folder)
    return TorchGraphScorer(folder, ending)


def _trace(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch has stopped working on TorchScript, but reads it
        torch.jit.trace(module, inputs).save(str(path))  # type: ignore[no-untyped-call]


def _export(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    rows = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        torch.export.save(torch.export.export(module, inputs, dynamic_shapes=tuple(rows for _ in inputs)), path)


class TorchGraphScorer(GraphScorer):
    """The graphs as they were saved."""

    def __init__(self, folder: Path, ending: str) -> None:
        self.encoder, self.decoder = (_load(folder / f"{half}.{ending}") for half in ("encoder", "decoder"))

    @torch.no_grad()
    def encode(self, src_bs: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.encoder(torch.from_numpy(src_bs)).numpy()
        return found

    @torch.no_grad()
    def decode(self, tgt_bt: np.ndarray, source_bsm: np.ndarray, src_bs: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.decoder(*map(torch.from_numpy, (tgt_bt, source_bsm, src_bs))).numpy()
        return found


def _load(path: Path) -> Callable[..., Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded: Callable[..., Tensor] = torch.export.load(path).module() if path.suffix == ".pt2" else torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    return loaded
