"""A translation of files that can be taken up again: what it is of, and how far it has come.

`OUT.job/job.json` holds what the output depends on; `journal.jsonl` gets a line after every window, when the output's bytes
up to there are on disk. The last whole line is where the same command goes on; what was written after it is cut off.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from nlpcli import files
from nlpcli.errors import ArtifactError, BadInput, OutputExists, first_five

FORMAT = 1
ENDING = ".job"


class InputFacts(msgspec.Struct, frozen=True):
    """A file to be translated: where it is, its digest, its segments and windows, and where its translation goes."""

    path: str
    sha256: str
    segments: int
    windows: int
    out: str


class JobFacts(msgspec.Struct, frozen=True):
    """All that the output depends on."""

    settings: dict[str, Any]
    inputs: list[InputFacts]
    format: int = FORMAT


class Tally(msgspec.Struct):
    """What has been counted: lines, blank ones, and lines with each kind of issue, the first of them by name."""

    lines: int = 0
    blank: int = 0
    issues: dict[str, int] = {}
    first: dict[str, list[str]] = {}


class State(msgspec.Struct):
    """How far a job has come: in which file, after how many windows of all files, with so many bytes written of this file's
    output and of the issues."""

    file: int = 0
    window: int = 0
    size: int = 0
    issues_size: int = 0
    segments: int = 0  # of all files
    seconds: float = 0.0
    tally: Tally = msgspec.field(default_factory=Tally)


@dataclass(frozen=True)
class JobStatus:
    """What `--status` tells."""

    path: Path
    files: int
    files_done: int
    lines: int
    lines_done: int
    seconds: float
    lines_per_second: float
    seconds_left: float | None
    running: bool
    issues: dict[str, int]


class Job:
    """The folder of a job, begun or taken up, and held by one process.

    Raises:
        OutputExists: another process is at work on it.
    """

    def __init__(self, folder: Path, facts: JobFacts) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        try:
            if not (folder / "job.json").exists():
                files.write_bytes(folder / "job.json", msgspec.json.encode(facts))
                files.fsync_directory(folder)
            self.state, size = _read_journal(folder)
            self._journal = (folder / "journal.jsonl").open("ab")
            self._journal.truncate(size)
        except BaseException:
            self._lock.close()
            raise

    def save(self, state: State) -> None:
        """Write down how far the job has come; what that tells of must be on disk."""
        self.state = state
        self._journal.write(msgspec.json.encode(state) + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def close(self) -> None:
        """Let go of the folder; the job can be taken up again."""
        self._journal.close()
        self._lock.close()

    def finish(self) -> None:
        """Remove the folder: all outputs are published."""
        files.remove(self.folder)
        self.close()


def job_status(folder: Path) -> JobStatus:
    """Read how far a job has come, while it runs or when it has been interrupted.

    Raises:
        BadInput: there is no such job.
    """
    if not (folder / "job.json").exists():
        where = folder.with_name(folder.name + ENDING)
        fix = f"nlpcli translate --status {where}" if where.exists() else "a finished job leaves no folder; look at its --out"
        raise BadInput(f"{folder} is not the folder of a translation", fix=fix)
    facts, (state, _) = _read_facts(folder), _read_journal(folder)
    total = sum(i.segments for i in facts.inputs)
    rate = state.segments / state.seconds if state.seconds else 0.0
    return JobStatus(
        folder,
        len(facts.inputs),
        state.file,
        total,
        state.segments,
        round(state.seconds, 1),
        round(rate, 1),
        round((total - state.segments) / rate, 1) if rate else None,
        _is_locked(folder),
        state.tally.issues,
    )


def _read_facts(folder: Path) -> JobFacts:
    try:
        facts = msgspec.json.decode((folder / "job.json").read_bytes(), type=JobFacts)
    except (msgspec.MsgspecError, OSError) as e:
        raise ArtifactError(f"{folder}/job.json is damaged", cause=str(e), fix=f"rm -r {folder} and begin again") from None
    if facts.format != FORMAT:
        raise ArtifactError(
            f"{folder} has format {facts.format}, this nlpcli knows {FORMAT}", fix="finish it with the nlpcli that began it"
        )
    return facts


def _read_journal(folder: Path) -> tuple[State, int]:
    """Return the last whole entry, and the journal's size up to there."""
    path, state, size = folder / "journal.jsonl", State(), 0
    if path.exists():
        with path.open("rb") as f:
            for line in f:
                if not line.endswith(b"\n"):  # the command was killed while it wrote
                    break
                state, size = msgspec.json.decode(line, type=State), size + len(line)
    return state, size


def has_begun(folder: Path) -> bool:
    """Tell whether anything of a job is done."""
    return _read_journal(folder)[1] > 0


def check_same(folder: Path, now: JobFacts) -> None:
    """Refuse to go on with a job that was begun with something else.

    Raises:
        BadInput: an input has changed.
        OutputExists: the settings or the list of files are others.
    """
    begun = _read_facts(folder)
    again = "the same command with --force begins anew"
    changed = [new.path for old, new in zip(begun.inputs, now.inputs) if old.path == new.path and old.sha256 != new.sha256]
    if changed:
        raise BadInput(
            f"{first_five(changed)} changed since this translation was begun",
            cause=f"{folder} holds what was translated of it as it was",
            fix=f"restore it to go on; {again}",
        )
    other = [name for name, value in now.settings.items() if begun.settings.get(name) != value]
    were = [f"--{name.replace('_', '-')} was {begun.settings.get(name)}" for name in other]
    if [(i.path, i.out) for i in begun.inputs] != [(i.path, i.out) for i in now.inputs]:
        were.append("the list of files was another")
    if were:
        raise OutputExists(
            f"{folder} was begun with other settings", cause=first_five(were), fix=f"give the same ones to go on; {again}"
        )


def _locked(folder: Path) -> IO[bytes]:
    """Open the job's lock; the system lets go of it when this process ends, however it ends."""
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise OutputExists(
            f"another process is at work on {folder}", fix=f"nlpcli translate --status {folder} shows how far it has come"
        ) from None
    return lock


def _is_locked(folder: Path) -> bool:
    try:
        _locked(folder).close()
    except OutputExists:
        return True
    return False
