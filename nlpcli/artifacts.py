"""Artifacts: directories with a manifest, whole or absent.

An artifact is built in `OUT.partial`, its files are flushed to disk, `manifest.json` is written last, and the
directory is renamed to `OUT`. A directory without a manifest is unfinished and refused by every reader. Opening an
artifact checks every file against the digest in the manifest, so a changed or truncated file never goes unnoticed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Iterator

import msgspec

from nlpcli import __version__, console
from nlpcli.environment import environment
from nlpcli.errors import ArtifactError, BadInput, OutputExists, first_five
from nlpcli.files import clear, file_digest, fsync_directory, remove, remove_unfinished, sync_directories, write_text

SCHEMA = "nlpcli.manifest"
FORMAT_VERSION = 1
LOCK = ".lock"
UNLISTED = {"manifest.json", "README.md", LOCK}


class FileEntry(msgspec.Struct, frozen=True):
    """One payload file. `log` files carry times and so do not count towards the artifact's id."""

    path: str
    bytes: int
    sha256: str
    log: bool = False


class Input(msgspec.Struct, frozen=True):
    """What an artifact was made from; `inputs` repeats that artifact's own lineage, back to the text."""

    role: str
    path: str
    id: str
    kind: str = "text"
    inputs: list[Input] = []


class Manifest(msgspec.Struct, kw_only=True):
    """`manifest.json`. Times and hosts stand under `run` and `environment` only, so that two runs compare."""

    schema: str = SCHEMA
    format_version: int = FORMAT_VERSION
    kind: str
    id: str = ""
    created_by: str = ""
    command: str = ""
    config: dict[str, Any] = {}
    config_source: dict[str, str] = {}
    seed: int | None = None
    inputs: list[Input] = []
    files: list[FileEntry] = []
    metrics: dict[str, Any] = {}
    environment: dict[str, str] = {}
    run: dict[str, Any] = {}


@dataclass(frozen=True)
class Artifact:
    """An opened, verified artifact."""

    path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.id

    def as_input(self, role: str, out: Path) -> Input:
        """Return this artifact as a lineage entry of the artifact that will stand at `out`."""
        m = self.manifest
        return Input(role=role, path=relative(self.path, out), id=m.id, kind=m.kind, inputs=m.inputs)


@dataclass
class Draft:
    """An artifact in the making: write files into `path`, fill in `metrics`, then `publish()`.

    `logs` names the files that carry times; `scratch` those that are needed until the very end (the state of a run) and
    are not part of the artifact.
    """

    out: Path
    manifest: Manifest
    force: bool
    resumed: bool = False
    logs: set[str] = field(default_factory=set)
    scratch: set[str] = field(default_factory=set)
    published: bool = False
    started: float = field(default_factory=time.time)

    @property
    def path(self) -> Path:
        return partial_path(self.out)

    @property
    def metrics(self) -> dict[str, Any]:
        return self.manifest.metrics

    def restart(self) -> None:
        """Throw away what an interrupted command left."""
        clear(self.path, LOCK)
        self.resumed = False

    def publish(self) -> Artifact:
        """Hash and flush every file, write the manifest last and rename the directory into place."""
        m = self.manifest
        names = {p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file()}
        m.files = [self._entry(name) for name in sorted(names - UNLISTED - self.scratch)]
        m.id = _identity(m)
        m.run = {"started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds")} | m.run
        m.run.setdefault("seconds", round(time.time() - self.started, 3))
        write_text(self.path / "README.md", _readme(m, self.out.name))
        encoded = msgspec.json.format(msgspec.json.encode(m), indent=2)
        write_text(self.path / "manifest.json", encoded.decode() + "\n")
        sync_directories(self.path)
        self._swap_in()
        self.published = True
        return Artifact(self.out, m)

    def _entry(self, name: str) -> FileEntry:
        path = self.path / name
        with path.open("rb") as f:
            os.fsync(f.fileno())
            digest = hashlib.file_digest(f, "sha256").hexdigest()
        return FileEntry(path=name, bytes=path.stat().st_size, sha256=digest, log=name in self.logs)

    def _swap_in(self) -> None:
        for name in (LOCK, *self.scratch):
            (self.path / name).unlink(missing_ok=True)
        replaced = self.out.with_name(f"{self.out.name}.replaced-{os.getpid()}")
        if self.out.exists():
            if not self.force:
                raise _exists(self.out)
            self.out.rename(replaced)
        self.path.rename(self.out)
        try:
            fsync_directory(self.out.parent)
        finally:
            remove(replaced)


