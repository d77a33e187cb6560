"""`nlpcli data check`: one pass over a corpus, and a finding for each rule that is broken in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import numpy as np

from nlpcli import console
from nlpcli.corpus.blocks import Block, Reader
from nlpcli.corpus.decode import raw_blocks
from nlpcli.corpus.duplicates import CONFLICT, REPEATED, SHARED, SHARED_SRC, SHARED_TGT, Fingerprints
from nlpcli.corpus.examine import Examination, Examined
from nlpcli.corpus.findings import Finding, Findings, Place, excerpt
from nlpcli.corpus.kinds import Kind, Material, find_material
from nlpcli.corpus.labels import LabelCounts
from nlpcli.corpus.ratio import BINS, Limits, Ratios, ratio_bins

PLACES = 5  # line numbers given with a finding
UNITS = {"parallel": "pairs", "documents": "segment pairs", "labelled": "rows", "monolingual": "lines"}


@dataclass(frozen=True)
class Checked:
    """What `data check` found: the rows of each split (pairs, labelled texts or lines), and one finding a broken rule."""

    name: str
    kind: Kind
    languages: list[str]
    rows: dict[str, int]
    left_out: list[str]
    findings: list[Finding]
    problems: int
    notes: int
    failed: bool


def check_data(
    *,
    data: str,
    kind: Kind | None = None,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    max_chars: int = 2000,
    examples: int = 3,
    strict: bool = False,
) -> Checked:
    """Report what is wrong with a parallel, labelled or monolingual corpus or with aligned documents.

    Args:
        kind: what `data` holds, when its files leave a doubt.
        lang: the language of labelled or monolingual text; without it nothing is said about scripts.
        column: of a table's text.
        strict: whether a problem (see `Rule.severity`) makes the result `failed`.

    Raises:
        BadInput: nothing found, or a file cannot be opened or unpacked. Text that is broken is a finding, not an error.
    """
    material = find_material(data, kind, src, tgt, lang, column)
    console.info(f"data: {material.root} holds {material.kind} text; splits: {', '.join(material.splits)}")
    for left_out in material.left_out:
        console.info(f"data: left out {left_out}")
    check = _Check(material, max_chars, examples)
    check.read()
    found = check.findings.all(material.kind, check.rows)
    problems = sum(finding.severity == "problem" for finding in found)
    return Checked(
        material.name,
        material.kind,
        [language for language in material.languages if language],
        check.rows,
        list(material.left_out),
        found,
        problems,
        len(found) - problems,
        failed=strict and problems > 0,
    )


class _Check:
    """The one pass, and what is gathered on the way."""

    def __init__(self, material: Material, max_chars: int, examples: int) -> None:
        self.material = material
        self.max_chars = max_chars
        self.findings = Findings(PLACES, examples)
        self.rows: dict[str, int] = {}
        self.ratios = Ratios()
        self.far: dict[int, list[tuple[str, Place]]] = {}  # the first pairs of each length ratio
        self.far_places = np.zeros(BINS, np.int64)
        self.labels = LabelCounts()

    def read(self) -> None:
        labelled = self.material.kind == "labelled"
        with (
            Fingerprints(self.material.splits, len(self.material.sides), labelled) as fingerprints,
            console.Progress("check", None, "rows") as progress,
        ):
            for split in self.material.splits:
                examination = Examination(self.material, split, self.max_chars)
                for examined in examination.blocks():
                    self._take(split, examined)
                    fingerprints.add(split, examined.first, examined.stripped, examined.whole, examined.labels)
                    progress.update(sum(self.rows.values()) + examined.first + len(examined.block))
                self.rows[split] = examination.rows
                for reader in examination.readers:
                    self._take_file(split, reader)
            fingerprints.compare()
            self._compare(fingerprints)
        self._find_far()
        for rule, split, place, count in self.labels.oddities():
            self.findings.add(rule, split, place.file, count, [place])

    def _take(self, split: str, examined: Examined) -> None:
        for rule, spots in examined.spots.items():
            for side in sorted({side for _, side in spots}):
                rows = [row for row, at in spots if at == side]
                needed = rows[: self.findings.needed(rule)]
                places = [place(examined.block, row, side, examined.texts, rule) for row in needed]
                self.findings.add(rule, split, _file(examined.block, side), len(rows), places)
        if len(examined.texts) == 2:
            bins = ratio_bins(*examined.lengths)
            self.ratios.add(split, bins)
            for row in np.flatnonzero((bins >= 0) & (self.far_places[bins] < PLACES)).tolist():
                known = self.far.setdefault(int(bins[row]), [])
                if len(known) < PLACES:
                    known.append((split, place(examined.block, row, 0, examined.texts, "ratio")))
                    self.far_places[bins[row]] += 1
        if examined.labels is not None:
            self.labels.add(split, examined)

    def _take_file(self, split: str, reader: Reader) -> None:
        """Report what concerns files as a whole: sides of unequal length, domains, and the encoding of what is not UTF-8."""
        part = reader.part
        for path, decoder in zip(part.paths, reader.decoders):
            if decoder.guess:
                self.findings.explain("not-utf8", f"{path.name} is probably {decoder.guess}")
        if reader.unequal:
            lines = [f"{path.name} has {count:,} lines" for path, count in zip(part.paths, reader.counts)]
            count = max(reader.counts) - min(reader.counts)
            self.findings.add("unequal", split, part.paths[0].name, count, [Place(part.paths[0].name, 0, ", ".join(lines))])
        domains = part.paths[0].with_name(f"{split}.domain")
        if self.material.kind == "parallel" and domains.is_file():
            count, pairs = count_lines(domains), reader.counts[0]
            if count != pairs:
                example = f"{domains.name} has {count:,} lines for {pairs:,} pairs"
                self.findings.add("domain", split, domains.name, abs(count - pairs), [Place(domains.name, 0, example)])

    def _compare(self, fingerprints: Fingerprints) -> None:
        pairs = len(self.material.sides) == 2
        shared = SHARED if pairs else SHARED_SRC
        for split, rows in self.rows.items():
            wanted: dict[str, list[int]] = {}
            counts: Counter[str] = Counter()
            for first, flags in fingerprints.flags(split, rows):
                alone = np.where(flags & SHARED, 0, flags) if pairs and split != "train" else np.zeros(1, np.uint8)
                leaks = flags & shared if split != "train" else np.zeros(1, np.uint8)
                for rule, hits in (
                    ("duplicate", flags & REPEATED),
                    ("leak", leaks),
                    ("leak-src", alone & SHARED_SRC),
                    ("leak-tgt", alone & SHARED_TGT),
                    ("label-conflict", flags & CONFLICT),
                ):
                    found = np.flatnonzero(hits)
                    counts[rule] += len(found)
                    needed = self.findings.needed(rule) - len(wanted.setdefault(rule, []))
                    wanted[rule] += (found[:needed] + first).tolist()
            places = self._look_up(split, {row for rows in wanted.values() for row in rows})
            for rule, count in counts.items():
                found_places = [places[row] for row in wanted[rule]]
                if count:
                    self.findings.add(rule, split, found_places[0].file if found_places else split, count, found_places)

    def _look_up(self, split: str, rows: set[int]) -> dict[int, Place]:
        """Read a split again, as far as the last of some rows, to show their texts."""
        places: dict[int, Place] = {}
        first = 0
        for part in self.material.parts:
            if part.split != split:
                continue
            for block in Reader(part).blocks():
                for row in sorted(row for row in rows if first <= row < first + len(block)):
                    places[row] = place(block, row - first, 0, block.sides, "duplicate")
                first += len(block)
                if len(places) == len(rows):
                    return places
        return places

    def _find_far(self) -> None:
        limits = self.ratios.limits()
        if limits is None:
            return
        outside = limits.outside(np.arange(BINS))
        order = {split: number for number, split in enumerate(self.rows)}
        far = [found for number, places in self.far.items() if outside[number] for found in places]
        far.sort(key=lambda found: (order[found[0]], found[1].line))
        for split, counts in self.ratios.by_split.items():
            here = [found for name, found in far if name == split]
            if count := int(counts[outside].sum()):
                self.findings.add("ratio", split, here[0].file if here else split, count, here)
        self.findings.explain("ratio", _usual(self.material, limits))


def count_lines(path: Path) -> int:
    """Count a file's lines, be they text or not."""
    counts = [0]
    for _ in raw_blocks([path], counts):
        pass
    return counts[0]


