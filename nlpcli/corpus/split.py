"""`nlpcli data split`: valid and test cut out of train so that no text of theirs stands in train, on either side.

Rows that share a source or a target text, one with another, are a group and stay together; so do the rows of a document.
Splits that are there already are kept as they are, and what of them stands in train too is taken out of train. Two
passes over the text: hashes first (about 115 bytes a pair at the peak), then every row goes to its file.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft
from nlpcli.corpus.groups import NOTHING, Hashes, group, hash_columns, ranks
from nlpcli.corpus.layouts import Layout, find_layout, split_of
from nlpcli.errors import BadInput, UsageError

COMMAND = "nlpcli data split"
DROPPED = "dropped.jsonl"
TRAIN, VALID, TEST, IN_VALID, IN_TEST = range(5)  # where a row of train goes; the last two to DROPPED
SLACK = 0.1  # of a split's size
PLACES = ("train", "valid", "test", "valid", "test")

OnOverlap = Literal["group", "drop"]
Sides = NDArray[np.int8]  # one a row of train


@dataclass(frozen=True)
class Divided:
    """What `data split` made. Rows a split; rows taken out, by the split that has the same text; the groups of train."""

    path: Path
    id: str
    rows: dict[str, int]
    dropped: dict[str, int]
    groups: int
    largest_group: int


@dataclass(frozen=True)
class Groups:
    """How the rows of train hang together."""

    count: int
    largest: int


def split_data(
    *,
    data: str,
    out: Path,
    valid: str = "1%",
    test: str = "1%",
    src: str | None = None,
    tgt: str | None = None,
    column: str | None = None,
    group_by: str | None = None,
    on_overlap: OnOverlap = "group",
    seed: int = 1,
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Divided:
    """Cut valid and test out of train; the same rows for the same seed, whatever their order in the file.

    Args:
        valid: how many rows, or what share ("2%") of train's; "0" for none. A split that is there already is kept.
        test: likewise.
        column: the column that holds the text of a labelled or monolingual table; its other columns go with it.
        group_by: a column whose equal values keep rows together (a document's name).
        on_overlap: "group" keeps rows that share a text together. "drop" keeps only documents together (without ids: rows
            with the same source) and takes the rows out of train, and of valid, that share a text with test or valid.

    Raises:
        BadInput: no train split, too few rows, or groups so large that nothing can be cut out.
        UsageError: a share or number out of range.
    """
    layout = find_layout(data, src, tgt, column, group_by)
    if "train" not in layout.splits:
        raise BadInput(f"{layout.root} has no train split", cause=f"it has {', '.join(layout.splits)}", fix=f"ls {layout.root}")
    config: dict[str, Any] = {"data": layout.name, "kind": layout.kind, "src": layout.src, "tgt": layout.tgt}
    config |= {"valid": valid, "test": test, "column": column, "group_by": group_by, "on_overlap": on_overlap, "seed": seed}
    wanted = {name: _wanted(name, text) for name, text in (("valid", valid), ("test", test))}
    inputs = layout.inputs(out)
    with artifacts.create(
        out,
        "corpus",
        command=COMMAND,
        config=config,
        config_source=config_source,
        inputs=inputs,
        seed=seed,
        force=force,
    ) as draft:
        kept = _keep_others(layout, draft)
        columns = _hashes(layout, "train")
        sides, groups = _divide(layout, columns, kept, wanted, on_overlap, seed)
        _write_train(layout, sides, kept, draft)
        draft.metrics["train"] |= {"groups": groups.count, "largest_group": groups.largest}
        made = draft.publish()
    result = _result(made)
    _report(result)
    return result


def _wanted(name: str, text: str) -> tuple[float, bool]:
    """Read `500` or `2%`: the number, and whether it is a share."""
    found = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)%", text)
    if not found or (found[2] and float(found[2]) >= 100):
        raise UsageError(f"--{name} {text} is neither a number of rows nor a share", fix=f"write --{name} 500 or --{name} 2%")
    return (float(found[1]), False) if found[1] else (float(found[2]) / 100, True)


def _hashes(layout: Layout, split: str) -> list[Hashes]:
    """Hash the texts and, if there are any, the ids of a split: the columns in which rows can be alike."""
    ids = layout.has_ids
    rows = ((*row.texts, row.id) if ids else row.texts for row in layout.rows(split))
    return hash_columns(rows, layout.texts + ids)


def _keep_others(layout: Layout, draft: Draft) -> dict[str, list[Hashes]]:
    """Copy the splits that are there already, without what of valid stands in test too; return their hashes."""
    names = sorted((name for name in layout.splits if name != "train"), key=lambda name: split_of(name) != "test")
    kept: dict[str, list[Hashes]] = {}
    for name in names:
        columns = _hashes(layout, name)
        sides = np.zeros(len(columns[0]), np.int8)
        if split_of(name) != "test":
            sides[_shares(columns, _texts_of(kept, "test"))] = IN_TEST
        _write(layout, name, sides, {TRAIN: name}, draft)
        kept[name] = [column[sides == TRAIN] for column in columns]
    return kept


def _texts_of(kept: dict[str, list[Hashes]], place: str) -> list[Hashes]:
    """Return the hashes of all splits that belong to valid or to test (test.news too), column by column."""
    found = [columns for name, columns in kept.items() if split_of(name) == place]
    return [np.concatenate(parts) for parts in zip(*found)]


def _shares(columns: list[Hashes], others: list[Hashes]) -> NDArray[np.bool_]:
    """Tell for each row whether it has a text in common with the others."""
    shared = np.zeros(len(columns[0]), np.bool_)
    for column, other in zip(columns, others):
        shared |= np.isin(column, other) & (column != NOTHING)
    return shared


def _divide(
    layout: Layout,
    columns: list[Hashes],
    kept: dict[str, list[Hashes]],
    wanted: dict[str, tuple[float, bool]],
    on_overlap: OnOverlap,
    seed: int,
) -> tuple[Sides, Groups]:
    """Decide where each row of train goes."""
    total = len(columns[0])
    sides = np.zeros(total, np.int8)
    for place, side in (("valid", IN_VALID), ("test", IN_TEST)):
        sides[_shares(columns, _texts_of(kept, place))] = side
    there = {split_of(name) for name in kept}
    for name in sorted(there):
        console.info(f"split: {name} is there already and is kept; --{name} has no effect")
    targets = {
        side: max(1, round(count * total if share else count))
        for (name, (count, share)), side in zip(wanted.items(), (VALID, TEST))
        if name not in there and count
    }
    free = np.flatnonzero(sides == TRAIN)
    if sum(targets.values()) >= len(free):
        raise BadInput(
            f"{layout.root} has too few rows: {len(free):,}, and {sum(targets.values()):,} are asked for",
            fix="lower --valid and --test",
        )
    alike = columns if on_overlap == "group" else [columns[-1] if layout.has_ids else columns[0]]
    alike = [column[free] for column in alike]
    labels = group(alike)
    order, sizes, _ = ranks(alike, labels, seed)
    chosen = _choose(sizes, targets)
    side_of = np.zeros(len(labels), np.int8)
    side_of[order[: len(chosen)]] = chosen
    sides[free] = side_of[labels]
    _check_sizes(layout, sides, targets, sizes, on_overlap)
    if on_overlap == "drop":
        _drop_shared(columns[: layout.texts], sides)
    return sides, Groups(len(np.unique(labels)), int(sizes.max(initial=0)))


def _choose(sizes: NDArray[Any], targets: dict[int, int]) -> list[int]:
    """Give groups, in their random order, to test and then to valid: what brings them nearer to their size, SLACK above it."""
    missing = dict(sorted(targets.items(), reverse=True))
    chosen = []
    for size in sizes.tolist():
        fits = (side for side, left in missing.items() if size < 2 * left and size <= left + SLACK * targets[side])
        side = next(fits, TRAIN)
        chosen.append(side)
        if side != TRAIN:
            missing[side] -= size
        if not any(count > 0 for count in missing.values()):
            break
    return chosen


def _check_sizes(layout: Layout, sides: Sides, targets: dict[int, int], sizes: NDArray[Any], on_overlap: OnOverlap) -> None:
    """Say it where the groups are too large for the sizes that were asked for."""
    for side, target in targets.items():
        got = int(np.count_nonzero(sides == side))
        cause = f"the largest of {len(sizes):,} groups has {int(sizes.max(initial=0)):,} of {len(sides):,} rows"
        mend = "try --on-overlap drop" if on_overlap == "group" else "ask for more, or give data in smaller documents"
        if not got and target:
            raise BadInput(f"{layout.root}: no group of rows fits into {PLACES[side]} ({target:,} rows)", cause=cause, fix=mend)
        if abs(got - target) > SLACK * target:
            console.warn(f"split: {PLACES[side]} has {got:,} rows instead of {target:,}: {cause}; {mend}")


def _drop_shared(texts: list[Hashes], sides: Sides) -> None:
    """Take out of train what stands in valid or test, and out of valid what stands in test."""
    for place, side, below in ((TEST, IN_TEST, (TRAIN, VALID)), (VALID, IN_VALID, (TRAIN,))):
        shared = _shares(texts, [column[sides == place] for column in texts])
        sides[shared & np.isin(sides, below)] = side


def _write_train(layout: Layout, sides: Sides, kept: dict[str, list[Hashes]], draft: Draft) -> None:
    places = {TRAIN: "train"} | {side: PLACES[side] for side in (VALID, TEST) if np.any(sides == side)}
    if not np.any(sides == TRAIN):
        raise BadInput(
            f"{layout.root}: nothing is left of train", cause="every row stands in another split too", fix="get more data"
        )
    _write(layout, "train", sides, places, draft)


def _write(layout: Layout, split: str, sides: Sides, places: dict[int, str], draft: Draft) -> None:
    """Write each row of a split to the files of its place, or to DROPPED with the reason."""
    with ExitStack() as stack:

        def opened(name: str, mode: str = "w") -> IO[str]:
            return stack.enter_context((draft.path / name).open(mode, encoding="utf-8", newline="\n"))

        files = {side: [opened(f"{name}.{ending}") for ending in layout.endings_of(split)] for side, name in places.items()}
        dropped = opened(DROPPED, "a") if np.any(sides >= IN_VALID) else None
        if layout.header:
            for (first,) in files.values():
                first.write(layout.header + "\n")
        for n, row in enumerate(layout.rows(split)):
            side = int(sides[n])
            if side in files:
                for file, line in zip(files[side], row.lines):
                    file.write(line + "\n")
            elif dropped:
                entry = {"split": split, "row": n + 1, "in": PLACES[side], "lines": row.lines}
                dropped.write(msgspec.json.encode(entry).decode() + "\n")
    unit = "pairs" if layout.texts == 2 else "rows"
    for side, name in places.items():
        draft.metrics[name] = {unit: int(np.count_nonzero(sides == side))}
    for side in (IN_VALID, IN_TEST):
        if count := int(np.count_nonzero(sides == side)):
            draft.metrics[split][f"dropped_in_{PLACES[side]}"] = count


def _result(made: Artifact) -> Divided:
    metrics = made.manifest.metrics
    return Divided(
        path=made.path,
        id=made.id,
        rows={name: counts.get("pairs", counts.get("rows")) for name, counts in sorted(metrics.items(), key=_order)},
        dropped={
            place: sum(counts.get(f"dropped_in_{place}", 0) for counts in metrics.values()) for place in ("valid", "test")
        },
        groups=metrics["train"]["groups"],
        largest_group=metrics["train"]["largest_group"],
    )


def _order(item: tuple[str, Any]) -> tuple[int, str]:
    return PLACES.index(split_of(item[0])), item[0]


def _report(result: Divided) -> None:
    rows = ", ".join(f"{name} {count:,}" for name, count in result.rows.items())
    console.info(f"split: {rows}; {result.groups:,} groups, the largest of {result.largest_group:,} rows")
    if any(result.dropped.values()):
        counts = ", ".join(f"{count:,} for {place}" for place, count in result.dropped.items() if count)
        console.warn(f"split: rows that share a text with a held-out split were taken out ({counts}); they are in {DROPPED}")
