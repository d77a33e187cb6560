"""Whole documents as rows: no segment is lost or moved, no row is too long, and the sign between segments is one piece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import artifacts
from nlpcli.corpus.documents import SEPARATOR, by_document, joined, read_documents, without_separators
from nlpcli.corpus.prepare import prepare_data
from nlpcli.errors import BadInput, UsageError
from nlpcli.evaluation.evaluate import evaluate
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer

segments = st.text(st.characters(blacklist_characters=f"{SEPARATOR}\n", blacklist_categories=("Cs",)), max_size=12)
documents = st.lists(st.tuples(st.text("ab", min_size=1), st.lists(st.tuples(segments, segments), max_size=6)), max_size=4)


@given(documents, st.integers(1, 40))
def test_rows_hold_every_segment_in_order(of: list[tuple[str, list[tuple[str, str]]]], chars: int) -> None:
    rows = list(joined(of, chars))
    for side in (0, 1):
        back = [segment for row in rows for segment in row[side].split(f" {SEPARATOR} ")]
        assert back == [pair[side] for _, pairs in of for pair in pairs]
    for row in rows:
        assert max(map(len, row)) <= chars or SEPARATOR not in row[0]


@given(documents, st.integers(1, 40), st.integers(2, 6))
def test_more_resolutions_are_rows_of_smaller_sizes_each_once(
    of: list[tuple[str, list[tuple[str, str]]]], chars: int, count: int
) -> None:
    for document in of:
        rows, sizes = list(joined([document], chars, count)), [list(joined([document], chars >> i)) for i in range(count)]
        assert rows[: len(sizes[0])] == sizes[0]
        assert set(rows) == {row for size in sizes for row in size}
        smaller = rows[len(sizes[0]) :]
        assert not set(sizes[0]) & set(smaller)


def test_only_train_has_rows_of_more_sizes() -> None:
    data = chapters()
    made = prepare_data(data=str(data), out=Path("sizes"), document_chars=300, resolutions=4)
    assert made.pairs == {"train": 12 * (1 + 3 + 4), "valid": 2, "test": 2}  # type: ignore[union-attr]
    lines = Path("sizes/train.en").read_text("utf-8").splitlines()
    assert [line.count(SEPARATOR) for line in lines[:8]] == [4, 1, 1, 0, 0, 0, 0, 0]


def test_more_sizes_without_documents_or_a_valid_split_are_refused() -> None:
    data = chapters()
    with pytest.raises(UsageError, match="--resolutions is for whole documents"):
        prepare_data(data=str(data), out=Path("x"), resolutions=2)
    (data / "valid.jsonl").unlink()
    with pytest.raises(UsageError, match="--resolutions needs a valid split"):
        prepare_data(data=str(data), out=Path("x"), document_chars=100, resolutions=2)
    assert not Path("x").exists()


def chapters(name: str = "chapters-ko-en") -> Path:
    folder = Path(name)
    folder.mkdir()
    for split, count in (("train", 12), ("valid", 2), ("test", 2)):
        lines = []
        for i in range(count):
            ko = [f"{split} {i}장 {j}절, 아침에 비가 왔다." for j in range(5)]
            en = [f"{split}, chapter {i}, verse {j}: it rained in the morning." for j in range(5)]
            lines.append(json.dumps({"id": f"{split}/{i}", "ko": ko, "en": en}, ensure_ascii=False))
        (folder / f"{split}.jsonl").write_text("".join(line + "\n" for line in lines), "utf-8")
    return folder


def test_documents_are_rows_of_segments_or_of_whole_texts() -> None:
    data = chapters()
    assert prepare_data(data=str(data), out=Path("segments")).pairs == {"train": 60, "valid": 10, "test": 10}  # type: ignore[union-attr]
    whole = prepare_data(data=str(data), out=Path("whole"), document_chars=1000)
    assert whole.pairs == {"train": 12, "valid": 2, "test": 2}  # type: ignore[union-attr]
    first = Path("whole/test.en").read_text("utf-8").splitlines()[0]
    assert first.count(SEPARATOR) == 4
    assert without_separators(first) == " ".join(Path("segments/test.en").read_text("utf-8").splitlines()[:5])
    halves = prepare_data(data=str(data), out=Path("halves"), document_chars=150)
    assert halves.pairs["test"] == 6  # type: ignore[union-attr]
    assert artifacts.open_artifact("halves").manifest.config["document_chars"] == 150


def test_pairs_with_the_names_of_their_documents_are_documents_too() -> None:
    folder = Path("ko-en")
    folder.mkdir()
    for split in ("train", "valid"):
        (folder / f"{split}.ko").write_text("하나\n둘\n셋\n", "utf-8")
        (folder / f"{split}.en").write_text("one\ntwo\nthree\n", "utf-8")
        (folder / f"{split}.document").write_text("a\na\nb\n", "utf-8")
    prepare_data(data="./ko-en", out=Path("whole"), document_chars=100)
    assert Path("whole/train.en").read_text("utf-8") == f"one {SEPARATOR} two\nthree\n"


def test_the_separator_is_one_piece_and_comes_back() -> None:
    prepare_data(data=str(chapters()), out=Path("whole"), document_chars=1000)
    train_tokenizer(data="whole", out=Path("tok"))
    tokenizer = Tokenizer.load(Path("tok"))
    line = Path("whole/test.en").read_text("utf-8").splitlines()[0]
    (pieces,) = tokenizer.encode_pieces([line], "en")
    assert pieces.count(SEPARATOR) == 4
    assert tokenizer.decode(tokenizer.encode([line], "en"), "en") == [line]


def test_scores_do_not_see_the_separator() -> None:
    Path("hyp.en").write_text(f"it rained {SEPARATOR} in the morning it rained\n", "utf-8")
    Path("ref.en").write_text(f"it rained in {SEPARATOR} the morning {SEPARATOR} it rained\n", "utf-8")
    (scores,) = evaluate(hyp=Path("hyp.en"), ref=Path("ref.en")).splits["lines"][:1]
    assert scores.value("BLEU") == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"id": "a", "ko": ["하나"], "en": ["one", "two"]}, "has 1 and 2 segments"),
        ({"id": "a", "ko": ["하나\n둘"], "en": ["one"]}, "segments that are not each one line of text"),
        ({"id": "", "ko": ["하나"], "en": ["one"]}, "an id that is not one line"),
        ({"ko": ["하나"], "en": ["one"]}, "is no document"),
    ],
)
def test_what_is_no_document_is_named(line: dict[str, Any], expected: str) -> None:
    Path("x.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    with pytest.raises(BadInput) as e:
        list(read_documents(Path("x.jsonl"), "ko", "en"))
    assert expected in e.value.message


def test_what_cannot_be_kept_whole_is_refused(tiny_corpus: Path) -> None:
    with pytest.raises(BadInput, match="holds no documents"):
        prepare_data(data=str(tiny_corpus), out=Path("x"), document_chars=100)
    Path("texts.txt").write_text("one\ntwo\n", "utf-8")
    with pytest.raises(UsageError, match="--document-chars is for pairs of documents"):
        prepare_data(data="texts.txt", task="lm", out=Path("x"), document_chars=100)
    with pytest.raises(BadInput, match="has ␞ in it"):
        list(joined([("a", [(f"x {SEPARATOR}", "y")])], 100))
    Path("train.document").write_text("a\nb\n", "utf-8")
    with pytest.raises(BadInput, match="does not have one line for each pair"):
        list(by_document([("a", "b")], Path("train.document")))
