"""Whole words and single characters as tokens: each unit of a text is one id, and each unknown one is one unknown.

SentencePiece joins unknown words or characters that follow each other into one piece. Perplexity is a mean over tokens, so
the number of tokens must not depend on the vocabulary: models of kind `word` and `char` are looked up here instead.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Iterable, Sequence

import numpy as np
import sentencepiece

from nlpcli.tokenization.sampling import BLANK

UNK, LAST_MARK = 1, 3  # ids 0-3 are marks, see tokenizer.py
LOST = "\N{REPLACEMENT CHARACTER}"


class Units:
    """Looks up the units of a vocabulary of words or of characters.

    Args:
        symbols: texts that are one unit wherever they stand (`--user-symbol`); among words, where they are a word.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, kind: str, symbols: Sequence[str] = ()) -> None:
        self.processor, self.kind = processor, kind
        pieces = {i: processor.id_to_piece(i) for i in range(LAST_MARK + 1, processor.vocab_size())}
        self.ids = {piece.removeprefix(BLANK) if kind == "word" else piece: i for i, piece in pieces.items()}
        if kind == "char" and BLANK in self.ids:
            self.ids[" "] = self.ids.pop(BLANK)
        longest_first = sorted(symbols, key=len, reverse=True)
        self.symbol = re.compile("|".join([*map(re.escape, longest_first), "."]), re.DOTALL) if symbols else None

    def split(self, text: str) -> Iterable[str]:
        """Cut a text into its units."""
        if self.kind == "word":
            return text.split()
        return self.symbol.findall(text) if self.symbol else text

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts [tokens] (int32), one after another, and their number a text [texts] (int64)."""
        rows = [self.split(text) for text in texts]
        find = self.ids.get
        ids = np.array([find(unit, UNK) for unit in chain.from_iterable(rows)], np.int32)
        return ids, np.fromiter((len(row) for row in rows), np.int64, len(rows))  # type: ignore[arg-type]

    def pieces(self, text: str) -> list[str]:
        """Return the units as SentencePiece would write them; unknown ones stand for themselves."""
        return [self._piece(unit) for unit in self.split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Set units side by side, words with a blank between them."""
        if self.kind == "char":
            return str(self.processor.decode(list(ids)))
        words = (LOST if i == UNK else self.processor.id_to_piece(i).removeprefix(BLANK) for i in ids)
        return " ".join(words)

    def _piece(self, unit: str) -> str:
        if unit in self.ids:
            return str(self.processor.id_to_piece(self.ids[unit]))
        return BLANK + unit if self.kind == "word" else unit


def find_units(processor: sentencepiece.SentencePieceProcessor, kind: str, symbols: Sequence[str] = ()) -> Units | None:
    """Return the units of a vocabulary of words or characters that puts no blanks of its own into the text.

    Vocabularies learnt by earlier versions do: every extra blank is a token of theirs, and every line begins with one.
    """
    shown = {"word": f"{BLANK}x{BLANK}y", "char": f"x{BLANK}{BLANK}y"}.get(kind)
    return Units(processor, kind, symbols) if shown and processor.normalize("x  y") == shown else None


def word_offsets(text: str) -> list[tuple[int, int]]:
    """Return where each word begins and ends, in characters, with the blank before it as in SentencePiece's pieces."""
    return [(found.start() - (number > 0), found.end()) for number, found in enumerate(re.finditer(r"\S+", text))]
