"""`nlpcli data fetch`: an open set by its name, or a file by its URL, verified and unpacked into a corpus artifact.

Everything is made in `OUT.partial`: what is downloaded lies in its folder `.download` and survives an interruption, so
that the next try goes on there. A file that is not what it should be is kept by nobody.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import unquote, urlsplit

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import LOCK, UNLISTED, Artifact, Draft, Input
from nlpcli.corpus.download import check_url, download
from nlpcli.corpus.registry import Dataset, Download, registry
from nlpcli.corpus.unpack import is_archive, unpack
from nlpcli.errors import BadInput, OutputExists, UsageError, nearest
from nlpcli.files import file_digest, remove, write_text

COMMAND = "nlpcli data fetch"
DOWNLOADS = ".download"
CHECKSUMS = "checksums.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DIGEST = re.compile(r"[0-9a-f]{64}")
SIZES = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
KEPT_ALWAYS = re.compile(r"(LICEN[CS]E|README|COPYING)(\.\w+)?", re.IGNORECASE)
UNPACKED = 10  # an archive may unpack to so many times the largest download


@dataclass(frozen=True)
class Fetched:
    """What `data fetch` brought: the digest of each file that was downloaded, by its URL, and who vouches for it."""

    path: Path
    id: str
    name: str
    kind: str
    licence: str
    sha256: dict[str, str]
    vouched_by: dict[str, str]
    bytes: int


@dataclass(frozen=True)
class Expected:
    """The digest a file must have, if anybody said so, and who did."""

    sha256: str
    said_by: str


def fetch_data(
    *,
    source: str,
    out: Path | None = None,
    sha256: str | None = None,
    max_size: str = "20GB",
    keep_archive: bool = False,
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Fetched:
    """Download a set of the registry, or the file at a URL, verify it and make a corpus artifact of it.

    A file is verified against `sha256`, else the registry's digest, else the one noted in `checksums.toml` when it was
    fetched for the first time (there is nothing to verify that first time against, which is said).

    Args:
        source: a name that `data list` shows, or an http(s) URL.
        out: `$NLPCLI_HOME/data/NAME` if not given, or `data/NAME` without that variable.
        max_size: of a download whose size the registry does not know, e.g. "500MB".
        keep_archive: keep the archive in the artifact beside what was in it.

    Raises:
        UsageError: neither a name nor a URL; more than one file for one `sha256`.
        BadInput: another digest than expected, a hostile or damaged archive, too many bytes; nothing is kept.
        RunFailed: the connection or the disk; what has come is kept for the next try.
    """
    limit = _bytes(max_size)
    if sha256 is not None and not DIGEST.fullmatch(sha256.lower()):
        raise UsageError("--sha256 is not a SHA-256", cause="it has 64 hexadecimal digits", fix="sha256sum FILE")
    name, dataset = _dataset(source, out)
    out = Path(os.path.abspath(out or _home() / "data" / name))
    notes = _notes(out)
    if sha256 and len(dataset.downloads) > 1:
        raise UsageError(
            f"{name} has {len(dataset.downloads)} files and --sha256 is one digest", fix=f"leave it out; or edit {notes}"
        )
    expected = {d.url: _expected(d, sha256, notes) for d in dataset.downloads}
    if not force and (found := _up_to_date(out, expected)):
        return found
    config: dict[str, Any] = {
        "data": name,
        "kind": dataset.kind,
        "src": dataset.src,
        "tgt": dataset.tgt,
        "licence": dataset.licence,
    }
    with artifacts.create(
        out, "corpus", command=COMMAND, config=config, config_source=config_source, force=force, resume=True, keep=True
    ) as draft:
        digests = _fetch_all(draft, dataset, expected, limit, keep_archive)
        config["sha256"] = digests
        draft.manifest.run["vouched_by"] = {url: e.said_by for url, e in expected.items()}
        draft.manifest.inputs = [Input("download", url, f"sha256:{d}", kind="download") for url, d in digests.items()]
        made = draft.publish()
    _note_digests(notes, digests)
    result = _result(made)
    console.info(f"fetch: {name}: {console.size(result.bytes)}, licence: {result.licence}")
    return result


# What to fetch


def _dataset(source: str, out: Path | None) -> tuple[str, Dataset]:
    """Return the set that a name or a URL means; what a URL gives is one download of which everything is kept."""
    known = registry()
    if source in known:
        return source, known[source]
    if "://" not in source:
        close = nearest(source, known)
        raise UsageError(
            f"{source} is neither a set of the registry nor a URL",
            cause=f"the registry has {', '.join(known)}",
            fix=f"did you mean {close}?" if close else "nlpcli data list",
        )
    check_url(source)
    name = out.name if out else Path(unquote(urlsplit(source).path)).name.split(".")[0]
    if not NAME.fullmatch(name):
        raise UsageError(f"{source} does not end in a name for the data", fix="add --out data/NAME")
    return name, Dataset("", "files", "", "", "see the source", source, [Download(source)])


def _home() -> Path:
    return Path(os.environ.get("NLPCLI_HOME") or ".")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
    if not found or found[2] not in SIZES or not float(found[1]):
        raise UsageError(f"--max-size {text} is no size", fix="write --max-size 500MB or --max-size 20GB")
    return int(float(found[1]) * SIZES[found[2]])


# Digests


def _notes(out: Path) -> Path:
    """Return the file that remembers the digests of what was fetched: for the user, or else beside the data."""
    home = os.environ.get("NLPCLI_HOME")
    return (Path(home) if home else out.parent) / CHECKSUMS


def _read_notes(notes: Path) -> dict[str, str]:
    if not notes.exists():
        return {}
    try:
        return msgspec.convert(tomllib.loads(notes.read_text("utf-8")), dict[str, str])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as e:
        raise BadInput(f"{notes} cannot be read", cause=str(e), fix='each line is "URL" = "SHA-256"; mend it') from None


def _note_digests(notes: Path, digests: dict[str, str]) -> None:
    """Remember the digests, so that every later fetch of the same URL is verified against them."""
    known = _read_notes(notes)
    if known | digests != known:
        lines = [f"{json.dumps(url)} = {json.dumps(digest)}\n" for url, digest in sorted((known | digests).items())]
        notes.parent.mkdir(parents=True, exist_ok=True)
        write_text(notes, f"# SHA-256 of what `{COMMAND}` brought; later fetches are verified against it.\n{''.join(lines)}")


def _expected(wanted: Download, given: str | None, notes: Path) -> Expected:
    if given:
        return Expected(given.lower(), "--sha256")
    if wanted.sha256:
        return Expected(wanted.sha256, "registry")
    noted = _read_notes(notes).get(wanted.url, "")
    return Expected(noted, CHECKSUMS) if noted else Expected("", "first use")


def _verify(path: Path, url: str, expected: Expected) -> str:
    digest = file_digest(path)
    if not expected.sha256:
        console.warn(f"nobody has told nlpcli the SHA-256 of {url}; taken on trust: {digest}")
    elif digest != expected.sha256:
        raise BadInput(
            f"{url} is not the file that was expected",
            cause=f"its SHA-256 is {digest}, {expected.said_by} says {expected.sha256}; it has been removed",
            fix=f"fetch it again; if the source says that the file has changed: --sha256 {digest}",
        )
    return digest


# Bringing it in


def _up_to_date(out: Path, expected: dict[str, Expected]) -> Fetched | None:
    """Return what stands at `out` if it was made of the same files, and each of them is one that somebody vouches for."""
    if not artifacts.is_artifact(out):
        return None
    made = artifacts.open_artifact(out)
    if made.manifest.command != COMMAND or made.manifest.config["sha256"] != {url: e.sha256 for url, e in expected.items()}:
        raise OutputExists(
            f"{out} already exists, and was not made of these files",
            fix="add --force to fetch again and replace it, or choose another --out",
        )
    console.info(f"fetch: {out} is up to date")
    return _result(made)


def _fetch_all(draft: Draft, dataset: Dataset, expected: dict[str, Expected], limit: int, keep_archive: bool) -> dict[str, str]:
    """Download, verify and unpack every file of a set into the draft; return the digests by URL."""
    folder = draft.path / DOWNLOADS
    for path in draft.path.iterdir():  # of a try that was killed while it unpacked
        if path.name not in (LOCK, DOWNLOADS):
            remove(path)
    folder.mkdir(exist_ok=True)
    try:
        for wanted in dataset.downloads:
            console.info(f"fetch: {wanted.url}")
            known = wanted.bytes if expected[wanted.url].said_by == "registry" else None
            download(wanted.url, folder / _file_name(wanted.url), known or limit)
    finally:
        with suppress(OSError):  # there is something to go on with
            folder.rmdir()
    with _nothing_kept(draft.path):
        digests = {d.url: _verify(folder / _file_name(d.url), d.url, expected[d.url]) for d in dataset.downloads}
        for wanted in dataset.downloads:
            _take(folder / _file_name(wanted.url), wanted, draft.path, UNPACKED * limit, keep_archive)
    remove(folder)
    for path in sorted(p for p in draft.path.iterdir() if p.is_file() and p.name != LOCK):
        draft.metrics[path.name] = _measured(path)
    return digests


def _file_name(url: str) -> str:
    """Return the last part of a URL as a name for the file on this disk."""
    name = Path(unquote(urlsplit(url).path)).name
    return name if NAME.fullmatch(name) and name not in UNLISTED else "download"


@contextmanager
def _nothing_kept(folder: Path) -> Iterator[None]:
    """Remove what was downloaded if it turns out not to be what it should be."""
    try:
        yield
    except BadInput:
        for path in folder.iterdir():
            if path.name != LOCK:
                remove(path)
        raise


def _take(path: Path, wanted: Download, folder: Path, limit: int, keep_archive: bool) -> None:
    """Move a download, or what is in it, to its place."""
    if not is_archive(path):
        os.replace(path, folder / wanted.files.get(path.name, path.name))
        return
    unpacked = path.with_name(path.name + ".unpacked")
    unpacked.mkdir()
    members = unpack(path, unpacked, limit)
    missing = wanted.files.keys() - {Path(member).name for member in members}
    if missing:
        raise BadInput(
            f"{path.name} has no {' and no '.join(sorted(missing))}",
            cause=f"it holds {len(members)} other files; the set has changed since this nlpcli was made",
            fix=f"give the URL itself to get all of them: {COMMAND} {wanted.url} --out data/NAME",
        )
    for member in members:
        name = Path(member).name
        if wanted.files and name not in wanted.files and not KEPT_ALWAYS.fullmatch(member):
            continue
        place = folder / _free_name(wanted.files.get(name, member))
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unpacked / member, place)
    if keep_archive:
        os.replace(path, folder / path.name)


def _free_name(member: str) -> str:
    """Keep clear of the files that are the artifact's own."""
    return f"source.{member}" if Path(member).parts[0] in (*UNLISTED, DOWNLOADS) else member


def _measured(path: Path) -> dict[str, int]:
    """Count bytes, and lines (at `\\n`) of what is plainly text."""
    measured = {"bytes": path.stat().st_size}
    if path.suffix in (".ko", ".en", ".txt", ".tsv", ".jsonl"):
        with path.open("rb") as f:
            measured["lines"] = sum(piece.count(b"\n") for piece in iter(lambda: f.read(1 << 20), b""))
    return measured


def _result(made: Artifact) -> Fetched:
    config = made.manifest.config
    return Fetched(
        path=made.path,
        id=made.id,
        name=config["data"],
        kind=config["kind"],
        licence=config["licence"],
        sha256=config["sha256"],
        vouched_by=made.manifest.run["vouched_by"],
        bytes=sum(entry.bytes for entry in made.manifest.files),
    )
