"""Typed settings and where each value came from: flag > environment > file > default.

A command's settings are `msgspec.Struct`s whose fields carry their bounds, so one definition serves the command line,
the TOML file and the Python face. The values themselves are resolved by the command-line parser: `--config` becomes
its default map, `NLPCLI_<COMMAND>_<OPTION>` its environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from nlpcli.errors import BadInput, UsageError, first_five, nearest

AttentionTier = Literal["auto", "kernel", "hopper", "sdpa", "reference"]
Positive = Annotated[int, Meta(gt=0)]
NotNegative = Annotated[int, Meta(ge=0)]
NotNegativeFloat = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

S = TypeVar("S", bound=msgspec.Struct)


def checked(cls: type[S], values: dict[str, Any]) -> S:
    """Build the settings `cls` from `values`, naming every value out of bounds at once.

    Raises:
        UsageError: one or more values do not fit their field.
    """
    hints = get_type_hints(cls, include_extras=True)
    problems, converted = [], {}
    for name, value in values.items():
        try:
            converted[name] = msgspec.convert(value, hints[name], strict=False)
        except msgspec.ValidationError as e:
            problems.append(f"--{name.replace('_', '-')} {value}: {str(e)[0].lower()}{str(e)[1:]}")
    if problems:
        raise UsageError("settings out of range", cause="; ".join(problems), fix="see the command's --help for its bounds")
    return cls(**converted)


def read_config(
    path: Path, command: list[str], known: set[str], words: set[str] | None = None, options: set[str] | None = None
) -> dict[str, Any]:
    """Read the values for one command from a TOML file, or from the `manifest.json` of an artifact.

    In TOML the tables follow the command (`[train.seq2seq]`); a key in an outer table (`[train]`) serves all its
    commands. Hyphens and underscores are the same.

    Raises:
        BadInput: the file cannot be read as TOML or JSON.
        UsageError: the command has no such option (the nearest one is named).
    """
    table, shared = _table(path, command, words, options)
    if path.suffix == ".json":  # of a manifest, which also records facts (tokenizer_id)
        return {key: value for key, value in table.items() if key in known}
    values = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = [key for key in values if key not in known]
    if unknown:
        close = nearest(unknown[0], known)
        raise UsageError(
            f"{path}: unknown key(s) for `nlpcli {' '.join(command)}`: {first_five(unknown)}",
            fix=f"did you mean {close}?" if close else f"`nlpcli {' '.join(command)} --help` lists the options",
        )
    return {key: value for key, value in shared.items() if key in known} | values


def _table(
    path: Path, command: list[str], words: set[str] | None, options: set[str] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            config: dict[str, Any] = msgspec.convert(msgspec.json.decode(text)["config"], dict)
            return {k: v for k, v in config.items() if v is not None}, {}
        tree: Any = tomllib.loads(text)
    except OSError as e:
        raise BadInput(f"{path} cannot be read", cause=str(e.strerror), fix="check the path given to --config") from None
    except (tomllib.TOMLDecodeError, msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as e:
        raise BadInput(f"{path} is not a valid settings file", cause=str(e), fix="mend the file; it must be TOML") from None
    shared: dict[str, Any] = {}
    for name in command:
        for key, value in tree.items():
            among = words if isinstance(value, dict) else options
            if among is not None and key.replace("-", "_") not in among:
                close = nearest(key, among)
                raise UsageError(
                    f"{path}: no command has {'a table' if isinstance(value, dict) else 'the key'} {key}",
                    fix=f"did you mean {close}?" if close else "nlpcli --help",
                )
        shared |= {key.replace("-", "_"): value for key, value in tree.items() if not isinstance(value, dict)}
        tree = tree.get(name, {})
        if not isinstance(tree, dict):
            raise BadInput(f"{path}: [{'.'.join(command)}] is not a table", fix=f"write [{'.'.join(command)}] above its keys")
    return tree, shared
