"""Text for a language model is kept line by line, and cut at its end where there is no valid split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import artifacts
from nlpcli.corpus.prepare import PreparedText, prepare_data
from nlpcli.errors import BadInput


def prepared(data: str, out: str = "out", **options: Any) -> PreparedText:
    result = prepare_data(data=data, out=Path(out), task="lm", **options)
    assert isinstance(result, PreparedText)
    return result


def put(path: str, text: str | bytes) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(text.encode() if isinstance(text, str) else text)
    return f"./{path}"


def read(name: str, out: str = "out") -> str:
    return Path(out, name).read_bytes().decode()


def test_every_line_is_kept_blank_ones_too() -> None:
    text = " \n = A Title = \n \n\n a  b \n\n"
    for name in ("train", "valid", "test"):
        put(f"x/{name}.txt", text)
    assert prepared("./x").rows == {"train": 6, "valid": 6, "test": 6}
    assert {read(f"{name}.txt") for name in ("train", "valid", "test")} == {text}
    manifest = artifacts.open_artifact("out", "corpus").manifest
    assert manifest.config["task"] == "lm"
    assert list(manifest.metrics) == ["train", "valid", "test"]
    assert manifest.metrics["train"] == {"rows": 6, "words": 6, "characters": len(text)}


def test_a_single_file_loses_its_end_to_valid(capfd: pytest.CaptureFixture[str]) -> None:
    text = "".join(f"{n:03}\n" for n in range(100))
    assert prepared(put("input.txt", text)).rows == {"train": 90, "valid": 10}
    assert read("train.txt") + read("valid.txt") == text
    assert "the last 10 lines of train, a tenth, were cut off" in capfd.readouterr().err


@given(lines=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30), min_size=1, max_size=60))
def test_the_cut_is_at_nine_tenths_of_the_characters_and_loses_none(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    text = "".join(f"{line}\n" for line in lines)
    (folder / "input.txt").write_text(text, "utf-8", newline="")
    try:
        prepared(str(folder / "input.txt"), str(folder / "out"))
    except BadInput as e:
        assert "is empty" in e.message or len(lines[0]) + 1 > 0.9 * len(text)  # noqa: PT017
        return
    train, valid = (read(f"{name}.txt", str(folder / "out")) for name in ("train", "valid"))
    kept = train.count("\n")
    assert train + valid == text.removeprefix("\ufeff")
    assert len(train) <= 0.9 * len(train + valid) < len(train) + len(lines[kept]) + 1


def test_the_language_names_the_files() -> None:
    put("x/train.ko", "가\n" * 20)
    assert prepared("./x").lang == "ko"
    assert read("train.ko") == "가\n" * 18
    put("y/train.txt", "가\n" * 20)
    assert prepared("./y", "two", lang="ko").lang == "ko"
    assert read("valid.ko", "two") == "가\n" * 2


def test_one_side_of_a_pair_is_text(tiny_corpus: Path) -> None:
    assert prepared(str(tiny_corpus), lang="ko").rows == {"train": 600, "valid": 40, "test": 40}
    assert read("train.ko") == (tiny_corpus / "train.ko").read_text("utf-8")


def test_a_column_of_a_table_is_text() -> None:
    put("x.tsv", "id\tnote\n" + "".join(f"{n}\tline {n}\n" for n in range(20)))
    prepared("./x.tsv", column="note")
    assert read("valid.txt") == "line 18\nline 19\n"
    assert artifacts.read_artifact("out").manifest.config["column"] == "note"


def test_text_in_another_encoding_becomes_utf_8() -> None:
    put("x.txt", "café\n".encode("latin-1") * 20)
    prepared("./x.txt", encoding="latin-1")
    assert read("valid.txt") == "café\n" * 2
    assert artifacts.read_artifact("out").manifest.config["encoding"] == "iso8859-1"


def test_splits_are_known_by_a_word_in_the_name() -> None:
    for name in ("train", "valid", "test"):
        put(f"x/bank.{name}.txt", f"{name}\n")
    prepared("./x")
    assert [read(f"{name}.txt") for name in ("train", "valid", "test")] == ["train\n", "valid\n", "test\n"]


def test_preparing_again_changes_nothing() -> None:
    prepared(put("input.txt", "".join(f"{n:03}\n" for n in range(100))))
    prepared("./out", "again")
    assert [read(f"{name}.txt", "again") for name in ("train", "valid")] == [read(f"{name}.txt") for name in ("train", "valid")]
    first = prepared("./out", "again", reuse=True)
    assert first == prepared("./out", "again", reuse=True)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_an_empty_split_is_refused(split: str) -> None:
    for name in ("train", "valid"):
        put(f"x/{name}.txt", "\n \n" if name == split else "text\n")
    with pytest.raises(BadInput, match=rf"{split}\.txt is empty"):
        prepared("./x")


def test_text_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be cut into train and valid") as caught:
        prepared(put("input.txt", "one long line\n"))
    assert "valid.txt" in caught.value.fix


def test_text_without_train_is_refused() -> None:
    put("x/test.txt", "a\n")
    put("x/valid.txt", "a\n")
    with pytest.raises(BadInput, match="no split train"):
        prepared("./x")


def test_an_undecodable_line_is_refused_by_its_number() -> None:
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        prepared(put("x.txt", b"a\n\xff\n"))
