"""A Transformer as two ONNX graphs, `encoder.onnx` and `decoder.onnx`, for ONNX Runtime and its like."""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nlpcli.errors import Unavailable
from nlpcli.export.plain import Decoder, Encoder, GraphScorer, copy_pieces, example
from nlpcli.models.config import TransformerConfig
from nlpcli.models.transformer import TransformerTranslation
from nlpcli.tokenization.tokenizer import Tokenizer

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def write(
    model: TransformerTranslation, config: TransformerConfig, tokenizer: Tokenizer, folder: Path, wanted: dict[str, Any]
) -> GraphScorer:
    """Write the graphs and the tokenizer; sentences and lengths are free, ids are int64.

    Raises:
        Unavailable: the extra is not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Unavailable(
            f"--to onnx needs {' and '.join(missing)}", cause="they are an extra of nlpcli", fix="pip install 'nlpcli[export]'"
        )
    src, tgt, source = example(config)
    rows = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
    _write(Encoder(model, config), (src,), (rows,), ["source_ids"], ["source"], folder / "encoder.onnx")
    inputs = ["target_ids", "source", "source_ids"]
    _write(Decoder(model, config), (tgt, source, src), (rows, rows, rows), inputs, ["logits"], folder / "decoder.onnx")
    copy_pieces(tokenizer, folder)
    return OnnxScorer(folder)


def _write(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    shapes: tuple[dict[int, object], ...],
    names: list[str],
    outputs: list[str],
    path: Path,
) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            module.eval(), inputs, dynamic_shapes=shapes, input_names=names, output_names=outputs, dynamo=True, verbose=False
        )
    assert program is not None
    program.save(str(path), external_data=False)


class OnnxScorer(GraphScorer):
    """ONNX Runtime on one thread."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / f"{half}.onnx", options, providers=["CPUExecutionProvider"])
            for half in ("encoder", "decoder")
        )

    def encode(self, src_bs: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.encoder.run(None, {"source_ids": src_bs})[0]
        return found

    def decode(self, tgt_bt: np.ndarray, source_bsm: np.ndarray, src_bs: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.decoder.run(None, {"target_ids": tgt_bt, "source": source_bsm, "source_ids": src_bs})[0]
        return found
