"""Files of human judgement: pairs of words with a score, and analogies in sections."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nlpcli.corpus.readers import numbered_lines
from nlpcli.errors import BadInput

SECTION = ":"
COMMENT = "#"
DELIMITERS = "\t,;"

Item = TypeVar("Item")


@dataclass(frozen=True)
class Judgement:
    """How similar people find two words, on any scale."""

    a: str
    b: str
    score: float


@dataclass(frozen=True)
class Question:
    """`words` a b c d: b is to a as d is to c."""

    section: str
    words: tuple[str, str, str, str]


def read_similarities(path: Path) -> list[Judgement]:
    """Read `word, word, score` lines, between tabs, commas, semicolons or blanks; a first line without a number is a header.

    Further columns are left alone, as are empty lines and those that begin with `#`.

    Raises:
        BadInput: a line is something else (its number is given), or there is none.
    """
    judgements: list[Judgement] = []
    first = True
    for number, line in numbered_lines(path):
        if not line.strip() or line.startswith(COMMENT):
            continue
        cells = _cells(line)
        score = _number(cells[2]) if len(cells) > 2 and cells[0] and cells[1] else None
        if score is not None:
            judgements.append(Judgement(cells[0], cells[1], score))
        elif not first:
            raise BadInput(
                f"{path}: line {number} is not two words and a score",
                cause=f"it reads: {line[:80]}",
                fix="mend or remove the line",
            )
        first = False
    return _not_empty(judgements, path)


def read_questions(path: Path) -> list[Question]:
    """Read analogies, four words a line between blanks, under lines such as `: capital-country`.

    Raises:
        BadInput: a line has not four words (its number is given), or there is none.
    """
    questions: list[Question] = []
    section = ""
    for number, line in numbered_lines(path):
        words = line.split()
        if line.startswith(SECTION):
            section = line.removeprefix(SECTION).strip()
        elif len(words) == 4:
            questions.append(Question(section, (words[0], words[1], words[2], words[3])))
        elif words:
            raise BadInput(f"{path}: line {number} has {len(words)} words, not 4", fix="mend or remove the line")
    return _not_empty(questions, path)


def _cells(line: str) -> list[str]:
    delimiter = next((d for d in DELIMITERS if d in line), None)
    cells = line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter))
    return [cell.strip() for cell in cells]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither infinite nor nan


def _not_empty(items: list[Item], path: Path) -> list[Item]:
    if not items:
        raise BadInput(f"{path} holds no judgements", fix=f"head {path}")
    return items
