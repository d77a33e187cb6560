"""Rows for the tokenizer: pairs or one language, from every form of `--data`, each row judged alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlpcli.corpus.prepare import prepare_data
from nlpcli.corpus.readers import BadLine, Skipped
from nlpcli.corpus.rows import Rows, find_rows
from nlpcli.errors import BadInput, NlpcliError, UsageError

KO, EN = "하나\n둘\n", "one\ntwo\n"
PAIR = {"x/ko-en/train.ko": KO, "x/ko-en/train.en": EN}
TSV = "en\tko\ttext\none\t하나\ta\ntwo\t둘\tb\n"
JSON = '{"ko": "하나", "en": "one"}\n{"ko": "둘", "en": "two"}\n'
PAIRS, ONE = [("하나", "one"), ("둘", "two")], [("하나",), ("둘",)]


def found(files: dict[str, str], data: str, **options: Any) -> Rows:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content.encode())
    return find_rows(data, **options)


@pytest.mark.parametrize(
    ("files", "options", "languages", "rows"),
    [
        (PAIR, {"data": "x/ko-en"}, ("ko", "en"), PAIRS),
        (PAIR, {"data": "x/ko-en", "src": "en"}, ("en", "ko"), [pair[::-1] for pair in PAIRS]),
        (PAIR, {"data": "x/ko-en", "lang": "ko"}, ("ko",), ONE),
        ({"x/ko-en/train.ko": KO}, {"data": "x/ko-en"}, ("ko",), ONE),
        ({"f/train.txt": KO}, {"data": "f"}, ("text",), ONE),
        ({"f/train.txt": KO}, {"data": "f", "lang": "ko"}, ("ko",), ONE),
        ({"a.txt": KO}, {"data": "a.txt"}, ("text",), ONE),
        ({"a.txt": "\ufeff" + KO.replace("\n", "\r\n")}, {"data": "a.txt", "lang": "ko"}, ("ko",), ONE),
        ({"train.ko": KO}, {"data": "train.ko"}, ("ko",), ONE),
        ({"ko-en.tsv": TSV}, {"data": "ko-en.tsv"}, ("ko", "en"), PAIRS),
        ({"a.tsv": TSV}, {"data": "a.tsv", "src": "ko", "tgt": "en"}, ("ko", "en"), PAIRS),
        ({"a.tsv": TSV}, {"data": "a.tsv", "lang": "ko"}, ("ko",), ONE),
        ({"a.tsv": TSV}, {"data": "a.tsv", "column": "ko"}, ("text",), ONE),
        ({"a.tsv": TSV.split("\n", 1)[1]}, {"data": "a.tsv", "column": "2", "lang": "ko"}, ("ko",), ONE),
        ({"ko-en.jsonl": JSON}, {"data": "ko-en.jsonl"}, ("ko", "en"), PAIRS),
        ({"a.jsonl": JSON}, {"data": "a.jsonl", "lang": "ko"}, ("ko",), ONE),
        ({"x/ko-en/train.tsv": TSV}, {"data": "x/ko-en"}, ("ko", "en"), PAIRS),
    ],
    ids=str,
)
def test_every_form_of_data(
    files: dict[str, str], options: dict[str, Any], languages: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    made = found(files, **options)
    assert made.languages == languages
    source = made.source("train")
    assert list(source.texts()) == rows
    assert [source.judge(number, row) for number, row in enumerate(source.raw(), 1)] == rows


def test_pairs_of_a_corpus_artifact_have_it_as_their_lineage() -> None:
    found({**PAIR, "x/ko-en/valid.ko": KO, "x/ko-en/valid.en": EN}, "x/ko-en")
    prepare_data(data="x/ko-en", out=Path("made"))
    rows = find_rows("./made")
    assert (rows.languages, list(rows.source("train").texts())) == (("ko", "en"), PAIRS)
    assert [entry.kind for entry in rows.inputs(["train"], Path("out"))] == ["corpus"]


def test_each_file_is_lineage_once() -> None:
    pair, table = found(PAIR, "x/ko-en"), found({"ko-en.tsv": TSV}, "ko-en.tsv")
    assert [entry.role for entry in pair.inputs(["train"], Path("out"))] == ["train.en", "train.ko"]
    assert [entry.role for entry in table.inputs(["train"], Path("out"))] == ["ko-en.tsv"]


# Bad rows


def broken_pair() -> Rows:
    Path("x/ko-en").mkdir(parents=True)
    Path("x/ko-en/train.ko").write_bytes(b"\xef\xbb\xbfa\n\xff\nc\n\xff\ne\n")
    Path("x/ko-en/train.en").write_bytes(b"A\nB\n\xfe\n\xfe\nE\n")
    return find_rows("x/ko-en")


def test_a_row_is_judged_by_its_number_in_the_file() -> None:
    source = broken_pair().source("train")
    judged = [source.judge(number, row) for number, row in enumerate(source.raw(), 1)]
    assert [row for row in judged if isinstance(row, tuple)] == [("a", "A"), ("e", "E")]
    bad = [[(line.path.name, line.number) for line in row] for row in judged if isinstance(row, list)]
    assert bad == [[("train.ko", 2)], [("train.en", 3)], [("train.ko", 4), ("train.en", 4)]]


def test_rows_of_a_table_are_numbered_with_its_header() -> None:
    source = found({"a.tsv": "n\ttext\n1\ta\n2\n"}, "a.tsv", column="text").source("train")
    _, bad = [source.judge(number, row) for number, row in enumerate(source.raw(), 1)]
    assert isinstance(bad, list)
    assert [(line.number, line.reason) for line in bad] == [(3, "has 1 columns, the header 2")]
    assert isinstance(bad[0], BadLine)


def test_bad_rows_are_left_out_and_noted_or_refused_with_all_like_them() -> None:
    source = broken_pair().source("train")
    skipped = Skipped(Path())
    assert list(source.texts(skipped)) == [("a", "A"), ("e", "E")]
    noted = [json.loads(line) for line in Path("skipped.jsonl").read_text().splitlines()]
    assert [(entry["file"], entry["line"]) for entry in noted] == [
        ("x/ko-en/train.ko", 2),
        ("x/ko-en/train.en", 3),
        ("x/ko-en/train.ko", 4),
        ("x/ko-en/train.en", 4),
    ]
    with pytest.raises(BadInput, match=r"train\.ko: lines 2, 4 are not UTF-8"):
        list(source.texts())


@pytest.mark.parametrize("skip", [False, True])
def test_unequal_sides_are_refused_with_both_counts(skip: bool) -> None:
    source = found({"x/ko-en/train.ko": KO, "x/ko-en/train.en": "one\n"}, "x/ko-en").source("train")
    with pytest.raises(BadInput, match=r"train\.ko has 2 lines and .*train\.en has 1"):
        list(source.texts(Skipped(Path()) if skip else None))
    with pytest.raises(BadInput, match="has 2 lines"):
        list(source.raw())


# Refusals


@pytest.mark.parametrize(
    ("files", "options", "error", "said"),
    [
        ({}, {"data": "nothing"}, BadInput, "unknown data name"),
        ({"a.tsv": TSV}, {"data": "a.tsv"}, UsageError, "source and target language are not clear"),
        ({"a.tsv": TSV}, {"data": "a.tsv", "column": "body"}, BadInput, "has no column body"),
        ({"a.tsv": TSV}, {"data": "a.tsv", "src": "ko", "tgt": "de"}, BadInput, "has no column de"),
        (PAIR, {"data": "x/ko-en", "lang": "de"}, BadInput, "has no text in de"),
        (PAIR, {"data": "x/ko-en", "src": "de", "tgt": "en"}, BadInput, "no parallel text for de and en"),
        ({"f/note.md": "x"}, {"data": "f"}, BadInput, "has no text"),
        *(({"a.tsv": TSV}, {"data": "a.tsv", "column": column}, NlpcliError, column) for column in ("0", "²")),
    ],
    ids=str,
)
def test_what_cannot_be_found_is_said_with_what_to_do(
    files: dict[str, str], options: dict[str, Any], error: type[NlpcliError], said: str
) -> None:
    with pytest.raises(error) as caught:
        found(files, **options)
    assert said in f"{caught.value.message}\n{caught.value.cause}\n{caught.value.fix}"
    assert caught.value.fix


def test_a_split_that_is_not_there_is_named_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="no split valid") as caught:
        found(PAIR, "x/ko-en").source("valid")
    assert "it has train" in caught.value.cause
    assert "valid.ko" in caught.value.fix
