"""Plain text, and which format a file has."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.readers import LONGEST_LINE, zstd_module
from nlpcli.decoding.formats.base import Format, Options, whole_lines
from nlpcli.decoding.formats.choose import FORMATS, choose_format

from .reading import KO_EN, marked, output, records, refused, same, segments, written

LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12)


def test_a_line_in_is_a_line_out() -> None:
    found = records("a.ko", "하나\n\n둘\n")
    assert [(r.segments, r.line) for r in found] == [(("하나",), 1), (("",), 2), (("둘",), 3)]
    assert written(found).decode() == "[하나]\n[]\n[둘]\n"


def test_every_line_of_the_output_ends_with_a_newline_alone() -> None:
    assert output("a.txt", b"\xef\xbb\xbfone\r\ntwo\r\r\nthree\rfour\nfive") == "[one]\n[two\r]\n[three\rfour]\n[five]\n"


def test_an_empty_file_has_no_records() -> None:
    assert records("a.txt", b"") == []


def test_a_model_that_writes_a_line_end_does_not_add_a_line() -> None:
    assert output("a.txt", "one\n", lambda text: "a\nb") == "a b\n"


def test_hostile_lines_come_back() -> None:
    text = "".join(line + "\n" for line in HOSTILE)
    assert output("a.txt", text, same) == text
    assert segments(records("a.txt", text)) == HOSTILE


@given(st.lists(LINE))
def test_lines_come_back(lines: list[str]) -> None:
    lines = [line.rstrip("\r") for line in lines]
    lines[:1] = [line.lstrip("\ufeff") for line in lines[:1]]
    text = "".join(line + "\n" for line in lines)
    assert output("a.txt", text, same) == text


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd_module().compress)])
def test_compressed_files_are_read(suffix: str, pack: object) -> None:
    assert output(f"a.srt{suffix}", pack(b"1\n00:00:01,000 --> 00:00:02,000\nHi\n")).endswith("[Hi]\n")  # type: ignore[operator]


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.csv", "a.jsonl", "a.srt", "a.po"])
def test_what_is_not_utf8_is_named_by_line(name: str) -> None:
    assert (
        "line 2 is not UTF-8" in refused(name, b"\n\xff\n", Options(column="1" if name[2:] in ("tsv", "csv") else "ko")).message
    )


def test_a_line_too_long_is_refused() -> None:
    assert f"line 2 is longer than {LONGEST_LINE:,} bytes" in refused("a.txt", b"a\n" + b"x" * (LONGEST_LINE + 1)).message


@given(st.lists(LINE), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_whole_lines_are_the_file(lines: list[str], end: str, mark: bool, ended: bool) -> None:
    text = ("\ufeff" if mark else "") + end.join(lines) + (end if ended else "")
    Path("f").write_bytes(text.encode())
    assert "".join(line.raw for line in whole_lines(Path("f"))) == text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("-", "text"),
        ("a", "text"),
        ("a.ko", "text"),
        ("a.md.gz", "text"),
        ("a.tsv.xz", "tsv"),
        ("A.CSV", "csv"),
        ("a.srt.zst", "srt"),
        ("a.pot", "po"),
        ("a.ndjson", "jsonl"),
    ],
)
def test_the_ending_chooses(name: str, wanted: str) -> None:
    assert choose_format(Path(name), "auto", KO_EN).name == wanted


def test_what_is_asked_for_is_taken() -> None:
    for name, format in FORMATS.items():
        assert choose_format(Path("a.ko"), name, KO_EN) is format  # type: ignore[arg-type]
        assert isinstance(format, Format)


def test_json_lines_are_documents_if_the_first_has_a_list() -> None:
    Path("d.jsonl").write_text('{"ko": ["하나"]}\n', "utf-8")
    Path("j.jsonl").write_text('{"ko": "하나"}\n', "utf-8")
    assert choose_format(Path("d.jsonl"), "auto", KO_EN).name == "documents"
    assert choose_format(Path("d.jsonl"), "auto", Options(src="ko", column="ko")).name == "jsonl"
    assert choose_format(Path("j.jsonl"), "auto", KO_EN).name == "jsonl"


def test_a_line_from_stdin_is_there_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as stdin, os.fdopen(writing, "wb", buffering=0) as typed:
        monkeypatch.setattr(sys, "stdin", stdin)
        found = choose_format(Path("-"), "auto", KO_EN).read(Path("-"), KO_EN)
        for word in ("one", "two"):
            typed.write(word.encode() + b"\n")
            waiting = threading.Timer(20, typed.close)  # rather an error than a test that never ends
            waiting.start()
            assert next(found).segments == (word,)
            waiting.cancel()


LONG = "문장입니다 " * 20
MANY: dict[str, tuple[str, str]] = {
    "a.txt": ("", LONG + "{}\n"),
    "a.tsv": ("ko\ten\n", LONG + "{}\tx\n"),
    "a.csv": ("ko,en\n", f'"{LONG},{{}}",x\n'),
    "a.jsonl": ("", f'{{{{"ko": "{LONG}{{}}"}}}}\n'),
    "a.srt": ("", f"{{}}\n00:00:01,000 --> 00:00:02,000\n{LONG}\n{LONG}\n\n"),
    "a.po": ("", f'msgid "{LONG}{{}}"\nmsgstr ""\n\n'),
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_a_file_of_nothing(name: str, data: bytes) -> None:
    found = records(name, data, Options(src="ko", column="1" if name in ("a.tsv", "a.csv") else None))
    assert segments(found) == ([""] if data and name in ("a.txt",) else [])
    assert written(found, same) == (b"\n" if data and name == "a.txt" else data)


@pytest.mark.parametrize("name", MANY)
def test_memory_does_not_grow_with_the_file(name: str) -> None:
    header, pattern = MANY[name]

    def peak(count: int) -> int:
        Path(name).write_text(header + "".join(pattern.format(number) for number in range(count)), "utf-8")
        options = Options(src="ko", column="ko" if name != "a.txt" else None)
        tracemalloc.start()
        for record in choose_format(Path(name), "auto", options).read(Path(name), options):
            record.render([marked(text) for text in record.segments])
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(100)  # what is made on the first use stays out of the figures
    assert peak(2_500) < 200_000 < Path(name).stat().st_size / 4


def test_reading_loads_no_model_library() -> None:
    code = "import nlpcli.decoding.formats.choose, sys; print('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
