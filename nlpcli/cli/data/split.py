"""`nlpcli data split`."""

from typing import Annotated, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish

OnOverlap = Literal["group", "drop"]


def split(
    ctx: typer.Context,
    data: opt.Data,
    out: opt.OutDir,
    valid: Annotated[str, opt.option("--valid", help="Rows of valid, or a share of train: 500, 2%. 0 for none.")] = "1%",
    test: Annotated[str, opt.option("--test", help="Rows of test, likewise. A split that is there is kept.")] = "1%",
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    column: Annotated[
        Optional[str], opt.option("--column", help="Split a table (labels, one language) by the text in this column.")
    ] = None,
    group_by: Annotated[
        Optional[str], opt.option("--group-by", help="Keep rows together that are equal in this column of a table.")
    ] = None,
    on_overlap: Annotated[
        OnOverlap,
        opt.option("--on-overlap", help="Rows that share a text: keep them together, or drop from train what leaks."),
    ] = "group",
    seed: opt.Seed = 1,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Cut valid and test out of train without leakage: no text of theirs stands in train, on either side.

    CREATES a corpus artifact: train.*, valid.*, test.*, and dropped.jsonl with what had to be taken out of train.

    \b
    Example:
      nlpcli data split --data ko-en --out work/split --valid 200 --test 2%
    """
    from nlpcli.corpus.split import split_data

    finish(ctx, split_data(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
