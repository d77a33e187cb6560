"""`nlpcli data`: find, look at, check, clean, split and prepare text. One file a command."""

from __future__ import annotations

import typer

from nlpcli.cli.data.prepare import prepare

app = typer.Typer(help="Find, check, clean, split and prepare text.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Find, check, clean, split and prepare text."""


app.command("prepare")(prepare)
