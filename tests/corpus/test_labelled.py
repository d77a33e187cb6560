"""Labelled text in every form that it is published in: which files, which columns, which encoding, and what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.labelled import find_labelled, looks_labelled
from nlpcli.corpus.readers import known_encoding
from nlpcli.errors import BadInput, UsageError

ROWS = [("a good one", "pos"), ('said "no" twice', "neg"), ("1, 2, 3", "pos")]
Rows = list[tuple[str, str]]


def put(path: str, text: str | bytes, encoding: str = "utf-8") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return file


def tsv(rows: Rows, header: str = "text\tlabel") -> str:
    return header + "\n" + "".join(f"{text}\t{label}\n" for text, label in rows)


def as_csv(rows: Rows) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
    return file.getvalue()


def as_jsonl(rows: Rows) -> str:
    return "".join(json.dumps({"label": label, "text": text}) + "\n" for text, label in rows)


def read(root: str, split: str = "train", **options: str) -> Rows:
    found = find_labelled(Path(root), **options)
    return [(example.text, example.label) for _, example in found.examples(split)]


# Forms


@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", tsv(ROWS)), ("a.txt", tsv(ROWS)), ("a.csv", as_csv(ROWS)), ("a.jsonl", as_jsonl(ROWS))]
)
def test_a_table_is_read_with_its_columns_by_name(name: str, content: str) -> None:
    assert read(str(put(name, content))) == ROWS
    put(f"{name}.gz", gzip.compress(content.encode()))
    assert read(f"{name}.gz") == ROWS


def test_quotes_are_text_in_tsv_and_rules_in_csv() -> None:
    put("a.tsv", 'text\tlabel\n"open\tneg\n')
    put("a.csv", 'label,text\nneg,"a, ""b"" c"\n')
    assert read("a.tsv") == [('"open', "neg")]
    assert read("a.csv") == [('a, "b" c', "neg")]


def test_a_text_of_several_lines_becomes_one_line() -> None:
    put("a.csv", 'text,label\n"one\ntwo\r\nthree",x\n"four",y\n')
    put("a.jsonl", '{"text": "one\\ntwo", "label": "x"}\n')
    assert read("a.csv") == [("one two three", "x"), ("four", "y")]
    assert read("a.jsonl") == [("one two", "x")]


def test_labels_in_json_may_be_numbers() -> None:
    put("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": false}\n{"text": "c", "label": " x "}\n')
    assert [label for _, label in read("a.jsonl")] == ["1", "false", "x"]


def test_a_folder_has_a_table_a_split() -> None:
    for name in ("train", "dev", "test"):
        put(f"d/{name}.tsv", tsv([(name, "x")]))
    put("d/README.md", "text\tlabel\n")
    assert find_labelled(Path("d")).splits == ["train", "valid", "test"]
    assert read("d", "valid") == [("dev", "x")]


def test_splits_are_known_by_a_word_in_the_name(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("ratings_train.txt", "ratings_test.txt", "ratings.txt"):
        put(f"d/{name}", tsv([("7\t재미있다", "1")], "id\tdocument\tlabel"))
    put("d/raw.tsv", "1\t2\t3\n")
    assert looks_labelled(Path("d"))
    assert read("d", "test") == [("재미있다", "1")]
    err = capfd.readouterr().err
    assert "left out ratings.txt" in err
    assert "left out raw.tsv" in err


def test_a_folder_has_one_file_a_class() -> None:
    put("d/rt.pos", "Trés bon\nfine\n", "latin-1")
    put("d/rt.neg", "bad\n")
    assert looks_labelled(Path("d"))
    assert read("d", encoding="latin-1") == [("bad", "neg"), ("Trés bon", "pos"), ("fine", "pos")]


def test_any_ending_may_be_a_class_where_that_is_said() -> None:
    put("d/mail.spam", "buy\n")
    put("d/mail.ham", "hello\n")
    put("d/README.txt", "about\n")
    assert not looks_labelled(Path("d"))
    assert read("d") == [("hello", "ham"), ("buy", "spam")]


@pytest.mark.parametrize("ending", ["txt", "ko"])
def test_labels_may_stand_beside_the_texts(ending: str) -> None:
    put(f"d/train.{ending}", "one\ntwo\n")
    put("d/train.label", "x\ny\n")
    assert looks_labelled(Path("d"))
    assert read("d") == [("one", "x"), ("two", "y")]


# Columns


def test_columns_are_given_by_name_or_by_number() -> None:
    put("a.tsv", "note\tstars\nfine\t5\n")
    put("b.tsv", "fine\t5\nbad\t1\n")
    put("b.csv", "fine,5\nbad,1\n")
    assert read("a.tsv", text="note", label="stars") == [("fine", "5")]
    assert read("a.tsv", label="2") == [("fine", "5")]  # the only column that is left is the text
    for name in ("b.tsv", "b.csv"):  # without a header
        assert read(name, text="1", label="2") == [("fine", "5"), ("bad", "1")]


@pytest.mark.parametrize("header", ["Sentence\tClass", "document\tlabel\tid", "tweet\tlabel", "review\tclass"])
def test_columns_are_known_by_their_usual_names(header: str) -> None:
    put("a.tsv", header + "\n" + "\t".join("x" * len(header.split("\t"))) + "\n")
    find_labelled(Path("a.tsv"))
    assert looks_labelled(Path("a.tsv"))


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("text\tsentence\tlabel", {}, "which column holds the text?"),
        ("a\tb\tlabel", {}, "which column holds the text?"),
        ("text\tlabel\tclass", {}, "which column holds the label?"),
        ("text\tstars", {}, "which column holds the label?"),
        ("text\tlabel", {"label": "stars"}, "no column stars"),
        ("text\tlabel", {"text": "words"}, "no column words"),
        ("text\tlabel", {"label": "3"}, "no column 3"),
    ],
)
def test_columns_that_are_not_clear_are_listed(header: str, options: dict[str, str], said: str) -> None:
    put("a.tsv", f"{header}\n")
    with pytest.raises(UsageError) as caught:
        find_labelled(Path("a.tsv"), **options)
    assert said in caught.value.message
    assert ", ".join(header.split("\t")) in caught.value.cause
    assert caught.value.fix


def test_a_folder_without_the_label_column_says_which_columns_there_are() -> None:
    put("d/train.tsv", "text\tstars\nfine\t5\n")
    with pytest.raises(UsageError, match=r"train\.tsv has no column label") as caught:
        find_labelled(Path("d"))
    assert "text, stars" in caught.value.cause
    assert "--label-column" in caught.value.fix


def test_a_folder_without_labels_is_refused() -> None:
    put("d/train.txt", "just text\n")
    with pytest.raises(BadInput, match="holds no labelled text"):
        find_labelled(Path("d"))


@pytest.mark.parametrize(
    ("names", "said"), [(("a.tsv", "b.tsv"), "name no split"), (("train.tsv", "old-train.tsv"), "one split")]
)
def test_tables_whose_splits_are_not_clear_are_refused(names: tuple[str, str], said: str) -> None:
    for name in names:
        put(f"d/{name}", tsv(ROWS))
    with pytest.raises(BadInput, match="which table is which split") as caught:
        find_labelled(Path("d"))
    assert said in caught.value.cause


def test_languages_are_no_classes() -> None:
    put("d/train.ko", "가\n")
    put("d/train.en", "a\n")
    assert not looks_labelled(Path("d"))
    with pytest.raises(BadInput, match="holds no labelled text"):
        find_labelled(Path("d"))


# Lines that cannot be read


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_a_row_without_a_label_is_refused_by_its_line(name: str) -> None:
    rows = [("fine", "pos"), ("what", "  ")]
    put(name, {"a.tsv": tsv, "a.csv": as_csv, "a.jsonl": as_jsonl}[name](rows))
    line = 2 if name == "a.jsonl" else 3
    with pytest.raises(BadInput, match=f"{name}: line {line} has no label") as caught:
        read(name)
    assert f"sed -n {line}p" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", "text\tlabel\nfine\tx\nno label\n", "line 3 has 1 columns, the header 2"),
        ("a.csv", "text,label\nfine,x\na,b,c\n", "line 3 has 3 columns, the header 2"),
        ("a.csv", 'text,label\nfine,x\n"open,x\n', "line 3 is not CSV"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "a"}\n', "line 2 is not a record with a text text"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": 5, "label": "x"}\n', "line 2 is not a record"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": null}\n', "line 2 has no label"),
    ],
)
def test_a_broken_row_is_refused_by_its_line(name: str, content: str, said: str) -> None:
    put(name, content)
    with pytest.raises(BadInput) as caught:
        read(name)
    assert said in caught.value.message


def test_an_undecodable_line_is_refused_by_its_number() -> None:
    put("a.tsv", b"text\tlabel\nfine\tx\ncaf\xe9\ty\n")
    with pytest.raises(BadInput, match="line 3 is not UTF-8"):
        read("a.tsv")
    assert read("a.tsv", encoding="latin-1")[1] == ("café", "y")
    put("b.tsv", b"text\tlabel\nfine\tx\n\xb0\xa1\ty\n\xff\ty\n")
    with pytest.raises(BadInput, match="line 4 is not cp949"):
        read("b.tsv", encoding="cp949")


def test_unequal_texts_and_labels_are_refused() -> None:
    put("d/train.txt", "one\ntwo\n")
    put("d/train.label", "x\n")
    with pytest.raises(BadInput, match=r"has 2 lines and .* has 1") as caught:
        read("d")
    assert "the label of line n" in caught.value.cause


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "klingon", "base64"])
def test_an_encoding_that_cannot_be_read_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=f"--encoding {name}") as caught:
        known_encoding(name)
    assert caught.value.fix


def test_encodings_have_one_name() -> None:
    assert [known_encoding(name) for name in ("UTF8", "utf-8-sig", "Latin-1", "CP949")] == [
        "utf-8",
        "utf-8",
        "iso8859-1",
        "cp949",
    ]


cells = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


@given(rows=st.lists(st.tuples(cells, cells.map(lambda label: label.strip() or "x")), min_size=1, max_size=6))
def test_what_csv_and_json_write_comes_back(rows: Rows) -> None:
    put("a.csv", as_csv(rows))
    put("a.jsonl", as_jsonl(rows))
    assert read("a.csv") == rows
    assert read("a.jsonl") == rows
