"""The n-grams of FastText and their buckets, as in the fastText library (Bojanowski et al. 2017, section 3.2).

A word is spelt `<word>`; its n-grams are runs of characters, hashed by FNV-1a over their UTF-8 bytes. As in the library,
bytes above 127 are sign-extended before they meet the hash; vectors of other programs would not fit otherwise.
"""

from __future__ import annotations

from typing import Iterator

OFFSET_BASIS, PRIME, WORD = 2166136261, 16777619, 0xFFFFFFFF
SIGN_EXTENSION = 0xFFFFFF00


def ngrams(word: str, min_n: int, max_n: int) -> Iterator[str]:
    """Yield the n-grams of `<word>` by where they begin, then by length; `<` and `>` alone are none."""
    marked = f"<{word}>"
    for start in range(len(marked)):
        for end in range(start + min_n, min(start + max_n, len(marked)) + 1):
            if end - start > 1 or 0 < start < len(marked) - 1:
                yield marked[start:end]


def fnv1a(data: bytes) -> int:
    """Hash bytes to 32 bits."""
    h = OFFSET_BASIS
    for byte in data:
        h = ((h ^ (byte | SIGN_EXTENSION if byte > 127 else byte)) * PRIME) & WORD
    return h


def buckets(word: str, min_n: int, max_n: int, bucket: int) -> list[int]:
    """Return the row of each of the word's n-grams in a matrix of `bucket` rows."""
    return [fnv1a(gram.encode()) % bucket for gram in ngrams(word, min_n, max_n)]
