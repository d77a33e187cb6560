"""What data is for: translation, a language model or classification, as its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from nlpcli import console
from nlpcli.artifacts import is_artifact, read_artifact
from nlpcli.corpus.kinds import TEXT_COLUMNS, first_record
from nlpcli.corpus.labelled import looks_labelled
from nlpcli.corpus.names import find_splits, pairs_in
from nlpcli.corpus.readers import uncompressed
from nlpcli.errors import UsageError

Task = Literal["translation", "lm", "classify"]
CorpusTask = Literal["auto", "translation", "lm", "classify"]

SAID = {"translation": "pairs for translation", "lm": "text for a language model", "classify": "texts with labels"}
USES: dict[str, tuple[str, ...]] = {
    "translation": ("src", "tgt"),
    "lm": ("lang", "column", "encoding"),
    "classify": ("lang", "column", "text-column", "label-column", "encoding", "fold"),
}


def find_task(
    root: Path,
    task: CorpusTask,
    src: str | None,
    tgt: str | None,
    lang: str | None,
    column: str | None,
    label_column: str | None,
    fold: str | None,
    encoding: str,
) -> Task:
    """Tell what data is for: as it is said, as the options need it, or as its files show it."""
    if task != "auto":
        return task
    if src or tgt:
        return "translation"
    if label_column or fold:
        return "classify"
    made = read_artifact(root, "corpus").manifest.config if is_artifact(root) else {}
    if made.get("task"):
        found: Task = made["task"]
        return found
    one = bool(lang or column)
    if not one and (made.get("src") or _is_pair(root)):
        return "translation"
    if looks_labelled(root, encoding):
        found = "classify"
    elif one or not _is_table(root):
        found = "lm"
    else:
        return "translation"
    console.info(f"data: taken as {SAID[found]} (--task says otherwise)")
    return found


def refuse_unused(task: Task, given: dict[str, Any]) -> None:
    """Refuse options that have no effect on this task, by name.

    Raises:
        UsageError: there is one.
    """
    for option, value in given.items():
        if value is not None and option not in USES[task]:
            others = " or ".join(f"--task {name}" for name, options in USES.items() if option in options)
            raise UsageError(
                f"--{option} {value} has no effect on {SAID[task]}",
                cause=f"the data is taken for --task {task}",
                fix=f"leave it out, or say {others}",
            )


def _is_pair(root: Path) -> bool:
    """Tell whether there are two languages: in the endings of files, or one there and both in the name, or in a table."""
    files = [root] if root.is_file() else sorted(root.iterdir())
    found = find_splits(files, alone=root.is_file())
    languages = [{language for language in sides if language} for sides in found.values()]
    name = uncompressed(root).stem if root.is_file() else root.resolve().name
    named = pairs_in(name)
    if any(len(sides) > 1 for sides in languages) or any(sides & {*pair} for sides in languages for pair in named):
        return True
    tables = [sides[""] for sides in found.values() if "" in sides]
    return any({*pair} <= first_record(path).keys() for path in tables for pair in named)


def _is_table(root: Path) -> bool:
    """Tell whether there are tables, none of which has a column that is known to hold the text of a language model."""
    files = [root] if root.is_file() else sorted(root.iterdir())
    tables = [sides[""] for sides in find_splits(files, alone=root.is_file()).values() if "" in sides]
    return bool(tables) and not any(name in TEXT_COLUMNS for path in tables for name in first_record(path))
