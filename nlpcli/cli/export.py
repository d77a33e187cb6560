"""`nlpcli export`."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from nlpcli.cli import options as opt


def export(
    ctx: typer.Context,
    model: Annotated[Path, opt.option("--model", help="A Transformer for translation.")],
    to: Annotated[
        Literal["ctranslate2", "onnx", "huggingface", "torchscript", "torch-export"],
        opt.option("--to", help="The format; huggingface is MarianMT or Pegasus, as the model is built."),
    ],
    out: opt.OutDir,
    quantization: Annotated[
        Literal["float32", "bfloat16", "int8", "int8_bfloat16", "float16", "int8_float16"],
        opt.option("--quantization", help="ctranslate2: number format of the weights."),
    ] = "float32",
    data: Annotated[
        Optional[str],
        opt.option("--data", help="Pairs to compare on; what the model keeps of its validation split if not given."),
    ] = None,
    split: Annotated[str, opt.option("--split", help="The split of --data.")] = "valid",
    checkpoint: opt.Checkpoint = "best",
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Write a translation model in another tool's format, and compare it with PyTorch.

    CREATES an export artifact: the files that the other tool loads, with the figures of the comparison in its manifest.
    Nothing is published that does not translate as PyTorch does.

    \b
    Example:
      nlpcli export --model work/ko-en/transformer --to ctranslate2 --quantization int8 --out work/ko-en/transformer-ct2
    """
    from nlpcli.cli.result import finish
    from nlpcli.export.export import export_model as run

    finish(ctx, run(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
