"""How far gensim is: its workers run without Python's lock and tell nothing before an epoch is over.

On Linux the system tells where in the corpus file each of them reads; elsewhere there is news once an epoch.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from nlpcli import console

INTERVAL = 0.5  # seconds
DESCRIPTORS, FACTS = Path("/proc/self/fd"), Path("/proc/self/fdinfo")
POSITION = re.compile(r"^pos:\s*(\d+)", re.MULTILINE)


class Watch:
    """Shows percent, words a second and the time left while a corpus file is read `epochs` times by `workers`.

    `epoch` is set from outside when one has ended.
    """

    def __init__(self, path: Path, words: int, epochs: int, workers: int) -> None:
        self.path, self.words, self.epochs, self.workers = path.resolve(), words, epochs, workers
        self.size = path.stat().st_size
        self.epoch = 0
        self.done = 0.0
        self.progress = console.Progress("training", 100, "%")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.thread.join()
        self.progress.close()

    def _run(self) -> None:
        started = time.monotonic()
        while not self.over.wait(INTERVAL):
            self.done = max(self.done, min(1.0, (self.epoch + self._share()) / self.epochs))
            speed = self.done * self.epochs * self.words / (time.monotonic() - started)
            self.progress.update(100 * self.done, f"epoch {min(self.epoch + 1, self.epochs)}, {speed:,.0f} words/s")

    def _share(self) -> float:
        """Return which share of the running epoch is read: worker i of n begins at i/n of the file and reads on."""
        read = positions(self.path)
        if len(read) != self.workers:  # between two epochs, or where there is no /proc
            return 0.0
        begun = [i * self.size // self.workers for i in range(self.workers)]
        return min(1.0, max(0, sum(read) - sum(begun)) / max(self.size, 1))


def positions(path: Path) -> list[int]:
    """Return where each open descriptor of this process stands in a file."""
    found = []
    with suppress(OSError):
        for name in os.listdir(DESCRIPTORS):
            with suppress(OSError):
                if os.readlink(DESCRIPTORS / name) == str(path):
                    position = POSITION.search((FACTS / name).read_text())
                    found.append(int(position[1]) if position else 0)
    return found
