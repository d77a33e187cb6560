"""The figures of `data stats` are those that counting by hand gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nlpcli.corpus import stats as module
from nlpcli.corpus.stats import Stats, data_stats
from nlpcli.errors import UsageError


@pytest.fixture
def data() -> Path:
    folder = Path("ko-en")
    folder.mkdir()
    (folder / "train.ko").write_text("나는 집에 간다\n\n나는 12 잔다\n", "utf-8")
    (folder / "train.en").write_text("I go home\n\nI sleep twelve\n", "utf-8")
    (folder / "test.ko").write_text("나는 논다 나는\n", "utf-8")
    (folder / "test.en").write_text("I play\n", "utf-8")
    return folder


def stats(path: str = "./ko-en", **options: Any) -> Stats:
    return data_stats(data=path, **options)


def test_lines_characters_and_words(data: Path) -> None:
    ko = stats().splits["train"]["ko"]
    assert (ko.lines, ko.empty, ko.unreadable, ko.words, ko.types, ko.longest) == (3, 1, 0, 6, 5, 8)
    assert ko.characters == len("나는 집에 간다") + len("나는 12 잔다")
    assert ko.types_exact


def test_histogram_and_scripts(data: Path) -> None:
    ko = stats().splits["train"]["ko"]
    assert {name: count for name, count in ko.histogram.items() if count} == {"0": 1, "1-10": 2}
    assert sum(ko.histogram.values()) == ko.lines
    assert ko.scripts == pytest.approx({"Hangul": 10 / 16, "digits": 2 / 16, "spaces": 4 / 16})


def test_words_that_train_does_not_have(data: Path) -> None:
    splits = stats().splits
    assert splits["train"]["ko"].new_words is None
    assert splits["test"]["ko"].new_words == pytest.approx(1 / 3)
    assert splits["test"]["ko"].new_types == pytest.approx(1 / 2)
    assert splits["test"]["en"].new_types == pytest.approx(1 / 2)


def test_too_many_words_are_forgotten_from_the_rarest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TYPES", 3)
    Path("many.txt").write_text("a a a b b b c c d e f\n", "utf-8")
    found = stats("many.txt").splits["train"]["text"]
    assert (found.words, found.types, found.types_exact) == (11, 3, False)


def test_tokens_are_counted_by_the_tokenizer(tiny_corpus: Path, tiny_tokenizer: Path) -> None:
    from nlpcli.tokenization.tokenizer import Tokenizer

    found = data_stats(data=str(tiny_corpus), tokenizer=tiny_tokenizer).splits["test"]["ko"]
    lines = (tiny_corpus / "test.ko").read_text("utf-8").splitlines()
    assert found.tokens == sum(map(len, Tokenizer.load(tiny_tokenizer).encode(lines, "ko")))
    assert found.unknown == 0
    assert data_stats(data=str(tiny_corpus)).splits["test"]["ko"].tokens is None


def test_a_tokenizer_needs_a_language(tiny_tokenizer: Path) -> None:
    Path("plain.txt").write_text("나는 간다\n", "utf-8")
    with pytest.raises(UsageError, match="which language"):
        stats("plain.txt", tokenizer=tiny_tokenizer)
    assert stats("plain.txt", tokenizer=tiny_tokenizer, lang="ko").splits["train"]["text"].tokens


def test_lines_that_cannot_be_read_are_counted(data: Path, run_cli: Any) -> None:
    (data / "train.en").write_bytes(b"ok\n\xff\xfe\xfa\n\n")
    assert stats().splits["train"]["en"].unreadable == 1
    assert "train: left out 1 of its rows" in run_cli("data", "stats", "--data", "./ko-en").err


def test_labels_are_counted() -> None:
    Path("reviews.tsv").write_text("text\tlabel\nfine\t1\ndull\t0\nwarm\t1\n", "utf-8")
    assert stats("reviews.tsv").labels == {"train": {"1": 2, "0": 1}}


def test_the_command_prints_tables_and_bars_or_json(data: Path, run_cli: Any) -> None:
    ran = run_cli("data", "stats", "--data", "./ko-en")
    assert ran.code == 0
    assert "█" in ran.out
    assert "Hangul" in ran.out
    ran = run_cli("data", "stats", "--data", "./ko-en", "--json")
    assert json.loads(ran.out)["data"]["splits"]["test"]["ko"]["words"] == 3


def test_an_empty_file_has_figures_too() -> None:
    Path("empty.txt").write_bytes(b"")
    found = stats("empty.txt").splits["train"]["text"]
    assert (found.lines, found.characters, sum(found.histogram.values())) == (0, 0, 0)
