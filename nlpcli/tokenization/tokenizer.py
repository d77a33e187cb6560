"""The tokenizer artifact: one SentencePiece model a language, or one for both.

Ids 0-3 are the same everywhere: padding, unknown, beginning and end of sentence. With byte fallback (the default) a
character that is not in the vocabulary is spelt in bytes, so decode(encode(x)) gives x back in NFC. Vocabularies of kind
`word` and `char` have no bytes: what they do not know is unknown, and of white space words keep nothing.

Before SentencePiece sees a line it may be cut into morphemes (a mark stands at each cut, which no piece crosses, and the
mark's own id is dropped) and into jamo. Both are undone by decoding, so nothing of the spacing is lost.
"""

from __future__ import annotations

import random
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Iterable, Literal, Sequence

import numpy as np
import sentencepiece

from nlpcli.artifacts import Artifact, open_artifact
from nlpcli.errors import UsageError
from nlpcli.tokenization.jamo import compose, decompose, positions
from nlpcli.tokenization.morphemes import cut
from nlpcli.tokenization.packing import can_pack, encode_packed, encode_words, repeats_words
from nlpcli.tokenization.sampling import BLANK, Sampling, SubwordSampler
from nlpcli.tokenization.units import Units, find_units, word_offsets

PAD, UNK, BOS, EOS = range(4)
JOINT = "joint"
MARK = "\uf8f0"  # between morphemes, in SentencePiece's input only; from the private use area, so that no text needs it
STAND_INS = range(0xE000, 0xF800)
Normalization = Literal["nfc", "nfkc", "none"]
Pretokenizer = Literal["none", "kiwi"]


