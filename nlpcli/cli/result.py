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
    """Print the result of a command that went well (a dataclass or plain data) as the envelope."""
    print_json(" ".join(ctx.command_path.split()[1:]), 0, result, [])


def print_json(command: str, exit_code: int, data: Any, errors: list[dict[str, str]]) -> None:
    """Print the envelope {schema, command, status, exit_code, data, errors} in one line."""
    import msgspec

    status = "error" if errors else "ok"
    head = {"schema": ENVELOPE, "command": command, "status": status, "exit_code": exit_code}
    console.out(msgspec.json.encode({**head, "data": data, "errors": errors}, enc_hook=str).decode())


def dry_run(ctx: typer.Context, facts: dict[str, Any]) -> None:
    """Print what a command would do: every setting with its source, then the `facts` found without touching anything."""
    values, sources = options.given(ctx), options.sources(ctx)
    for name, (value, source) in facts.pop("settings", {}).items():  # by a preset, say, where nothing else was said
        values[name], sources[name] = value, source
    if ctx.params.get("json_"):
        settings = {name: {"value": values[name], "source": sources[name]} for name in values}
        print_envelope(ctx, {"settings": settings, **facts})
        return
    console.table(["setting", "value", "source"], [[n, str(v), sources[n]] for n, v in values.items()])
    console.write_out(["", *(f"{name}: {value}" for name, value in facts.items())])
