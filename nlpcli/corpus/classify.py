"""Labelled text to the files of a corpus: texts and labels line by line, with splits cut by the hash of the text.

The cut is a function of the texts alone: the same whatever the order of the rows, and rows with the same text (in another
case or with other white space, too) stay on one side. Two passes: hashes and classes first, then every row goes to its file.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nlpcli import console
from nlpcli.artifacts import Draft
from nlpcli.corpus.groups import text_hash
from nlpcli.corpus.labelled import Example, Labelled, Part
from nlpcli.corpus.labels import MOST
from nlpcli.errors import BadInput, UsageError, first_five

SPLITS = TRAIN, VALID, TEST = ("train", "valid", "test")
SHARE = 10  # one in so many is set aside for valid
SHOWN = 5  # classes named in a message


@dataclass(frozen=True)
class Column:
    """What one pass over a split leaves of it, a number a row: hashes of texts and numbers of classes.

    `firsts` tells where each class stands first.
    """

    hashes: NDArray[np.uint64]
    classes: NDArray[np.int64]
    firsts: dict[str, str]
    empty: int


def write_classes(found: Labelled, draft: Draft, ending: str, hold_out: int, fold: str | None) -> None:
    """Write `train.txt`, `train.label` and the other splits, cutting valid (with `fold` test too) out of train.

    Args:
        ending: of the files of texts.
        hold_out: texts for valid where there is no such split, a tenth of train at most.
        fold: "K/N": test is part K of N of the only split, valid a tenth of the rest.

    Raises:
        BadInput: see `prepare_data`.
        UsageError: `fold` is no K/N, or the data has a test split.
    """
    part, parts = _fold(fold, found)
    numbers: dict[str, int] = {}
    columns = {name: _column(found, name, numbers) for name in found.splits}
    names = list(numbers)
    _check(found, columns)
    places = {name: np.full(len(column.hashes), SPLITS.index(name), np.int8) for name, column in columns.items()}
    if fold:
        places[TRAIN] = _cut_fold(columns[TRAIN], names, part, parts)
    elif VALID not in columns:
        places[TRAIN] = _cut_valid(found, columns[TRAIN], names, hold_out)
    _write(found, draft, ending, places)
    _report(found, columns, draft, fold)


def _fold(fold: str | None, found: Labelled) -> tuple[int, int]:
    """Read "K/N"."""
    if fold is None:
        return 0, 0
    numbers = re.fullmatch(r"(\d+)/(\d+)", fold)
    part, parts = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if not 1 <= part <= parts or parts < 2:
        raise UsageError(f"--fold {fold} is not K/N", cause="part K of N parts is the test split", fix="such as --fold 1/10")
    if found.splits != [TRAIN]:
        raise UsageError(
            f"--fold {fold} needs data without splits",
            cause=f"{found.root} has {', '.join(found.splits)}",
            fix="leave --fold out, or give the one file that is to be cut",
        )
    return part, parts


def _column(found: Labelled, split: str, numbers: dict[str, int]) -> Column:
    """Read a split once; `numbers` takes in new classes."""
    hashes, classes = array("Q"), array("q")
    firsts: dict[str, str] = {}
    empty = 0
    for part, example in found.examples(split):
        if not example.text.strip():
            empty += 1
            continue
        hashes.append(text_hash(example.text))
        classes.append(numbers.setdefault(example.label, len(numbers)))
        firsts.setdefault(example.label, _place(part, example))
    if empty:
        console.warn(f"data: {split}: left out {empty:,} empty text(s)")
    return Column(_array(hashes, np.uint64), _array(classes, np.int64), firsts, empty)


def _array(numbers: array[int], dtype: Any) -> NDArray[Any]:
    return np.frombuffer(numbers, dtype) if numbers else np.empty(0, dtype)


def _place(part: Part, example: Example) -> str:
    return f"line {example.number} of {part.paths[-1].name}"


def _check(found: Labelled, columns: dict[str, Column]) -> None:
    if TRAIN not in columns:
        raise BadInput(
            f"{found.root} has no train split", cause=f"it has {', '.join(columns)}", fix=f"add train.tsv: ls {found.root}"
        )
    for name, column in columns.items():
        if not len(column.hashes):
            raise BadInput(
                f"{found.root}: the split {name} is empty",
                cause=f"{column.empty:,} empty text(s) were left out" if column.empty else "it has no rows",
                fix="put text into it, or remove it",
            )
    train = columns[TRAIN].firsts
    if len(train) > MOST:
        raise BadInput(
            f"{found.root} has more than {MOST:,} different labels",
            cause=f"{len(train):,} labels for {len(columns[TRAIN].hashes):,} texts are no classes",
            fix="check that --label-column names the right column",
        )
    if len(train) < 2:
        raise BadInput(
            f"{found.root}: one-class data cannot be learnt",
            cause=f"every text of train has the label {next(iter(train))!r}",
            fix="check that --label-column names the right column",
        )
    for name, column in columns.items():
        if unseen := sorted(column.firsts.keys() - train.keys()):
            raise BadInput(
                f"{found.root}: {name} has {'labels' if len(unseen) > 1 else 'a label'} that train does not have: "
                f"{first_five(map(repr, unseen))}",
                cause=f"{unseen[0]!r} stands first in {column.firsts[unseen[0]]}",
                fix="mend the label, or add such texts to train",
            )


def _groups(column: Column, names: Sequence[str]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield by class the different texts, in the order of their hashes; a text of several classes counts for its first."""
    _, first = np.unique(column.hashes, return_index=True)
    classes = column.classes[first]
    by_class = np.argsort(classes, kind="stable")
    ends = np.searchsorted(classes[by_class], np.arange(len(names) + 1))
    for name, begin, end in zip(names, ends, ends[1:]):
        yield name, by_class[begin:end]


