"""Repeated and shared rows are found exactly, however they lie, and the temporary files go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus import duplicates
from nlpcli.corpus.duplicates import CONFLICT, REPEATED, SHARED, SHARED_SRC, SHARED_TGT, Fingerprints

Rows = list[tuple[str, str]]


def flags(splits: dict[str, Rows], labelled: bool = False) -> dict[str, list[int]]:
    """Return each row's flags; the second column is a label if `labelled`."""
    with Fingerprints(list(splits), 1 if labelled else 2, labelled) as fingerprints:
        for split, rows in splits.items():
            for first in range(0, len(rows), 3):  # in blocks
                columns = [list(column) for column in zip(*rows[first : first + 3])]
                wanted = np.ones(len(columns[0]), np.bool_)
                texts, labels = (columns[:1], columns[1]) if labelled else (columns, None)
                fingerprints.add(split, first, texts, wanted, labels)
        fingerprints.compare()
        found = {}
        for split, rows in splits.items():
            take = fingerprints.flags_in_turn(split, len(rows))
            found[split] = [int(take(1)[0]) for _ in rows]
    assert not fingerprints.folder.exists()
    return found


def expected(splits: dict[str, Rows]) -> dict[str, list[int]]:
    """The same, the slow way."""
    train = splits["train"]
    others = [row for split, rows in splits.items() if split != "train" for row in rows]
    result = {}
    for split, rows in splits.items():
        partner = others if split == "train" else train
        pairs, srcs, tgts = set(partner), {s for s, _ in partner}, {t for _, t in partner}
        result[split] = [
            REPEATED * (row in rows[:i])
            | SHARED * (row in pairs)
            | SHARED_SRC * (row[0] in srcs)
            | SHARED_TGT * (row[1] in tgts)
            for i, row in enumerate(rows)
        ]
    return result


ROW = st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"))


@given(st.fixed_dictionaries({"train": st.lists(ROW), "valid": st.lists(ROW), "test": st.lists(ROW)}))
def test_flags_are_those_of_sets(splits: dict[str, Rows]) -> None:
    assert flags(splits) == expected(splits)


def test_pieces_and_ranges_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    splits = {
        name: [(f"문장 {a}", f"sentence {b}") for a, b in rng.integers(0, 40, (count, 2))]
        for name, count in (("train", 300), ("test", 90))
    }
    monkeypatch.setattr(duplicates, "PIECE", 7)
    monkeypatch.setattr(duplicates, "RANGE", 16)
    assert flags(splits) == expected(splits)


def test_a_corpus_of_one_line_is_compared_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "PIECE", 5)
    assert flags({"train": [("a", "b")] * 50}) == {"train": [0] + [REPEATED] * 49}


def test_texts_with_several_labels_are_found_once_a_text() -> None:
    rows = [("a", "1"), ("b", "0"), ("a", "0"), ("a", "2"), ("b", "0"), ("a", "1")]
    found = flags({"train": rows, "test": [("b", "1")]}, labelled=True)
    assert [bool(f & CONFLICT) for f in found["train"]] == [False, False, True, False, False, False]
    assert [bool(f & REPEATED) for f in found["train"]] == [False, False, False, False, True, True]
    assert found["test"] == [SHARED_SRC]  # the text is known, the row is not


def test_texts_that_python_stores_in_the_same_bytes_are_different() -> None:
    assert flags({"train": [("ㄱ", "a"), ("11", "a")]}) == {"train": [0, 0]}


def test_rows_that_are_not_wanted_are_not_compared() -> None:
    with Fingerprints(["train"], 1) as fingerprints:
        fingerprints.add("train", 0, [["", "", "a"]], np.array([False, False, True]))
        fingerprints.compare()
        assert [f.tolist() for _, f in fingerprints.flags("train", 3)] == [[0, 0, 0]]


def test_the_temporary_folder_goes_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(duplicates, "PIECE", 1)

    def fail() -> None:
        with Fingerprints(["train"], 1) as fingerprints:
            fingerprints.add("train", 0, [["a"]], np.array([True]))
            assert len(list(fingerprints.folder.iterdir())) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
