"""Which file is translated to which: patterns, names in a folder, and refusals before anything is written."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import NamedTuple, Sequence

from nlpcli.corpus.readers import COMPRESSED
from nlpcli.errors import BadInput, UsageError, first_five

STREAM = Path("-")  # stdin as an input, stdout as an output


class Pair(NamedTuple):
    """A file and where its translation goes; `-` is stdin, and stdout."""

    source: Path
    target: Path


def pair_outputs(inputs: Sequence[str | Path], out: str | Path | None, src: str, tgt: str) -> list[Pair]:
    """Return each input's output, in the order of the inputs.

    `out` is a file for one input. It is a folder for several, for a pattern (however many files it fits today), if it is
    one, or if it ends with `/`. In a folder a file keeps its name but for the language: see `translated_name`.

    Raises:
        BadInput: no such file; a pattern that no file fits.
        UsageError: two inputs have one output, an output is an input, several inputs go to one file, an input is a folder.
    """
    files = expanded(inputs)
    if out is None or str(out) == "-":
        return [Pair(file, STREAM) for file in files]
    folder = Path(out)
    many = len(files) > 1 or files != [Path(name) for name in inputs]
    if folder.is_dir() or str(out).endswith("/") or many:
        pairs = [Pair(file, folder / translated_name(file, src, tgt)) for file in files]
        _check_folder(pairs, folder)
    else:
        pairs = [Pair(files[0], folder)]
    _check_distinct(pairs)
    return pairs


def expanded(inputs: Sequence[str | Path]) -> list[Path]:
    """Return the files that the inputs name; patterns (`*.ko`) that the shell has left are filled in, in order of name.

    Raises:
        BadInput: there is no such file, or none that fits.
        UsageError: one is a folder; stdin is one of several; there are none.
    """
    files: list[Path] = []
    for name in map(str, inputs):
        if name == "-" or Path(name).exists() or not glob.has_magic(name):
            files.append(Path(name))
            continue
        found = sorted(path for path in map(Path, glob.glob(name, recursive=True)) if path.is_file())
        if not found:
            raise BadInput(f"no file fits {name}", fix=f"ls {Path(name).parent}")
        files += found
    missing = [file for file in files if file != STREAM and not file.exists()]
    if missing:
        raise BadInput(f"there is no file {first_five(missing)}", fix=f"ls {missing[0].parent}")
    for file in files:
        if file.is_dir():
            raise UsageError(f"{file} is a folder", cause="it may hold files in several languages", fix=f"give '{file}/*.ko'")
    if STREAM in files and len(files) > 1:
        raise UsageError("stdin (-) cannot be one of several inputs", fix="translate it alone")
    if not files:
        raise UsageError("there is nothing to translate", fix="give a file, or - for stdin")
    return files


def translated_name(path: Path, src: str, tgt: str) -> str:
    """Return the name of a file's translation: the source language in it becomes the target language, or that is added.

    article.ko.gz → article.en.gz, page.ko.txt → page.en.txt, page.txt → page.en.txt, notes → notes.en; a name that says
    the target language already stays (catalogues: app.de.po, de.po).
    """
    stem, packed = (path.name[: -len(path.suffix)], path.suffix) if path.suffix in COMPRESSED else (path.name, "")
    parts = stem.split(".")
    at = len(parts) - 1 if len(parts) == 1 or parts[-1] in (src, tgt) else len(parts) - 2
    if parts[at] == src:
        parts[at] = tgt
    elif parts[at] != tgt:
        parts.insert(at + 1, tgt)
    return ".".join(parts) + packed


def _check_folder(pairs: list[Pair], folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and there are {len(pairs)} inputs", fix="give a folder as --out")
    if any(pair.source == STREAM for pair in pairs):
        raise UsageError(f"stdin has no name in the folder {folder}", fix=f"add --out {folder}/FILE")


def _check_distinct(pairs: list[Pair]) -> None:
    """Refuse outputs that would overwrite each other or an input; all of them are named."""
    sources: dict[Path, list[str]] = {}
    for pair in pairs:
        sources.setdefault(pair.target.resolve(), []).append(str(pair.source))
    shared = [f"{' and '.join(names)} → {target.name}" for target, names in sources.items() if len(names) > 1]
    if shared:
        raise UsageError(
            "several inputs would have one output", cause="; ".join(shared), fix="translate them to different folders"
        )
    inputs = {pair.source.resolve() for pair in pairs if pair.source != STREAM}
    both = [str(pair.target) for pair in pairs if pair.target.resolve() in inputs]
    if both:
        raise UsageError("an input would be overwritten", cause=", ".join(both), fix="choose another --out")
