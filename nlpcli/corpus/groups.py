"""Which rows belong together: rows that share a text, one with another, form a group (a connected component).

Texts are compared by 8 bytes of hash of their folded form, so that ten million rows fit into memory; two different texts
with the same hash (chance about 1 in 300,000 at that size) would at worst keep two rows together that need not be.
"""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from typing import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]  # one a row; NOTHING where the text is empty
Labels = NDArray[np.int64]  # one a row: the number of its group

NOTHING = 0
PIECE = 1 << 20  # rows that are Python's own integers at a time


def folded(text: str) -> str:
    """Return the form in which texts are compared: NFC, without case, white space squeezed."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(text.casefold().split())


def text_hash(text: str) -> int:
    """Return 8 bytes of hash of a text's folded form; NOTHING if that is empty."""
    form = folded(text)
    return int.from_bytes(hashlib.blake2b(form.encode(), digest_size=8).digest(), "little") or 1 if form else NOTHING


def hash_columns(rows: Iterable[tuple[str, ...]], width: int) -> list[Hashes]:
    """Hash the texts of rows, column by column: 8 bytes a text."""
    columns = [array("Q") for _ in range(width)]
    for row in rows:
        for column, text in zip(columns, row):
            column.append(text_hash(text))
    return [np.frombuffer(column, dtype=np.uint64) if column else np.empty(0, np.uint64) for column in columns]


def group(columns: list[Hashes]) -> Labels:
    """Label the connected components of rows: same label if two rows share a text in the same column, or a chain of such.

    Union-find with path halving (Tarjan and van Leeuwen 1984), over the rows that share a text with another at all.

    Args:
        columns: hashes, one array of shape (rows,) a column; NOTHING joins no rows.
    """
    parent = array("q", range(len(columns[0])))
    for column in columns:
        for row, other in _neighbours(column):
            a, b = row, other
            while parent[a] != a:
                parent[a] = a = parent[parent[a]]
            while parent[b] != b:
                parent[b] = b = parent[parent[b]]
            if a < b:
                parent[b] = a
            else:
                parent[a] = b
    labels: Labels = np.array(parent, np.int64)
    while not np.array_equal(jumped := labels[labels], labels):
        labels = jumped
    return labels


def _neighbours(column: Hashes) -> Iterator[tuple[int, int]]:
    """Yield pairs of rows with the same text, enough of them to connect all rows that have it."""
    order = np.argsort(column, kind="stable")
    texts = column[order]
    same = np.flatnonzero((texts[1:] == texts[:-1]) & (texts[1:] != NOTHING))
    for at in range(0, len(same), PIECE):
        piece = same[at : at + PIECE]
        yield from zip(order[piece].tolist(), order[piece + 1].tolist())


def ranks(columns: list[Hashes], labels: Labels, seed: int) -> tuple[Labels, Labels, Hashes]:
    """Return the groups in a random order that depends on the seed and the texts, not on the order of the rows.

    Returns:
        the groups' labels and sizes in this order, of shape (groups,); groups of empty rows alone are left out.
    """
    salt = np.frombuffer(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), np.uint64)[0]
    rank = np.full(len(labels), np.iinfo(np.uint64).max, np.uint64)
    for n, column in enumerate(columns):
        mixed = _mix(column ^ (salt + np.uint64(n)))
        np.minimum.at(rank, labels, np.where(column == NOTHING, np.iinfo(np.uint64).max, mixed))
    sizes = np.bincount(labels, minlength=len(labels))
    present = np.flatnonzero((sizes > 0) & (rank < np.iinfo(np.uint64).max))
    order = present[np.argsort(rank[present], kind="stable")]
    return order, sizes[order], rank[order]


def _mix(x: Hashes) -> Hashes:
    """Scatter 64 bits (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
