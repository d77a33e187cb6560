r"""`nlpcli embed export`: vectors in the formats of word2vec, for other programs.

Text is `vocab dim` in the first line, then a key and its numbers a line: what gensim, spaCy and fastText (as
`-pretrainedVectors`, and its own `.vec`) read. Binary is word2vec's: the key, a blank, float32 numbers, a line end. Numbers
in text have nine digits, enough to give the same float32 back. Keys are spelt as in `vocab.txt` (a blank is `\s`), as
these formats have no other way to tell a key from what follows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Callable, Literal

import numpy as np

from nlpcli import console
from nlpcli.embedding.keys import escape
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import BadInput
from nlpcli.files import whole_file

Format = Literal["word2vec-text", "word2vec-binary"]


@dataclass(frozen=True)
class ExportedEmbedding:
    """What `embed export` wrote; `escaped` keys hold a blank or a backslash."""

    path: Path
    format: Format
    words: int
    dim: int
    escaped: int


def export_embedding(*, embeddings: Path, out: Path, format: Format = "word2vec-text", force: bool = False) -> ExportedEmbedding:
    """Write an embedding's vectors to one file.

    Raises:
        OutputExists: `out` is there and `force` is not set.
    """
    embedding = Embedding.load(embeddings)
    keys = [escape(word) for word in embedding.words]