class Tokenizer:
    """Encodes and decodes the languages it was trained for: both of a pair, or one.

    Args:
        artifact: an opened artifact of kind `tokenizer`.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        config = artifact.manifest.config
        self.normalization: Normalization = config["normalization"]
        self.joint: bool = config["joint"]
        self.kind: str = config["kind"]
        self.jamo: bool = config["jamo"]
        self.pretokenizer: Pretokenizer = config["pretokenizer"]
        self.symbols: list[str] = config["user_symbol"]
        self.languages: list[str] = [config["lang"]] if config["lang"] else [config["src"], config["tgt"]]

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
        return dict(zip(self.languages, loaded * len(self.languages) if self.joint else loaded))

    def vocab_size(self, language: str) -> int:
        """Return the number of ids of one side."""
        return int(self.of(language).vocab_size())

    def encode(self, lines: Sequence[str], language: str, sampling: Sampling | None = None) -> list[list[int]]:
        """Encode lines to ids, without beginning or end marks."""
        ids, lengths = self.encode_flat(lines, language, sampling)
        flat, ends = ids.tolist(), lengths.cumsum().tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends)]

    def encode_flat(
        self, lines: Sequence[str], language: str, sampling: Sampling | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Encode lines to ids [tokens] (int32), one line after another, and their number a line [lines] (int64)."""
        processor = self.of(language)
        texts, stand_ins = self._to_model(lines, language)
        if (units := self._units[language]) and not sampling:
            return self._without_marks(*units.encode(texts), language)
        packs = not (sampling or stand_ins) and self._packs[language]
        encode = encode_words if self.kind == "bpe" and repeats_words(texts) else encode_packed
        if packs and (packed := encode(processor, texts)):
            return self._without_marks(*packed, language)
        if sampling:
            rows = [np.array(self.ids_of(row, language), np.int32) for row in self._draw(texts, language, sampling)]
        else:
            rows = processor.encode(texts, return_type="numpy", num_threads=1)
        for row, swaps in stand_ins.items():
            rows[row] = _swap(rows[row].tolist(), swaps, processor)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return self._without_marks(np.concatenate(rows) if rows else np.zeros(0, np.int32), lengths, language)

    def encode_pieces(self, lines: Sequence[str], language: str, sampling: Sampling | None = None) -> list[list[str]]:
        """Encode lines to pieces, in which ▁ stands for a blank; unknown characters stand for themselves."""
        processor = self.of(language)
        texts, stand_ins = self._to_model(lines, language)
        rows: list[list[str]]
        if (units := self._units[language]) and not sampling:
            rows = [units.pieces(text) for text in texts]
        else:
            rows = self._draw(texts, language, sampling) if sampling else processor.encode(texts, out_type=str, num_threads=1)
        for row, swaps in stand_ins.items():
            ids = [processor.piece_to_id(piece) for piece in rows[row]]
            rows[row] = [processor.id_to_piece(int(i)) for i in _swap(ids, swaps, processor)]
        return [[piece for piece in row if piece != MARK] for row in rows] if self._cuts(language) else rows

    def ids_of(self, pieces: Iterable[str], language: str) -> list[int]:
        """Return the ids of encoded pieces; unknown text that looks like a mark (`<s>`) is unknown all the same."""
        ids = map(self.of(language).piece_to_id, pieces)
        return [UNK if i <= EOS else i for i in ids]

    def decode(self, ids: Sequence[Sequence[int]], language: str) -> list[str]:
        """Decode ids to text; marks (padding, beginning, end) vanish."""
        processor = self.of(language)
        kept = [[int(i) for i in line if i > EOS or i == UNK] for line in ids]
        if units := self._units[language]:
            return self._from_model([units.decode(line) for line in kept])
        return self._from_model(processor.decode(kept)) if kept else []

    def decode_pieces(self, pieces: Sequence[Sequence[str]], language: str) -> list[str]:
        """Decode pieces to text."""
        processor = self.of(language)
        return self._from_model([processor.decode_pieces(list(line)) if line else "" for line in pieces])

    def offsets(self, text: str, pieces: Sequence[str], language: str) -> list[tuple[int, int]]:
        """Return where each piece begins and ends, in characters of `text` (a line in the tokenizer's Unicode form).

        The bytes of one character all have its place; a blank that SentencePiece puts before the line has none.
        """
        if (units := self._units[language]) and units.kind == "word":
            return word_offsets(text)
        at = positions(text) if self.jamo else range(len(text) + 1)
        spans, cursor, spelt = [], 0 if units else -1, b""
        for piece in pieces:
            byte = self.of(language).is_byte(self.of(language).piece_to_id(piece))
            spelt += bytes([int(piece[3:5], 16)]) if byte else b""
            width = 1 if byte else len(piece)
            begin, end = max(cursor, 0), max(cursor + width, 0)
            spans.append((at[begin], at[end - 1] + 1 if end > begin else at[begin]))
            if not byte or _whole(spelt):
                cursor, spelt = cursor + width, b""
        return spans

    def of(self, language: str) -> sentencepiece.SentencePieceProcessor:
        """Return the SentencePiece processor of a language.

        Raises:
            UsageError: the tokenizer was trained for other languages.
        """
        if language not in self.languages:
            raise UsageError(
                f"{self.artifact.path} has no language {language}",
                cause=f"it was trained for {' and '.join(self.languages)}",
                fix=" or ".join(f"--lang {name}" for name in self.languages),
            )
        return self.processors[language]

    @cached_property
    def _units(self) -> dict[str, Units | None]:
        marks = [MARK] if self.pretokenizer == "kiwi" else []
        symbols = [*model_symbols(self.symbols, self.jamo), *marks]
        return {name: find_units(self.of(name), self.kind, symbols) for name in self.languages}

    @cached_property
    def _packs(self) -> dict[str, bool]:
        return {name: can_pack(self.of(name), self.kind, bool(self.symbols) or self._cuts(name)) for name in self.languages}

    def _without_marks(self, ids: np.ndarray, lengths: np.ndarray, language: str) -> tuple[np.ndarray, np.ndarray]:
        if not self._cuts(language):
            return ids, lengths
        kept = ids != self.of(language).piece_to_id(MARK)
        ends = np.concatenate([[0], kept.cumsum()])[np.concatenate([[0], lengths.cumsum()])]
        return ids[kept], np.diff(ends)

    @cached_property
    def _samplers(self) -> dict[str, SubwordSampler]:
        config = self.artifact.manifest.config
        kind, marks = config["kind"], [MARK] if self.pretokenizer == "kiwi" else []
        symbols = [*model_symbols(self.symbols, self.jamo), *marks]
        if kind not in ("bpe", "unigram"):
            raise UsageError(
                f"{self.artifact.path}: a vocabulary of kind {kind} cuts each text in one way, there is nothing to draw",
                fix="use a tokenizer of --kind bpe or unigram for sampling",
            )
        return {language: SubwordSampler(self.processors[language], kind, symbols) for language in self.languages}

    def _draw(self, texts: list[str], language: str, sampling: Sampling) -> list[list[str]]:
        rng, sampler = random.Random(sampling.seed), self._samplers[language]
        return [sampler.sample(text, sampling.alpha, rng) for text in texts]

    def _cuts(self, language: str) -> bool:
        return self.pretokenizer == "kiwi" and language == "ko"

    def _to_model(self, lines: Iterable[str], language: str) -> tuple[list[str], dict[int, dict[str, str]]]:
        """Return what SentencePiece is given, and by line the stand-ins for characters that it keeps for itself."""
        processor = self.of(language)
        texts = normalized(lines, self.normalization)
        reserved = (BLANK, MARK) if self._cuts(language) else (BLANK,)
        stand_ins: dict[int, dict[str, str]] = {}
        if processor.is_byte(processor.piece_to_id("<0x00>")):  # else they could not be spelt
            for row, text in enumerate(texts):
                if any(c in text for c in reserved):
                    stand_ins[row] = _stand_ins(text, reserved, processor)
                    for c, stand_in in stand_ins[row].items():
                        texts[row] = texts[row].replace(c, stand_in)
        return to_model(texts, cut_ko=self._cuts(language), jamo=self.jamo, symbols=self.symbols), stand_ins

    def _from_model(self, texts: list[str]) -> list[str]:
        return [compose(text) for text in texts] if self.jamo else texts