def partial_path(out: Path) -> Path:
    """Return where an artifact is built before it is renamed to `out`."""
    return out.with_name(out.name + ".partial")


@contextmanager
def create(
    out: Path,
    kind: str,
    *,
    command: str,
    config: dict[str, Any],
    config_source: dict[str, str] | None = None,
    inputs: list[Input] | None = None,
    seed: int | None = None,
    force: bool = False,
    resume: bool = False,
    keep: bool = False,
) -> Iterator[Draft]:
    """Build an artifact at `out`; leaving the block without `publish()` leaves no trace unless `keep` is set.

    Args:
        keep: leave `OUT.partial` when the block fails, for a later `resume`.
        resume: take up what `OUT.partial` holds instead of starting anew.

    Raises:
        OutputExists: `out` is there and `force` is not set, or another process is building it now.
    """
    out = Path(os.path.abspath(out))
    if out.exists() and not force:
        raise _exists(out)
    if out.is_dir() and not is_artifact(out) and any(out.iterdir()):
        raise OutputExists(
            f"{out} is a folder that nlpcli did not make",
            cause="it has no manifest.json; --force replaces artifacts and nothing else",
            fix="choose another --out, or move the folder away",
        )
    partial = partial_path(out)
    partial.mkdir(parents=True, exist_ok=True)
    lock = (partial / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OutputExists(f"{out} is being written by another process", fix="wait for it, or choose another --out") from None
    resumed = resume and _has_work(partial)
    if resumed:
        remove_unfinished(partial)
    else:
        clear(partial, LOCK)
    manifest = Manifest(
        kind=kind,
        created_by=f"nlpcli {__version__}",
        command=command,
        config=config,
        config_source=config_source or {},
        inputs=inputs or [],
        seed=seed,
        environment=environment(),
    )
    draft = Draft(out, manifest, force, resumed)
    try:
        yield draft
        if not draft.published:
            raise AssertionError("an artifact's draft was left without publish()")
    except BaseException:
        if not keep or not _has_work(partial):
            shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        lock.close()


def open_artifact(path: Path | str, kind: str | None = None) -> Artifact:
    """Open the artifact at `path`, checking its format, its kind and every file's digest.

    Raises:
        ArtifactError: no manifest (unfinished), a newer format, the wrong kind, or a changed, truncated or missing file.
        BadInput: there is nothing at `path`.
    """
    artifact = read_artifact(path, kind)
    problems = verify(artifact)
    if not problems and _identity(artifact.manifest) != artifact.id:
        problems = ["manifest.json has changed (its id is not that of its content)"]
    if problems:
        raise ArtifactError(
            f"{artifact.path}: {len(problems)} file(s) differ from the manifest",
            cause=first_five(problems),
            fix=f"restore the files, or make the artifact anew: {artifact.manifest.command} --force",
        )
    return artifact


def read_artifact(path: Path | str, kind: str | None = None) -> Artifact:
    """Read the manifest at `path` without hashing the payload (see `open_artifact`)."""
    root = Path(os.path.abspath(path))
    if not root.exists():
        unfinished = partial_path(root)
        if unfinished.exists():
            raise ArtifactError(
                f"{root} is not finished",
                cause=f"the command that makes it was interrupted; its state is in {unfinished}",
                fix="run the same command again (training goes on with --resume auto)",
            )
        raise BadInput(f"{root} does not exist", fix="check the path; `ls` its parent folder")
    if not is_artifact(root):
        raise ArtifactError(
            f"{root} is not a finished nlpcli artifact",
            cause="it has no manifest.json, which is written last",
            fix="make it anew with the command that was interrupted",
        )
    manifest = _decode_manifest(root)
    if kind and manifest.kind != kind:
        raise ArtifactError(
            f"{root} is a {manifest.kind}, not a {kind}",
            cause=f"it was made by `{manifest.command}`",
            fix=f"give the path of a {kind} artifact; `nlpcli inspect {root}` shows what this one is",
        )
    return Artifact(root, manifest)


def reusable(out: Path, kind: str, config: dict[str, Any], inputs: list[Input], force: bool) -> Artifact | None:
    """Return the artifact at `out` if it is of this kind, with these settings, from these inputs.

    Raises:
        OutputExists: it is another one, and `force` does not allow to replace it.
    """
    if not is_artifact(out):
        return None
    found = open_artifact(out, kind)
    same = found.manifest.config == config and [i.id for i in found.manifest.inputs] == [i.id for i in inputs]
    if same:
        console.info(f"{kind}: {out} is up to date")
        return found
    if not force:
        raise OutputExists(
            f"{out} is there, made from other data or with other settings",
            fix="add --force to make it anew, or choose another --out",
        )
    return None


def is_artifact(path: Path | str) -> bool:
    """Tell whether `path` is a directory with a manifest."""
    return (Path(path) / "manifest.json").is_file()


def verify(artifact: Artifact) -> list[str]:
    """Compare every payload file with the manifest; return one line a difference, none if all is well."""
    problems = []
    for entry in artifact.manifest.files:
        path = artifact.path / entry.path
        if not path.is_file():
            problems.append(f"{entry.path} is missing")
        elif path.stat().st_size != entry.bytes:
            problems.append(f"{entry.path} has {path.stat().st_size} bytes instead of {entry.bytes}")
        elif file_digest(path) != entry.sha256:
            problems.append(f"{entry.path} has changed (its SHA-256 differs)")
    return problems


def text_input(role: str, path: Path, out: Path) -> Input:
    """Return a file of text as a lineage entry of the artifact that will stand at `out`."""
    return Input(role=role, path=relative(path, out), id=f"sha256:{file_digest(path)}")


def relative(path: Path, out: Path) -> str:
    """Write `path` as seen from the artifact at `out`, so that a folder of artifacts can be moved as one."""
    return os.path.relpath(os.path.abspath(path), os.path.abspath(out))


def _has_work(partial: Path) -> bool:
    return partial.is_dir() and any(path.name != LOCK for path in partial.iterdir())


def _exists(out: Path) -> OutputExists:
    return OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")


def _identity(m: Manifest) -> str:
    content = {
        "kind": m.kind,
        "format_version": m.format_version,
        "config": m.config,
        "inputs": [[i.role, i.id] for i in m.inputs],
        # a copied artifact (the tokenizer in a dataset) counts by its payload: its manifest carries times, its README names
        "files": [[f.path, f.sha256] for f in m.files if not f.log and Path(f.path).name not in UNLISTED],
    }
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]


