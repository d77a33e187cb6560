"""The tokenizer artifact: one SentencePiece model a language, or one for both.

Ids 0-3 are the same everywhere: padding, unknown, beginning and end of sentence. With byte fallback (the default) a
character that is not in the vocabulary is spelt in bytes, so decode(encode(x)) gives x back in NFC.
"""

from __future__ import annotations

import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Iterable, Literal, Sequence

import sentencepiece

from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.errors import UsageError

PAD, UNK, BOS, EOS = range(4)
JOINT = "joint"
Normalization = Literal["nfc", "nfkc", "none"]


class Tokenizer:
    """Encodes and decodes both languages of a pair.

    Args:
        artifact: an opened artifact of kind `tokenizer`.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        config = artifact.manifest.config
        self.normalization: Normalization = config["normalization"]
        self.joint: bool = config["joint"]
        self.languages: list[str] = [config["src"], config["tgt"]]

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Open and verify the tokenizer artifact at `path`."""
        return cls(open_artifact(path, "tokenizer"))

    @property
    def id(self) -> str:
        return self.artifact.id

    @cached_property
    def processors(self) -> dict[str, sentencepiece.SentencePieceProcessor]:
        """One SentencePiece processor a language; the same one for both when joint."""
        names = [JOINT] if self.joint else self.languages
        loaded = [
            sentencepiece.SentencePieceProcessor(model_proto=(self.artifact.path / f"{name}.model").read_bytes())
            for name in names
        ]
        return dict(zip(self.languages, loaded * 2 if self.joint else loaded))

    def vocab_size(self, language: str) -> int:
        """Return the number of ids of one side."""
        return int(self._of(language).vocab_size())

    def encode(self, lines: Sequence[str], language: str) -> list[list[int]]:
        """Encode lines to ids, without beginning or end marks."""
        ids: list[list[int]] = self._of(language).encode(normalized(lines, self.normalization), out_type=int)
        return ids

    def encode_pieces(self, lines: Sequence[str], language: str) -> list[list[str]]:
        """Encode lines to pieces, in which ▁ stands for a blank."""
        pieces: list[list[str]] = self._of(language).encode(normalized(lines, self.normalization), out_type=str)
        return pieces

    def decode(self, ids: Sequence[Sequence[int]], language: str) -> list[str]:
        """Decode ids to text; marks (padding, beginning, end) vanish."""
        if not len(ids):
            return []
        processor = self._of(language)
        texts: list[str] = processor.decode([[int(i) for i in line if i > EOS or i == UNK] for line in ids])
        return texts

    def decode_pieces(self, pieces: Sequence[Sequence[str]], language: str) -> list[str]:
        """Decode pieces to text."""
        processor = self._of(language)
        return [processor.decode_pieces(list(line)) if line else "" for line in pieces]

    def _of(self, language: str) -> sentencepiece.SentencePieceProcessor:
        if language not in self.languages:
            raise UsageError(
                f"{self.artifact.path} has no language {language}",
                cause=f"it was trained for {' and '.join(self.languages)}",
                fix=f"--lang {self.languages[0]} or --lang {self.languages[1]}",
            )
        return self.processors[language]


def normalized(lines: Iterable[str], form: Normalization) -> list[str]:
    """Apply the Unicode form that a vocabulary is learnt from and texts are encoded in."""
    if form == "none":
        return list(lines)
    name: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
    return [unicodedata.normalize(name, line) for line in lines]
