"""Encoded data: every split as memory-mapped ids, with the tokenizer and the validation text beside them.

`train.ko.npy` holds the ids of all lines one after another (uint16, or uint32 for a large vocabulary),
`train.ko.offsets.npy` (int64, lines + 1) where each begins. `numpy.load(..., mmap_mode="r")` reads both.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, reusable
from nlpcli.corpus.names import Corpus, find_corpus
from nlpcli.corpus.readers import read_lines, read_pairs
from nlpcli.errors import ArtifactError, UsageError
from nlpcli.tokenization.tokenizer import Tokenizer

COMMAND = "nlpcli tokenize dataset"
CHUNK = 10_000  # lines encoded at a time


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
        lengths: np.ndarray = np.diff(self.offsets)
        return lengths


class Dataset:
    """An opened dataset artifact."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.src: str = artifact.manifest.config["src"]
        self.tgt: str = artifact.manifest.config["tgt"]
        self.tokenizer = Tokenizer.load(artifact.path / "tokenizer")
        if self.tokenizer.id != artifact.manifest.config["tokenizer_id"]:
            raise ArtifactError(
                f"{artifact.path}: its tokenizer is {self.tokenizer.id}, not {artifact.manifest.config['tokenizer_id']}",
                cause="the ids were made by another tokenizer",
                fix="make the dataset anew: nlpcli tokenize dataset",
            )

    @classmethod
    def load(cls, path: Path | str) -> Dataset:
        """Open and verify the dataset artifact at `path`."""
        return cls(artifacts.open_artifact(path, "dataset"))

    @property
    def splits(self) -> list[str]:
        return list(self.artifact.manifest.metrics)

    def side(self, split: str, language: str) -> Side:
        """Map one side of a split into memory."""
        stem = self.artifact.path / f"{split}.{language}"
        return Side(np.load(f"{stem}.npy", mmap_mode="r"), np.load(f"{stem}.offsets.npy"))

    def text(self, split: str, language: str) -> list[str]:
        """Return the text of a split that the dataset keeps (`valid`)."""
        return list(read_lines(self.artifact.path / f"{split}.{language}"))


@dataclass(frozen=True)
class Encoded:
    """What `tokenize dataset` made: pairs and tokens by split."""

    path: Path
    id: str
    splits: dict[str, dict[str, Any]]


def encode_dataset(
    *,
    data: str,
    tokenizer: Path,
    out: Path,
    src: str | None = None,
    tgt: str | None = None,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> Encoded:
    """Encode the training and validation splits of `data` with `tokenizer`.

    Raises:
        BadInput: the data cannot be read.
        UsageError: the tokenizer was trained for other languages.
    """
    corpus = find_corpus(data, src, tgt)
    encoder = Tokenizer.load(tokenizer)
    if {corpus.src, corpus.tgt} != set(encoder.languages):
        raise UsageError(
            f"{tokenizer} is for {' and '.join(encoder.languages)}, the data is {corpus.src}-{corpus.tgt}",
            fix="train a tokenizer on this data: nlpcli tokenize train",
        )
    config = {"src": corpus.src, "tgt": corpus.tgt, "tokenizer_id": encoder.id}
    splits = [name for name in corpus.splits if name in ("train", "valid")]
    inputs = [encoder.artifact.as_input("tokenizer", out)]
    if artifacts.is_artifact(corpus.root):
        inputs.append(artifacts.open_artifact(corpus.root).as_input("data", out))
    else:
        paths = sorted({p for name in splits for p in (corpus.splits[name].src, corpus.splits[name].tgt)})
        inputs += [artifacts.text_input(path.name, path, out) for path in paths]
    if reuse and (found := reusable(out, "dataset", config, inputs)):
        return _result(found)
    with artifacts.create(
        out, "dataset", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force or reuse
    ) as draft:
        shutil.copytree(encoder.artifact.path, draft.path / "tokenizer")
        for name in splits:
            draft.metrics[name] = _encode_split(corpus, name, encoder, draft, keep_text=name == "valid")
        return _result(draft.publish())


def _encode_split(corpus: Corpus, name: str, encoder: Tokenizer, draft: Draft, *, keep_text: bool) -> dict[str, Any]:
    split, languages = corpus.splits[name], (corpus.src, corpus.tgt)
    pairs = read_pairs(split.src, split.tgt, *languages)
    writers = [_IdWriter(draft.path / f"{name}.{lang}", encoder.vocab_size(lang)) for lang in languages]
    count = 0
    with console.Progress(f"encode {name}", None, "pairs") as progress, ExitStack() as opened:
        for writer in writers:
            opened.callback(writer.file.close)
        while chunk := list(islice(pairs, CHUNK)):
            for language, writer, lines in zip(languages, writers, zip(*chunk)):
                writer.write(encoder.encode(lines, language))
                if keep_text:
                    with (draft.path / f"{name}.{language}").open("a", encoding="utf-8", newline="\n") as f:
                        f.writelines(line + "\n" for line in lines)
            count += len(chunk)
            progress.update(count)
        tokens = {f"{lang}_tokens": writer.close() for lang, writer in zip(languages, writers)}
    console.info(f"dataset: {name}: {count:,} pairs, " + " and ".join(f"{n:,}" for n in tokens.values()) + " tokens")
    return {"pairs": count, **tokens}


class _IdWriter:
    """Appends ids to a .npy file whose length is known only at the end."""

    def __init__(self, stem: Path, vocab_size: int) -> None:
        self.dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
        self.stem = stem
        self.file: IO[bytes] = open(f"{stem}.npy", "wb")
        self.total = 0
        self.lengths: list[np.ndarray] = []
        self._header()

    def write(self, lines: list[list[int]]) -> None:
        lengths = np.fromiter((len(ids) for ids in lines), dtype=np.int64, count=len(lines))
        flat = np.fromiter((i for ids in lines for i in ids), dtype=self.dtype, count=int(lengths.sum()))
        self.file.write(flat.tobytes())
        self.lengths.append(lengths)
        self.total += len(flat)

    def close(self) -> int:
        """Write the final length into the header and the offsets beside it; return the number of ids."""
        self.file.seek(0)
        self._header()
        self.file.close()
        offsets = np.concatenate([np.zeros(1, np.int64), *self.lengths]).cumsum()
        np.save(f"{self.stem}.offsets.npy", offsets)
        return self.total

    def _header(self) -> None:
        """numpy pads the header so that the length of a growing axis can be rewritten in place."""
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.total,)}
        np.lib.format.write_array_header_1_0(self.file, header)


def _result(artifact: Artifact) -> Encoded:
    return Encoded(artifact.path, artifact.id, artifact.manifest.metrics)
