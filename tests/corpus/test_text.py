"""What `--data` means where text in one language is read, and what is said where it means nothing."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from nlpcli.corpus.prepare import prepare_data
from nlpcli.corpus.readers import Skipped
from nlpcli.corpus.text import Text, find_text
from nlpcli.errors import ArtifactError, BadInput, NlpcliError, UsageError

KO, EN = "하나\n둘\n", "one\ntwo\n"


def write(files: dict[str, str]) -> None:
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode()
        Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def found(files: dict[str, str], data: str, language: str | None = None, column: str | None = None) -> Text:
    write(files)
    return find_text(data, language, column)


PAIR = {"x/ko-en/train.ko": KO, "x/ko-en/train.en": EN, "x/ko-en/valid.ko": "셋\n", "x/ko-en/valid.en": "three\n"}
TSV = "id\ttext\tko\n1\tone\t하나\n2\ttwo\t둘\n"
JSON = '{"id": 1, "text": "one", "ko": "하나"}\n{"id": 2, "text": "two", "ko": "둘"}\n'


@pytest.mark.parametrize(
    ("files", "options", "language", "lines"),
    [
        ({"reviews.txt": EN}, {"data": "reviews.txt"}, "", ["one", "two"]),
        ({"reviews.txt": EN}, {"data": "./reviews.txt", "language": "en"}, "en", ["one", "two"]),
        ({"reviews": EN}, {"data": "reviews"}, "", ["one", "two"]),
        ({"train.ko": KO}, {"data": "train.ko"}, "ko", ["하나", "둘"]),
        ({"train.ko.gz": KO}, {"data": "train.ko.gz"}, "ko", ["하나", "둘"]),
        ({"a/b.txt.gz": EN}, {"data": "a/b.txt.gz"}, "", ["one", "two"]),
        ({"x.tsv": TSV}, {"data": "x.tsv"}, "", ["one", "two"]),
        ({"x.tsv": TSV}, {"data": "x.tsv", "language": "ko"}, "ko", ["하나", "둘"]),
        ({"x.tsv": TSV}, {"data": "x.tsv", "language": "en"}, "en", ["one", "two"]),
        ({"x.tsv": TSV}, {"data": "x.tsv", "column": "id"}, "", ["1", "2"]),
        ({"x.tsv": TSV.split("\n", 1)[1]}, {"data": "x.tsv", "column": "3"}, "", ["하나", "둘"]),
        ({"x.txt": TSV}, {"data": "x.txt", "column": "ko"}, "", ["하나", "둘"]),
        ({"x.data.gz": TSV}, {"data": "x.data.gz", "column": "2"}, "", ["text", "one", "two"]),
        ({"x.jsonl": JSON}, {"data": "x.jsonl"}, "", ["one", "two"]),
        ({"x.jsonl.gz": JSON}, {"data": "x.jsonl.gz", "language": "ko"}, "ko", ["하나", "둘"]),
        ({"x.jsonl": JSON}, {"data": "x.jsonl", "column": "ko", "language": "ko"}, "ko", ["하나", "둘"]),
        ({"f/train.txt": EN, "f/valid.txt": "v\n"}, {"data": "./f"}, "", ["one", "two"]),
        ({"f/reviews.txt": EN}, {"data": "f", "language": "en"}, "en", ["one", "two"]),
        ({"f/train.txt": EN, "f/notes.txt": "n\n"}, {"data": "f"}, "", ["one", "two"]),
        (PAIR, {"data": "x/ko-en", "language": "ko"}, "ko", ["하나", "둘"]),
        (PAIR, {"data": "x/ko-en", "language": "en"}, "en", ["one", "two"]),
        ({"x/f/train.ko": KO}, {"data": "x/f"}, "ko", ["하나", "둘"]),
        ({"data/mine/train.ko": KO}, {"data": "mine"}, "ko", ["하나", "둘"]),
    ],
    ids=str,
)
def test_every_form_of_data(files: dict[str, str], options: dict[str, Any], language: str, lines: list[str]) -> None:
    text = found(files, **options)
    assert text.language == language
    assert list(text.lines("train")) == lines


def test_the_bundled_sample_is_found_by_its_name() -> None:
    text = find_text("ko-en", "ko")
    assert text.name == "ko-en"
    assert {"train", "valid", "test"} <= text.splits.keys()
    assert next(text.lines("train"))


def test_splits_of_a_folder_have_their_usual_names() -> None:
    text = found({f"f/{name}.txt": f"{name}\n" for name in ("train", "dev", "test")}, "f")
    assert {name: list(text.lines(name)) for name in text.splits} == {"train": ["train"], "valid": ["dev"], "test": ["test"]}


def test_one_side_of_a_corpus_artifact() -> None:
    write(PAIR)
    prepare_data(data="x/ko-en", out=Path("made"))
    text = find_text("made/", "ko")
    assert list(text.lines("valid")) == ["셋"]
    (entry,) = text.inputs(["train"], Path("out"))
    assert (entry.role, entry.kind) == ("data", "corpus")


def test_files_are_their_own_lineage() -> None:
    text = found(PAIR, "x/ko-en", "ko")
    entries = text.inputs(["train", "valid"], Path("out"))
    assert [entry.role for entry in entries] == ["train.ko", "valid.ko"]
    assert all(entry.id.startswith("sha256:") for entry in entries)


def test_the_name_is_that_of_the_file_without_its_endings() -> None:
    assert found({"reviews.tsv.gz": TSV}, "reviews.tsv.gz").name == "reviews"


def test_bad_lines_are_left_out_on_request() -> None:
    Path("x.txt").write_bytes(b"one\n\xff\ntwo\n")
    skipped = Skipped(Path())
    assert list(find_text("x.txt").lines("train", skipped)) == ["one", "two"]
    assert skipped.size() > 0


# Refusals


@pytest.mark.parametrize(
    ("files", "options", "error", "said"),
    [
        ({}, {"data": "nothing.txt.gz"}, BadInput, "nothing.txt.gz does not exist"),
        ({"reviews.txt": EN}, {"data": "./reviws.txt"}, BadInput, "did you mean reviews.txt"),
        ({}, {"data": "nothing"}, BadInput, "unknown data name: nothing"),
        (PAIR, {"data": "x/ko-en"}, UsageError, "add --lang en or --lang ko"),
        (PAIR, {"data": "x/ko-en", "language": "de"}, BadInput, "has no text in de"),
        ({"x/f/image.png": "x"}, {"data": "x/f"}, BadInput, "has no text"),
        ({"x.tsv": "id\tcomment\n1\ta\n"}, {"data": "x.tsv"}, UsageError, "which column holds the text"),
        ({"x.tsv": "id\tcomment\n1\ta\n"}, {"data": "x.tsv", "language": "ko"}, UsageError, "its columns are id, comment"),
        ({"x.jsonl": '{"id": 1, "body": "a"}\n'}, {"data": "x.jsonl"}, UsageError, "add --column id"),
        ({"x.jsonl": "broken\n"}, {"data": "x.jsonl"}, UsageError, "add --column text"),
        ({"x.jsonl": ""}, {"data": "x.jsonl"}, UsageError, "which column holds the text"),
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


def test_a_split_that_is_not_there_is_named() -> None:
    text = found({"reviews.txt": EN}, "reviews.txt")
    for use in (text.path, lambda name: list(text.lines(name))):
        with pytest.raises(BadInput, match="no split valid") as caught:
            use("valid")
        assert "it has train" in caught.value.cause


def test_a_column_that_is_not_there_is_named_with_those_there_are() -> None:
    text = found({"x.tsv": TSV}, "x.tsv", column="body")
    with pytest.raises(BadInput, match="no column body") as caught:
        list(text.lines("train"))
    assert "id, text, ko" in caught.value.cause


def test_an_artifact_of_another_kind_is_refused(tiny_tokenizer: Path) -> None:
    Path("f").mkdir()
    Path("f/train.txt").write_text(EN, "utf-8")
    Path("f/manifest.json").write_bytes((tiny_tokenizer / "manifest.json").read_bytes())
    with pytest.raises(ArtifactError, match="is a tokenizer"):
        find_text("./f").inputs(["train"], Path("out"))
