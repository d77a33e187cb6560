"""Which format a file has: as told, or by its ending."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpcli.corpus.documents import holds_documents
from nlpcli.corpus.readers import uncompressed
from nlpcli.decoding.formats.base import Format, FormatName, Options
from nlpcli.decoding.formats.csv_tables import Csv
from nlpcli.decoding.formats.documents import Documents
from nlpcli.decoding.formats.json_lines import JsonLines
from nlpcli.decoding.formats.po import Po
from nlpcli.decoding.formats.srt import Srt
from nlpcli.decoding.formats.text import Text
from nlpcli.decoding.formats.tsv import Tsv

FORMATS: dict[str, Format] = {format.name: format for format in (Text(), Tsv(), Csv(), JsonLines(), Documents(), Srt(), Po())}
SUFFIXES = {suffix: format for format in FORMATS.values() for suffix in format.suffixes}


def choose_format(path: Path, wanted: FormatName | Literal["auto"], options: Options) -> Format:
    """Return the format asked for, or the one a file's ending stands for (without that of its compression).

    What has no known ending, and stdin, is plain text. JSON Lines are documents if the source language's key holds a list
    in the first line.
    """
    if wanted != "auto":
        return FORMATS[wanted]
    found = SUFFIXES.get(uncompressed(path).suffix.lower(), FORMATS["text"])
    if found.name == "jsonl" and not options.column and holds_documents(path, options.src):
        return FORMATS["documents"]
    return found
