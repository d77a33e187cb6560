"""`nlpcli tokenize encode` and `decode`: lines from stdin to stdout, one for one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Callable, Iterator, Literal

from nlpcli import console
from nlpcli.corpus.readers import read_lines
from nlpcli.errors import BadInput
from nlpcli.tokenization.tokenizer import Tokenizer

Form = Literal["pieces", "ids"]
CHUNK = 1000  # lines between flushes: bounded memory, bounded latency in a pipe


def encode_stream(*, tokenizer: Path, lang: str, file: Path = Path("-"), form: Form = "pieces") -> None:
    """Encode each line of `file` (`-` is stdin) to pieces or ids separated by blanks."""
    t = Tokenizer.load(tokenizer)

    def encode(lines: list[str]) -> list[str]:
        if form == "ids":
            return [" ".join(map(str, ids)) for ids in t.encode(lines, lang)]
        return [" ".join(pieces) for pieces in t.encode_pieces(lines, lang)]

    _stream(file, encode)


def decode_stream(*, tokenizer: Path, lang: str, file: Path = Path("-"), form: Form = "pieces") -> None:
    """Decode each line of pieces or ids to text.

    Raises:
        BadInput: a line that is not ids, or an id that the vocabulary does not have (with the line's number).
    """
    t = Tokenizer.load(tokenizer)
    done = 0

    def decode(lines: list[str]) -> list[str]:
        nonlocal done
        split = [[word for word in line.split(" ") if word] for line in lines]
        ids = [_ids(words, done + i, t.vocab_size(lang)) for i, words in enumerate(split, 1)] if form == "ids" else []
        done += len(lines)
        texts = t.decode(ids, lang) if form == "ids" else t.decode_pieces(split, lang)
        return [text.replace("\n", " ") for text in texts]  # spelt in bytes; one line stays one line

    _stream(file, decode)


def _stream(file: Path, convert: Callable[[list[str]], list[str]]) -> None:
    lines: Iterator[str] = read_lines(file)
    while chunk := list(islice(lines, CHUNK)):
        console.write_out(convert(chunk))


def _ids(words: list[str], line: int, vocab_size: int) -> list[int]:
    bad = [word for word in words if not (word.isascii() and word.isdigit() and len(word) < 12 and int(word) < vocab_size)]
    if bad:
        raise BadInput(
            f"line {line}: {bad[0]} is not an id of this vocabulary",
            cause=f"ids are whole numbers from 0 to {vocab_size - 1}",
            fix="use --from pieces for pieces, or the tokenizer that made the ids",
        )
    return [int(word) for word in words]
