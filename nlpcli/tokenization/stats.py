"""`nlpcli tokenize stats`: how well a vocabulary fits a text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nlpcli import console
from nlpcli.corpus.rows import find_rows
from nlpcli.tokenization.parallel import chunks, ordered_map, processors
from nlpcli.tokenization.tokenizer import UNK, Tokenizer

CHUNK = 5000


@dataclass(frozen=True)
class SideStats:
    """One side of a split: counts, and what follows from them.

    `fertility` is tokens a whitespace word (Rust et al. 2021, section 3.1); `unknown_rate` the share of tokens that are
    the unknown piece; `byte_rate` of those that spell a character in bytes; `used` the share of the vocabulary's pieces
    that occur.
    """

    split: str
    language: str
    lines: int
    words: int
    characters: int
    bytes: int
    tokens: int
    fertility: float
    bytes_per_token: float
    characters_per_token: float
    unknown_rate: float
    byte_rate: float
    used: float
    longest: int


@dataclass(frozen=True)
class TokenizerStats:
    """What `tokenize stats` found, by split and side."""

    tokenizer: str
    sides: list[SideStats]


def tokenizer_stats(
    *,
    tokenizer: Path,
    data: str,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    workers: int | None = None,
) -> TokenizerStats:
    """Encode every split of `data` and count, in one pass and in memory for the vocabulary alone.

    Raises:
        BadInput: the data cannot be read.
        UsageError: the tokenizer was trained for other languages.
    """
    t = Tokenizer.load(tokenizer)
    rows = find_rows(data, src, tgt, lang or (t.languages[0] if len(t.languages) == 1 else None), column)
    sides = []
    for split, source in rows.splits.items():
        totals = [_Count(t.vocab_size(language)) for language in rows.languages]
        with console.Progress(f"count {split}", None, "rows") as progress:
            function = partial(_count, t, rows.languages)
            for counts in ordered_map(function, chunks(source.texts(), CHUNK), workers or processors()):
                for total, count in zip(totals, counts):
                    total.add(count)
                progress.update(totals[0].lines)
        sides += [total.stats(split, language, t) for total, language in zip(totals, rows.languages)]
    return TokenizerStats(t.id, sides)


class _Count:
    """Sums over lines; `pieces` [vocab_size] counts each id."""

    def __init__(self, vocab_size: int) -> None:
        self.lines = self.words = self.characters = self.bytes = self.longest = 0
        self.pieces = np.zeros(vocab_size, np.int64)

    def add(self, other: _Count) -> None:
        self.lines += other.lines
        self.words += other.words
        self.characters += other.characters
        self.bytes += other.bytes
        self.longest = max(self.longest, other.longest)
        self.pieces += other.pieces

    def stats(self, split: str, language: str, t: Tokenizer) -> SideStats:
        is_byte = t.of(language).is_byte
        spelt = np.fromiter((is_byte(i) for i in range(len(self.pieces))), bool, len(self.pieces))
        tokens = int(self.pieces.sum())
        return SideStats(
            split=split,
            language=language,
            lines=self.lines,
            words=self.words,
            characters=self.characters,
            bytes=self.bytes,
            tokens=tokens,
            fertility=tokens / max(self.words, 1),
            bytes_per_token=self.bytes / max(tokens, 1),
            characters_per_token=self.characters / max(tokens, 1),
            unknown_rate=int(self.pieces[UNK]) / max(tokens, 1),
            byte_rate=int(self.pieces[spelt].sum()) / max(tokens, 1),
            used=int((self.pieces > 0).sum()) / len(self.pieces),
            longest=self.longest,
        )


def _count(t: Tokenizer, languages: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[_Count]:
    counts = []
    for language, lines in zip(languages, zip(*rows)):
        count = _Count(t.vocab_size(language))
        ids, lengths = t.encode_flat(lines, language)
        count.lines = len(lines)
        count.words = sum(len(line.split()) for line in lines)
        count.characters = sum(map(len, lines))
        count.bytes = sum(len(line.encode()) for line in lines)
        count.longest = int(lengths.max(initial=0))
        count.pieces = np.bincount(ids, minlength=len(count.pieces))
        counts.append(count)
    return counts
