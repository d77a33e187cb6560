"""How a unit stands in files: without blanks or line ends, so that any unit can be a key of any format.

`vocab.txt` and exported vectors use this spelling. It differs from the unit only where that holds a
backslash or an ASCII blank.
"""

from __future__ import annotations

import re

_ESCAPES = {"\\": r"\\", " ": r"\s", "\t": r"\t", "\n": r"\n", "\v": r"\v", "\f": r"\f", "\r": r"\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}
_TO_ESCAPE = re.compile(r"[\\ \t\n\v\f\r]")
_ESCAPED = re.compile(r"\\.")


def escape(unit: str) -> str:
    r"""Write a unit as a key: a blank as `\s`, a backslash as `\\`, others as in C."""
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], unit)


def unescape(key: str) -> str:
    """Read a key back; a backslash that escapes nothing stays."""
    return _ESCAPED.sub(lambda found: _UNESCAPES.get(found[0], found[0]), key) if "\\" in key else key
