"""A uniform sample of a stream whose length nobody knows, in memory for the sample alone."""

from __future__ import annotations

import math
import random
from typing import Iterable, TypeVar

Row = TypeVar("Row")


def reservoir(rows: Iterable[Row], size: int, seed: int) -> tuple[list[Row], int]:
    """Draw `size` rows, each set of them equally likely, and count the rows (Li 1994, Algorithm L).

    All rows are returned if there are no more than `size`. The sample keeps the order of the stream and follows from the
    seed and the stream alone.
    """
    rng = random.Random(seed)
    kept: list[tuple[int, Row]] = []
    weight, chosen, count = 1.0, size, 0
    for count, row in enumerate(rows, 1):
        number = count - 1
        if number < size:
            kept.append((number, row))
            if count < size:
                continue
        elif number == chosen:
            kept[rng.randrange(size)] = number, row
        else:
            continue
        weight *= math.exp(math.log(1.0 - rng.random()) / size)
        chosen = number + 1 + int(math.log(1.0 - rng.random()) / math.log1p(-weight)) if weight < 1.0 else number + 1
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])], count
