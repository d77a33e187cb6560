"""How a command ends: the artifact's path on stdout, or one JSON envelope."""

from __future__ import annotations

from typing import Any

import typer

from nlpcli import console
from nlpcli.cli import options

ENVELOPE = "nlpcli.result"


def finish(ctx: typer.Context, result: Any) -> None:
    """Print a finished command's result: its `path` in one line, or with --json all of its fields."""
    if ctx.params.get("json_"):
        print_envelope(ctx, result)
    else:
        console.out(str(result.path))


def print_envelope(ctx: typer.Context, result: Any) -> None:
    """Print `result` (a dataclass or plain data) as the envelope {schema, command, status, exit_code, data, errors}."""
    import msgspec

    envelope = {
        "schema": ENVELOPE,
        "command": " ".join(ctx.command_path.split()[1:]),
        "status": "ok",
        "exit_code": 0,
        "data": result,
        "errors": [],
    }
    console.out(msgspec.json.encode(envelope, enc_hook=str).decode())


def dry_run(ctx: typer.Context, facts: dict[str, Any]) -> None:
    """Print what a command would do: every setting with its source, then the `facts` found without touching anything."""
    values, sources = options.given(ctx), options.sources(ctx)
    if ctx.params.get("json_"):
        settings = {name: {"value": values[name], "source": sources[name]} for name in values}
        print_envelope(ctx, {"settings": settings, **facts})
        return
    console.table(["setting", "value", "source"], [[n, str(v), sources[n]] for n, v in values.items()])
    console.write_out(["", *(f"{name}: {value}" for name, value in facts.items())])
