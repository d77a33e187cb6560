"""`nlpcli data list`."""

from typing import Any

import typer

from nlpcli.cli import options as opt


def list_(
    ctx: typer.Context,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """List the data names that resolve here, with sizes and licences, and the open sets that `data fetch` can bring.

    \b
    Example:
      nlpcli data list --json
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.corpus.listing import list_data

    listing = list_data()
    if json_:
        print_envelope(ctx, listing)
    else:
        _print(listing)


def _print(listing: Any) -> None:
    from nlpcli import console

    rows = []
    for one in listing.found:
        splits = ", ".join(name if count is None else f"{name} {count:,}" for name, count in one.splits.items())
        where = f"{one.path}" if not one.shadowed else f"{one.path} (hidden by the one {one.shadowed})"
        row = [one.name, one.kind, " ".join(one.languages), splits, console.size(one.bytes), one.licence, where]
        rows.append([_printable(text) for text in row])
    console.table(["name", "kind", "languages", "splits (lines)", "size", "licence", "where"], rows)
    offers = [
        [one.name, one.about, "" if one.bytes is None else console.size(one.bytes), "yes" if one.verified else "", one.licence]
        for one in listing.registry
        if not one.here
    ]
    if offers:
        console.out("")
        console.table(["nlpcli data fetch NAME", "about", "download", "digest known", "licence"], offers)


def _printable(text: str) -> str:
    """Names and licences come from the disk; a terminal must not obey them."""
    return "".join(c if c.isprintable() else "?" for c in text)
