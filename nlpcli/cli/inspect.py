"""`nlpcli inspect`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nlpcli.cli import options as opt


def inspect(
    ctx: typer.Context,
    artifact: Annotated[Path, typer.Argument(metavar="DIR", help="Any artifact.")],
    verify: Annotated[bool, opt.option("--verify", help="Hash every file and compare with the manifest.")] = False,
    json_: opt.Json = False,
) -> None:
    """Show an artifact's kind, size, settings, scores and the chain back to the text.

    \b
    Example:
      nlpcli inspect work/model --verify
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.inspection import inspect as run

    result = run(artifact=artifact, verify=verify)
    if json_:
        print_envelope(ctx, result)
    else:
        _print(result)


def _print(result: Any) -> None:
    from nlpcli import console
    from nlpcli.inspection import flat, lineage

    verified = ", every file as in the manifest" if result.verified else ""
    console.out(f"{result.kind} {result.id}: {console.size(result.bytes)} in {len(result.files)} files{verified}")
    console.out(f"made by `{result.command}` ({result.created_by}) in {console.duration(result.run.get('seconds', 0))}")
    for title, values in (("settings", result.config), ("measured", result.metrics)):
        if values:
            console.out("")
            console.table([title, ""], flat(values))
    console.write_out(["", "made from", *(f"  {line}" for line in lineage(result.inputs))])
