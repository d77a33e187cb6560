"""JSON Lines: a value of each object is replaced in the text of its line, so that all other bytes stay."""

from __future__ import annotations

import json
from functools import partial
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence

from nlpcli.decoding.formats.base import Format, Line, Options, Record, bad_line, chosen_column, kept, whole_lines
from nlpcli.decoding.formats.cells import lines_of, with_lines

_BLANK = " \t\n\r"


class Member(NamedTuple):
    """A key of an object with its value, and where in the line the key ends and the value starts and ends."""

    value: Any
    key_end: int
    start: int
    end: int


class JsonLines(Format):
    """An object a line; a value is text, or null, which stays. A blank line stays one."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield a record a line; a value of several lines has as many segments."""
        column = ""
        for line in whole_lines(path):
            if not line.text.strip(_BLANK):
                yield kept(line.raw, line.number)
                continue
            members = members_of(path, line)
            column = column or options.column or chosen_column(path, members, options)
            value = text_of(path, line, members, column)
            into = options.into or column
            if value is None:
                yield Record((), partial(_null, line, members, column, into), line.number)
            else:
                yield Record(lines_of(value), partial(_translated, line, members, column, into), line.number)


def members_of(path: Path, line: Line) -> dict[str, Member]:
    """Return the keys of the object that a line is.

    Raises:
        BadInput: the line is no JSON object, or has a key twice.
    """
    try:
        return _object(line.text)
    except (ValueError, RecursionError) as e:
        raise bad_line(path, line.number, "is not a JSON object", str(e)) from None


def text_of(path: Path, line: Line, members: dict[str, Member], key: str) -> str | None:
    """Return a value that is text or null.

    Raises:
        BadInput: there is no such key, or the value is something else.
    """
    if key not in members:
        raise bad_line(path, line.number, f"has no key {key}", f"it has {', '.join(members) or 'none'}")
    value = members[key].value
    if value is not None and not isinstance(value, str):
        raise bad_line(path, line.number, f"has something else than text as {key}")
    if value is not None and not is_text(value):
        raise bad_line(
            path, line.number, f"has half a surrogate pair in {key}", "such an escape (\\ud800) stands for no character"
        )
    return value


def is_text(value: str) -> bool:
    """Tell whether a string can be written as UTF-8, which JSON's escapes do not promise."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_value(line: Line, members: dict[str, Member], like: str, key: str, value: Any) -> str:
    """Return the line with another value of a key; a key that is not there becomes the last, spaced as `like` is."""
    text, raw = line.text, json.dumps(value, ensure_ascii=False)
    if key in members:
        member = members[key]
        return line.start + text[: member.start] + raw + text[member.end :] + line.end
    model = members[like]
    colon = text[model.key_end : model.start]
    comma = ", " if colon.endswith(" ") else ","
    last = max(member.end for member in members.values())
    added = comma + json.dumps(key, ensure_ascii=False) + colon + raw
    return line.start + text[:last] + added + text[last:] + line.end


def _null(line: Line, members: dict[str, Member], column: str, into: str, translations: Sequence[str]) -> str:
    return line.raw if into == column else with_value(line, members, column, into, None)


def _translated(line: Line, members: dict[str, Member], column: str, into: str, translations: Sequence[str]) -> str:
    value = members[column].value
    text = with_lines(value, translations)
    if text == value and into == column:
        return line.raw
    return with_value(line, members, column, into, text)


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> float:
    return 0.0  # its text stays in the line; its value is not looked at, and int() would refuse one of 5,000 digits


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_not_json)


def _object(text: str) -> dict[str, Member]:
    """Find the members of a JSON object; the values are left to the json module."""
    members: dict[str, Member] = {}
    at = _expect(text, 0, "{")
    if text[at : at + 1] == "}":
        return _ended(text, at + 1, members)
    while True:
        key, key_end = scanstring(text, _expect(text, at, '"'), True)
        if key in members:
            raise ValueError(f"the key {key} is there twice")
        start = _expect(text, key_end, ":")
        value, end = _DECODER.raw_decode(text, start)
        members[key] = Member(value, key_end, start, end)
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return _ended(text, at + 1, members)
        at = _expect(text, at, ",")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _expect(text: str, at: int, sign: str) -> int:
    """Return the place after a sign and the blanks that may follow (in a string there are none that may)."""
    at = _skip(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(f"{sign} expected at character {at + 1}")
    return at + 1 if sign == '"' else _skip(text, at + 1)


def _ended(text: str, at: int, members: dict[str, Member]) -> dict[str, Member]:
    if _skip(text, at) != len(text):
        raise ValueError(f"there is something after the object, at character {at + 1}")
    return members
