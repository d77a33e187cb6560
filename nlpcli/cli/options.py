"""Options that several commands share: the same word with the same meaning everywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from nlpcli import console
from nlpcli.cli.groups import LazyCommands

option: Any = partial(typer.Option, show_envvar=False)  # each has its variable; the list of them would drown the help


def _quiet(value: bool) -> bool:
    if value:
        console.set_level(console.QUIET)
    return value


def _verbose(value: bool) -> bool:
    if value:
        console.set_level(console.VERBOSE)
    return value


def _config(ctx: typer.Context, value: Optional[Path]) -> Optional[Path]:
    if value is not None:
        from nlpcli.config import read_config

        names = {long_name(p): p.name for p in ctx.command.params if p.name}
        known = set(names) - {"config", "json", "quiet", "verbose", "dry_run"}
        words, options = _vocabulary(ctx.find_root().command)
        found = read_config(value, ctx.command_path.split()[1:], known, words, options)
        ctx.default_map = {names[key]: item for key, item in found.items()}
    return value


def long_name(parameter: Any) -> str:
    """Return the name of an option as it stands on the command line, in a file and in the environment: `batch_tokens`."""
    return str(parameter.opts[0].lstrip("-").replace("-", "_"))


def name_variables(command: Any, prefix: str = "NLPCLI") -> None:
    """Give every option below `command` its variable, NLPCLI_<COMMAND>_<OPTION>; where commands are lazy, once built."""

    def name_below(word: str, below: Any) -> None:
        path = f"{prefix}_{word.upper()}"
        for parameter in below.params:
            parameter.envvar = f"{path}_{long_name(parameter).upper()}"
        name_variables(below, path)

    commands = getattr(command, "commands", {})
    if isinstance(commands, LazyCommands):
        commands.when_built = name_below
        return
    for word, below in commands.items():
        name_below(word, below)


def _vocabulary(command: Any) -> tuple[set[str], set[str]]:
    """Return the names of all commands and of all their options."""
    words, options = set(), {long_name(p) for p in command.params}
    for word, below in getattr(command, "commands", {}).items():
        more_words, more_options = _vocabulary(below)
        words |= {word, *more_words}
        options |= more_options
    return words, options


Quiet = Annotated[bool, option("--quiet", "-q", help="Say nothing but warnings and errors.", callback=_quiet)]
Verbose = Annotated[bool, option("--verbose", "-v", help="Say more.", callback=_verbose)]
Json = Annotated[bool, option("--json", help="Print one JSON envelope on stdout instead of text.")]
Config = Annotated[
    Optional[Path],
    option(
        "--config",
        help="TOML file with a table a command, or an artifact's manifest.json; flags and environment win.",
        callback=_config,
        is_eager=True,
    ),
]
DryRun = Annotated[bool, option("--dry-run", help="Print the resolved settings and their sources; touch nothing.")]
Force = Annotated[bool, option("--force", help="Replace the output if it exists.")]
OutDir = Annotated[Path, option("--out", "-o", help="The artifact to make (a directory).")]
Data = Annotated[
    str,
    option(
        "--data",
        help="A name (ko-en), a folder of train.ko, train.en, …, of train.txt, or of tables with a label column, a TSV/JSON "
        "Lines file, or an artifact.",
    ),
]
Src = Annotated[Optional[str], option("--src", help="Source language; the first half of the data's name if not given.")]
Tgt = Annotated[Optional[str], option("--tgt", help="Target language; the second half of the data's name if not given.")]
Seed = Annotated[int, option("--seed", help="Seed of every random choice.")]
Device = Annotated[str, option("--device", help="auto, cpu or cuda.")]
Checkpoint = Annotated[Literal["best", "last"], option("--checkpoint", help="Which weights of the model.")]
BatchTokens = Annotated[int, option("--batch-tokens", help="Tokens a batch, padding included.")]

CONTROL = {"config", "json_", "quiet", "verbose", "dry_run", "force", "resume", "find_learning_rate", "help"}


def given(ctx: typer.Context) -> dict[str, Any]:
    """Return the command's own options by name, without those that only steer how it runs."""
    return {name: value for name, value in ctx.params.items() if name not in CONTROL}


def sources(ctx: typer.Context) -> dict[str, str]:
    """Say where each option's value came from: flag, environment, file or default."""
    words = {"COMMANDLINE": "flag", "ENVIRONMENT": "environment", "DEFAULT_MAP": "file"}
    found = {name: ctx.get_parameter_source(name) for name in given(ctx)}
    return {name: words.get(source.name, "default") if source else "default" for name, source in found.items()}


Lang = Annotated[Optional[str], option("--lang", help="For text in one language, or one side of a pair: ko, en.")]
Column = Annotated[
    Optional[str], option("--column", help="For a table (TSV, JSON Lines): the text's column, by name or number from 1.")
]
OnError = Annotated[
    Literal["stop", "skip"],
    option("--on-error", help="At a line that cannot be read: stop, or leave it out and write it to skipped.jsonl."),
]
Workers = Annotated[Optional[int], option("--workers", min=1, help="Processes; all processors if not given.")]
Cluster = Annotated[
    Optional[str],
    option("--cluster", help="Work on a Ray cluster (extra [cluster]): local, ray://HOST:PORT or HOST:PORT."),
]
TextColumn = Annotated[Optional[str], option("--text-column", help="Labelled text: the text's column, by name or number.")]
LabelColumn = Annotated[Optional[str], option("--label-column", help="Labelled text: the label's column, by name or number.")]
Encoding = Annotated[
    Optional[str], option("--encoding", help="Labelled text: of files that are not UTF-8, such as cp949 or latin-1.")
]
