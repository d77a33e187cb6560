"""`nlpcli classify`."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from nlpcli.cli import options as opt


def classify(
    ctx: typer.Context,
    model: Annotated[List[Path], opt.option("--model", help="A model artifact; several over one vocabulary work together.")],
    file: Annotated[Path, typer.Argument(metavar="[FILE|-]", help="Text, one a line; stdin if not given.")] = Path("-"),
    out: Annotated[Optional[Path], opt.option("--out", "-o", help="File to write; stdout if not given.")] = None,
    scores: Annotated[
        bool, opt.option("--scores", help="Write JSON Lines with the text and the probability of each label.")
    ] = False,
    batch_tokens: opt.BatchTokens = 8192,
    checkpoint: opt.Checkpoint = "best",
    device: opt.Device = "auto",
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Give each line a label: as many out as in, in their order, blank for blank.

    CREATES the file --out, whole or not at all; without it, writes to stdout.

    \b
    Example:
      nlpcli classify --model work/reviews-ko/cnn reviews.txt --out labels.txt

    \b
    Example:
      cat reviews.txt | nlpcli classify --model work/reviews-ko/cnn --scores
    """
    from nlpcli import console
    from nlpcli.cli.result import finish
    from nlpcli.decoding.classify import classify as run
    from nlpcli.errors import UsageError

    if json_ and out is None:
        raise UsageError("--json prints its envelope on stdout, where the labels go", fix="add --out FILE")
    result = run(**opt.given(ctx), force=force)
    counts = ", ".join(f"{label} {count:,}" for label, count in result.labels.items())
    console.info(f"classified {result.lines:,} lines ({counts}), {result.texts_per_second:,.0f} a second")
    if out is not None:
        finish(ctx, result)
