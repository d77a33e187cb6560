"""Plain text to the files of a corpus for a language model: every line, blank ones too, with a valid split at the end."""

from __future__ import annotations

from itertools import islice
from typing import Iterator

from nlpcli import console
from nlpcli.artifacts import Draft
from nlpcli.corpus.text import Text
from nlpcli.errors import BadInput

ORDER = ("train", "valid", "test")
SHARE = 0.1  # of the characters, at the end of train, for valid; nanoGPT's share


def write_text(text: Text, draft: Draft, ending: str, encoding: str) -> None:
    """Write the splits line by line; where there is no valid split, the end of train becomes one.

    Raises:
        BadInput: no train split, an empty one, or too few lines to cut.
    """
    text.path("train")
    splits = sorted(text.splits, key=lambda name: (ORDER.index(name.split(".")[0]), name))
    sizes = {name: _size(text, name, encoding) for name in splits}
    if "valid" in splits:
        for name in splits:
            _write(text.lines(name, None, encoding), draft, name, ending)
        return
    kept = _cut(text, sizes["train"], encoding)
    _write(islice(text.lines("train", None, encoding), kept), draft, "train", ending)
    _write(islice(text.lines("train", None, encoding), kept, None), draft, "valid", ending)
    for name in splits[1:]:
        _write(text.lines(name, None, encoding), draft, name, ending)
    console.info(
        f"data: no valid split; the last {draft.metrics['valid']['rows']:,} lines of train, a tenth, were cut off for it"
    )


def _size(text: Text, split: str, encoding: str) -> int:
    """Count a split's characters, line ends included."""
    count, blank = 0, True
    for line in text.lines(split, None, encoding):
        count += len(line) + 1
        blank = blank and not line.strip()
    if blank:
        raise BadInput(
            f"{text.path(split)} is empty", cause=f"the split {split} has no text", fix="put text into it, or remove it"
        )
    return count


def _cut(text: Text, characters: int, encoding: str) -> int:
    """Return how many lines train keeps: as many as fit into nine tenths of the characters."""
    room, kept, count, total = (1 - SHARE) * characters, 0, 0, 0
    for line in text.lines("train", None, encoding):
        total += 1
        count += len(line) + 1
        kept += count <= room
    if not kept:
        raise BadInput(
            f"{text.path('train')} cannot be cut into train and valid",
            cause=f"it has {total:,} line(s), and the first is longer than nine tenths of it",
            fix="add a file valid.txt beside it, or break its lines",
        )
    return kept


def _write(lines: Iterator[str], draft: Draft, split: str, ending: str) -> None:
    rows = words = characters = 0
    with (draft.path / f"{split}.{ending}").open("w", encoding="utf-8", newline="\n") as f:
        for line in lines:
            f.write(line + "\n")
            rows += 1
            words += len(line.split())
            characters += len(line) + 1
    draft.metrics[split] = {"rows": rows, "words": words, "characters": characters}
    console.info(f"data: {split}: {rows:,} lines, {words:,} words, {characters:,} characters")
