"""What the tests of all formats share: a file from bytes, its records, and what they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nlpcli.decoding.formats.base import Options, Record
from nlpcli.decoding.formats.choose import choose_format
from nlpcli.errors import BadInput, UsageError

KO_EN = Options(src="ko", tgt="en")

# Text that a line can hold and careless readers stumble over. None of the signs in it ends a line.
HOSTILE = [
    "",
    " ",
    "\t",
    "\u3000",
    "  둘러싼 공백  ",
    "가나다",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # decomposed Hangul
    "ㅋㅋㅋㅋㅋㅋ",
    "힣" * 300,
    "가" * 33_000,  # 99 kB
    "x" * 100_000,
    "a b " * 5_000,
    "😀",
    "👨\u200d👩\u200d👧\u200d👦🇰🇷",
    "e\u0301" * 40,
    "Z" + "\u0300" * 200,
    "\u202eright to left\u202c",
    "שלום עולם",
    "\u200fمرحبا\u200e",
    "\u2066isolated\u2069",
    "zero\u200bwidth\ufeffblank",
    "\ufeffagain a mark",
    "one\u2028two",
    "one\u2029two",
    "one\x85two",
    "one\x0btwo",
    "one\x0ctwo",
    "one\x1ctwo\x1dthree\x1efour",
    "null\x00byte",
    "\x01\x02\x03\x04\x05\x06\x07\x08",
    "\x1b[31mred\x1b[0m",
    "del\x7f",
    "\ufffd\uffff\U0010ffff",
    "\ue000private",
    "</s>",
    "<s> [unk] <pad> </s>",
    "⁇ ▁ ␞",
    "<unk>" * 50,
    "\\ud800 \\n \\x00 \\\\",
    '"quoted"',
    '"',
    'a "b" c',
    "a,b;c|d",
    "'; DROP TABLE lines; --",
    "%s %d {0} {name} $HOME `id`",
    "<i>기울임</i> &amp; &lt;",
    "{\\an8}위",
    "#, fuzzy",
    'msgid "x"',
    "7",
    "00:00 --> 00:01",
    "- 대시",
    "http://example.org/?q=%EA%B0%80",
    "null",
    '{"ko": 1}',
]
assert len(HOSTILE) >= 50


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
