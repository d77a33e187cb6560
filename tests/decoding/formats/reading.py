"""What the tests of all formats share: a file from bytes, its records, and what they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nlpcli.decoding.formats.base import Options, Record
from nlpcli.decoding.formats.choose import choose_format
from nlpcli.errors import BadInput, UsageError

KO_EN = Options(src="ko", tgt="en")


def records(name: str, data: bytes | str, options: Options = KO_EN, wanted: str = "auto") -> list[Record]:
    """Write a file and read its records."""
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return list(choose_format(Path(name), wanted, options).read(Path(name), options))  # type: ignore[arg-type]


def same(text: str) -> str:
    """Translate nothing."""
    return text


def marked(text: str) -> str:
    """Translate so that it can be seen."""
    return f"[{text}]"


def written(found: Sequence[Record], translate: Callable[[str], str] = marked) -> bytes:
    """Return the output of records whose segments are all translated."""
    return "".join(record.render([translate(text) for text in record.segments]) for record in found).encode()


def output(name: str, data: bytes | str, translate: Callable[[str], str] = marked, options: Options = KO_EN) -> str:
    """Return the output of a file as text."""
    return written(records(name, data, options), translate).decode()


def segments(found: Sequence[Record]) -> list[str]:
    """Return the segments of all records."""
    return [text for record in found for text in record.segments]


def refused(name: str, data: bytes | str, options: Options = KO_EN) -> BadInput:
    """Return the error with which a file is refused."""
    with pytest.raises(BadInput) as caught:
        records(name, data, options)
    assert caught.value.fix
    return caught.value


def misused(name: str, data: bytes | str, options: Options = KO_EN) -> UsageError:
    """Return the error with which options are refused for a file."""
    with pytest.raises(UsageError) as caught:
        records(name, data, options)
    assert caught.value.fix
    return caught.value
