"""Many lines in one call of SentencePiece, with the ids that each line alone would get.

A call costs more than a short line. Lines are joined by "\\n", which no piece holds, so that it is spelt as its byte and cuts
the ids again. No merge of a BPE model crosses it. A unigram model adds up float32 scores from the beginning of the text,
which round differently at another place, unless the sums are exact: scores that are multiples of 2⁻⁹ add up exactly to 2¹⁵
(24 bits). Vocabularies learnt here have such scores (`round_scores`); others are encoded line by line.
"""

from __future__ import annotations

import struct
from typing import Iterator, Sequence

import numpy as np
import sentencepiece

from nlpcli.tokenization.sampling import BLANK

STEP = 2.0**-9
EXACT = 2**15  # sums of multiples of STEP are exact in float32 below
UNKNOWN_PENALTY = 10  # of an unknown character, below the worst piece; SentencePiece's own
PACK, LONG = 1000, 256  # characters: of a text that takes no more lines, and of a line that is encoded alone
FIRST, REPEATED = 256, 0.5  # lines looked at, and the share of different words below which they are encoded once
NEWLINE = "<0x0A>"


def encode_packed(
    processor: sentencepiece.SentencePieceProcessor, lines: Sequence[str]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ids of all lines [tokens] (int32), one line after another, and their number a line [lines] (int64).

    Where `can_pack` holds these are the ids that each line alone would get. None if a line holds a newline itself.
    """
    newline = processor.piece_to_id(NEWLINE)
    rows = processor.encode(list(_packs(lines)), return_type="numpy", num_threads=1)
    ids = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    ends = np.flatnonzero(ids == newline)
    full = np.fromiter(map(bool, lines), bool, len(lines))
    if len(ends) != full.sum():
        return None
    lengths = np.zeros(len(lines), np.int64)
    lengths[full] = np.diff(ends, prepend=-1) - 1
    return ids[ids != newline], lengths


def encode_words(processor: sentencepiece.SentencePieceProcessor, lines: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """The same as `encode_packed`, with each different word of the lines encoded once: for BPE, whose merges are slow.

    No merge crosses a blank, as no piece holds ▁ but at its beginning, so a word's pieces do not depend on its neighbours.
    """
    full = np.fromiter(map(bool, lines), bool, len(lines))
    words = " ".join(filter(None, lines)).split(" ") if full.any() else []
    code = {word: i for i, word in enumerate(dict.fromkeys(words))}
    blank = code.pop("", None)  # a blank beside another; alone in a pack it would be no word
    encoded = encode_packed(processor, list(code))
    if encoded is None:
        return None
    ids, lengths = encoded
    if blank is not None:
        ends = lengths.cumsum()
        ids = np.insert(ids, ends[blank - 1] if blank else 0, processor.piece_to_id(BLANK))
        lengths, code[""] = np.insert(lengths, blank, 1), blank
    at = np.fromiter(map(code.__getitem__, words), np.int64, len(words))
    word_lengths = lengths[at]
    after = word_lengths.cumsum()
    within = np.arange(after[-1] if len(after) else 0) - np.repeat(after - word_lengths, word_lengths)
    begins = (lengths.cumsum() - lengths)[at]
    line_lengths = np.zeros(len(lines), np.int64)
    last_words = np.fromiter((line.count(" ") + 1 for line in lines if line), np.int64).cumsum() - 1
    line_lengths[full] = np.diff(after[last_words], prepend=0)
    return ids[np.repeat(begins, word_lengths) + within], line_lengths


def repeats_words(lines: Sequence[str]) -> bool:
    """Tell from the first lines whether most words come again, so that `encode_words` is worth its dictionary.

    It is for English, not for Korean, whose words have many endings.
    """
    words = " ".join(lines[:FIRST]).split(" ")
    return len(set(words)) < REPEATED * len(words)


def can_pack(processor: sentencepiece.SentencePieceProcessor, kind: str, symbols: bool) -> bool:
    """Tell whether lines in packs get the ids that they get alone.

    Args:
        symbols: whether there are user-defined pieces, whose scores in a unigram model are no multiples of STEP.
    """
    if not processor.is_byte(processor.piece_to_id(NEWLINE)):
        return False
    ids = [i for i in range(processor.vocab_size()) if not processor.is_byte(i)]
    if any("\n" in processor.id_to_piece(i) or BLANK in processor.id_to_piece(i)[1:] for i in ids):
        return False
    if kind == "bpe":
        return True
    scores = [processor.get_score(i) for i in ids]
    worst = min(scores) - UNKNOWN_PENALTY
    return kind == "unigram" and not symbols and -worst * (PACK + LONG) < EXACT and all(s % STEP == 0 for s in scores)


def round_scores(model: bytes) -> bytes:
    """Round the scores in a serialised SentencePiece model to multiples of STEP, which changes next to no segmentation.

    A `ModelProto` holds pieces as its field 1, and a piece its score as field 2, a 32-bit float
    (sentencepiece_model.proto).
    """
    rounded = bytearray(model)
    for field, wire, start, end in _fields(model, 0, len(model)):
        if (field, wire) != (1, 2):
            continue
        for inner, inner_wire, at, _ in _fields(model, start, end):
            if (inner, inner_wire) == (2, 5):
                (score,) = struct.unpack_from("<f", model, at)
                struct.pack_into("<f", rounded, at, round(score / STEP) * STEP)
    return bytes(rounded)


def _packs(lines: Sequence[str]) -> Iterator[str]:
    """Join lines that are not empty; each ends with a newline, and a blank would follow it, as SentencePiece begins a line."""
    pack: list[str] = []
    size = 0
    for line in lines:
        if pack and (size >= PACK or len(line) > LONG):
            yield "\n ".join(pack) + "\n"
            pack, size = [], 0
        if line:
            pack.append(line)
            size += max(len(line), PACK) if len(line) > LONG else len(line)
    if pack:
        yield "\n ".join(pack) + "\n"


def _fields(message: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of a protocol buffer message: number, wire type, and where the value begins and ends."""
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            stop = _varint(message, at)[1]
        elif wire == 2:
            size, at = _varint(message, at)
            stop = at + size
        else:
            stop = at + (4 if wire == 5 else 8)
        yield key >> 3, wire, at, stop
        at = stop


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
