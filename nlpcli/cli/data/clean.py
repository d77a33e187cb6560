"""`nlpcli data clean`."""

from typing import Annotated, List, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.data.check import AnyData, Column, KindOption, Lang, MaxChars
from nlpcli.cli.result import finish


def clean(
    ctx: typer.Context,
    data: AnyData,
    out: opt.OutDir,
    kind: KindOption = None,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: Lang = None,
    column: Column = None,
    encoding: Annotated[
        Optional[str], opt.option("--encoding", help="Recode files that are not UTF-8 from this: cp949, cp1252.")
    ] = None,
    keep: Annotated[List[str], opt.option("--keep", help="A rule of `data check` to leave alone; may be repeated.")] = [],  # noqa: B006
    drop: Annotated[
        List[str], opt.option("--drop", help="A rule to drop rows by instead of mending or leaving them; may be repeated.")
    ] = [],  # noqa: B006
    max_chars: MaxChars = 2000,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Mend and filter a corpus by the rules of `data check`; every dropped row is written down with its reasons.

    Valid and test are only mended. The data is read twice, in constant memory; 48 bytes a pair (24 a line of text) of
    temporary disk space are used.

    CREATES a corpus artifact of the same layout: train.ko, train.en, … (or train.txt, train.tsv), dropped.jsonl.

    \b
    Example:
      nlpcli data clean --data ko-en --out work/clean
    """
    from nlpcli.corpus.clean import clean_data

    finish(ctx, clean_data(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
