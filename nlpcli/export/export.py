"""`nlpcli export`: a trained Transformer in another tool's format, compared with PyTorch before it is published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nlpcli import artifacts
from nlpcli.decoding.ctranslate2_engine import check_quantization
from nlpcli.decoding.settings import Quantization
from nlpcli.errors import UsageError
from nlpcli.export.cache import settings
from nlpcli.export.support import lacks, transformer_config
from nlpcli.models.config import WEIGHTS, Checkpoint

COMMAND = "nlpcli export"

Format = Literal["ctranslate2", "onnx", "huggingface", "torchscript", "torch-export"]


@dataclass(frozen=True)
class Exported:
    """What `export_model` made, and how near to PyTorch it is: differences of log-probabilities in nats, the share of greedy
    translations that are equal, scores as (PyTorch's, its own)."""

    path: Path
    id: str
    to: str
    quantization: str
    pairs: int
    mean_difference: float
    largest_difference: float
    equal: float
    bleu: tuple[float, float] | None
    chrf: tuple[float, float] | None


def export_model(
    *,
    model: Path,
    to: Format,
    out: Path,
    quantization: Quantization = "float32",
    data: str | None = None,
    split: str = "valid",
    checkpoint: Checkpoint = "best",
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Exported:
    """Write a translation model in another format, compare it with PyTorch, and publish it at `out`.

    Args:
        quantization: CTranslate2's number format; the others are float32.
        data, split: pairs to compare on; those that the model keeps of its validation split if not given.

    Raises:
        RunFailed: what was written does not translate as PyTorch does.
        Unavailable: an extra is missing, or this machine does not compute in the number format.
        UsageError: the format cannot hold such a model.
    """
    artifact = artifacts.open_artifact(model, "model")
    if problem := unfit(artifact, to):
        raise UsageError(f"{model} cannot be exported to {to}", cause=problem, fix="choose another format for --to")
    if to != "ctranslate2" and quantization != "float32":
        raise UsageError(f"--quantization {quantization} is for --to ctranslate2", fix="leave it out")
    config: dict[str, Any] = {"to": to, "checkpoint": WEIGHTS[checkpoint], "quantization": quantization}
    if to == "ctranslate2":
        check_quantization(quantization, "cpu")
        config = settings(WEIGHTS[checkpoint], quantization, "cpu")
    with artifacts.create(
        out,
        "export",
        command=COMMAND,
        config=config,
        config_source=config_source,
        inputs=[artifact.as_input("model", out)],
        force=force,
    ) as draft:
        from nlpcli.export.make import make

        f = make(artifact, draft, "report this, with the model's settings" if quantization == "float32" else FIX, data, split)
        made = draft.publish()
    differences = (f.mean_difference, f.largest_difference, f.equal)
    return Exported(made.path, made.id, to, quantization, f.pairs, *differences, f.bleu, f.chrf)


FIX = "use --quantization float32"


def unfit(artifact: artifacts.Artifact, to: Format) -> str:
    """Say why a format cannot hold a model; nothing if it can."""
    config = artifact.manifest.config
    if config["architecture"] != "transformer" or config.get("task", "translation") != "translation":
        return f"Transformers for translation alone are exported, and this is {config['architecture']} ({config.get('task')})"
    if to == "ctranslate2":
        return lacks(transformer_config(artifact))
    if to == "huggingface":
        from nlpcli.export.huggingface import lacks as huggingface_lacks

        return huggingface_lacks(transformer_config(artifact))
    return ""