def _spread(column: Column, chosen: dict[int, list[NDArray[np.int64]]]) -> NDArray[np.int8]:
    """Return the place of every row, given the different texts that go to valid and test."""
    uniq, inverse = np.unique(column.hashes, return_inverse=True)
    place = np.zeros(len(uniq), np.int8)
    for side, groups in chosen.items():
        place[np.concatenate(groups)] = side
    rows: NDArray[np.int8] = place[inverse]
    return rows


def _cut_fold(column: Column, names: Sequence[str], part: int, parts: int) -> NDArray[np.int8]:
    valid, test = [], []
    for name, group in _groups(column, names):
        if len(group) < 2:
            raise BadInput(
                f"the class {name!r} has one text, which cannot stand in both train and test",
                cause="a fold takes its share of every class",
                fix="remove the class, or get more texts of it",
            )
        of = np.arange(len(group)) % parts
        test.append(group[of == part - 1])
        valid.append(group[of != part - 1][SHARE - 1 :: SHARE])
    if not sum(map(len, valid)) or not sum(map(len, test)):
        raise _too_few("valid and test")
    return _spread(column, {1: valid, 2: test})


def _cut_valid(found: Labelled, column: Column, names: Sequence[str], hold_out: int) -> NDArray[np.int8]:
    groups = [group for _, group in _groups(column, names) if len(group)]
    total = sum(map(len, groups))
    count = max(1, min(hold_out, total // SHARE))
    shares = [count * len(group) / total for group in groups]
    taken = [int(share) for share in shares]
    for i in sorted(range(len(groups)), key=lambda i: taken[i] - shares[i])[: count - sum(taken)]:  # largest remainders
        taken[i] += 1
    valid = [group[: min(take, len(group) - 1)] for group, take in zip(groups, taken)]
    if not sum(map(len, valid)):
        raise _too_few("valid")
    places = _spread(column, {1: valid})
    console.info(f"data: no valid split; {np.count_nonzero(places):,} texts of train were set aside for it")
    return places


def _too_few(what: str) -> BadInput:
    return BadInput(f"too few texts to set some aside for {what}", fix="add texts, or a split of your own: valid.tsv")


def _write(found: Labelled, draft: Draft, ending: str, places: dict[str, NDArray[np.int8]]) -> None:
    """Write every row to the files of its place."""
    labels: dict[str, Counter[str]] = {}
    words: Counter[str] = Counter()
    with ExitStack() as stack:
        files = {
            name: [
                stack.enter_context((draft.path / f"{name}.{end}").open("w", encoding="utf-8", newline="\n"))
                for end in (ending, "label")
            ]
            for side, name in enumerate(SPLITS)
            if any(np.any(of == side) for of in places.values())
        }
        for split, of in places.items():
            rows = (example for _, example in found.examples(split) if example.text.strip())
            for side, example in zip(of.tolist(), rows, strict=True):
                name = SPLITS[side]
                files[name][0].write(example.text + "\n")
                files[name][1].write(example.label + "\n")
                labels.setdefault(name, Counter())[example.label] += 1
                words[name] += len(example.text.split())
    for name in files:
        of_labels = dict(sorted(labels[name].items()))
        draft.metrics[name] = {"rows": labels[name].total(), "words": words[name], "labels": of_labels}


def _report(found: Labelled, columns: dict[str, Column], draft: Draft, fold: str | None) -> None:
    for name, counts in draft.metrics.items():
        most = sorted(counts["labels"].items(), key=lambda item: -item[1])
        listed = ", ".join(f"{label} {count:,}" for label, count in most[:SHOWN])
        more = f" and {len(most) - SHOWN:,} more" if len(most) > SHOWN else ""
        of_fold = f" (fold {fold})" if fold and name == TEST else ""
        console.info(f"data: {name}{of_fold}: {counts['rows']:,} texts in {len(most):,} classes: {listed}{more}")
    for name, column in columns.items():
        shared = int(np.isin(column.hashes, columns[TRAIN].hashes).sum()) if name != TRAIN else 0
        if shared:
            console.warn(f"data: {shared:,} of {len(column.hashes):,} texts of {name} stand in train too ({found.root})")
