"""Everything a user can cause, as one exception with its exit code.

An error answers four questions: what went wrong and where (`message`), why (`cause`), and the command that mends
it (`fix`). `nlpcli.cli.main` is the one place that turns these into text and an exit status.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Iterable


class NlpcliError(Exception):
    """A problem the user can understand and mend; subclasses fix the exit code.

    `data` is what was found out all the same; `--json` prints it beside the error.
    """

    exit_code = 1
    data: Any = None

    def __init__(self, message: str, *, cause: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.fix = fix


class UsageError(NlpcliError):
    """Options that do not fit together or a setting out of range."""

    exit_code = 2


class BadInput(NlpcliError):
    """Text or data that cannot be read as what it should be."""

    exit_code = 3


class ArtifactError(NlpcliError):
    """An artifact that is unfinished, changed, of the wrong kind or of a newer format."""

    exit_code = 4


class OutputExists(NlpcliError):
    """The output is already there and neither --force nor --resume was given."""

    exit_code = 5


class RunFailed(NlpcliError):
    """The work itself failed: diverged, out of memory, disk full."""

    exit_code = 6


class Unavailable(NlpcliError):
    """A device or an optional package that this machine does not have."""

    exit_code = 7


class GateFailed(NlpcliError):
    """A threshold asked for by the user was not reached (`evaluate --fail-under`)."""

    exit_code = 8


class Interrupted(NlpcliError):
    """SIGINT (130) or SIGTERM (143) arrived; what could be saved has been saved."""

    def __init__(self, message: str, *, signum: int, cause: str = "", fix: str = "") -> None:
        super().__init__(message, cause=cause, fix=fix)
        self.exit_code = 128 + signum


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word closest to `word`, or an empty string if none is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else ""


def first_five(items: Iterable[object]) -> str:
    """List the first five items and say how many more there are: `3, 9, 12, 40, 41 and 7 more`."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:5])
    return f"{shown} and {len(items) - 5} more" if len(items) > 5 else shown
