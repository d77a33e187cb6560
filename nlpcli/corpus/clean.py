"""`nlpcli data clean`: the rules of `data check` as filters. What can be mended is mended; what is dropped is written down.

Two passes: the first finds repeated rows, leaks and the corpus's usual length ratio; the second mends, drops and writes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, Input
from nlpcli.corpus.check import count_lines
from nlpcli.corpus.decode import Recoding, find_recodings
from nlpcli.corpus.duplicates import REPEATED, SHARED, SHARED_SRC, SHARED_TGT, Fingerprints
from nlpcli.corpus.examine import Examination, Examined
from nlpcli.corpus.kinds import Kind, Material, Part, find_material
from nlpcli.corpus.ratio import Limits, Ratios, ratio_bins
from nlpcli.corpus.readers import read_lines
from nlpcli.corpus.rules import RULES, Action, actions
from nlpcli.corpus.writers import open_writer
from nlpcli.errors import BadInput

COMMAND = "nlpcli data clean"
DROPPED = "dropped.jsonl"
HELD_OUT = ("valid", "test")  # only mended: a score must stay comparable


@dataclass(frozen=True)
class Cleaned:
    """What `data clean` made. `splits` holds for each split `read`, `kept`, `dropped` and the counts by rule."""

    path: Path
    id: str
    kind: Kind
    splits: dict[str, dict[str, Any]]


def clean_data(
    *,
    data: str,
    out: Path,
    kind: Kind | None = None,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    encoding: str | None = None,
    keep: list[str] | tuple[str, ...] = (),
    drop: list[str] | tuple[str, ...] = (),
    max_chars: int = 2000,
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> Cleaned:
    """Make a corpus artifact of what is good in a corpus; see `check_data` for the kinds and options.

    Rows are dropped from the training split alone (valid and test lose only what cannot be read). Each dropped row stands
    in `dropped.jsonl` with the rules it broke, so that kept + dropped = read.

    Args:
        encoding: of files that are not UTF-8 (cp949, cp1252, …), to recode them.
        keep: rules to leave alone.
        drop: rules to drop rows by, where they would be mended or left alone.

    Raises:
        BadInput: sides of unequal length, or nothing left of the training split.
        UsageError: a rule or an encoding that does not exist.
    """
    material = find_material(data, kind, src, tgt, lang, column)
    chosen = actions(material.kind, list(keep), list(drop))
    src, tgt = material.sides if len(material.sides) == 2 else ("", "")
    config: dict[str, Any] = {"data": material.name, "kind": material.kind, "src": src, "tgt": tgt}
    if material.kind == "labelled" and material.parts[0].columns:
        config |= {"column": material.parts[0].columns[0]}
    config |= {"lang": lang, "encoding": encoding, "keep": sorted(keep), "drop": sorted(drop), "max_chars": max_chars}
    inputs = _inputs(material, out)
    for left_out in material.left_out:
        console.info(f"data: left out {left_out}")
    with artifacts.create(
        out, "corpus", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force
    ) as draft:
        _Clean(material, chosen, max_chars, find_recodings(material.paths, encoding), draft).run()
        return _result(draft.publish())


class _Clean:
    """Both passes over all splits."""

    def __init__(
        self,
        material: Material,
        chosen: dict[str, Action],
        max_chars: int,
        recodings: dict[Path, Recoding],
        draft: Draft,
    ) -> None:
        self.material = material
        self.chosen = chosen
        self.max_chars = max_chars
        self.recodings = recodings
        self.draft = draft
        self.ratios = Ratios()
        self.limits: Limits | None = None
        self.leaks = _leaks(len(material.sides), chosen)

    def run(self) -> None:
        splits, labelled = self.material.splits, self.material.kind == "labelled"
        rows: dict[str, int] = {}
        with (
            Fingerprints(splits, len(self.material.sides), labelled) as fingerprints,
            console.Progress("read", None, "rows") as progress,
        ):
            for split in splits:
                examination = self._examination(split)
                for examined in examination.blocks():
                    bad, _ = self._judge(split, examined)
                    wanted = examined.whole & ~bad  # what goes anyway is no first of its like
                    fingerprints.add(split, examined.first, examined.stripped, wanted, examined.labels)
                    if len(examined.lengths) == 2:
                        self.ratios.add(split, ratio_bins(*examined.lengths))
                    progress.update(sum(rows.values()) + examined.first + len(bad))
                rows[split] = examination.rows
                _refuse_unequal(examination)
            fingerprints.compare()
            self.limits = self.ratios.limits()
            with (
                (self.draft.path / DROPPED).open("wb") as dropped,
                console.Progress("clean", sum(rows.values()), "rows") as bar,
            ):
                for i, split in enumerate(splits):
                    done = sum(list(rows.values())[:i])
                    self.draft.metrics[split] = self._write(split, fingerprints, rows[split], dropped, bar, done)

    def _examination(self, split: str) -> Examination:
        kept = [rule for rule, action in self.chosen.items() if action == "keep"]
        return Examination(self.material, split, self.max_chars, kept, self.recodings)

    def _judge(self, split: str, examined: Examined) -> tuple[NDArray[np.bool_], dict[int, list[str]]]:
        """Return which rows go by what they are themselves, and the rules that each of them broke."""
        bad = np.zeros(len(examined.block), np.bool_)
        why: dict[int, list[str]] = {}
        for rule, spots in examined.spots.items():
            if rule in RULES and self.chosen[rule] == "drop":
                for row, _ in spots:
                    if not _held_out(split) or row in examined.block.unread:
                        bad[row] = True
                        rules = why.setdefault(row, [])
                        rules += [rule] if rule not in rules else []
        assert bad[list(examined.block.unread)].all(), "a row that cannot be read would be kept, without its text"
        return bad, why

    def _judge_among_others(
        self, split: str, examined: Examined, flags: NDArray[np.uint8], bad: NDArray[np.bool_], why: dict[int, list[str]]
    ) -> None:
        """Add the rows that go because of others: repeated, shared with a held-out split, out of proportion."""
        if _held_out(split):
            return
        hits: dict[str, NDArray[Any]] = {rule: flags & flag for rule, flag in self.leaks.items()}
        if self.chosen["duplicate"] == "drop":
            hits["duplicate"] = flags & REPEATED
        if self.limits and self.chosen["ratio"] == "drop":
            hits["ratio"] = self.limits.outside(ratio_bins(*examined.lengths))
        for rule, hit in hits.items():
            for row in np.flatnonzero(hit).tolist():
                bad[row] = True
                why.setdefault(row, []).append(rule)

    def _write(
        self, split: str, fingerprints: Fingerprints, rows: int, dropped: Any, bar: console.Progress, done: int
    ) -> dict[str, Any]:
        """Write one split, and return its counts."""
        counts = {"read": rows, "kept": 0, "dropped": 0}
        by_rule: Counter[str] = Counter()
        mended: Counter[str] = Counter()
        take = fingerprints.flags_in_turn(split, rows)
        with ExitStack() as stack:
            writers: dict[Part, Any] = {}
            domains = self._domains(split, rows, stack)
            for examined in self._examination(split).blocks():
                part = examined.block.part
                if part not in writers:
                    writers[part] = stack.enter_context(open_writer(self.draft.path, self.material, part))
                bad, why = self._judge(split, examined)
                self._judge_among_others(split, examined, take(len(bad)), bad, why)
                kept = np.flatnonzero(~bad).tolist()
                writers[part](examined, kept)
                domains(~bad)
                counts["kept"] += len(kept)
                counts["dropped"] += len(why)
                for row in sorted(why):
                    by_rule.update(why[row])
                    dropped.write(msgspec.json.encode(_entry(split, self.material, examined, row, why[row])) + b"\n")
                for rule, spots in examined.spots.items():
                    if rule == "recoded" or self.chosen[rule] == "mend":
                        mended[rule] += sum(not bad[row] for row, _ in spots)
                bar.update(done + examined.first + len(bad))
        assert counts["kept"] + counts["dropped"] == counts["read"], f"{split}: {counts}"
        if not counts["kept"] and split == "train":
            raise BadInput(
                f"{self.material.root}: nothing is left of the training split",
                cause=f"{rows:,} rows, dropped by {', '.join(by_rule) or 'no rule'}",
                fix=f"nlpcli data check --data {self.material.root}; --keep RULE leaves a rule alone",
            )
        _tell(split, counts, by_rule, mended)
        return {**counts, "dropped_by": dict(by_rule.most_common()), "mended": dict((+mended).most_common())}

    def _domains(self, split: str, rows: int, stack: ExitStack) -> Any:
        """Return a function that keeps a split's next domains (`test.domain`, one name a line) aligned with its rows."""
        part = next(part for part in self.material.parts if part.split == split)
        path = part.paths[0].with_name(f"{split}.domain")
        if self.material.kind != "parallel" or not path.is_file():
            return lambda kept: None
        if (count := count_lines(path)) != rows:
            raise BadInput(
                f"{path} has {count:,} lines for {rows:,} pairs",
                cause="it names the domain of each pair, one a line",
                fix=f"wc -l {path} {part.paths[0]}",
            )
        names = read_lines(path)
        out = stack.enter_context((self.draft.path / path.name).open("w", encoding="utf-8", newline="\n"))

        def write(kept: NDArray[np.bool_]) -> None:
            out.writelines(name + "\n" for keep, name in zip(kept.tolist(), names) if keep)

        return write