def normalized(lines: Iterable[str], form: Normalization) -> list[str]:
    """Apply the Unicode form that a vocabulary is learnt from and texts are encoded in."""
    if form == "none":
        return list(lines)
    name: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
    return [unicodedata.normalize(name, line) for line in lines]


def model_symbols(symbols: Iterable[str], jamo: bool) -> list[str]:
    """Return the user's symbols as SentencePiece is to see them."""
    return [decompose(symbol) if jamo else symbol for symbol in symbols]


def to_model(texts: list[str], *, cut_ko: bool, jamo: bool, symbols: Sequence[str] = ()) -> list[str]:
    """Cut texts into morphemes (but not the user's symbols) and jamo, as SentencePiece is to see them."""
    if cut_ko:
        texts = [MARK.join(cut(text, symbols)) for text in texts]
    return [decompose(text) for text in texts] if jamo else texts


def _stand_ins(text: str, reserved: Iterable[str], processor: sentencepiece.SentencePieceProcessor) -> dict[str, str]:
    """Choose for each reserved character in `text` one that is neither in it nor in the vocabulary: it is spelt in bytes."""
    free = (chr(i) for i in STAND_INS if chr(i) not in text and processor.piece_to_id(chr(i)) == UNK)
    return {c: next(free) for c in reserved if c in text}


def _swap(ids: list[int], swaps: dict[str, str], processor: sentencepiece.SentencePieceProcessor) -> np.ndarray:
    """Put the bytes of the reserved characters where those of their stand-ins are."""
    flat = "".join(map(chr, ids))
    for c, stand_in in swaps.items():
        flat = flat.replace(_spelt(stand_in, processor), _spelt(c, processor))
    return np.array([ord(c) for c in flat], np.int32)


def _spelt(c: str, processor: sentencepiece.SentencePieceProcessor) -> str:
    """Return the ids of a character's bytes, each as the character of that number, to be searched and replaced."""
    return "".join(chr(processor.piece_to_id(f"<0x{byte:02X}>")) for byte in c.encode())


def _whole(spelt: bytes) -> bool:
    try:
        return bool(spelt.decode())
    except UnicodeDecodeError:
        return False
