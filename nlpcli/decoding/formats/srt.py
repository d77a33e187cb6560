"""SubRip subtitles: a cue is a number, a line of times and lines of text, and ends at an empty line.

The lines of a cue are one segment, as sentences run over them, and the translation is cut into at most as many lines.
Where a line begins with a dash another person speaks: that is a segment, and stays a line, of its own.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.decoding.formats.base import Format, Line, Options, Record, bad_line, kept, one_line, whole_lines
from nlpcli.decoding.formats.wrapping import wrap

_BLANK = " \t\r"
_NUMBER = re.compile(r"[ \t]*\d+[ \t]*", re.ASCII)
_TIME = r"\d{1,3}:\d{1,2}:\d{1,2}[,.]\d{1,3}"
_TIMES = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?:[ \t].*)?", re.ASCII)  # a place on the screen may follow
_TAGS = r"(?:<[^<>]*>|\{\\[^{}]*\})*"
_SPEAKER = re.compile(rf"[ \t]*{_TAGS}[ \t]*[-‐–—]")


class Srt(Format):
    """Cues and the empty lines between them."""

    name = "srt"
    suffixes = (".srt",)

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield a record a cue, with the empty line that ends it, and one for each further empty line."""
        lines = whole_lines(path)
        for line in lines:
            yield kept(line.raw, line.number) if _is_blank(line) else _cue(path, line, lines)


def _is_blank(line: Line) -> bool:
    return not line.text.strip(_BLANK)


def _cue(path: Path, first: Line, lines: Iterator[Line]) -> Record:
    head = _head(path, first, lines)
    text, blank = [], ""
    for line in lines:
        if _is_blank(line):
            blank = line.raw
            break
        if _TIMES.fullmatch(line.text):
            raise bad_line(path, line.number, "has times within the text of a cue", "an empty line before the cue is missing")
        text.append(line)
    if not text:
        return kept(head + blank, first.number)
    speeches = _speeches(text)
    segments = tuple(" ".join(line.text.strip(_BLANK) for line in speech) for speech in speeches)
    return Record(segments, partial(_translated, head, speeches, segments, blank), first.number)


def _head(path: Path, first: Line, lines: Iterator[Line]) -> str:
    """Return the lines of a cue down to the times; its number may be missing.

    Raises:
        BadInput: there is something else.
    """
    times, number = first, ""
    if _NUMBER.fullmatch(first.text):
        times, number = next(lines, first), first.raw
    if not _TIMES.fullmatch(times.text):
        cause = "a cue is its number, its times (00:01:02,345 --> 00:01:04,567), its text and an empty line"
        raise bad_line(path, times.number, "is not the times of a cue" if number else "does not begin a cue", cause)
    return number + times.raw


def _speeches(text: list[Line]) -> list[list[Line]]:
    """Put the lines together that are one segment."""
    speeches: list[list[Line]] = []
    for line in text:
        if not speeches or _SPEAKER.match(line.text):
            speeches.append([])
        speeches[-1].append(line)
    return speeches


def _translated(
    head: str, speeches: list[list[Line]], segments: tuple[str, ...], blank: str, translations: Sequence[str]
) -> str:
    source = [line for speech in speeches for line in speech]
    if tuple(translations) == segments:
        return head + "".join(line.raw for line in source) + blank
    wrapped = [wrap(one_line(text), len(speech)) for text, speech in zip(translations, speeches, strict=True)]
    lines = [line for speech in wrapped for line in speech]
    end = source[0].end or "\n"
    return head + end.join(lines) + (source[-1].end if lines else "") + blank
