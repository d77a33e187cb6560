"""A dataset of labelled text numbers each row's class, whatever is left out, interrupted or shared out to processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpcli import artifacts
from nlpcli.corpus import decode
from nlpcli.corpus.prepare import prepare_data
from nlpcli.errors import ArtifactError, BadInput, Interrupted
from nlpcli.tokenization import encode as room
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import Encoded, encode_dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer

CLASSES = ["bad", "good", "so-so"]


def text_of(number: int) -> str:
    return " ".join(["fine", "food", "slow", "service"][: number % 4 + 1]) + f" {number}"


def label_of(number: int) -> str:
    return CLASSES[number * 7 % 3]


def corpus(count: int = 60, **files: str | bytes) -> str:
    """Write texts with labels beside them; `files` replaces some of it."""
    folder = Path("x")
    folder.mkdir(exist_ok=True)
    content: dict[str, str | bytes] = {}
    for split, numbers in (("train", range(count)), ("valid", range(9))):
        content[f"{split}_txt"] = "".join(text_of(n) + "\n" for n in numbers)
        content[f"{split}_label"] = "".join(label_of(n) + "\n" for n in numbers)
    for name, value in {**content, **files}.items():
        (folder / name.replace("_", ".")).write_bytes(value.encode() if isinstance(value, str) else value)
    return "./x"


@pytest.fixture
def tokenizer() -> Path:
    return train_tokenizer(data=corpus(), out=Path("tok"), workers=1).path


def encoded(tokenizer: Path, out: str = "set", **options: Any) -> Encoded:
    return encode_dataset(data="./x", tokenizer=tokenizer, out=Path(out), **{"workers": 1, **options})


def rows(out: str = "set", split: str = "train") -> list[tuple[str, str]]:
    """Return texts and labels as they come out of a dataset."""
    data = Dataset.load(out)
    side, labels = data.side(split, data.src), data.label_ids(split)
    texts = data.tokenizer.decode([side[i].tolist() for i in range(len(side))], data.src)
    return list(zip(texts, [data.labels[i] for i in labels], strict=True))


def test_every_row_has_the_number_of_its_class(tokenizer: Path) -> None:
    encoded(tokenizer)
    data = Dataset.load("set")
    assert (data.task, data.labels, data.languages, data.splits) == ("classify", CLASSES, ["text"], ["train", "valid"])
    assert rows() == [(text_of(n), label_of(n)) for n in range(60)]
    assert rows(split="valid") == [(text_of(n), label_of(n)) for n in range(9)]
    assert data.label_ids("train").dtype == np.uint8
    config = artifacts.read_artifact("set").manifest.config
    assert (config["task"], config["labels"], config["lang"]) == ("classify", CLASSES, "text")


def test_a_prepared_corpus_needs_no_options() -> None:
    table = "text\tlabel\n" + "".join(f"{text_of(n)}\t{label_of(n)}\n" for n in range(90))
    Path("all.tsv").write_text(table, "utf-8")
    for lang in (None, "en"):
        made = prepare_data(data="all.tsv", out=Path(f"corpus-{lang}"), lang=lang, fold="1/10")
        tokenizer = train_tokenizer(data=str(made.path), out=Path(f"tok-{lang}")).path
        out = encode_dataset(data=str(made.path), tokenizer=tokenizer, out=Path(f"set-{lang}")).path
        data = Dataset.load(out)
        assert data.languages == Tokenizer.load(tokenizer).languages == [lang or "text"]
        texts = (made.path / f"train.{lang or 'txt'}").read_text("utf-8").split("\n")[:-1]
        labels = (made.path / "train.label").read_text("utf-8").split("\n")[:-1]
        assert rows(str(out)) == list(zip(texts, labels))
        assert [i.kind for i in data.artifact.manifest.inputs] == ["tokenizer", "corpus"]


def test_rows_that_are_left_out_take_their_labels_along(tokenizer: Path) -> None:
    texts = [text_of(n).encode() for n in range(60)]
    labels = [label_of(n).encode() for n in range(60)]
    texts[11], labels[23], labels[40] = b"\xff", b"\xfe", label_of(40).encode() + b"\r"
    texts[5] = b""
    corpus(train_txt=b"\n".join(texts) + b"\n", train_label=b"\n".join(labels) + b"\n")
    with pytest.raises(BadInput):
        encoded(tokenizer)
    corpus(train_txt=b"\n".join(texts) + b"\n", valid_label="".join(label_of(n) + "\n" for n in range(8)) + "great\n")
    with pytest.raises(BadInput, match="line 12 is not UTF-8"):
        encoded(tokenizer)
    encoded(tokenizer, on_error="skip")
    assert rows() == [("" if n == 5 else text_of(n), label_of(n)) for n in range(60) if n != 11]
    assert rows(split="valid") == [(text_of(n), label_of(n)) for n in range(8)]
    skipped = (Path("set") / "skipped.jsonl").read_text("utf-8")
    assert skipped.count("\n") == 2
    assert "names a class that train does not have" in skipped


def test_a_class_that_train_does_not_have_is_refused_by_its_line(tokenizer: Path) -> None:
    corpus(valid_label="".join(label_of(n) + "\n" for n in range(8)) + "great\n")
    with pytest.raises(BadInput, match=r"valid\.label: line 9 names a class that train does not have"):
        encoded(tokenizer)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_labels_do_not_depend_on_chunks_and_processes(
    tokenizer: Path, monkeypatch: pytest.MonkeyPatch, workers: int, chunk: int
) -> None:
    first = encoded(tokenizer, "first")
    monkeypatch.setattr(decode, "ROWS", chunk)
    assert encoded(tokenizer, workers=workers).id == first.id


def test_labels_go_on_where_an_interrupted_command_was(tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoded(tokenizer, "first")
    monkeypatch.setattr(decode, "ROWS", 5)
    monkeypatch.setattr(room, "SHARD_ROWS", 10)
    write, written = room._Split._write, []

    def limited(split: Any, chunk: Any) -> None:
        written.append(chunk)
        if len(written) == 6:
            raise Interrupted("interrupted", signum=2)
        write(split, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(room._Split, "_write", limited)
        with pytest.raises(Interrupted):
            encoded(tokenizer)
    assert Path("set.partial/progress.json").exists()
    assert encoded(tokenizer).id == first.id


def test_many_classes_take_a_wider_type(tokenizer: Path) -> None:
    names = [f"class {n:03}" for n in range(300)]
    corpus(train_txt="fine\n" * 300, train_label="".join(f"{name}\n" for name in names), valid_label="class 299\n" * 9)
    encoded(tokenizer)
    data = Dataset.load("set")
    assert data.label_ids("train").dtype == np.uint16
    assert data.label_ids("train").tolist() == list(range(300))
    assert set(data.label_ids("valid").tolist()) == {299}


def test_unequal_texts_and_labels_are_refused(tokenizer: Path) -> None:
    corpus(train_label="good\nbad\n")
    with pytest.raises(BadInput, match=r"has 60 lines and .* has 2") as caught:
        encoded(tokenizer)
    assert "the label of" in caught.value.cause


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train_label": "good\n" * 4 + "\n" + "bad\n" * 55}, "line 5 has no label"),
        ({"valid_label": b"\xff\n" + b"bad\n" * 8}, "line 1 is not"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(tokenizer: Path, files: dict[str, str | bytes], said: str) -> None:
    corpus(**files)
    with pytest.raises(BadInput, match=said):
        encoded(tokenizer)


def test_a_split_without_labels_is_refused(tokenizer: Path) -> None:
    Path("x/valid.label").unlink()
    with pytest.raises(BadInput, match="no labels of valid") as caught:
        encoded(tokenizer)
    assert "valid.label" in caught.value.fix


def test_other_datasets_have_no_labels(tiny_dataset: Path, tokenizer: Path) -> None:
    Path("plain.txt").write_text("fine food\n" * 9, "utf-8")
    encode_dataset(data="plain.txt", tokenizer=tokenizer, out=Path("plain"))
    for path, task in ((tiny_dataset, "translation"), (Path("plain"), "lm")):
        data = Dataset.load(path)
        assert (data.task, data.labels) == (task, [])
        with pytest.raises(ArtifactError, match="has no labels") as caught:
            data.label_ids("train")
        assert "--task classify" in caught.value.fix
