"""Encoded data: every split as memory-mapped ids, with the tokenizer and the validation text beside them.

`train.ko.npy` holds the ids of all lines one after another (uint16, or uint32 for a large vocabulary),
`train.ko.offsets.npy` (int64, lines + 1) where each begins. Of labelled text `train.label.npy` holds the number of each line's
class (the smallest unsigned type). `numpy.load(..., mmap_mode="r")` reads them all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from nlpcli import artifacts
from nlpcli.artifacts import Artifact
from nlpcli.corpus.readers import read_lines
from nlpcli.corpus.tasks import Task
from nlpcli.errors import ArtifactError
from nlpcli.tokenization.tokenizer import EOS, Tokenizer

LABEL_IDS = ".label.npy"
COUNTED = 1 << 22  # ids at a time: numpy counts them as 8 bytes each


@dataclass(frozen=True)
class Side:
    """One side of a split: `ids[offsets[i]:offsets[i + 1]]` are the ids of line i."""

    ids: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        line: np.ndarray = self.ids[self.offsets[i] : self.offsets[i + 1]]
        return line

    @property
    def lengths(self) -> np.ndarray:
        """Tokens a line."""
        lengths: np.ndarray = np.diff(self.offsets).astype(np.int32)
        return lengths


class Dataset:
    """An opened dataset artifact, of a pair of languages or of one, with labels or without."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.tokenizer = Tokenizer.load(artifact.path / "tokenizer")
        config = artifact.manifest.config
        if self.tokenizer.id != config["tokenizer_id"]:
            raise ArtifactError(
                f"{artifact.path}: its tokenizer is {self.tokenizer.id}, not {config['tokenizer_id']}",
                cause="the ids were made by another tokenizer",
                fix="make the dataset anew: nlpcli tokenize dataset",
            )
        self.languages: list[str] = [config["lang"]] if config["lang"] else [config["src"], config["tgt"]]

    @classmethod
    def load(cls, path: Path | str) -> Dataset:
        """Open and verify the dataset artifact at `path`."""
        return cls(artifacts.open_artifact(path, "dataset"))

    @property
    def src(self) -> str:
        """The source language of a pair."""
        return self.languages[0]

    @property
    def tgt(self) -> str:
        """The target language of a pair.

        Raises:
            ArtifactError: the dataset is of one language.
        """
        if len(self.languages) == 1:
            raise ArtifactError(
                f"{self.artifact.path} holds text in {self.languages[0]} alone",
                cause="translation is learnt from pairs",
                fix="make a dataset from parallel text: nlpcli tokenize dataset",
            )
        return self.languages[1]

    @property
    def splits(self) -> list[str]:
        return list(self.artifact.manifest.metrics)

    @property
    def task(self) -> Task:
        """What can be learnt from it: a pair is for translation, labelled text for classification, other text for a model."""
        if len(self.languages) == 2:
            return "translation"
        return "classify" if self.labels else "lm"

    @property
    def labels(self) -> list[str]:
        """The names of the classes in order; none if the text has no labels."""
        return list(self.artifact.manifest.config.get("labels", []))

    def label_ids(self, split: str) -> np.ndarray:
        """Map the numbers of the classes of a split's lines into memory: [lines], an unsigned type; see `labels`.

        Raises:
            ArtifactError: the dataset has no labels.
        """
        if not self.labels:
            raise ArtifactError(
                f"{self.artifact.path} has no labels",
                cause="classification is learnt from texts with labels",
                fix="make a corpus of them (nlpcli data prepare --task classify) and a dataset: nlpcli tokenize dataset",
            )
        ids: np.ndarray = np.load(self.artifact.path / f"{split}{LABEL_IDS}", mmap_mode="r")
        return ids

    def side(self, split: str, language: str) -> Side:
        """Map one side of a split into memory."""
        stem = self.artifact.path / f"{split}.{language}"
        return Side(np.load(f"{stem}.npy", mmap_mode="r"), np.load(f"{stem}.offsets.npy", mmap_mode="r"))

    def word_counts(self, language: str) -> np.ndarray:
        """Count each piece of a language's vocabulary in the training split, and the ends of its lines: int64 [v]."""
        side = self.side("train", language)
        counts = np.zeros(self.tokenizer.vocab_size(language), np.int64)
        for i in range(0, len(side.ids), COUNTED):
            counts += np.bincount(side.ids[i : i + COUNTED], minlength=len(counts))
        counts[EOS] += len(side)
        return counts

    def alignment(self, split: str) -> Path | None:
        """Return the file of the links of a split's words, if the data had one."""
        path = self.artifact.path / f"{split}.align"
        return path if path.is_file() else None

    def text(self, split: str, language: str) -> list[str]:
        """Return the text of a split that the dataset keeps (`valid`)."""
        return list(read_lines(self.artifact.path / f"{split}.{language}"))


class GrowingArray:
    """Appends numbers to a `.npy` file whose length is known only at the end; what was flushed can be taken up again.

    Args:
        count: numbers that the file holds from before; what lies behind them is cut off. 0 begins anew.
    """

    def __init__(self, path: Path, dtype: np.dtype, count: int = 0) -> None:
        self.dtype, self.count = dtype, count
        self.file: IO[bytes] = path.open("r+b" if count else "wb")
        self._header()
        self.file.seek(count * dtype.itemsize, os.SEEK_CUR)
        self.file.truncate()

    def append(self, numbers: np.ndarray) -> None:
        """Write numbers behind the others."""
        self.file.write(numbers.astype(self.dtype, copy=False).tobytes())
        self.count += len(numbers)

    def flush(self) -> int:
        """Flush all numbers to disk and return how many there are."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.count

    def close(self) -> None:
        """Write the final length into the header."""
        self._header()
        self.file.close()

    def _header(self) -> None:
        """numpy pads the header so that the length of a growing axis can be rewritten in place."""
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count,)}
        self.file.seek(0)
        np.lib.format.write_array_header_1_0(self.file, header)
