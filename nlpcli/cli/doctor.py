"""`nlpcli doctor`."""

from typing import Any

import typer

from nlpcli.cli import options as opt


def doctor(ctx: typer.Context, device: opt.Device = "auto", json_: opt.Json = False) -> None:
    """Say what this machine has, what nlpcli chooses on it and why, and test the parts that depend on it.

    On a GPU the attention kernel is compiled and compared with its reference; that takes a while the first time.

    \b
    Example:
      nlpcli doctor --device auto
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.diagnosis import doctor as run

    result = run(**opt.given(ctx))
    if json_:
        print_envelope(ctx, result)
    else:
        _print(result)


def _print(result: Any) -> None:
    from nlpcli import console

    console.table(["installed", ""], result.environment.items())
    console.out("")
    gpus = {f"GPU {i}": gpu for i, gpu in enumerate(result.gpus)}
    console.table(["machine", ""], [*result.processor.items(), *(gpus or {"GPU": "none that torch can use"}).items()])
    console.out("")
    console.table(["chosen", ""], [("device", result.device), ("precision", result.precision)])
    console.out("")
    console.table(["attention", "computed by"], result.attention.items())
    if result.missing:
        console.out("")
        console.table(["not installed", "for"], result.missing.items())
