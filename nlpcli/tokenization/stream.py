"""`nlpcli tokenize encode` and `decode`: lines from stdin to stdout, one for one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from nlpcli import console
from nlpcli.corpus.readers import read_lines
from nlpcli.errors import BadInput
from nlpcli.tokenization.parallel import chunks, ordered_map
from nlpcli.tokenization.sampling import Sampling
from nlpcli.tokenization.tokenizer import Tokenizer, normalized

Form = Literal["pieces", "ids"]
EncodedForm = Literal["pieces", "ids", "json"]
CHUNK = 1000  # lines between flushes: bounded memory, bounded latency in a pipe


def encode_stream(
    *,
    tokenizer: Path,
    lang: str,
    file: Path = Path("-"),
    form: EncodedForm = "pieces",
    sample: float | None = None,
    seed: int = 1,
    workers: int = 1,
) -> None:
    """Encode each line of `file` (`-` is stdin) to pieces or ids separated by blanks, or to a JSON record.

    The record has the line in the tokenizer's Unicode form, its ids, its pieces and where each piece begins and ends in
    it, in characters.

    Args:
        sample: draw a segmentation with this `Sampling.alpha` instead of taking the best one.
    """
    t = Tokenizer.load(tokenizer)
    t.of(lang)
    encode = partial(_encode, t, lang, form, sample, seed)
    for lines in ordered_map(encode, enumerate(chunks(read_lines(file), CHUNK)), workers):
        console.write_out(lines)


def decode_stream(*, tokenizer: Path, lang: str, file: Path = Path("-"), form: Form = "pieces") -> None:
    """Decode each line of pieces or ids to text.

    Raises:
        BadInput: a line that is not ids, or an id that the vocabulary does not have (with the line's number).
    """
    t = Tokenizer.load(tokenizer)
    size, done = t.vocab_size(lang), 0
    for lines in chunks(read_lines(file), CHUNK):
        split = [[word for word in line.split(" ") if word] for line in lines]
        if form == "ids":
            texts = t.decode([_ids(words, done + i, size) for i, words in enumerate(split, 1)], lang)
        else:
            texts = t.decode_pieces(split, lang)
        console.write_out(text.replace("\n", " ") for text in texts)  # spelt in bytes; one line stays one line
        done += len(lines)


def _encode(
    t: Tokenizer, lang: str, form: EncodedForm, sample: float | None, seed: int, chunk: tuple[int, list[str]]
) -> list[str]:
    number, lines = chunk
    sampling = None if sample is None else Sampling(sample, seed + number)
    if form == "ids":
        return [" ".join(map(str, ids)) for ids in t.encode(lines, lang, sampling)]
    pieces = t.encode_pieces(lines, lang, sampling)
    if form == "pieces":
        return [" ".join(row) for row in pieces]
    texts = normalized(lines, t.normalization)
    records = (
        {"text": text, "ids": t.ids_of(row, lang), "pieces": row, "offsets": t.offsets(text, row, lang)}
        for text, row in zip(texts, pieces)
    )
    return [msgspec.json.encode(record).decode() for record in records]


def _ids(words: list[str], line: int, vocab_size: int) -> list[int]:
    bad = [word for word in words if not (word.isascii() and word.isdigit() and len(word) < 12 and int(word) < vocab_size)]
    if bad:
        raise BadInput(
            f"line {line}: {bad[0]} is not an id of this vocabulary",
            cause=f"ids are whole numbers from 0 to {vocab_size - 1}",
            fix="use --from pieces for pieces, or the tokenizer that made the ids",
        )
    return [int(word) for word in words]
