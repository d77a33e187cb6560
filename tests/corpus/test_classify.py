"""Labelled text becomes aligned files; what is cut out follows from the texts, has every class, and leaks nothing."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import artifacts
from nlpcli.corpus import classify
from nlpcli.corpus.check import check_data
from nlpcli.corpus.clean import clean_data
from nlpcli.corpus.groups import folded
from nlpcli.corpus.prepare import PreparedText, prepare_data
from nlpcli.errors import BadInput, UsageError

Rows = list[tuple[str, str]]
CLASSES = ("bad", "good", "so-so")


def made_up(count: int, classes: int = 2) -> Rows:
    return [(f"review number {n}", CLASSES[n % classes]) for n in range(count)]


def table(path: str, rows: Rows) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), "utf-8", newline="")
    return path if path.startswith("/") else f"./{path}"


def prepared(data: str, out: str = "out", **options: Any) -> PreparedText:
    result = prepare_data(data=data, out=Path(out), **options)
    assert isinstance(result, PreparedText)
    return result


def read(split: str, out: str = "out", ending: str = "txt") -> Rows:
    sides = [Path(out, f"{split}.{end}").read_bytes().decode().split("\n") for end in (ending, "label")]
    assert [side.pop() for side in sides] == ["", ""]
    return list(zip(*sides, strict=True))


def splits(out: str) -> dict[str, Rows]:
    return {name: read(name, out) for name in ("train", "valid", "test") if Path(out, f"{name}.txt").exists()}


def test_texts_and_labels_stand_line_by_line() -> None:
    for name, rows in (("train", made_up(7)), ("valid", made_up(3)), ("test", made_up(5))):
        table(f"x/{name}.tsv", rows)
    result = prepared("./x", task="classify")
    assert (result.task, result.labels, result.rows) == ("classify", ["bad", "good"], {"train": 7, "valid": 3, "test": 5})
    assert (read("train"), read("valid"), read("test")) == (made_up(7), made_up(3), made_up(5))
    config = artifacts.open_artifact("out", "corpus").manifest.config
    expected = {"task": "classify", "text_column": "text", "label_column": "label", "encoding": "utf-8", "fold": None}
    assert {name: config[name] for name in expected} == expected
    assert artifacts.read_artifact("out").manifest.metrics["train"]["labels"] == {"bad": 4, "good": 3}


def test_the_language_names_the_files() -> None:
    table("x/train.tsv", made_up(30))
    assert prepared("./x", lang="ko").lang == "ko"
    assert len(read("train", ending="ko")) == 27


def test_a_prepared_corpus_can_be_prepared_checked_and_cleaned(capfd: pytest.CaptureFixture[str]) -> None:
    table("x/train.tsv", made_up(40))
    prepared("./x")
    prepared("./out", "again")
    assert splits("again") == splits("out")
    checked = check_data(data="./out")
    assert (checked.kind, checked.rows, checked.problems) == ("labelled", {"train": 36, "valid": 4}, 0)
    clean_data(data="./out", out=Path("clean"))
    assert {name: read(name, "clean") for name in ("train", "valid")} == splits("out")


def test_empty_texts_are_counted_and_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    table("x/train.tsv", [*made_up(20), ("", "good"), ("  ", "bad")])
    table("x/valid.tsv", [*made_up(2), ("\u3000", "good")])
    assert prepared("./x").rows == {"train": 20, "valid": 2}
    err = capfd.readouterr().err
    assert "train: left out 2 empty text(s)" in err
    assert "valid: left out 1 empty text(s)" in err


def test_texts_of_test_that_stand_in_train_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    table("x/train.tsv", made_up(20))
    table("x/test.tsv", [("Review  number 3", "good"), ("new", "bad")])
    prepared("./x")
    assert "1 of 2 texts of test stand in train too" in capfd.readouterr().err


# What is set aside


@pytest.mark.parametrize(("count", "hold_out", "expected"), [(200, 500, 20), (200, 10, 10), (2000, 500, 200)])
def test_without_a_valid_split_every_class_gives_its_share(count: int, hold_out: int, expected: int) -> None:
    table("x/train.tsv", made_up(count))
    result = prepared("./x", hold_out=hold_out)
    assert result.rows == {"train": count - expected, "valid": expected}
    assert set(Counter(label for _, label in read("valid")).values()) == {expected // 2}
    assert sorted(read("train") + read("valid")) == sorted(made_up(count))


def test_what_is_set_aside_depends_on_the_texts_alone() -> None:
    rows = made_up(100, 3)
    table("a/train.tsv", rows)
    random.Random(3).shuffle(rows)
    table("b/train.tsv", rows)
    for folder in ("a", "b"):
        prepared(f"./{folder}", f"held-{folder}")
        prepared(f"./{folder}/train.tsv", f"fold-{folder}", fold="2/5")
    for kind in ("held", "fold"):
        one, two = splits(f"{kind}-a"), splits(f"{kind}-b")
        assert {name: sorted(rows) for name, rows in one.items()} == {name: sorted(rows) for name, rows in two.items()}


@pytest.mark.parametrize(("count", "valid"), [(9, 1), (30, 3), (55, 5)])
def test_a_tenth_is_no_more_than_a_tenth(count: int, valid: int) -> None:
    table("x/train.tsv", made_up(count, 3))
    assert prepared("./x").rows == {"train": count - valid, "valid": valid}


def test_a_rare_class_stays_in_train() -> None:
    table("x/train.tsv", [*made_up(50), ("once", "rare")])
    prepared("./x")
    assert ("once", "rare") in read("train")


texts = st.sampled_from([f"text {n}" for n in range(40)] + ["TEXT  1", "Text 2 "])
labelled = st.lists(st.tuples(texts, st.sampled_from(CLASSES)), min_size=12, max_size=80)


@given(rows=labelled, parts=st.integers(2, 6))
def test_folds_are_disjoint_stratified_and_cover_everything(
    rows: Rows, parts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("folds")
    data = table(str(folder / "all.tsv"), rows)
    tested: Rows = []
    for part in range(1, parts + 1):
        try:
            prepared(data, str(folder / str(part)), fold=f"{part}/{parts}")
        except BadInput as e:
            assert "one text" in e.message or "too few" in e.message or "one-class" in e.message  # noqa: PT017
            return
        made = splits(str(folder / str(part)))
        sides = [{folded(text) for text, _ in made[name]} for name in ("train", "valid", "test")]
        assert len(set().union(*sides)) == sum(map(len, sides))
        assert Counter(row for side in made.values() for row in side) == Counter(rows)
        tested += made["test"]
    assert Counter(tested) == Counter(rows)


def test_a_fold_has_its_share_of_every_class() -> None:
    data = table("all.tsv", made_up(300, 3))
    for part in (1, 10):
        result = prepared(data, f"out-{part}", fold=f"{part}/10")
        assert result.rows == {"train": 243, "valid": 27, "test": 30}
        for name in ("valid", "test"):
            assert len(set(Counter(label for _, label in read(name, f"out-{part}")).values())) == 1
    assert not {*read("test", "out-1")} & {*read("test", "out-10")}


# Refusals


@pytest.mark.parametrize("fold", ["0/10", "11/10", "1/1", "1", "a/b", "1/10/2", "-1/3"])
def test_a_fold_that_is_none_is_a_usage_error(fold: str) -> None:
    with pytest.raises(UsageError, match="is not K/N"):
        prepared(table("all.tsv", made_up(30)), fold=fold)


def test_data_with_splits_has_no_folds() -> None:
    for name in ("train", "test"):
        table(f"x/{name}.tsv", made_up(30))
    with pytest.raises(UsageError, match="needs data without splits"):
        prepared("./x", fold="1/10")


def test_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match="one-class data cannot be learnt") as caught:
        prepared(table("all.tsv", made_up(30, 1)))
    assert "'bad'" in caught.value.cause
    assert not Path("out").exists()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_label_that_train_does_not_have_is_refused(split: str) -> None:
    table("x/train.tsv", made_up(30))
    table(f"x/{split}.tsv", [*made_up(3), ("odd", "great"), ("odder", "great")])
    with pytest.raises(BadInput, match=f"{split} has a label that train does not have: 'great'") as caught:
        prepared("./x")
    assert f"line 5 of {split}.tsv" in caught.value.cause


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_an_empty_split_is_refused(split: str) -> None:
    for name in ("train", "valid", "test"):
        table(f"x/{name}.tsv", [] if name == split else made_up(20))
    with pytest.raises(BadInput, match=f"the split {split} is empty"):
        prepared("./x")


def test_data_without_train_is_refused() -> None:
    table("x/test.tsv", made_up(20))
    table("x/valid.tsv", made_up(20))
    with pytest.raises(BadInput, match="no train split"):
        prepared("./x")


def test_labels_that_are_no_classes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "MOST", 20)
    with pytest.raises(BadInput, match="more than 20 different labels"):
        prepared(table("all.tsv", [(text, text) for text, _ in made_up(30)]))


def test_a_fold_needs_two_texts_of_a_class() -> None:
    with pytest.raises(BadInput, match="the class 'rare' has one text"):
        prepared(table("all.tsv", [*made_up(50), ("once", "rare"), ("ONCE", "rare")]), fold="1/5")


@pytest.mark.parametrize("fold", [None, "1/2"])
def test_too_few_texts_to_cut_are_refused(fold: str | None) -> None:
    rows = made_up(2) if fold is None else made_up(4)
    with pytest.raises(BadInput, match="too few texts"):
        prepared(table("all.tsv", rows), fold=fold)
