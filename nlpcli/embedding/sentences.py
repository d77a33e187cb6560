"""Text to gensim's corpus file: one sentence a line, and how often each unit stands there.

gensim reads this file without Python's lock, each worker from its own place, so that memory stays flat and all processors
work. In it a unit is a number, by its first appearance: numbers are shorter than Korean words (gensim's loop over them is
up to a fifth faster), and any unit can be written, blanks or not. gensim's own scan for the vocabulary, one loop in
Python, is spared: units are counted while they are written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path
from statistics import median_low
from typing import Iterable, Iterator, NamedTuple

from nlpcli import console
from nlpcli.embedding.units import Cutter
from nlpcli.tokenization.parallel import ordered_map

CHUNK_LINES, CHUNK_CHARACTERS = 2_000, 1 << 20
MOST_COUNTED = 1_500_000  # different units; each takes about 400 bytes
LONGEST_SENTENCE = 10_000  # units; gensim trains on no more at a time
JOINT = "_"
END = "\n"  # written as a unit; no line holds it


def numbering() -> defaultdict[str, str]:
    """Return a map from a unit to its number, in decimal, that gives a unit that is new the next one."""
    codes: defaultdict[str, str] = defaultdict(map(str, count()).__next__)
    codes[END] = END
    return codes


class Entry(NamedTuple):
    """A unit of the vocabulary, its key in the corpus file, and how often it stands there."""

    unit: str
    code: str
    seen: int


@dataclass
class CorpusFile:
    """What was written. `pruned`: when there were too many units, those seen so many times at most were forgotten."""

    path: Path
    lines: int = 0
    sentences: int = 0
    words: int = 0
    pruned: int = 0
    codes: defaultdict[str, str] = field(default_factory=numbering)
    counts: Counter[str] = field(default_factory=Counter)

    def write(self, sentences: Iterable[list[str]]) -> str:
        """Return sentences as they stand in the file, and count their units."""
        ended = [[*part, END] for units in sentences for part in _parts(units)]
        codes = list(map(self.codes.__getitem__, chain.from_iterable(ended)))
        self.sentences += len(ended)
        self.words += len(codes) - len(ended)
        self.counts.update(codes)
        del self.counts[END]
        if len(self.counts) > MOST_COUNTED:
            self._prune()
        return " ".join(codes)

    def _prune(self) -> None:
        """Forget the rarer half of the units, and all that are as rare."""
        limit = median_low(self.counts.values())
        self.pruned = max(self.pruned, limit)
        for unit in [unit for unit, code in self.codes.items() if 0 < self.counts[code] <= limit]:
            del self.counts[self.codes.pop(unit)]

    def vocabulary(self, min_count: int, max_vocab: int) -> list[Entry]:
        """Return what gets a vector, in order of first appearance: frequent enough, and of these the most frequent."""
        kept = [Entry(unit, code, n) for unit, code in self.codes.items() if (n := self.counts[code]) >= min_count]
        if len(kept) > max_vocab:
            order = sorted(range(len(kept)), key=lambda i: (-kept[i].seen, -i))  # of equals the last is first, as with gensim
            kept = [kept[i] for i in sorted(order[:max_vocab])]
        return kept


def write_corpus(lines: Iterable[str], path: Path, cutter: Cutter, workers: int) -> CorpusFile:
    """Cut lines into units and write them as a corpus file. Lines without units are left out.

    Args:
        workers: processes for pieces and morphemes; words are cut faster than they can be passed on.
    """
    corpus = CorpusFile(path)
    cut = partial(_cut, cutter)
    workers = 1 if cutter.unit == "words" else workers
    with path.open("w", encoding="ascii", newline="\n") as f, console.Progress("reading", None, "lines") as progress:
        for read, sentences in ordered_map(cut, chunks(lines), workers):
            f.write(corpus.write(sentences))
            corpus.lines += read
            progress.update(corpus.lines)
    return corpus


def chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Group lines, by number and by size."""
    chunk: list[str] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if len(chunk) == CHUNK_LINES or size > CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _cut(cutter: Cutter, lines: list[str]) -> tuple[int, list[list[str]]]:
    """Return how many lines there were, and the units of those that have any."""
    return len(lines), [units for units in cutter(lines) if units]


def _parts(units: list[str]) -> Iterable[list[str]]:
    if len(units) <= LONGEST_SENTENCE:
        return (units,)
    return (units[i : i + LONGEST_SENTENCE] for i in range(0, len(units), LONGEST_SENTENCE))


def join_phrases(corpus: CorpusFile, path: Path, *, min_count: int, threshold: float) -> CorpusFile:
    """Write a corpus anew with pairs of units joined that stand together more often than by chance (`뉴욕_시장`).

    The score of a pair is (its count - min_count) / (count of the first x count of the second) x number of different
    units and pairs (Mikolov et al. 2013b, equation 6, as gensim has it); above `threshold` the two are one.
    """
    from gensim.models.phrases import Phrases

    def sentences() -> Iterator[list[str]]:
        with corpus.path.open(encoding="ascii", newline="\n") as f:
            for line in f:
                yield line.split()

    found = Phrases(sentences(), min_count=min_count, threshold=threshold, max_vocab_size=MOST_COUNTED, delimiter=JOINT)
    pairs = found.freeze()
    units = {code: unit for unit, code in corpus.codes.items()}
    joined = CorpusFile(path, lines=corpus.lines, pruned=corpus.pruned)
    with (
        path.open("w", encoding="ascii", newline="\n") as f,
        console.Progress("phrases", corpus.sentences, "lines") as progress,
    ):
        for codes in sentences():
            known = [code for code in codes if code in units]  # not those that were pruned
            f.write(joined.write([[JOINT.join(units[part] for part in key.split(JOINT)) for key in pairs[known]]]))
            progress.update(joined.sentences)
    console.info(f"embed: {len(pairs.phrasegrams):,} pairs of units were joined to phrases")
    return joined
