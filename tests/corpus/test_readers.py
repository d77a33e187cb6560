"""Text is read strictly: every line as it is, or an error that says where and how to mend it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus import readers
from nlpcli.corpus.readers import BadLine, Skipped, likely_encoding, numbered_lines, raw_lines, read_lines
from nlpcli.corpus.tables import find_table, read_pairs, read_records
from nlpcli.errors import BadInput

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstd.compress}
KOREAN = ["오늘은 날씨가 참 좋습니다.", "내일 학교에 갈 거예요.", "저는 커피를 마시지 않아요.", "그 책은 어디에 있습니까?"]


def lines_of(data: bytes, name: str = "text") -> list[str]:
    """Write the bytes to a file and read its lines."""
    Path(name).write_bytes(data)
    return list(read_lines(Path(name)))


def pairs_of(text: str, name: str, columns: tuple[str, str] = ("ko", "en")) -> list[tuple[str, str]]:
    """Write one file with columns and read its pairs."""
    Path(name).write_text(text, "utf-8", newline="")
    return list(read_pairs(Path(name), Path(name), *columns))


def refused(read: Callable[[], object]) -> BadInput:
    """Return the error with which `read` is refused."""
    with pytest.raises(BadInput) as caught:
        read()
    assert caught.value.exit_code == 3
    assert caught.value.fix
    return caught.value


# Lines


# What a line cannot hold by the format's definition: its end "\n"; a "\r" before it and a byte order mark at the start of
# the file are dropped; lone surrogates are not text (UTF-8 has no bytes for them).
line = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(line.filter(lambda text: not text.endswith("\r")), max_size=8))
def test_any_lines_are_read_back(lines: list[str]) -> None:
    if lines and lines[0].startswith("\ufeff"):
        lines[0] = "x" + lines[0]
    assert lines_of("".join(text + "\n" for text in lines).encode()) == lines


@given(st.lists(line.filter(lambda text: not text.endswith("\r")), max_size=8), st.sampled_from(list(PACKERS)))
def test_any_lines_are_read_back_from_an_archive(lines: list[str], ending: str) -> None:
    data = "".join(text + "\n" for text in lines).encode()
    assert lines_of(PACKERS[ending](data), f"text{ending}") == lines_of(data)


def test_the_last_line_needs_no_end() -> None:
    assert lines_of(b"a\nb") == ["a", "b"]
    assert lines_of(b"a\nb\n") == ["a", "b"]
    assert lines_of(b"a\n\n") == ["a", ""]


def test_an_empty_file_has_no_lines() -> None:
    assert lines_of(b"") == []


def test_a_byte_order_mark_is_dropped_at_the_start_of_the_file_only() -> None:
    bom = b"\xef\xbb\xbf"
    assert lines_of(bom + b"a\n" + bom + b"b\n") == ["a", "\ufeffb"]


def test_windows_line_ends_are_line_ends() -> None:
    assert lines_of("가\r\n나 다\r\n\r\n".encode()) == ["가", "나 다", ""]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_other_separators_are_text(separator: str) -> None:
    text = f"앞{separator}뒤"
    assert lines_of(f"{text}\nx\n".encode()) == [text, "x"]


def test_lines_come_while_the_rest_is_unread() -> None:
    Path("text").write_bytes(b"good\n" + b"x" * 100_000 + b"\n\xff\n")
    lines = read_lines(Path("text"))
    assert next(lines) == "good"
    lines.close()


def test_a_minus_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("가\r\n\u2028\n".encode()), encoding="ascii"))
    assert list(read_lines(Path("-"))) == ["가", "\u2028"]


# Encodings


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("\n".join(KOREAN), "cp949", "CP949"),
        ("\n".join(KOREAN), "euc_kr", "CP949"),
        ("펲시콜라 똠방각하 뷁\n" + "\n".join(KOREAN), "cp949", "CP949"),
        ("Le café est très chaud.\nDéjà vu, à bientôt !", "latin-1", "CP1252"),
        ("“It’s late,” she said — and left…", "cp1252", "CP1252"),
        ("Straße, Äpfel, Öl und Übermut", "latin-1", "CP1252"),
        ("\n".join(KOREAN), "utf-16", "UTF-16"),
        ("plain English", "utf-16", "UTF-16"),
    ],
)
def test_the_likely_encoding_is_named_and_mends_the_file(text: str, encoding: str, said: str) -> None:
    data = text.encode(encoding)
    error = refused(lambda: lines_of(data))
    assert said in error.cause
    assert f"iconv -f {said} -t UTF-8 text" in error.fix
    assert data.decode(said) == text


def test_the_encoding_is_judged_by_all_bad_lines_not_by_the_first() -> None:
    data = b"Hello\n" + "·\n".encode("cp949") + "".join(text + "\n" for text in KOREAN).encode("cp949")
    assert "CP949" in refused(lambda: lines_of(data)).cause


def test_one_bad_line_is_named_with_byte_and_column() -> None:
    error = refused(lambda: lines_of(b"good\nbad \xe9!\ngood\n"))
    assert "text: line 2 is not UTF-8" in error.message
    assert "0xe9 at column 5 of line 2" in error.cause


def test_all_bad_lines_are_counted_and_the_first_five_named() -> None:
    data = b"".join(b"\xff\n" if number in (2, 4, 5, 7, 8, 9, 12) else b"ok\n" for number in range(1, 14))
    assert "lines 2, 4, 5, 7, 8 and 2 more are not UTF-8" in refused(lambda: lines_of(data)).message


def test_lines_before_the_first_bad_one_are_given_out() -> None:
    Path("text").write_bytes(b"one\ntwo\n\xff\n")
    lines = read_lines(Path("text"))
    assert [next(lines), next(lines)] == ["one", "two"]
    assert "line 3" in refused(lambda: next(lines)).message


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_surrogates_overlong_and_cut_sequences_are_not_utf8(raw: bytes) -> None:
    assert "line 1" in refused(lambda: lines_of(raw)).message


@given(st.binary(min_size=1, max_size=30))
def test_a_guess_is_made_for_any_bytes(data: bytes) -> None:
    assert likely_encoding(data) in {"CP949", "CP1252", "UTF-16"}


# Files and archives


@pytest.mark.parametrize("ending", PACKERS)
def test_a_line_in_an_archive_is_located_as_in_a_plain_file(ending: str) -> None:
    assert "line 2" in refused(lambda: lines_of(PACKERS[ending](b"ok\n\xff\n"), f"text{ending}")).message


@pytest.mark.parametrize("ending", PACKERS)
def test_a_truncated_archive_is_refused(ending: str) -> None:
    packed = PACKERS[ending]("".join(f"문장 {n}\n" for n in range(500)).encode())
    for kept in (len(packed) - 1, len(packed) // 2, 12):
        error = refused(lambda kept=kept: lines_of(packed[:kept], f"text{ending}"))
        assert f"text{ending} is damaged or truncated" in error.message


@pytest.mark.parametrize("ending", PACKERS)
def test_a_file_that_is_no_archive_of_its_ending_is_refused(ending: str) -> None:
    for data in (b"plain text\n", bz2.compress(b"plain text\n")):
        error = refused(lambda data=data: lines_of(data, f"text{ending}"))
        assert f"text{ending} is damaged" in error.message


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_damage_inside_an_archive_is_refused_wherever_it_is(ending: str) -> None:
    """Not .zst: its frames carry no checksum unless asked for."""
    packed = PACKERS[ending]("".join(f"문장 {n}\n" for n in range(100)).encode())
    for at in range(12, len(packed) - 8, 7):
        damaged = bytearray(packed)
        damaged[at] ^= 0xFF
        try:
            lines_of(bytes(damaged), f"text{ending}")
        except BadInput:
            continue
        pytest.fail(f"byte {at} of {len(packed)} was changed and nobody noticed")


def test_a_missing_file_and_a_folder_are_refused_by_name() -> None:
    Path("folder").mkdir()
    assert "nothing" in refused(lambda: list(read_lines(Path("nothing")))).message
    assert "folder" in refused(lambda: list(read_lines(Path("folder")))).message


# Aligned files


def aligned(src: str, tgt: str) -> list[tuple[str, str]]:
    Path("a.ko").write_text(src, "utf-8", newline="")
    Path("a.en").write_text(tgt, "utf-8", newline="")
    return list(read_pairs(Path("a.ko"), Path("a.en"), "ko", "en"))


def test_line_n_goes_with_line_n_blank_lines_included() -> None:
    assert aligned("가\n\n다\n", "a\nb\n\n") == [("가", "a"), ("", "b"), ("다", "")]


@pytest.mark.parametrize(("src", "tgt"), [(3, 2), (2, 5), (1, 0), (0, 1), (1200, 1000)])
def test_unequal_sides_are_refused_with_both_files_and_counts(src: int, tgt: int) -> None:
    error = refused(lambda: aligned("가\n" * src, "a\n" * tgt))
    assert f"a.ko has {src:,} lines and a.en has {tgt:,}" in error.message


def test_a_separator_inside_a_line_does_not_shift_the_sides() -> None:
    assert aligned("가\u2028나\n다\n", "a\x85b\nc\x0bd\n") == [("가\u2028나", "a\x85b"), ("다", "c\x0bd")]


# TSV


def test_tsv_columns_are_found_by_name_in_either_order() -> None:
    text = "id\ten\tko\n1\tHello\t안녕\n2\tYes\t네\n"
    assert pairs_of(text, "x.tsv") == [("안녕", "Hello"), ("네", "Yes")]
    assert pairs_of(text, "x.tsv", ("en", "ko")) == [("Hello", "안녕"), ("Yes", "네")]


def test_tsv_quotes_are_text() -> None:
    rows = [('"안녕', '"Hello'), ('그는 "네"라고', 'He said ""yes""'), ("'", '"')]
    text = "ko\ten\n" + "".join(f"{ko}\t{en}\n" for ko, en in rows)
    assert pairs_of(text, "x.tsv") == rows


def test_tsv_empty_cells_are_kept() -> None:
    assert pairs_of("ko\ten\n\tHello\n안녕\t\n", "x.tsv") == [("", "Hello"), ("안녕", "")]


@pytest.mark.parametrize(("row", "columns"), [("안녕", 1), ("안녕\tHello\textra", 3), ("", 1)])
def test_tsv_rows_with_another_number_of_columns_are_refused_by_line(row: str, columns: int) -> None:
    error = refused(lambda: pairs_of(f"ko\ten\n네\tYes\n{row}\n네\tYes\n", "x.tsv"))
    assert f"x.tsv: line 3 has {columns} columns, the header 2" in error.message


@pytest.mark.parametrize("text", ["ko\tde\n안녕\tHallo\n", "", "안녕\tHello\n"])
def test_tsv_without_the_column_is_refused_with_what_its_header_names(text: str) -> None:
    error = refused(lambda: pairs_of(text, "x.tsv"))
    assert "x.tsv has no column" in error.message
    assert ", ".join(text.split("\n", maxsplit=1)[0].split("\t")) in error.cause


# JSON Lines


def test_json_lines_are_read_by_key() -> None:
    text = '{"ko": "안녕", "en": "Hello", "id": 3}\n{"en": "a\\tb", "ko": "\\uac00\\u2028"}\n'
    assert pairs_of(text, "x.jsonl") == [("안녕", "Hello"), ("가\u2028", "a\tb")]


@pytest.mark.parametrize(
    "record", ["", "{", "안녕", '{"ko": "안녕"}', '["ko", "en"]', "3", "null", '"ko"', '{"ko": "\\ud800", "en": "x"}']
)
def test_json_lines_with_a_bad_record_are_refused_by_line(record: str) -> None:
    error = refused(lambda: pairs_of(f'{{"ko": "네", "en": "Yes"}}\n{record}\n', "x.jsonl"))
    assert "x.jsonl: line 2" in error.message


@pytest.mark.parametrize("value", ['"a\\nb"', "3", "null", '["a"]'])
def test_json_values_that_are_not_one_line_of_text_are_refused_by_line(value: str) -> None:
    error = refused(lambda: pairs_of(f'{{"ko": "네", "en": "Yes"}}\n{{"ko": "네", "en": {value}}}\n', "x.jsonl"))
    assert "x.jsonl: line 2" in error.message
    assert "one line of text" in error.message


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_tables_are_told_by_the_ending_inside(ending: str) -> None:
    for name, text in (("x.tsv", "ko\ten\n안녕\tHello\n"), ("x.jsonl", '{"ko": "안녕", "en": "Hello"}\n')):
        path = Path(name + ending)
        path.write_bytes(PACKERS[ending](text.encode()))
        assert list(read_pairs(path, path, "ko", "en")) == [("안녕", "Hello")]


def test_columns_given_by_number_need_no_header() -> None:
    Path("x.tsv").write_text("1\t안녕\tHello\n2\t네\tYes\textra\n", "utf-8")
    assert list(read_records(Path("x.tsv"), ("2",))) == [("안녕",), ("네",)]
    assert list(read_records(Path("x.tsv"), ("3", "1"))) == [("Hello", "1"), ("Yes", "2")]
    assert find_table(Path("x.tsv"), ("2",)).header == 0
    assert "line 1 has 3 columns, not 4" in refused(lambda: list(read_records(Path("x.tsv"), ("4",)))).message


@pytest.mark.parametrize("column", ["0", "00", "²"])
def test_columns_are_numbered_from_1(column: str) -> None:
    Path("x.tsv").write_text("안녕\tHello\n", "utf-8")
    refused(lambda: list(read_records(Path("x.tsv"), (column,))))


# The longest line


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(readers, "LONGEST_LINE", 10)
    return 10


def test_a_line_that_is_too_long_is_refused_by_number(longest: int) -> None:
    error = refused(lambda: lines_of(b"ok\n" + b"x" * 11 + b"\nok\n"))
    assert "text: line 2 is longer than 10 bytes" in error.message
    assert "sed -n 2p text" in error.fix


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("length", [11, 12, 20, 21, 22, 23, 33, 500])
def test_of_a_line_that_is_too_long_no_more_is_kept_and_the_next_line_is_whole(longest: int, length: int, end: bytes) -> None:
    data = b"before\n" + b"x" * length + end + (b"after\n" if end else b"")
    lines = list(raw_lines(io.BytesIO(data)))
    assert [line for line in lines if b"x" not in line] == [b"before\n", *([b"after\n"] if end else [])]
    assert len(lines) == (3 if end else 2)
    assert len(lines[1]) == 11


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_the_largest_length_is_read(longest: int, end: bytes) -> None:
    assert lines_of(b"x" * 10 + end) == ["x" * 10]


# Lines left out


def left_out() -> list[dict[str, object]]:
    return [json.loads(line) for line in Path("skipped.jsonl").read_text("utf-8").splitlines()]


def test_lines_left_out_are_noted_with_file_number_reason_and_text(longest: int) -> None:
    Path("text").write_bytes("하나\n".encode() + b"\xff\xfe\n" + b"y" * 30 + b"\n\nlast")
    assert list(numbered_lines(Path("text"), Skipped(Path()))) == [(1, "하나"), (4, ""), (5, "last")]
    assert left_out() == [
        {"file": "text", "line": 2, "reason": "is not UTF-8", "text": "\\xff\\xfe"},
        {"file": "text", "line": 3, "reason": "is longer than 10 bytes", "text": "y" * 11},
    ]


def test_without_bad_lines_no_list_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    Path("text").write_bytes(b"one\n")
    skipped = Skipped(Path())
    assert list(read_lines(Path("text"), skipped)) == ["one"]
    assert (skipped.size(), skipped.close()) == (0, 0)
    assert not Path("skipped.jsonl").exists()
    assert capfd.readouterr().err == ""


def test_the_lines_left_out_are_counted_and_said(capfd: pytest.CaptureFixture[str]) -> None:
    skipped = Skipped(Path())
    for number in range(3):
        skipped.add(BadLine(Path("text"), number, "is bad", b"x"))
    assert skipped.close() == 3
    assert "left out 3 bad line(s); they are in skipped.jsonl" in capfd.readouterr().err


def test_a_list_goes_on_after_what_was_saved_of_it() -> None:
    first = Skipped(Path())
    first.add(BadLine(Path("text"), 1, "is bad", b"x"))
    size = first.size()
    first.add(BadLine(Path("text"), 2, "is bad", b"x"))
    Skipped(Path(), size).add(BadLine(Path("text"), 3, "is bad", b"x"))
    assert [entry["line"] for entry in left_out()] == [1, 3]


def test_pairs_are_left_out_whole_and_unequal_sides_are_refused_all_the_same() -> None:
    Path("a.ko").write_bytes("가\n".encode() + b"\xff\n" + "다\n".encode())
    Path("a.en").write_bytes(b"a\nb\n\xff\n")
    assert list(read_pairs(Path("a.ko"), Path("a.en"), "ko", "en", Skipped(Path()))) == [("가", "a")]
    assert [(entry["file"], entry["line"]) for entry in left_out()] == [("a.ko", 2), ("a.en", 3)]
    with Path("a.en").open("a") as f:
        f.write("more\n")
    error = refused(lambda: list(read_pairs(Path("a.ko"), Path("a.en"), "ko", "en", Skipped(Path()))))
    assert "a.ko has 3 lines and a.en has 4" in error.message


def test_records_are_left_out_by_the_number_of_their_line() -> None:
    Path("x.tsv").write_bytes(b"ko\ten\na\tA\nb\n\xff\tC\nd\tD\n")
    assert list(read_records(Path("x.tsv"), ("ko", "en"), Skipped(Path()))) == [("a", "A"), ("d", "D")]
    assert [(entry["line"], entry["reason"]) for entry in left_out()] == [
        (3, "has 1 columns, the header 2"),
        (4, "is not UTF-8"),
    ]
