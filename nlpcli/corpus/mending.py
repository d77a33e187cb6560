"""What can be set right in a line without losing anything of it."""

from __future__ import annotations

import html
import re
import unicodedata
from html.entities import html5
from typing import Callable, Collection, Sequence

from nlpcli.corpus.mojibake import unscramble
from nlpcli.corpus.scripts import Characters

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CONTROL = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f]")
_MARKS = "\u0300-\u036f\u1160-\u11ff\u3099\u309a"
_DECOMPOSED = re.compile(f"[^{_MARKS}][{_MARKS}]+")
_LOST = "\ufffd"


def mend(texts: Sequence[str], characters: Characters, keep: Collection[str] = ()) -> tuple[list[str], dict[str, list[int]]]:
    """Return the mended lines, and for each rule the rows in which it mended something.

    Args:
        characters: of the same texts; only lines with characters that call for a look are looked at.
        keep: rules that mend nothing.
    """
    texts = list(texts)
    found: dict[str, list[int]] = {}
    repairs = {rule: repair for rule, repair in _REPAIRS.items() if rule not in keep}
    for row in characters.suspects().tolist():
        before = None
        while before != texts[row]:  # what was &amp;#173; may be a control character now
            before = texts[row]
            for rule, repair in repairs.items():
                if (mended := repair(texts[row])) != texts[row]:
                    texts[row] = mended
                    rows = found.setdefault(rule, [])
                    if not rows or rows[-1] != row:
                        rows.append(row)
    return texts, found


def _marks(text: str) -> str:
    return text.replace("\ufeff", "")


def _entities(text: str) -> str:
    return _ENTITY.sub(lambda found: _character(found[0]), text) if "&" in text else text


def _character(entity: str) -> str:
    """Return what an entity stands for, or the entity itself if that is nothing, or no character of a line."""
    if entity[1] != "#" and entity[1:] not in html5:
        return entity
    text = html.unescape(entity)
    return entity if not text or _CONTROL.search(text) or text in (_LOST, "\t") else text


def _controls(text: str) -> str:
    return _CONTROL.sub(lambda found: " " if found[0].isspace() else "", text)


def _composed(text: str) -> str:
    return _DECOMPOSED.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)


_REPAIRS: dict[str, Callable[[str], str]] = {
    "bom": _marks,
    "mojibake": unscramble,
    "entities": _entities,
    "control": _controls,
    "nfd": _composed,
}
