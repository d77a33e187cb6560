"""TSV and CSV: one column is translated, the others keep their bytes."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.formats.base import Options

from .reading import marked, misused, output, records, refused, same, segments, written

KO = Options(column="ko")
INTO = Options(column="ko", into="en")
CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def test_tsv_column_in_place() -> None:
    assert (
        output("a.tsv", 'id\tko\tnote\r\n1\t하나\t\r\n\r\n2\t\t"x"', options=KO)
        == 'id\tko\tnote\r\n1\t[하나]\t\r\n\r\n2\t[]\t"x"'
    )


def test_tsv_into_a_new_column() -> None:
    assert output("a.tsv", "\ufeffko\tid\n하나\t1\n", options=INTO) == "\ufeffko\tid\ten\n하나\t1\t[하나]\n"


def test_tsv_into_a_column_that_is_there() -> None:
    assert output("a.tsv", "en\tko\nold\t하나\n", options=INTO) == "en\tko\n[하나]\t하나\n"


def test_tsv_by_number_has_no_header() -> None:
    assert output("a.tsv", "1\t하나\n2\t둘\t셋\n", options=Options(column="2")) == "1\t[하나]\n2\t[둘]\t셋\n"
    assert output("a.tsv", "1\t하나\n", options=Options(column="2", into="3")) == "1\t하나\t[하나]\n"
    assert output("a.tsv", "1\t하나\n", options=Options(column="2", into="1")) == "[하나]\t하나\n"


def test_tsv_of_one_column_has_blank_cells() -> None:
    assert output("a.tsv", "ko\n하나\n\n", options=INTO) == "ko\ten\n하나\t[하나]\n\t[]\n"


def test_a_tab_of_the_model_makes_no_column() -> None:
    assert output("a.tsv", "ko\tid\n하나\t1\n", lambda _: "a\tb\nc", KO) == "ko\tid\na b c\t1\n"


def test_the_column_is_found_by_its_name() -> None:
    assert segments(records("a.tsv", "id\tko\n1\t하나\n", Options(src="ko"))) == ["하나"]
    assert segments(records("a.csv", "id,text\n1,하나\n", Options(src="ko"))) == ["하나"]
    assert segments(records("a.jsonl", '{"id": "1", "text": "하나"}\n', Options(src="ko"))) == ["하나"]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_columns_that_are_not_there(name: str) -> None:
    header = "id\ta\tb\n" if name == "a.tsv" else "id,a,b\n"
    error = misused(name, header, KO)
    assert (error.message, error.cause) == (f"{name} has no column ko", "its columns are id, a, b")
    assert misused(name, header, Options(src="ko")).message == f"{name}: which column is to be translated?"
    assert "is a name, and --column 1 a number" in misused(name, header, Options(column="1", into="en")).message
    assert "2 columns called ko" in misused(name, header.replace("a", "ko").replace("b", "ko"), KO).message


def test_rows_of_another_width_are_refused() -> None:
    assert refused("a.tsv", "id\tko\n1\t하나\n2\n", KO).message == "a.tsv: line 3 has 1 columns, the header 2"
    assert refused("a.csv", 'id,ko\n1,"하\n나"\n2\n', KO).message == "a.csv: line 4 has 1 columns, the header 2"
    assert refused("a.tsv", "하나\n", Options(column="2")).message == "a.tsv: line 1 has 1 columns, not 2"
    assert refused("a.tsv", "하나\n", Options(column="1", into="3")).message == "a.tsv: line 1 has 1 columns, not 2"


def test_csv_keeps_the_quotes_of_other_cells() -> None:
    text = '\ufeffid,ko,note\r\n"1",하나,"a ""b"", c"\r\n\r\n2,"둘, 셋", x \r\n3,,'
    translated = '\ufeffid,ko,note\r\n"1",[하나],"a ""b"", c"\r\n\r\n2,"[둘, 셋]", x \r\n3,[],'
    assert output("a.csv", text, options=KO) == translated


def test_csv_quotes_a_translation_that_needs_it() -> None:
    assert output("a.csv", "id,ko\n1,하나\n", lambda _: 'a, "b"', KO) == 'id,ko\n1,"a, ""b"""\n'
    assert output("a.csv", "ko\n하나\n", lambda _: "", KO) == 'ko\n""\n'  # a blank line would be no row