def _decode_manifest(root: Path) -> Manifest:
    path = root / "manifest.json"
    try:
        data = path.read_bytes()
        head = msgspec.json.decode(data)
        if not isinstance(head, dict) or head.get("schema") != SCHEMA:
            raise ArtifactError(f"{path} was not written by nlpcli", fix="give the path of an nlpcli artifact")
        if not isinstance(head.get("format_version"), int):
            raise ArtifactError(f"{path} cannot be read", cause="its format_version is no number", fix="make it anew")
        if head["format_version"] > FORMAT_VERSION:
            raise ArtifactError(
                f"{path} has format {head['format_version']}; this nlpcli reads up to {FORMAT_VERSION}",
                cause=f"it was written by a newer version ({head.get('created_by', 'unknown')})",
                fix="pip install --upgrade nlpcli",
            )
        manifest = msgspec.convert(head, Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as e:
        raise ArtifactError(f"{path} cannot be read", cause=str(e), fix="make the artifact anew") from None
    for entry in manifest.files:
        if os.path.isabs(entry.path) or ".." in Path(entry.path).parts:
            raise ArtifactError(f"{path} names a file outside the artifact: {entry.path}", fix="do not use this artifact")
    return manifest


def _readme(m: Manifest, name: str) -> str:
    lines = [f"# {name}", "", f"An nlpcli {m.kind}, made by `{m.command}`.", ""]
    lines += [f"- {f.path} ({f.bytes:,} bytes)" for f in m.files]
    lines += ["", f"`nlpcli inspect {name}` shows its settings, its scores and what it was made from.", ""]
    return "\n".join(lines)
