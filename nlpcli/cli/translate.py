"""`nlpcli translate`."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from nlpcli.cli import options as opt


def translate(
    ctx: typer.Context,
    model: Annotated[Path, opt.option("--model", help="A model artifact.")],
    file: Annotated[Path, typer.Argument(metavar="[FILE|-]", help="Text, one sentence a line; stdin if not given.")] = Path(
        "-"
    ),
    out: Annotated[Optional[Path], opt.option("--out", "-o", help="File to write; stdout if not given.")] = None,
    beam_size: Annotated[int, opt.option("--beam-size", min=1, help="Beams; 1 is greedy search.")] = 1,
    length_penalty: Annotated[
        float, opt.option("--length-penalty", min=0.0, help="Wu et al.'s α: 0 compares plain log-probabilities.")
    ] = 1.0,
    n_best: Annotated[
        Optional[int], opt.option("--n-best", min=1, help="Write JSON Lines with so many scored hypotheses a line.")
    ] = None,
    batch_tokens: opt.BatchTokens = 8192,
    checkpoint: opt.Checkpoint = "best",
    device: opt.Device = "auto",
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Translate lines: as many out as in, in their order, blank for blank.

    CREATES the file --out, whole or not at all; without it, writes to stdout.

    \b
    Example:
      nlpcli translate --model work/model article.ko --out article.en --beam-size 5

    \b
    Example:
      cat article.ko | nlpcli translate --model work/model > article.en
    """
    from nlpcli import console
    from nlpcli.cli.result import finish
    from nlpcli.decoding.translate import translate as run
    from nlpcli.errors import UsageError

    if json_ and out is None:
        raise UsageError("--json prints its envelope on stdout, where the translation goes", fix="add --out FILE")
    result = run(**opt.given(ctx), force=force)
    console.info(f"translated {result.lines:,} lines, {result.sentences_per_second:,.1f} a second")
    if out is not None:
        finish(ctx, result)
