"""PO files as entries: which of their lines hold which string, so that one can be replaced and the others stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from nlpcli.decoding.formats.base import Line, bad_line, whole_lines

_BLANK = " \t\r\f\v"
_STRING = r'"(?P<string>(?:[^"\\]|\\.)*)"[ \t]*'
_FIELD = re.compile(rf"[ \t]*(?P<name>msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)[ \t]*{_STRING}", re.ASCII | re.DOTALL)
_MORE = re.compile(rf"[ \t]*{_STRING}", re.ASCII | re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.ASCII | re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "\\": "\\", '"': '"'}
_WRITTEN = str.maketrans({sign: "\\" + name for name, sign in _NAMED.items()})
_FLAGS = "#,"


@dataclass
class Field:
    """One string of an entry, its escapes undone, and its lines in the entry: from `first` to before `last`."""

    name: str
    text: str
    first: int
    last: int


@dataclass
class Entry:
    """Lines of a PO file that belong together: comments and, unless they stand alone, a message and its translations."""

    lines: list[Line] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)

    @property
    def line(self) -> int:
        """Where it begins in the file, from 1."""
        return self.lines[0].number

    @property
    def raw(self) -> str:
        """The entry as it stands in the file."""
        return "".join(line.raw for line in self.lines)

    @property
    def message(self) -> Field | None:
        """The text to be translated; None of comments alone."""
        return self._named("msgid")

    @property
    def plural(self) -> Field | None:
        """Its plural, if it has one."""
        return self._named("msgid_plural")

    @property
    def translations(self) -> list[Field]:
        """The translation, or that of each plural form."""
        return [each for each in self.fields if each.name.startswith("msgstr")]

    @property
    def is_header(self) -> bool:
        """Tell whether this is the entry without a message that tells about the file."""
        return self.message is not None and not self.message.text and self._named("msgctxt") is None

    def _named(self, name: str) -> Field | None:
        return next((each for each in self.fields if each.name == name), None)

    def with_translations(self, texts: dict[str, str]) -> str:
        """Return the entry with other translations, by the names of their fields, and marked `fuzzy`."""
        lines = [line.raw for line in self.lines]
        for each in self.fields:
            if each.name in texts:
                lines[each.first : each.last] = [""] * (each.last - each.first)
                lines[each.first] = quoted(each.name, texts[each.name], self.lines[each.first], self.lines[each.last - 1].end)
        self._mark(lines)
        return "".join(lines)

    def _mark(self, lines: list[str]) -> None:
        """Add the flag to the line of flags, or put one before the message and what was the message before (`#|`)."""
        first = self.fields[0].first
        comments = range(first)
        flags = [at for at in comments if self.lines[at].text.startswith(_FLAGS)]
        if any("fuzzy" in re.split(r"[,\s]+", self.lines[at].text[2:]) for at in flags):
            return
        if flags:
            line = self.lines[flags[0]]
            lines[flags[0]] = f"{line.start}#, fuzzy,{line.text[2:]}{line.end}"
            return
        at = next((at for at in comments if self.lines[at].text.startswith("#|")), first)
        line = self.lines[at]
        lines[at] = f"{line.start}#, fuzzy{line.end or chr(10)}{lines[at].removeprefix(line.start)}"


def entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of a PO file; together their lines are all lines of the file.

    Raises:
        BadInput: a line that is not PO; an entry without message or translation.
    """
    entry = Entry()
    for line in whole_lines(path):
        kind = _kind(path, line)
        if entry.lines and _begins(entry, kind, line):
            yield _whole(path, entry)
            entry = Entry()
        entry.lines.append(line)
        if kind == "string":
            _go_on(path, entry, line)
        elif kind.startswith("msg"):
            _begin_field(path, entry, kind, line)
    if entry.lines:
        yield _whole(path, entry)


def _kind(path: Path, line: Line) -> str:
    """Return `blank`, `comment`, `obsolete`, `string` or the name of the field that begins."""
    text = line.text.strip(_BLANK)
    if not text:
        return "blank"
    if text.startswith("#"):
        return "obsolete" if text.startswith("#~") else "comment"
    if _MORE.fullmatch(line.text):
        return "string"
    found = _FIELD.fullmatch(line.text)
    if not found:
        raise bad_line(
            path, line.number, "is not PO", 'a line is blank, a comment (#), or a string in "" with or without its keyword'
        )
    return found["name"]


def _begins(entry: Entry, kind: str, line: Line) -> bool:
    """Tell whether a line belongs to the next entry."""
    if entry.translations:
        return kind in ("comment", "obsolete", "msgctxt", "msgid")
    if entry.message:
        return kind in ("msgctxt", "msgid")  # there is no translation, which is an error
    if entry.fields or kind == "blank":
        return False
    last = entry.lines[-1].text.strip(_BLANK)  # of comments and blank lines
    return not last or (last.startswith("#~") and kind != "obsolete")


def _begin_field(path: Path, entry: Entry, name: str, line: Line) -> None:
    if any(each.name == name for each in entry.fields):
        raise bad_line(path, line.number, f"has the second {name} of its entry")
    found = _FIELD.fullmatch(line.text)
    assert found is not None  # as `_kind` saw
    at = len(entry.lines)
    entry.fields.append(Field(name, _text(path, line, found["string"]), at - 1, at))


def _go_on(path: Path, entry: Entry, line: Line) -> None:
    found = _MORE.fullmatch(line.text)
    assert found is not None  # as `_kind` saw
    if not entry.fields:
        raise bad_line(path, line.number, "is a string without its keyword", "msgid or msgstr should stand before it")
    entry.fields[-1].text += _text(path, line, found["string"])
    entry.fields[-1].last = len(entry.lines)


def _whole(path: Path, entry: Entry) -> Entry:
    """Return an entry that has all it needs.

    Raises:
        BadInput: it has not.
    """
    if not entry.fields:
        return entry
    names = [each.name for each in entry.translations]
    at = entry.lines[entry.fields[0].first].number
    if entry.message is None or not names:
        raise bad_line(path, at, f"begins an entry without {'msgstr' if entry.message else 'msgid'}")
    if (names == ["msgstr"]) != (entry.plural is None) or (entry.plural and "msgstr" in names):
        raise bad_line(
            path, at, "begins an entry whose msgstr do not fit", "there are msgstr[0], msgstr[1], … if there is msgid_plural"
        )
    return entry


def _text(path: Path, line: Line, string: str) -> str:
    """Undo the escapes of a string."""

    def sign(found: re.Match[str]) -> str:
        octal, hexadecimal, name = found.groups()
        code = int(octal, 8) if octal else int(hexadecimal, 16) if hexadecimal else -1
        text = chr(code) if 0 <= code < 128 else _NAMED.get(name or "")
        if text is None:
            raise bad_line(path, line.number, f"has the escape {found.group()}, which stands for no character")
        return text

    return _ESCAPE.sub(sign, string) if "\\" in string else string


def quoted(name: str, text: str, first: Line, end: str) -> str:
    """Return a field as lines of a PO file, a line of text a line, indented as it was and with the last line's `end`."""
    indent = first.text[: len(first.text) - len(first.text.lstrip(_BLANK))]
    pieces = re.findall(r"[^\n]*\n|[^\n]+", text)
    strings = pieces if len(pieces) == 1 else ["", *pieces]
    lines = [indent + '"' + string.translate(_WRITTEN) + '"' for string in strings]
    return (first.end or "\n").join([f"{indent}{name} {lines[0].removeprefix(indent)}", *lines[1:]]) + end
