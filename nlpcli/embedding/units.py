"""Text to units: the words, pieces or morphemes that get a vector, cut in one way for training and for queries."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Sequence

from nlpcli.embedding.settings import Unit
from nlpcli.tokenization.tokenizer import Tokenizer

PUNCTUATION = (
    "".join(chr(c) for c in range(33, 127) if not chr(c).isalnum()) + "“”‘’…·•「」『』《》〈〉【】、。，！？：；～（）"
)


@dataclass(frozen=True)
class Cutter:
    """Cuts lines into units.

    Words are what stands between blanks, in NFC, without the punctuation at their edges (`strip_punctuation`). Morphemes
    are Kiwi's, pieces those of `tokenizer` for `language`.
    """

    unit: Unit
    lowercase: bool = False
    strip_punctuation: bool = False
    tokenizer: Tokenizer | None = None
    language: str = ""

    def __call__(self, lines: Sequence[str]) -> list[list[str]]:
        """Return the units of each line."""
        if self.lowercase:
            lines = [line.lower() for line in lines]
        if self.tokenizer is not None:
            return self.tokenizer.encode_pieces(lines, self.language)
        lines = [unicodedata.normalize("NFC", line) for line in lines]
        if self.unit == "morphemes":
            from nlpcli.tokenization.morphemes import split_morphemes

            return split_morphemes(lines)
        if not self.strip_punctuation:
            return [line.split() for line in lines]
        return [[word for part in line.split() if (word := part.strip(PUNCTUATION))] for line in lines]
