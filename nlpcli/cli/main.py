"""`main()`: build the command tree, run one command, and turn whatever happens into text and an exit status."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, NoReturn

import typer

from nlpcli import __version__, console
from nlpcli.cli import classify, data, doctor, embed, evaluate, export, generate, inspect, options, tokenize, train, translate
from nlpcli.cli.groups import SectionedCommand
from nlpcli.cli.result import print_json
from nlpcli.errors import Interrupted, NlpcliError, RunFailed

EPILOG = "First steps: nlpcli train attention --data ko-en --max-minutes 5, then nlpcli translate --help."

app = typer.Typer(
    name="nlpcli",
    help="From text to an evaluated translation model: one command a step, one artifact a command.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(data.app, name="data")
app.add_typer(tokenize.app, name="tokenize")
app.add_typer(embed.app, name="embed")
app.add_typer(train.app, name="train")
app.command("translate", cls=SectionedCommand)(translate.translate)
app.command("classify")(classify.classify)
app.command("generate")(generate.generate)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("inspect")(inspect.inspect)
app.command("doctor")(doctor.doctor)


def _version(value: bool) -> None:
    if value:
        console.out(f"nlpcli {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """From text to an evaluated translation model: one command a step, one artifact a command."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status (the list stands in docs/errors.md)."""
    arguments = sys.argv[1:] if argv is None else argv
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    console.set_level(console.NORMAL)
    try:
        code = _command_tree().main(args=arguments, prog_name="nlpcli", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except NlpcliError as e:
        return _fail(e, arguments)
    except typer.TyperException as e:
        if type(e).__name__ == "NoArgsIsHelpError":
            console.info(e.format_message())
            return 2
        return _fail(_usage(e), arguments)
    except typer.Abort:
        return _fail(Interrupted("interrupted", signum=signal.SIGINT), arguments)
    except MemoryError:
        return _fail(RunFailed("out of memory", fix="lower --batch-tokens"), arguments)
    except Exception as e:
        if disk_full(e):
            return _fail(_disk_full_error(e), arguments)
        if console.level >= console.VERBOSE:
            raise
        return _fail(_internal(e), arguments)


def _command_tree() -> Any:
    """Build the commands, each option with the variable NLPCLI_<COMMAND>_<OPTION> after its long name."""
    tree = typer.main.get_command(app)
    options.name_variables(tree)
    return tree


def disk_full(e: BaseException) -> bool:
    """Tell whether an error, ours or a library's, means that the disk or the quota is full."""
    if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(e) or (e.__cause__ is not None and disk_full(e.__cause__))


def _disk_full_error(e: BaseException) -> RunFailed:
    where = f" while writing {e.filename}" if isinstance(e, OSError) and e.filename else ""
    return RunFailed(
        f"the disk is full{where}",
        cause="nothing was published; an artifact that stood there before is unchanged",
        fix="free space (`df -h .`) and run the same command again; training goes on with --resume auto",
    )


def _interrupt(signum: int, frame: Any) -> None:
    raise Interrupted(f"interrupted by {signal.Signals(signum).name}; nothing was published", signum=signum)


def _usage(e: typer.TyperException) -> NlpcliError:
    context = getattr(e, "ctx", None)
    error = NlpcliError(e.format_message(), fix=f"{context.command_path} --help" if context else "nlpcli --help")
    error.exit_code = 2
    return error


def _internal(e: Exception) -> NlpcliError:
    return NlpcliError(
        f"internal error: {type(e).__name__}: {e}",
        cause="this is a fault of nlpcli, not of your input",
        fix="run the command again with --verbose and report the traceback",
    )


def _fail(e: NlpcliError, arguments: list[str]) -> int:
    if not isinstance(e, console.ClosedPipe):
        if "--json" in arguments:
            _print_failure(e, arguments)
        console.error(e)
    return e.exit_code


def _print_failure(e: NlpcliError, arguments: list[str]) -> None:
    words, node = [], _command_tree()
    for word in (a for a in arguments if not a.startswith("-")):
        node = getattr(node, "commands", {}).get(word)
        if node is None:
            break
        words.append(word)
    problem = {"message": e.message, "cause": e.cause, "fix": e.fix}
    with suppress(console.ClosedPipe):  # the reader is gone; the exit status still tells
        print_json(" ".join(words), e.exit_code, e.data, [problem])


def entry() -> NoReturn:
    """The console script."""
    end(main())


def end(status: int) -> NoReturn:
    """End the process as the interpreter would, but without taking its modules apart: with torch loaded that takes a second.

    Threads are waited for, what is registered for the end is run, and streams are flushed.
    """
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)  # nobody is left to catch what a handler raises
    threading._shutdown()  # type: ignore[attr-defined]  # those of executors, too
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
