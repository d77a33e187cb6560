"""A line without its markup, and the markup with what is needed to put it back (`tags.py`)."""

from __future__ import annotations

import html
import re
from typing import Sequence

import msgspec

from nlpcli.decoding.markup import Found, Kind, find_markup

_ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});")
_BREAK = re.compile(r"<(?:br|hr)\b", re.IGNORECASE)
CLOSING = frozenset(".,;:!?…)]}”’»。，、；：！？」』》〉")


class Mark(msgspec.Struct, frozen=True):
    """Markup that was cut out of a line.

    Attributes:
        position: the character of the stripped line that it stood before.
        raw: what was cut out.
        kind: an opening or closing tag whose partner is `partner` (its number among the marks), markup that stands for itself
            (`empty`), or a placeholder, an address and the like, which is a word.
        before, after: the white space that stood around it.
    """

    position: int
    raw: str
    kind: Kind
    partner: int = -1
    before: str = ""
    after: str = ""


class Stripped(msgspec.Struct, frozen=True):
    """A line without its markup.

    Attributes:
        text: what is to be translated.
        marks: what was cut out, in its order.
        source: the line as it was.
        escapes: characters that the line wrote as entities, and how.
    """

    text: str
    marks: list[Mark]
    source: str
    escapes: dict[str, str]

    @property
    def translatable(self) -> bool:
        """Tell whether there is anything left to translate: a line of marks and punctuation is not, it stays as it is."""
        return not self.marks or any(map(str.isalnum, self.text))

    def escape(self, text: str) -> str:
        """Write characters as entities that the line wrote so."""
        return text.translate({ord(char): entity for char, entity in self.escapes.items()})


def strip(line: str) -> Stripped:
    """Cut the markup out of a line.

    Of the white space on both sides of what is cut out, one side's stays. Tags that hold nothing but white space or other
    markup are one mark with it, placeholders beside each other likewise. Entities become the characters they stand for.
    """
    escapes: dict[str, str] = {}
    found = find_markup(line)
    if not found:
        return Stripped(_decode(line, escapes), [], line, escapes)
    found = _melt(line, found)
    text, length, marks, at = [], 0, [], 0
    gap: list[Found] = []
    for mark in [*found, Found(len(line), len(line), "empty")]:
        between = line[at : mark.begin]
        if between.strip() or mark.begin == len(line):
            body = _decode(between.strip() if gap else between.rstrip(), escapes)
            blank = _blank(line, gap, body) if length and body else ""
            marks += _placed(line, gap, length, length + len(blank))
            text += [blank, body]
            length += len(blank) + len(body)
            gap = []
        gap.append(mark)
        at = mark.end
    return Stripped("".join(text), marks, line, escapes)


def divide(stripped: Stripped, spans: Sequence[tuple[int, int]]) -> list[Stripped]:
    """Share the marks of a line that is translated in parts out to these.

    Args:
        spans: where each part lies in the stripped line, in their order.

    Returns:
        For each part a stripped line; a pair of tags whose partners go to different parts becomes two marks for themselves.
    """
    shares: list[list[int]] = [[] for _ in spans]
    part = 0
    for number, mark in enumerate(stripped.marks):
        while part + 1 < len(spans) and (
            mark.position > spans[part][1] or (mark.position == spans[part + 1][0] and mark.kind != "close")
        ):
            part += 1
        shares[part].append(number)
    divided = []
    for (begin, end), share in zip(spans, shares):
        places = {number: place for place, number in enumerate(share)}
        marks = []
        for number in share:
            mark = stripped.marks[number]
            partner = places.get(mark.partner, -1)
            kind: Kind = "empty" if mark.partner >= 0 and partner < 0 else mark.kind
            position = min(max(mark.position - begin, 0), end - begin)
            marks.append(msgspec.structs.replace(mark, position=position, kind=kind, partner=partner))
        text = stripped.text[begin:end]
        divided.append(Stripped(text, marks, text, stripped.escapes))
    return divided


def _decode(text: str, escapes: dict[str, str]) -> str:
    """Replace entities by their characters and take note of how each was written."""

    def character(entity: re.Match[str]) -> str:
        char = html.unescape(entity[0])
        if len(char) != 1 or char in "\r\n":
            return entity[0]
        escapes.setdefault(char, entity[0])
        return char

    return _ENTITY.sub(character, text) if "&" in text else text


def _melt(line: str, found: list[Found]) -> list[Found]:
    """Join tags that hold no text with what they hold, and placeholders that follow each other."""
    melted: list[Found] = []
    places: dict[int, int] = {}  # number of an opening tag → its place in `melted`
    run = 0  # the first mark of those between which no text stands
    for number, mark in enumerate(found):
        if number and line[found[number - 1].end : mark.begin].strip():
            run = len(melted)
        new = mark
        if mark.kind == "close" and places[mark.partner] >= run:
            inside = melted[places[mark.partner] :]
            del melted[places[mark.partner] :]
            kind: Kind = "word" if any(held.kind == "word" for held in inside) else "empty"
            new = Found(inside[0].begin, mark.end, kind)
        elif mark.kind == "open":
            places[number] = len(melted)
        if new.kind == "word" and len(melted) > run and melted[-1].kind == "word":
            melted[-1] = melted[-1]._replace(end=new.end)
        else:
            melted.append(new._replace(partner=places[new.partner]) if new.kind == "close" else new)
    for number, mark in enumerate(melted):
        if mark.kind == "close":
            melted[mark.partner] = melted[mark.partner]._replace(partner=number)
    return melted


def _blank(line: str, gap: list[Found], body: str) -> str:
    """Return the white space that is left where marks were cut out between words."""
    if not gap:
        return ""
    if body[0] in CLOSING and any(mark.kind == "word" for mark in gap):
        return ""
    kinds = {mark.kind for mark in gap}
    parted = {"close", "open"} <= kinds or any(_BREAK.match(line, mark.begin) for mark in gap)  # </td><td>, <br/>
    return next((space for space in _spaces(line, gap) if space), " " if parted or "word" in kinds else "")


def _spaces(line: str, gap: list[Found]) -> list[str]:
    """Return the white space before each mark of a gap, and after the last."""
    begin, end = gap[0].begin, gap[-1].end
    while begin and line[begin - 1].isspace():
        begin -= 1
    while end < len(line) and line[end].isspace():
        end += 1
    edges = [begin, *(edge for mark in gap for edge in (mark.begin, mark.end)), end]
    return [line[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]


def _placed(line: str, gap: list[Found], left: int, right: int) -> list[Mark]:
    """Make marks of what stands in a gap that reaches from `left` to `right` in the stripped line."""
    spaces = _spaces(line, gap) if gap else []
    marks, position = [], left
    for mark, before, after in zip(gap, spaces, spaces[1:]):
        position = right if before or mark.kind == "open" else position
        at = left if mark.kind == "close" else position
        marks.append(Mark(at, line[mark.begin : mark.end], mark.kind, mark.partner, before, after))
    return marks
