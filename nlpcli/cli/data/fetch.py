"""`nlpcli data fetch`."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish


def fetch(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="NAME|URL", help="A set that `nlpcli data list` shows, or an http(s) URL.")],
    out: Annotated[
        Optional[Path],
        opt.option("--out", "-o", help="The artifact to make; $NLPCLI_HOME/data/NAME or data/NAME if not given."),
    ] = None,
    sha256: Annotated[Optional[str], opt.option("--sha256", help="The digest that the file must have.")] = None,
    max_size: Annotated[
        str, opt.option("--max-size", help="Largest download, where the registry knows no size: 500MB, 20GB.")
    ] = "20GB",
    keep_archive: Annotated[bool, opt.option("--keep-archive", help="Keep the archive beside what was in it.")] = False,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Download an open set by name, or a file by URL: resumed, verified by SHA-256, unpacked. The only use of the network.

    CREATES a corpus artifact: train.ko, train.en, … (a set of the registry) or the files as they are (a URL).

    \b
    Example:
      nlpcli data fetch tatoeba --out data/tatoeba
    """
    from nlpcli.corpus.fetch import fetch_data

    finish(ctx, fetch_data(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
