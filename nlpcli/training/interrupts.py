"""SIGINT and SIGTERM during training: finish the step, save the state, then end. A second signal ends at once."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from nlpcli import console


class StopRequest:
    """Holds the signal that asked for the end, if any."""

    signum: int | None = None

    def __call__(self) -> bool:
        return self.signum is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request that the loop meets at its next step."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(signum: int, frame: Any) -> None:
        request.signum = signum
        console.info(f"{signal.Signals(signum).name}: finishing this step and saving; once more ends at once")
        restore()

    for s in (signal.SIGINT, signal.SIGTERM):
        before[s] = signal.signal(s, handle)
    try:
        yield request
    finally:
        restore()


def resume_command() -> str:
    """Return the command line that takes this run up again."""
    if Path(sys.argv[0]).name not in ("nlpcli", "__main__.py"):
        return "call train(..., resume='auto') with the same arguments"
    words = [word for word in sys.argv[1:] if word != "--force"]
    return shlex.join(["nlpcli", *words, *(["--resume", "auto"] if "--resume" not in words else [])])
