"""Plain text: a line in, a line out. Every line of the output ends with a newline and nothing else, as `read_lines` reads
it: a byte order mark and Windows' line ends stay behind, so that outputs can be put together and compared line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from nlpcli.corpus.readers import numbered_lines
from nlpcli.decoding.formats.base import Format, Options, Record, one_line


class Text(Format):
    """Lines of text."""

    name = "text"
    suffixes = (".txt",)

    def read(self, path: Path, options: Options) -> Iterator[Record]:
        """Yield a record a line."""
        for number, line in numbered_lines(path):
            yield Record((line,), _line, number)


def _line(translations: Sequence[str]) -> str:
    return one_line(translations[0]) + "\n"
