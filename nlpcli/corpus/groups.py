"""Which rows belong together: rows that share a text, one with another, form a group (a connected component).

Texts are compared by 8 bytes of hash of their folded form, so that ten million rows fit into memory; two different texts
with the same hash (chance about 1 in 300,000 at that size) would at worst keep two rows together that need not be.
"""

from __future__ import annotations

import hashlib
import unicodedata
from array import array
from typing import Any, Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]  # one a row; NOTHING where the text is empty
Labels = NDArray[np.int64]  # one a row: the number of its group

NOTHING = 0


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

    The smallest label among neighbours is taken over until nothing changes, with pointer jumping (Shiloach and Vishkin
    1982), so that chains need a logarithmic number of rounds.

    Args:
        columns: hashes, one array of shape (rows,) a column; NOTHING joins no rows.
    """
    labels: Labels = np.arange(len(columns[0]))
    shared = [_shared(column) for column in columns]
    while True:
        before = labels.copy()
        for rows, starts in shared:
            if len(rows):
                least = np.repeat(np.minimum.reduceat(labels[rows], starts), np.diff(np.append(starts, len(rows))))
                np.minimum.at(labels, labels[rows], least)  # hook the old root …
                labels[rows] = least  # … and the row itself
        while (jumped := labels[labels]).tobytes() != labels.tobytes():
            labels = jumped
        if np.array_equal(labels, before):
            return labels


def _shared(column: Hashes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the rows whose text stands in another row too, sorted by text, and where each text begins among them."""
    order = np.argsort(column, kind="stable")
    order = order[np.searchsorted(column[order], NOTHING, side="right") :]
    texts = column[order]
    first = np.append(True, texts[1:] != texts[:-1])[: len(texts)]
    alone = first & np.append(first[1:], True)[: len(texts)]
    return order[~alone], np.flatnonzero(first[~alone])


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
