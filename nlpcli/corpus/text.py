"""Text in one language: lines of a file, a column of a table, one side of a parallel corpus, or a folder of splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import msgspec

from nlpcli import artifacts
from nlpcli.artifacts import Input
from nlpcli.corpus.kinds import split_of
from nlpcli.corpus.names import FORMATS, LANGUAGE, NO_LANGUAGES, SPLIT_NAMES, find_splits, resolve
from nlpcli.corpus.readers import UTF8, Skipped, read_lines, uncompressed
from nlpcli.corpus.tables import read_records
from nlpcli.errors import BadInput, UsageError

PLAIN = ".txt"


@dataclass(frozen=True)
class Text:
    """Text in one language as found on disk; nothing of it has been read yet.

    `column` names (or numbers, from 1) the column when the files are tables; `language` is "" if nobody said it.
    """

    name: str
    root: Path
    language: str
    column: str | None
    splits: dict[str, Path]

    def lines(self, split: str, skipped: Skipped | None = None, encoding: str = UTF8) -> Iterator[str]:
        """Yield the lines of a split.

        Raises:
            BadInput: the text has no such split, or a line cannot be read (see `read_lines`).
        """
        path = self.path(split)
        if self.column is None:
            yield from read_lines(path, skipped, encoding)
            return
        for (text,) in read_records(path, (self.column,), skipped, encoding):
            yield text

    def path(self, split: str) -> Path:
        """Return the file of a split."""
        if split not in self.splits:
            raise BadInput(
                f"{self.root} has no split {split}",
                cause=f"it has {', '.join(self.splits)}",
                fix=f"add {split}.txt to the folder, or choose another split",
            )
        return self.splits[split]

    def inputs(self, splits: list[str], out: Path) -> list[Input]:
        """Return the files as lineage entries of the artifact that will stand at `out`."""
        if artifacts.is_artifact(self.root):
            return [artifacts.open_artifact(self.root, "corpus").as_input("data", out)]
        paths = sorted({self.splits[name] for name in splits})
        return [artifacts.text_input(path.name, path, out) for path in paths]


def find_text(data: str | Path, language: str | None = None, column: str | None = None) -> Text:
    """Resolve `--data` to text in one language.

    Accepted are a file of lines (`reviews.txt`, also `.gz .xz .zst`), a table with `column` (TSV or JSON Lines; for a
    column the ending need not be `.tsv`), a folder or a corpus artifact with `train.txt valid.txt test.txt` or
    `train.ko …` and `language`, and names as for parallel data.

    Raises:
        BadInput: nothing found.
        UsageError: several languages, or a table without a column.
    """
    root = resolve(data)
    if root.is_file():
        plain = uncompressed(root)
        column = column or _only_column(root, language)
        return Text(plain.stem, root, language or _ending(plain), column, {"train": root})
    found = find_splits(sorted(root.iterdir()), alone=False)
    languages = sorted({name for sides in found.values() for name in sides if name})
    texts = {path for path in root.iterdir() if uncompressed(path).suffix == PLAIN and path.is_file()}
    if texts and language not in languages:
        named = _by_split(sorted(texts))
        splits = {name: named[name] for name in SPLIT_NAMES.values() if name in named}
        if not splits and len(texts) == 1:
            splits = {"train": texts.pop()}
        if splits:
            return Text(root.resolve().name, root, language or "", column, splits)
    if not language and len(languages) > 1:
        raise UsageError(
            f"{root} holds text in {' and '.join(languages)}", fix=f"add --lang {languages[0]} or --lang {languages[1]}"
        )
    language = language or (languages[0] if languages else "")
    splits = {split: sides[language] for split, sides in found.items() if language and language in sides}
    if not splits:
        raise BadInput(
            f"{root} has no text{f' in {language}' if language else ''}",
            cause="expected files such as train.txt, or train.ko with --lang ko",
            fix=f"give one of its files: ls {root}",
        )
    return Text(root.resolve().name, root, language, None, splits)


def _by_split(texts: list[Path]) -> dict[str, Path]:
    """Return the files that are called after a split, or else those with a split in their name (ptb.train.txt)."""
    exact = {SPLIT_NAMES.get(uncompressed(path).stem, ""): path for path in texts}
    if exact.keys() != {""}:
        return exact
    spoken = [split_of(path) for path in texts]
    return {split: path for split, path in zip(spoken, texts) if spoken.count(split) == 1}


def _ending(plain: Path) -> str:
    """Return the language that a file's ending names: ko for train.ko."""
    ending = plain.suffix.lstrip(".")
    return ending if LANGUAGE.fullmatch(ending) and ending not in NO_LANGUAGES else ""


def _only_column(path: Path, language: str | None) -> str | None:
    """Return the column of a table that holds the text when its name leaves no doubt: `text` or the language."""
    suffix = uncompressed(path).suffix
    if suffix not in FORMATS:
        return None
    first = next(read_lines(path), "")
    try:
        names = first.split("\t") if suffix == ".tsv" else list(msgspec.json.decode(first, type=dict[str, object]))
    except msgspec.DecodeError:
        names = []
    for name in (language, "text"):
        if name and name in names:
            return name
    raise UsageError(
        f"{path} is a table; which column holds the text?",
        cause=f"its columns are {', '.join(names)}" if names else "",
        fix=f"add --column {names[0] if names else 'text'}",
    )
