"""`nlpcli data`: find, look at, check, clean, split and prepare text. One file a command."""

import typer

from nlpcli.cli.data.check import check
from nlpcli.cli.data.clean import clean
from nlpcli.cli.data.fetch import fetch
from nlpcli.cli.data.list import list_
from nlpcli.cli.data.prepare import prepare
from nlpcli.cli.data.split import split
from nlpcli.cli.data.stats import stats

app = typer.Typer(help="Find, check, clean, split and prepare text.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Find, check, clean, split and prepare text."""


app.command("fetch")(fetch)
app.command("list")(list_)
app.command("stats")(stats)
app.command("check")(check)
app.command("clean")(clean)
app.command("split")(split)
app.command("prepare")(prepare)
