r"""`nlpcli embed export`: vectors in the formats of word2vec, for other programs.

Text is `vocab dim` in the first line, then a key and its numbers a line: what gensim, spaCy and fastText (its `.vec`) read.
Binary is word2vec's: the key, a blank, float32 numbers, a line end. Numbers in text have nine digits, enough to give the
same float32 back. Keys are spelt as in `vocab.txt` (a blank is `\s`), since here a blank ends the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Literal

import numpy as np

from nlpcli import console
from nlpcli.embedding.keys import escape
from nlpcli.embedding.output import refuse_existing, whole_file
from nlpcli.embedding.vectors import Embedding

Format = Literal["word2vec-text", "word2vec-binary", "fasttext-vec"]
ROWS = 1_000


@dataclass(frozen=True)
class ExportedEmbedding:
    """What `embed export` wrote; `escaped` keys hold a blank or a backslash."""

    path: Path
    format: Format
    words: int
    dim: int
    escaped: int


def export_embedding(
    *, embeddings: Path, out: Path, format: Format = "word2vec-text", force: bool = False
) -> ExportedEmbedding:
    """Write an embedding's vectors to one file.

    Args:
        format: text, binary, or text as fastText itself writes it (a blank after each number).

    Raises:
        OutputExists: `out` is there and `force` is not set.
    """
    refuse_existing(out, force)
    embedding = Embedding.load(embeddings)
    write_row = _row_writer(format, embedding.dim)
    keys = [escape(word) for word in embedding.words]
    with whole_file(out) as f, console.Progress("export", len(keys), "words") as progress:
        f.write(f"{len(keys)} {embedding.dim}\n".encode())
        for start in range(0, len(keys), ROWS):
            block = np.ascontiguousarray(embedding.vectors[start : start + ROWS])
            f.writelines(write_row(key.encode(), row) for key, row in zip(keys[start : start + ROWS], block))
            progress.update(start + len(block))
    escaped = sum(key != word for key, word in zip(keys, embedding.words))
    if escaped:
        console.info(f"export: {escaped:,} keys hold a blank or a backslash; they are written as \\s and \\\\")
    return ExportedEmbedding(out, format, len(keys), embedding.dim, escaped)


def _row_writer(format: Format, dim: int) -> Callable[[bytes, np.ndarray], bytes]:
    if format == "word2vec-binary":
        return lambda key, row: key + b" " + row.astype("<f4").tobytes() + b"\n"
    line = b"%s " + b" ".join([b"%.9g"] * dim) + (b" \n" if format == "fasttext-vec" else b"\n")
    return lambda key, row: line % (key, *row.tolist())
