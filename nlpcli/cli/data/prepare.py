"""`nlpcli data prepare`."""

from typing import Annotated

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish


def prepare(
    ctx: typer.Context,
    data: opt.Data,
    out: opt.OutDir,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    hold_out: Annotated[
        int, opt.option("--hold-out", min=1, help="Pairs to set aside for validation when the data has no valid split.")
    ] = 500,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Check a parallel corpus line by line and keep it as plain, aligned UTF-8 text.

    CREATES a corpus artifact: train.ko, train.en, valid.*, test.*, test.NAME.*.

    \b
    Example:
      nlpcli data prepare --data ko-en --out work/data
    """
    from nlpcli.corpus.prepare import prepare_data

    finish(ctx, prepare_data(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
