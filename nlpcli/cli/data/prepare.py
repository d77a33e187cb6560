"""`nlpcli data prepare`."""

from typing import Annotated, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish

CorpusTask = Literal["auto", "translation", "lm", "classify"]


def prepare(
    ctx: typer.Context,
    data: opt.Data,
    out: opt.OutDir,
    task: Annotated[
        CorpusTask,
        opt.option(
            "--task", help="What the text is for: pairs, a language model, or texts with labels; auto looks at the files."
        ),
    ] = "auto",
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: opt.Lang = None,
    column: opt.Column = None,
    text_column: Annotated[
        Optional[str],
        opt.option("--text-column", help="For classify: the text's column, by name or number from 1 (text, document, …)."),
    ] = None,
    label_column: Annotated[
        Optional[str], opt.option("--label-column", help="For classify: the label's column, likewise (label, class).")
    ] = None,
    encoding: Annotated[str, opt.option("--encoding", help="For lm and classify: latin-1, cp949, ….")] = "utf-8",
    fold: Annotated[
        Optional[str],
        opt.option("--fold", metavar="K/N", help="For classify: part K of N is test, a tenth of the rest valid."),
    ] = None,
    hold_out: Annotated[
        int,
        opt.option(
            "--hold-out", min=1, help="Rows to set aside for validation when the data has no valid split (lm: the last tenth)."
        ),
    ] = 500,
    document_chars: Annotated[
        Optional[int],
        opt.option("--document-chars", min=1, help="Of parallel documents: keep them whole, in rows of so many characters."),
    ] = None,
    resolutions: Annotated[
        int,
        opt.option(
            "--resolutions",
            min=1,
            max=16,
            help="Of such documents: train has rows of so many sizes, each half of the one before.",
        ),
    ] = 1,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Check a corpus line by line and keep it as plain UTF-8 text, one file a language or texts with labels beside them.

    CREATES a corpus artifact: train.ko, train.en, valid.*, test.*, test.NAME.*; or train.txt, …; or train.txt, train.label, ….

    \b
    Example:
      nlpcli data prepare --data ko-en --out work/data

    \b
    Example:
      nlpcli data prepare --data chapters-ko-en --document-chars 4000 --out work/chapters

    \b
    Example:
      nlpcli data prepare --data reviews --encoding latin-1 --fold 1/10 --out work/fold-1
    """
    from nlpcli.corpus.prepare import prepare_data

    finish(ctx, prepare_data(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
