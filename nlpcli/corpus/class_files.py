"""Labels that are told by files: by the ending of a file of texts, or line by line in a file beside it."""

from __future__ import annotations

from pathlib import Path

from nlpcli.corpus.names import LANGUAGE, NO_LANGUAGES, SPLIT_NAMES
from nlpcli.corpus.readers import uncompressed

LABEL_FILE = ".label"
LABEL_ENDINGS = (".pos", ".neg", ".neu", ".positive", ".negative", ".neutral")
PLAIN_ENDINGS = (".txt", ".csv", ".tsv", ".text", ".jsonl", "")
NO_TEXT = ("manifest.json", "README.md", "LICENSE", "dropped.jsonl", "skipped.jsonl")


def is_plain(path: Path) -> bool:
    """Tell by its name whether a file may hold lines of text or a table."""
    return uncompressed(path).suffix in PLAIN_ENDINGS and path.name not in NO_TEXT


def class_files(files: list[Path], *, anything: bool = False) -> list[Path]:
    """Return the files whose ending is their lines' label: reviews.pos and reviews.neg; with `anything`, mail.spam too."""
    found = [path for path in files if uncompressed(path).suffix in LABEL_ENDINGS]
    if not found and anything:
        found = [path for path in files if not (is_plain(path) or path.name in NO_TEXT or _is_side(path))]
    return found if len({uncompressed(path).suffix for path in found}) > 1 else []


def label_beside(files: list[Path]) -> dict[str, tuple[Path, Path]]:
    """Return by split the file of texts and the file of their labels, line by line: train.txt and train.label."""
    found = {}
    for path in files:
        split = uncompressed(path).name.removesuffix(LABEL_FILE)
        texts = [p for p in files if p != path and uncompressed(p).stem == split and _is_text(p)]
        if uncompressed(path).name.endswith(LABEL_FILE) and split in SPLIT_NAMES and len(texts) == 1:
            found[SPLIT_NAMES[split]] = (texts[0], path)
    return found


def _is_text(path: Path) -> bool:
    """Tell by its ending whether a file holds plain text: train.txt, train.ko."""
    ending = uncompressed(path).suffix.lstrip(".")
    return ending == "txt" or bool(LANGUAGE.fullmatch(ending) and ending not in NO_LANGUAGES)


def _is_side(path: Path) -> bool:
    """Tell whether a file is a split in one language, whose ending is no class: train.ko."""
    return uncompressed(path).name.split(".")[0] in SPLIT_NAMES and _is_text(path)
