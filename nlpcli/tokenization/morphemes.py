"""Korean morphemes by Kiwi: where they begin in the text as it is written, so that nothing of it is lost.

Kiwi gives dictionary forms (갔다 is 가 + 았 + 다). Here only the places in the surface text are used: 갔|다. Joining the
parts gives back the text.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any, Sequence

from nlpcli.errors import Unavailable


@cache
def kiwi() -> Any:
    """Load the analyser, once a process.

    Raises:
        Unavailable: kiwipiepy is not installed.
    """
    try:
        from kiwipiepy import Kiwi
    except ImportError:
        raise Unavailable(
            "Korean morphemes need kiwipiepy, which is not installed",
            cause="it is an extra, as its model is large",
            fix="pip install 'nlpcli[ko]'",
        ) from None
    return Kiwi(num_workers=1)


def split_morphemes(lines: Sequence[str]) -> list[list[str]]:
    """Cut each line into its morphemes as they are written, blanks left out."""
    return [[part for piece in cut(line) for part in piece.split()] for line in lines]


def cut(line: str, whole: Sequence[str] = ()) -> list[str]:
    """Cut a line into parts that begin where a morpheme does; joined they are the line. Blanks stay with what follows.

    Args:
        whole: texts that are not cut.
    """
    starts = {token.start for token in kiwi().tokenize(line)} if line and not line.isspace() else set()
    if whole:
        longest_first = sorted(whole, key=len, reverse=True)
        for found in re.finditer("|".join(map(re.escape, longest_first)), line):
            starts -= set(range(found.start() + 1, found.end()))
    inner = sorted(i for i in starts if 0 < i < len(line) and line[i - 1] != " ")  # no piece goes on over that one anyway
    return [line[a:b] for a, b in pairwise([0, *inner, len(line)])]