def _held_out(split: str) -> bool:
    return split.partition(".")[0] in HELD_OUT


def _leaks(sides: int, chosen: dict[str, Action]) -> dict[str, int]:
    """Return the flag of each rule that drops what train shares with other splits."""
    flags = {"leak": SHARED if sides == 2 else SHARED_SRC}
    if sides == 2:
        flags |= {"leak-src": SHARED_SRC, "leak-tgt": SHARED_TGT}
    return {rule: flag for rule, flag in flags.items() if chosen[rule] == "drop"}


def _entry(split: str, material: Material, examined: Examined, row: int, rules: list[str]) -> dict[str, Any]:
    block = examined.block
    names = ("src", "tgt") if len(material.sides) == 2 else ("text",)
    texts = block.unread.get(row) or [side[row] for side in block.sides]
    texts_by_name = dict(zip(names, texts)) if len(texts) == len(names) else {"raw": texts[0]}
    label = {"label": block.labels[row]} if block.labels is not None and row not in block.unread else {}
    place = {"split": split, "file": block.part.paths[0].name, "line": block.numbers[row], "rules": rules}
    return {**place, **texts_by_name, **label}


def _refuse_unequal(examination: Examination) -> None:
    for reader in examination.readers:
        if reader.unequal:
            paths = [str(path) for path in reader.part.paths]
            raise BadInput(
                " and ".join(f"{path} has {count:,} lines" for path, count in zip(paths, reader.counts)),
                cause="line n of one file must be the translation of line n of the other",
                fix=f"wc -l {' '.join(paths)}; look for a line lost or split, and align the files again",
            )


def _inputs(material: Material, out: Path) -> list[Input]:
    if artifacts.is_artifact(material.root):
        return [artifacts.open_artifact(material.root, "corpus").as_input("data", out)]
    domains = {part.paths[0].with_name(f"{part.split}.domain") for part in material.parts}
    return [artifacts.text_input(path.name, path, out) for path in [*material.paths, *_existing(domains)]]


def _existing(paths: set[Path]) -> Iterator[Path]:
    yield from sorted(path for path in paths if path.is_file())


def _tell(split: str, counts: dict[str, int], dropped: Counter[str], mended: Counter[str]) -> None:
    told = [f"{split}: {counts['kept']:,} of {counts['read']:,} rows kept"]
    for word, by_rule in (("dropped", dropped), ("mended", +mended)):
        if by_rule:
            told.append(f"{word} {', '.join(f'{count:,} {rule}' for rule, count in by_rule.most_common())}")
    console.info("clean: " + "; ".join(told))


def _result(artifact: Artifact) -> Cleaned:
    m = artifact.manifest
    return Cleaned(artifact.path, m.id, m.config["kind"], m.metrics)
