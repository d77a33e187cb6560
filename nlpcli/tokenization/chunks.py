"""Some rows of a split from bytes to ids: the piece of work that `tokenize dataset` hands to one process."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np

from nlpcli.corpus.readers import LONGEST_LINE, BadLine
from nlpcli.corpus.rows import Source
from nlpcli.tokenization.tokenizer import Tokenizer


class Chunk(NamedTuple):
    """Rows as they stand in the files, a side in one piece: lines joined by newlines. The first has the number `first`."""

    first: int
    rows: int
    sides: list[bytes]


class EncodedChunk(NamedTuple):
    """By language: ids [tokens], tokens a row [rows] and, where it is kept, the text. `bad` are lines left out.

    `labels` [rows that are kept] are the numbers of their classes, where rows have a label.
    """

    rows: int
    sides: list[tuple[np.ndarray, np.ndarray, bytes]]
    bad: list[BadLine]
    labels: np.ndarray | None = None


class Work(NamedTuple):
    """What is done to all chunks of a split. `classes` are the labels in order, if rows have one.

    Without its encoder it is on its way to another machine, where `load_work` adds one.
    """

    source: Source
    languages: tuple[str, ...]
    encoder: Tokenizer | None
    keep_text: bool
    classes: list[str]


def label_type(classes: list[str]) -> np.dtype:
    """Return the smallest type that holds the number of each class."""
    return np.min_scalar_type(max(len(classes) - 1, 0))


def load_work(splits: dict[str, Work], tokenizers: list[Path]) -> Callable[[tuple[str, Chunk]], EncodedChunk]:
    """Return the function that a worker on another machine calls with the name of a split and a chunk of it.

    Args:
        splits: by name, without encoder.
        tokenizers: the path of one artifact; all of it is read before this returns.
    """
    encoder = Tokenizer.load(tokenizers[0])
    for language in encoder.languages:
        encoder.encode_flat([""], language)
    loaded = {name: work._replace(encoder=encoder) for name, work in splits.items()}
    return lambda item: encode_chunk(loaded[item[0]], item[1])


def encode_chunk(work: Work, chunk: Chunk) -> EncodedChunk:
    """Judge and encode the rows of one chunk; a row is left out if a line of it is bad."""
    source, languages, encoder, keep_text, classes = work
    assert encoder is not None
    sides, bad = None if source.table else _plain_lines(chunk), []
    if sides is None or (classes and not source.classes.issuperset(sides[-1])):
        raw = zip(*(side.split(b"\n") for side in chunk.sides))
        judged = [source.judge(number, row) for number, row in enumerate(raw, chunk.first)]
        bad = [line for row in judged if isinstance(row, list) for line in row]
        good = [row for row in judged if isinstance(row, tuple)]
        sides = [list(side) for side in zip(*good)] or [[] for _ in chunk.sides]
    encoded = []
    for lines, language in zip(sides, languages):
        ids, lengths = encoder.encode_flat(lines, language)
        dtype = np.uint16 if encoder.vocab_size(language) <= 1 << 16 else np.uint32
        encoded.append((ids.astype(dtype), lengths, "".join(f"{line}\n" for line in lines).encode() if keep_text else b""))
    if not classes:
        return EncodedChunk(chunk.rows, encoded, bad)
    number = {name: i for i, name in enumerate(classes)}
    return EncodedChunk(chunk.rows, encoded, bad, np.array([number[label] for label in sides[-1]], label_type(classes)))


def _plain_lines(chunk: Chunk) -> list[list[str]] | None:
    """Return the lines by language if all are as they should be, which is found out faster for all of them at once."""
    if chunk.first == 1:  # a byte order mark may stand there
        return None
    sides = []
    for side in chunk.sides:
        too_long = len(side) > LONGEST_LINE and max(map(len, side.split(b"\n"))) > LONGEST_LINE
        if too_long or b"\r" in side:
            return None
        try:
            sides.append(side.decode("utf-8").split("\n"))
        except UnicodeDecodeError:
            return None
    return sides
