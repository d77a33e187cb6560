"""The corpus artifact holds the text as it was, whole, and cut in a way that can be repeated."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import nlpcli
from nlpcli import artifacts
from nlpcli.corpus.prepare import Prepared, prepare_data
from nlpcli.errors import BadInput, OutputExists

Pairs = list[tuple[str, str]]


def corpus(path: str = "x/ko-en", **splits: Pairs) -> Path:
    """Write a folder of parallel files."""
    Path(path).mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        for i, language in enumerate(("ko", "en")):
            text = "".join(pair[i] + "\n" for pair in pairs)
            Path(path, f"{name.replace('_', '.')}.{language}").write_text(text, "utf-8", newline="")
    return Path(path)


def prepared(path: Path | str = "x/ko-en", out: str = "out", **options: Any) -> Prepared:
    return prepare_data(data=str(path), out=Path(out), **options)


def read(name: str, out: str = "out") -> Pairs:
    sides = [Path(out, f"{name}.{language}").read_bytes().decode().split("\n") for language in ("ko", "en")]
    assert [side.pop() for side in sides] == ["", ""]  # every line ends with \n
    return list(zip(*sides, strict=True))


def numbered(count: int) -> Pairs:
    return [(f"{n}번 문장입니다.", f"This is sentence {n}.") for n in range(count)]


# Content


def test_the_artifact_holds_the_same_lines(tiny_corpus: Path) -> None:
    result = prepared(tiny_corpus)
    assert result.pairs == {"train": 600, "valid": 40, "test": 40}
    assert (result.src, result.tgt, result.path) == ("ko", "en", Path("out").resolve())
    for split in result.pairs:
        for language in ("ko", "en"):
            name = f"{split}.{language}"
            assert Path("out", name).read_bytes() == (tiny_corpus / name).read_bytes()
    assert artifacts.open_artifact("out", "corpus").id == result.id


def test_unusual_characters_are_kept_and_line_ends_made_plain() -> None:
    Path("x/ko-en").mkdir(parents=True)
    Path("x/ko-en/train.ko").write_bytes(b"\xef\xbb\xbf" + "가\u2028나\x85\r\n \t다 \r\n\r\n".encode())
    Path("x/ko-en/train.en").write_bytes("a\x0bb\n  c  \n\ufeff\n".encode())
    corpus(valid=[("가", "a")])
    prepared()
    assert read("train") == [("가\u2028나\x85", "a\x0bb"), (" \t다 ", "  c  "), ("", "\ufeff")]


def test_every_form_of_the_same_text_gives_the_same_files() -> None:
    pairs = numbered(3)
    corpus("a/ko-en", train=pairs, valid=pairs[:1])
    for name, lines in (
        ("train.tsv", ["en\tko", *(f"{en}\t{ko}" for ko, en in pairs)]),
        ("valid.jsonl", [f'{{"en": "{en}", "ko": "{ko}"}}' for ko, en in pairs[:1]]),
    ):
        Path("b/ko-en").mkdir(parents=True, exist_ok=True)
        Path("b/ko-en", name).write_text("\n".join(lines), "utf-8")
    prepared("a/ko-en", "one")
    prepared("b/ko-en", "two")
    assert [read(s, "one") for s in ("train", "valid")] == [read(s, "two") for s in ("train", "valid")]


def test_preparing_a_prepared_corpus_changes_no_text(tiny_corpus: Path) -> None:
    first = prepared(tiny_corpus, "one")
    prepared("./one", "two")
    one, two = (artifacts.open_artifact(name).manifest for name in ("one", "two"))
    assert one.files == two.files
    assert [(i.kind, i.id) for i in two.inputs] == [("corpus", first.id)]
    assert two.inputs[0].inputs == one.inputs


def test_the_sides_may_be_exchanged() -> None:
    corpus(train=numbered(3), valid=numbered(1))
    result = prepared(src="en")
    assert (result.src, result.tgt) == ("en", "ko")
    assert read("train") == numbered(3)
    assert artifacts.read_artifact("out").manifest.config["src"] == "en"


def test_named_test_splits_are_kept() -> None:
    corpus(train=numbered(3), valid=numbered(1), test=numbered(2), test_news=numbered(4))
    assert prepared().pairs == {"train": 3, "valid": 1, "test": 2, "test.news": 4}
    assert read("test.news") == numbered(4)


def test_words_are_counted() -> None:
    corpus(train=[("나는 간다", "I am going"), ("응", "Yes")], valid=numbered(1))
    prepared()
    assert artifacts.read_artifact("out").manifest.metrics["train"] == {"pairs": 2, "src_words": 3, "tgt_words": 4}


# Refusals


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_an_empty_split_is_refused_by_name_and_leaves_no_trace(split: str) -> None:
    corpus(**{"train": numbered(3), "valid": numbered(1), "test": numbered(1), split: []})
    with pytest.raises(BadInput, match=f"{split}.ko is empty"):
        prepared()
    assert {p.name for p in Path.cwd().iterdir()} == {"x"}


def test_unequal_sides_are_refused_and_leave_no_trace() -> None:
    data = corpus(train=numbered(3), valid=numbered(1))
    (data / "train.en").write_text("only one\n", "utf-8")
    with pytest.raises(BadInput, match=r"3 lines and .* has 1"):
        prepared()
    assert {p.name for p in Path.cwd().iterdir()} == {"x"}


def test_an_existing_output_is_refused_and_replaced_with_force() -> None:
    corpus(train=numbered(3), valid=numbered(1))
    first = prepared()
    corpus(train=numbered(4))
    with pytest.raises(OutputExists):
        prepared()
    assert len(read("train")) == 3
    assert prepared(force=True).id != first.id
    assert len(read("train")) == 4


# Hold-out


def test_without_a_validation_split_pairs_of_train_are_set_aside(capfd: pytest.CaptureFixture[str]) -> None:
    corpus(train=numbered(100))
    assert prepared(hold_out=10).pairs == {"train": 90, "valid": 10}
    train, valid = read("train"), read("valid")
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted(numbered(100))
    assert train == [pair for pair in numbered(100) if pair in train]  # in their order
    assert "10 pairs of train were set aside" in capfd.readouterr().err


def test_the_same_pairs_are_held_out_every_time_whatever_their_order() -> None:
    shuffled = numbered(200)
    random.Random(5).shuffle(shuffled)
    corpus("a/ko-en", train=numbered(200))
    corpus("b/ko-en", train=shuffled)
    first = prepared("a/ko-en", "one", hold_out=20)
    assert prepared("a/ko-en", "again", hold_out=20).id == first.id
    prepared("b/ko-en", "two", hold_out=20)
    for split in ("train", "valid"):
        assert sorted(read(split, "one")) == sorted(read(split, "two"))


def test_what_was_held_out_stays_so_when_other_pairs_are_removed() -> None:
    corpus("a/ko-en", train=numbered(200))
    corpus("b/ko-en", train=numbered(150))
    prepared("a/ko-en", "one", hold_out=20)
    prepared("b/ko-en", "two", hold_out=20)
    assert set(read("valid", "one")) & set(numbered(150)) <= set(read("valid", "two"))


def test_pairs_with_the_same_source_stay_on_one_side() -> None:
    pairs = [(f"{n % 30}번", f"translation {n}") for n in range(120)]
    corpus(train=pairs)
    result = prepared(hold_out=6)
    assert {ko for ko, _ in read("train")}.isdisjoint(ko for ko, _ in read("valid"))
    assert result.pairs == {"train": 96, "valid": 24}  # 6 of 30 sources, 4 translations each


def test_a_validation_split_of_its_own_is_left_alone() -> None:
    corpus(train=numbered(50), valid=[("가", "a")])
    prepared(hold_out=10)
    assert (len(read("train")), read("valid")) == (50, [("가", "a")])


def test_most_of_a_small_training_split_is_kept_for_training() -> None:
    corpus(train=numbered(20))
    assert prepared(hold_out=500).pairs == {"train": 16, "valid": 4}


@pytest.mark.parametrize("pairs", [numbered(1), numbered(4), [("같은 말", f"the same {n}") for n in range(50)]])
def test_too_few_pairs_to_hold_any_out_are_refused(pairs: Pairs) -> None:
    corpus(train=pairs)
    with pytest.raises(BadInput, match="no valid split and too few pairs") as caught:
        prepared()
    assert "valid.ko" in caught.value.fix
    assert not Path("out").exists()


def test_the_word_counts_are_those_of_the_files_after_holding_out() -> None:
    corpus(train=numbered(50))
    prepared(hold_out=5)
    metrics = artifacts.read_artifact("out").manifest.metrics
    assert metrics["train"]["pairs"] == len(read("train"))
    assert metrics["train"]["tgt_words"] == sum(len(en.split()) for _, en in read("train"))


# Domains


def test_domains_are_carried_along() -> None:
    data = corpus(train=numbered(3), valid=numbered(1), test=numbered(3))
    (data / "test.domain").write_text("news\nchat\nnews\n", "utf-8")
    prepared()
    assert Path("out/test.domain").read_text("utf-8") == "news\nchat\nnews\n"
    prepared("./out", "again")
    assert Path("again/test.domain").read_text("utf-8") == "news\nchat\nnews\n"
    assert "test.domain" in {f.path for f in artifacts.open_artifact("again").manifest.files}


@pytest.mark.parametrize("count", [2, 4])
def test_domains_must_be_one_a_pair(count: int) -> None:
    data = corpus(train=numbered(3), valid=numbered(1), test=numbered(3))
    (data / "test.domain").write_text("news\n" * count, "utf-8")
    with pytest.raises(BadInput, match=f"test.domain has {count} lines for 3 pairs"):
        prepared()


def test_no_domains_remain_beside_a_training_split_that_was_cut() -> None:
    data = corpus(train=numbered(20))
    (data / "train.domain").write_text("news\n" * 20, "utf-8")
    prepared()
    assert not Path("out/train.domain").exists()


# Reuse


def test_reuse_makes_the_artifact_only_when_something_changed(capfd: pytest.CaptureFixture[str]) -> None:
    data = corpus(train=numbered(50))
    first = prepared(reuse=True)
    made = Path("out/manifest.json").stat()
    capfd.readouterr()
    assert prepared(reuse=True) == first
    assert Path("out/manifest.json").stat() == made
    assert "up to date" in capfd.readouterr().err
    with pytest.raises(OutputExists, match="made from other data or with other settings"):
        prepared(reuse=True, hold_out=3)
    other = prepared(reuse=True, hold_out=3, force=True)
    assert other.id != first.id
    assert other.pairs["valid"] == 3
    (data / "train.en").write_text("changed\n" * 50, "utf-8")
    assert prepared(reuse=True, hold_out=3, force=True).id != other.id
    assert {en for _, en in read("train")} == {"changed"}


def test_reuse_notices_changed_domains() -> None:
    data = corpus(train=numbered(3), valid=numbered(1), test=numbered(2))
    (data / "test.domain").write_text("news\nnews\n", "utf-8")
    prepared(reuse=True)
    (data / "test.domain").write_text("chat\nchat\n", "utf-8")
    prepared(reuse=True, force=True)
    assert Path("out/test.domain").read_text("utf-8") == "chat\nchat\n"


def test_the_function_is_reached_from_the_package(tiny_corpus: Path) -> None:
    assert nlpcli.prepare_data(data=str(tiny_corpus), out=Path("out")).pairs["train"] == 600