def test_a_cell_of_several_lines_stays_one() -> None:
    found = records("a.csv", 'id,ko\n1,"하나\r\n\n둘"\n2,셋\n', INTO)
    assert [(record.segments, record.line) for record in found] == [((), 1), (("하나", "", "둘"), 2), (("셋",), 5)]
    assert written(found).decode() == 'id,ko,en\n1,"하나\r\n\n둘","[하나]\r\n[]\n[둘]"\n2,셋,[셋]\n'


def test_csv_that_is_none_is_refused() -> None:
    error = refused("a.csv", 'id,ko\n1,"하나\n', KO)
    assert error.message == "a.csv: line 2 is not CSV"
    assert "unexpected end of data" in error.cause
    assert refused("a.csv", 'id,ko\n"1"x,하나\n', KO).message == "a.csv: line 2 is not CSV"


def test_hostile_lines_in_tables() -> None:
    cells = [line.replace("\t", " ") for line in HOSTILE]
    text = "id\tko\n" + "".join(f"{number}\t{cell}\n" for number, cell in enumerate(cells))
    assert output("a.tsv", text, same, KO) == text
    assert segments(records("a.tsv", text, KO)) == cells
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["id", "ko"], *enumerate(HOSTILE)])
    assert segments(records("a.csv", file.getvalue(), KO)) == HOSTILE
    assert output("a.csv", file.getvalue(), same, KO) == file.getvalue()
    rows = list(csv.reader(io.StringIO(output("a.csv", file.getvalue(), marked, INTO), newline="")))
    assert [row[2] for row in rows[1:]] == [marked(line) for line in HOSTILE]


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=5)),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_csv_rows_as_the_csv_module_writes_and_reads_them(rows: list[list[str]], quoting: int, end: str, cut: bool) -> None:
    if end == "\n":  # then Python before 3.13 writes a carriage return without quotes and cannot read it again
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)  # type: ignore[arg-type]
    text = file.getvalue().removeprefix("\ufeff")
    text = text.removesuffix(end) if cut else text
    options = Options(column="1")
    assert output("a.csv", text, same, options) == text
    added = output("a.csv", text, lambda line: f'"{line},', Options(column="1", into=str(len(rows[0]) + 1 if rows else 2)))
    found = list(csv.reader(io.StringIO(added, newline=""), strict=True))
    assert [row[:-1] for row in found if row] == rows
    assert [row[-1].count('"') - row[0].count('"') for row in found if row] == [row[0].count("\n") + 1 for row in rows]


def newlines(text: str) -> list[str]:
    """Cut a text where nlpcli does, which is not at a lone carriage return."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


@given(st.lists(st.text(st.sampled_from('a,"\r\n '), max_size=12), max_size=4))
def test_csv_of_any_form_is_refused_or_comes_back(lines: list[str]) -> None:
    text = "\n".join(lines)
    Path("raw.csv").write_bytes(text.encode())
    try:
        rows = list(csv.reader(newlines(text), strict=True))
    except csv.Error:
        assert "is not CSV" in refused("raw.csv", text, Options(column="1")).message
        return
    assert output("raw.csv", text, same, Options(column="1")) == text
    found = list(csv.reader(newlines(output("raw.csv", text, lambda _: "x", Options(column="1"))), strict=True))
    assert [row[1:] for row in found] == [row[1:] for row in rows]


@given(st.lists(st.tuples(CELL, CELL), max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_tsv_rows_come_back(rows: list[tuple[str, str]], end: str) -> None:
    cells = [[cell.replace("\t", "").replace("\n", "") for cell in row] for row in rows]
    text = "ko\tid" + end + "".join("\t".join(row) + end for row in cells)
    assert output("a.tsv", text, same, KO) == text
    assert segments(records("a.tsv", text, KO)) == [row[0] for row in cells]
