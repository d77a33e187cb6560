"""Text to gensim's corpus file: one sentence a line, keys between blanks, and how often each stands there.

gensim reads this file without Python's lock, each worker from its own place, so that memory stays flat and all processors
work. Its own scan for the vocabulary is one loop in Python; here words are counted while they are written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Iterable, Iterator

from nlpcli import console
from nlpcli.embedding.keys import escape, needs_escape
from nlpcli.embedding.units import Cutter
from nlpcli.tokenization.jamo import decompose
from nlpcli.tokenization.parallel import ordered_map

CHUNK_LINES, CHUNK_CHARACTERS = 2_000, 1 << 20
MOST_COUNTED = 2_000_000  # different units; more would fill the memory (about 200 bytes each)
LONGEST_SENTENCE = 10_000  # units; gensim trains on no more at a time


@dataclass
class CorpusFile:
    """What was written. `counts` are in order of first appearance; `pruned` is the largest count that was ever dropped."""

    path: Path
    lines: int = 0
    sentences: int = 0
    words: int = 0
    pruned: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, sentences: list[list[str]]) -> None:
        """Count the units of some sentences, and drop rare ones when there are too many."""
        self.sentences += len(sentences)
        self.words += sum(map(len, sentences))
        self.counts.update(chain.from_iterable(sentences))
        while len(self.counts) > MOST_COUNTED:
            self.pruned += 1
            self.counts = Counter({key: n for key, n in self.counts.items() if n > self.pruned})

    def vocabulary(self, min_count: int, max_vocab: int) -> dict[str, int]:
        """Return the counts of the keys that get a vector: frequent enough, and of these the most frequent."""
        kept = {key: n for key, n in self.counts.items() if n >= min_count}
        if len(kept) > max_vocab:
            chosen = sorted(kept, key=kept.__getitem__, reverse=True)[:max_vocab]
            kept = {key: kept[key] for key in sorted(chosen, key=dict(zip(kept, range(len(kept)))).__getitem__)}
        return kept


def write_corpus(lines: Iterable[str], path: Path, cutter: Cutter, *, jamo: bool, workers: int) -> CorpusFile:
    """Cut lines into units and write them as a corpus file. Lines without units are left out.

    Args:
        jamo: spell Hangul in jamo, for FastText's n-grams.
        workers: processes for pieces and morphemes; words are cut faster than they can be passed on.
    """
    corpus = CorpusFile(path)
    spell = partial(_keys, cutter, jamo)
    workers = 1 if cutter.unit == "words" else workers
    with path.open("w", encoding="utf-8", newline="\n") as f, console.Progress("reading", None, "lines") as progress:
        for count, sentences in ordered_map(spell, chunks(lines), workers):
            f.writelines(" ".join(keys) + "\n" for keys in sentences)
            corpus.add(sentences)
            corpus.lines += count
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


def _keys(cutter: Cutter, jamo: bool, lines: list[str]) -> tuple[int, list[list[str]]]:
    """Return how many lines there were, and the keys of those that have any."""
    sentences = [units for units in cutter(lines) if units]
    if jamo:
        sentences = [[decompose(unit) for unit in units] for units in sentences]
    if cutter.unit != "words" or any("\\" in line for line in lines):
        sentences = [[escape(unit) for unit in units] if needs_escape("".join(units)) else units for units in sentences]
    return len(lines), [part for keys in sentences for part in _parts(keys)]


def _parts(keys: list[str]) -> Iterable[list[str]]:
    if len(keys) <= LONGEST_SENTENCE:
        return (keys,)
    return (keys[i : i + LONGEST_SENTENCE] for i in range(0, len(keys), LONGEST_SENTENCE))


def join_phrases(corpus: CorpusFile, path: Path, *, min_count: int, threshold: float) -> CorpusFile:
    """Write the corpus anew with pairs that stand together more often than by chance joined by `_` (Mikolov et al. 2013b, 4)."""
    from gensim.models.phrases import Phrases

    def sentences() -> Iterator[list[str]]:
        with corpus.path.open(encoding="utf-8", newline="\n") as f:
            for line in f:
                yield line[:-1].split(" ")

    found = Phrases(
        sentences(), min_count=min_count, threshold=threshold, max_vocab_size=MOST_COUNTED, delimiter="_"
    ).freeze()
    joined = CorpusFile(path, lines=corpus.lines)
    with path.open("w", encoding="utf-8", newline="\n") as f, console.Progress("phrases", corpus.sentences, "lines") as progress:
        for sentence in sentences():
            keys = found[sentence]
            f.write(" ".join(keys) + "\n")
            joined.add([keys])
            progress.update(joined.sentences)
    console.info(f"embed: {len(found.phrasegrams):,} pairs of units were joined to phrases")
    return joined