def place(block: Block, row: int, side: int, texts: list[list[str]], rule: str) -> Place:
    """Return where a row stands, and the part of it that a rule is about."""
    original = block.unread.get(row) or [column[row] for column in block.sides]
    if len(original) <= side:
        side = 0
    if rule in ("copied", "ratio", "one-sided", "duplicate", "label-spaces", "label-empty"):
        shown = [excerpt(text, 0) for text in original] + ([repr(block.labels[row])] if block.labels else [])
        example = " | ".join(shown)
    else:
        example = excerpt(original[side], _difference(original[side], texts[side][row]) if row not in block.unread else 0)
    return Place(_file(block, side), block.numbers[row], example)


def _difference(one: str, other: str) -> int:
    """Return where two texts begin to differ."""
    if one == other:
        return max(one.find("\ufffd"), 0)
    return next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def _file(block: Block, side: int) -> str:
    paths = block.part.paths
    return paths[side if len(paths) > 1 else 0].name


def _usual(material: Material, limits: Limits) -> str:
    return f"{material.sides[1]} usually has {limits.median:.2f} characters for one of {material.sides[0]}"


def summary(checked: Checked) -> str:
    """Say in one line what was checked and what came out."""
    splits = ", ".join(f"{split} {rows:,}" for split, rows in checked.rows.items())
    languages = f" {'-'.join(checked.languages)}" if checked.languages else ""
    verdict = _verdict(checked.problems, checked.notes)
    return f"{checked.name}: {checked.kind}{languages}, {UNITS[checked.kind]}: {splits}: {verdict}"


def _verdict(problems: int, notes: int) -> str:
    if not problems and not notes:
        return "nothing wrong found"
    parts: Iterable[tuple[int, str]] = ((problems, "problem"), (notes, "note"))
    return " and ".join(f"{count or 'no'} {word}{'s' * (count != 1)}" for count, word in parts)
