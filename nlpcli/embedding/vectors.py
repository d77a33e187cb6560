r"""The embedding artifact: `vectors.safetensors`, `vocab.txt`, and for pieces a copy of their tokenizer.

`vectors` is float32 [vocab, dim], the most frequent unit first; `vocab.txt` has one `key<TAB>count` a line in the same
order, keys spelt as in `keys.py`. FastText adds `ngrams` [bucket, dim], from which units that were never seen get a vector.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.embedding.keys import escape, unescape
from nlpcli.embedding.subwords import buckets
from nlpcli.embedding.tensors import map_matrices, write_matrices
from nlpcli.embedding.units import Cutter
from nlpcli.errors import ArtifactError
from nlpcli.tokenization.jamo import decompose
from nlpcli.tokenization.tokenizer import Tokenizer

KIND = "embedding"
VECTORS, VOCABULARY, TOKENIZER = "vectors.safetensors", "vocab.txt", "tokenizer"


class Embedding:
    """Vectors of units, mapped into memory.

    Args:
        artifact: an opened artifact of kind `embedding`.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.config: dict[str, Any] = artifact.manifest.config
        matrices = map_matrices(artifact.path / VECTORS)
        self.vectors: np.ndarray = matrices["vectors"]
        self.ngrams: np.ndarray | None = matrices.get("ngrams")
        self.words, self.counts = _read_vocabulary(artifact.path / VOCABULARY)
        if len(self.words) != len(self.vectors):
            raise ArtifactError(
                f"{artifact.path}: {len(self.words):,} keys for {len(self.vectors):,} vectors", fix="make it anew"
            )

    @classmethod
    def load(cls, path: Path | str) -> Embedding:
        """Open and verify the embedding artifact at `path`."""
        return cls(open_artifact(path, KIND))

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def index(self) -> dict[str, int]:
        """Each unit's row."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def directions(self) -> np.ndarray:
        """The vectors at length one, float32 [vocab, dim]; a vector of zeros stays."""
        return directions(self.vectors)

    @cached_property
    def cut(self) -> Cutter:
        """What cut the text that the vectors were learnt from."""
        c = self.config
        tokenizer = Tokenizer.load(self.artifact.path / TOKENIZER) if c["unit"] == "pieces" else None
        return Cutter(c["unit"], c["lowercase"], c["strip_punctuation"], tokenizer, c["language"])

    def key(self, word: str) -> str | None:
        """Return the unit that a word is: itself, or the only one that it is cut into (`학교,` is 학교; a piece is ▁학교)."""
        word = unicodedata.normalize("NFC", word.lower() if self.config["lowercase"] else word)
        if word in self.index and self.config["unit"] != "pieces":
            return word
        units = self.cut([word])[0]
        return next((unit for unit in (*units, word) if unit in self.index), None) if len(units) == 1 else None

    def unit_vector(self, unit: str) -> np.ndarray | None:
        """Return the vector [dim] of a unit, for FastText also of one that was never seen; None if there is none."""
        if unit in self.index:
            return np.asarray(self.vectors[self.index[unit]])
        return self.subword_vector(unit)

    def subword_vector(self, unit: str) -> np.ndarray | None:
        """Return the mean [dim] of the vectors of a unit's n-grams; None without FastText or n-grams."""
        if self.ngrams is None:
            return None
        spelt = decompose(unit) if self.config["jamo"] else unit
        rows = buckets(spelt, self.config["min_n"], self.config["max_n"], len(self.ngrams))
        return np.mean(self.ngrams[rows], axis=0) if rows else None

    def vector(self, word: str) -> tuple[np.ndarray | None, bool]:
        """Return the vector [dim] of a word (None if there is none), and whether it was composed.

        A word that is itself a unit has its own. Any other is cut as the text was, and is the mean of its units if each
        of them has a vector; FastText makes one from n-grams for a unit that was never seen.
        """
        if (key := self.key(word)) is not None:
            return np.asarray(self.vectors[self.index[key]]), False
        units = self.cut([word])[0]
        found = [vector for unit in units if (vector := self.unit_vector(unit)) is not None]
        if not found or len(found) < len(units):
            return None, False
        mean: np.ndarray = np.stack(found).mean(axis=0)
        return mean, True


def write_vectors(
    folder: Path, words: Sequence[str], counts: Sequence[int], vectors: np.ndarray, ngrams: np.ndarray | None
) -> None:
    """Write the payload of an embedding artifact into `folder`."""
    with (folder / VOCABULARY).open("w", encoding="utf-8", newline="\n") as f:
        f.writelines(f"{escape(word)}\t{count}\n" for word, count in zip(words, counts))
    write_matrices(folder / VECTORS, {"vectors": vectors} | ({} if ngrams is None else {"ngrams": ngrams}))


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors [n, dim] at length one; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    divided: np.ndarray = np.divide(vectors, np.where(lengths == 0, 1, lengths), dtype=np.float32)
    return divided


def _read_vocabulary(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
        entries = [line.rsplit("\t", 1) for line in lines[:-1]]
        return [unescape(key) for key, _ in entries], np.array([int(count) for _, count in entries], dtype=np.int64)
    except ValueError as e:
        raise ArtifactError(f"{path} is not a list of keys and counts", cause=str(e), fix="make the embedding anew") from None
