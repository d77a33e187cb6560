"""Nothing that stands in valid or test stands in train, on either side; documents stay whole; the choice can be repeated."""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import artifacts
from nlpcli.corpus.groups import folded, group, hash_columns
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.split import Divided, split_data
from nlpcli.errors import BadInput, OutputExists, UsageError

Pairs = list[tuple[str, str]]
Run = Callable[..., Any]


def corpus(folder: str = "x/ko-en", **splits: Pairs) -> Path:
    """Write a folder of parallel files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        for i, language in enumerate(("ko", "en")):
            Path(folder, f"{name}.{language}").write_text("".join(pair[i] + "\n" for pair in pairs), "utf-8", newline="")
    return Path(folder)


def documents(path: str, docs: dict[str, Pairs]) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    records = ({"id": at, "ko": [ko for ko, _ in pairs], "en": [en for _, en in pairs]} for at, pairs in docs.items())
    Path(path).write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return Path(path)


def lines(name: str, out: Path | str = "out") -> list[str]:
    path = Path(out, name)
    return path.read_text("utf-8").split("\n")[:-1] if path.exists() else []


def read(split: str, out: Path | str = "out") -> Pairs:
    return list(zip(lines(f"{split}.ko", out), lines(f"{split}.en", out), strict=True))


def divided(data: Path | str = "x/ko-en", out: str = "out", **options: Any) -> Divided:
    return split_data(data=str(data), out=Path(out), **options)


def numbered(count: int, start: int = 0) -> Pairs:
    return [(f"{n}번 문장이에요.", f"This is sentence {n}.") for n in range(start, start + count)]


def leaks(parts: list[Pairs]) -> list[str]:
    """Return the texts that stand in two parts, in the form that matters; blank ones are no texts."""
    found = []
    for side in (0, 1):
        texts = [{folded(pair[side]) for pair in part} - {""} for part in parts]
        found += [text for n, one in enumerate(texts) for other in texts[n + 1 :] for text in one & other]
    return found


def disjoint(parts: list[set[str]]) -> bool:
    return len(set().union(*parts)) == sum(map(len, parts))


# Leakage

words = st.sampled_from(["가", "나다", "", " ", "A", "a", " a  ", "é", "e\u0301", "b c", "B  C", "네", "d", "e", "f", "g"])
some_pairs = st.lists(st.tuples(words, words), max_size=12)
# enough of what shares nothing with anything, so that there is always something to choose
settings = st.tuples(st.sampled_from(["group", "drop"]), st.integers(0, 3), st.sampled_from(["4", "10%"]))


@given(some_pairs, some_pairs, some_pairs, settings)
def test_no_text_of_a_held_out_split_stands_in_another(train: Pairs, valid: Pairs, test: Pairs, how: Any) -> None:
    on_overlap, seed, count = how
    there = {name: pairs for name, pairs in (("valid", valid), ("test", test)) if pairs}
    with tempfile.TemporaryDirectory() as folder:
        data = corpus(f"{folder}/ko-en", train=train + numbered(30), **there)
        out = f"{folder}/out"
        made = divided(data, out, valid=count, test=count, on_overlap=on_overlap, seed=seed)
        parts = {name: read(name, out) for name in ("train", "valid", "test")}
        assert leaks(list(parts.values())) == []
        assert {name: len(pairs) for name, pairs in parts.items()} == made.rows
        dropped = [tuple(json.loads(line)["lines"]) for line in lines("dropped.jsonl", out)]
        assert sorted([*chain(*parts.values()), *dropped]) == sorted(train + numbered(30) + valid + test)  # nothing is lost
        assert len(dropped) == sum(made.dropped.values())
        if test:
            assert parts["test"] == test  # what was there is kept, as it was


@given(st.lists(st.tuples(words, words, st.sampled_from("pqrs")), min_size=1, max_size=30))
def test_rows_of_a_group_are_connected_and_groups_are_not(rows: list[tuple[str, str, str]]) -> None:
    labels = group(hash_columns(rows, 3)).tolist()
    parent = list(range(len(rows)))  # the reference: merge until nothing is left to merge
    changed = True
    while changed:
        changed = False
        for i, one in enumerate(rows):
            for j, other in enumerate(rows):
                alike = any(folded(a) and folded(a) == folded(b) for a, b in zip(one, other))
                if alike and parent[i] != parent[j]:
                    parent[i] = parent[j] = min(parent[i], parent[j])
                    changed = True
    assert [labels.index(label) for label in labels] == [parent.index(p) for p in parent]


def test_a_long_chain_is_one_group() -> None:
    order = np.random.default_rng(1).permutation(50_000).tolist()
    rows = [(f"s{n // 2}", f"t{(n + 1) // 2}") for n in order]
    assert len(set(group(hash_columns(rows, 2)).tolist())) == 1


def test_texts_that_differ_in_form_alone_are_the_same() -> None:
    assert folded(" \u1112\u1161\u11ab  Caf\u00e9 ") == folded("\ud55c CAFE\u0301\t")
    assert folded("\u3000 ") == ""
    assert folded("가") != folded("나")


def test_blank_lines_join_nothing_and_stay_in_train() -> None:
    corpus(train=[*numbered(50), *[("", "")] * 20, *[("", f"only {n}") for n in range(5)]])
    made = divided(valid="10", test="10")
    assert (made.rows["valid"], made.rows["test"], made.largest_group) == (10, 10, 1)
    assert ("", "") not in read("valid") + read("test")


# Sizes, seeds, order


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    pairs = numbered(200) + [("같은 말", f"The same {n}.") for n in range(10)]
    corpus("a/ko-en", train=pairs)
    corpus("b/ko-en", train=random.Random(1).sample(pairs, len(pairs)))
    for data, out, seed in (("a", "one", 1), ("b", "two", 1), ("a", "three", 2)):
        divided(f"{data}/ko-en", out, valid="20", test="20", seed=seed)
    for split in ("train", "valid", "test"):
        assert sorted(read(split, "one")) == sorted(read(split, "two"))
    assert set(read("test", "one")) != set(read("test", "three"))


@pytest.mark.parametrize(
    ("valid", "test", "expected"), [("10", "5%", (10, 50)), ("0", "1%", (None, 10)), ("2.5%", "0", (25, None))]
)
def test_sizes_are_rows_or_shares(valid: str, test: str, expected: tuple[int | None, int | None]) -> None:
    corpus(train=numbered(1000))
    made = divided(valid=valid, test=test)
    assert (made.rows.get("valid"), made.rows.get("test")) == expected
    assert sum(made.rows.values()) == 1000
    found = find_corpus("./out")
    assert (found.src, found.tgt, set(found.splits)) == ("ko", "en", set(made.rows))


@pytest.mark.parametrize("size", ["-1", "many", "100%", "1.5", "%", ""])
def test_what_is_no_size_is_refused(size: str) -> None:
    corpus(train=numbered(10))
    with pytest.raises(UsageError, match="--test"):
        divided(test=size)


def test_too_few_rows_are_refused_and_leave_no_trace() -> None:
    corpus(train=numbered(10))
    with pytest.raises(BadInput, match="too few rows: 10, and 12"):
        divided(valid="6", test="6")
    assert {path.name for path in Path.cwd().iterdir()} == {"x"}


def test_a_group_too_large_for_the_sizes_is_said_with_its_number(capfd: pytest.CaptureFixture[str]) -> None:
    hub = [("네.", f"Yes, number {n}.") for n in range(90)]
    corpus(train=[*hub, *numbered(10)])
    made = divided(valid="0", test="50")
    assert (made.rows["test"], made.largest_group) == (10, 90)
    assert "test has 10 rows instead of 50: the largest of 11 groups has 90 of 100 rows" in capfd.readouterr().err
    corpus("y/ko-en", train=hub)
    with pytest.raises(BadInput, match=r"no group of rows fits into test"):
        divided("y/ko-en", "none", valid="0", test="10")
    made = divided("x/ko-en", "dropped", valid="0", test="50", on_overlap="drop")
    assert leaks([read("train", "dropped"), read("test", "dropped")]) == []


def test_what_is_dropped_leaks_neither_into_valid_nor_into_test() -> None:
    corpus(train=[(f"{n}번", f"Sentence {n // 3}.") for n in range(300)])
    made = divided(valid="30", test="30", on_overlap="drop")
    assert leaks([read(split) for split in made.rows]) == []
    assert (made.rows["test"], made.largest_group) == (30, 1)
    assert made.dropped["valid"] > 20
    assert made.dropped["test"] > 20


# What is there already


def test_splits_that_are_there_are_kept_and_their_texts_leave_train() -> None:
    train, test = numbered(100), [("새 문장", "this is  SENTENCE 7."), ("9번 문장이에요.", "Another one.")]
    corpus(train=train, test=test, test_news=[])
    Path("x/ko-en/test_news.ko").rename("x/ko-en/test.news.ko")
    Path("x/ko-en/test_news.en").rename("x/ko-en/test.news.en")
    Path("x/ko-en/test.news.ko").write_text("11번 문장이에요.\n", "utf-8")
    Path("x/ko-en/test.news.en").write_text("News.\n", "utf-8")
    made = divided(valid="5", test="50")
    assert read("test") == test
    assert made.rows == {"train": 92, "valid": 5, "test": 2, "test.news": 1}
    entries = [json.loads(line) for line in lines("dropped.jsonl")]
    assert [(e["split"], e["row"], e["in"]) for e in entries] == [
        ("train", 8, "test"),
        ("train", 10, "test"),
        ("train", 12, "test"),
    ]
    assert entries[0]["lines"] == list(train[7])
    assert made.dropped == {"valid": 0, "test": 3}


def test_domains_go_with_their_pairs() -> None:
    data = corpus(train=numbered(60))
    (data / "train.domain").write_text("".join(f"domain {n}\n" for n in range(60)), "utf-8")
    divided(valid="6", test="6")
    for split in ("train", "valid", "test"):
        assert [f"domain {ko.split('번')[0]}" for ko in lines(f"{split}.ko")] == lines(f"{split}.domain")
    (data / "train.domain").write_text("one\n", "utf-8")
    with pytest.raises(BadInput, match="not as many lines"):
        divided(out="short")


# Documents and tables


def test_documents_stay_whole_and_keep_their_ids() -> None:
    docs = {f"doc/{d}": numbered(10, 10 * d) for d in range(40)}
    documents("docs/ko-en/train.jsonl", docs)
    made = divided("docs/ko-en", valid="40", test="10%")
    assert made.rows == {"train": 320, "valid": 40, "test": 40}
    where: dict[str, set[str]] = defaultdict(set)
    for split in made.rows:
        for at, pair in zip(lines(f"{split}.document"), read(split), strict=True):
            where[at].add(split)
            assert pair in docs[at]
    assert len(where) == 40
    assert all(len(splits) == 1 for splits in where.values())
    again = divided("./out", "again", valid="0")  # a corpus that names its documents is split by them too
    assert again.rows == made.rows


@pytest.mark.parametrize("on_overlap", ["group", "drop"])
def test_documents_that_share_a_sentence(on_overlap: Any) -> None:
    docs = {f"d{d}": [*numbered(5, 5 * d), ("참고", "See also") if d < 10 else (f"{d}", f"{d}!")] for d in range(30)}
    documents("docs/ko-en/train.jsonl", docs)
    made = divided("docs/ko-en", valid="12", test="40%", on_overlap=on_overlap)
    parts = [read(split) for split in ("train", "valid", "test")]
    assert leaks(parts) == []
    assert made.largest_group == (60 if on_overlap == "group" else 6)
    assert bool(made.dropped["test"]) == (on_overlap == "drop")
    ids = [set(lines(f"{split}.document")) for split in ("train", "valid", "test")]
    assert disjoint(ids)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('{"id": "a", "ko": ["가"], "en": ["a", "b"]}', "has 1 and 2 segments"),
        ('{"ko": ["가"], "en": ["a"]}', "KeyError"),
        ('{"id": 3, "ko": ["가"], "en": ["a"]}', "id that is not one line"),
        ('{"id": "a", "ko": ["가"], "en": ["a\\nb"]}', "not each one line"),
        ('{"id": "a", "ko": "가", "en": "a"}', "not each one line"),
        ("[]", "TypeError"),
        ("{", "DecodeError"),
    ],
)
def test_a_bad_document_is_named_by_its_line(record: str, said: str) -> None:
    path = documents("docs/ko-en/train.jsonl", {"d": numbered(3)})
    path.write_text(path.read_text("utf-8") + record + "\n", "utf-8")
    with pytest.raises(BadInput, match=said) as caught:
        divided("docs/ko-en")
    assert "line 2" in caught.value.message


def test_a_labelled_table_is_split_by_its_text() -> None:
    rows = [f"{n}\tReview {n % 80}\t{n % 2}" for n in range(100)]
    Path("reviews.txt").write_text("\n".join(["id\tdocument\tlabel", *rows]) + "\n", "utf-8")
    made = divided("reviews.txt", column="document", valid="10", test="10%")
    assert made.rows == {"train": 80, "valid": 10, "test": 10}
    found = {split: lines(f"{split}.tsv") for split in made.rows}
    assert all(part[0] == "id\tdocument\tlabel" for part in found.values())
    assert sorted(row for part in found.values() for row in part[1:]) == sorted(rows)
    texts = [{row.split("\t")[1] for row in part[1:]} for part in found.values()]
    assert disjoint(texts)


def test_a_column_keeps_rows_together() -> None:
    table = [{"film": f"f{n % 10}", "text": f"Review {n}"} for n in range(100)]
    Path("reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table), "utf-8")
    made = divided("reviews.jsonl", column="text", group_by="film", valid="10", test="20")
    assert (made.rows, made.groups) == ({"train": 70, "valid": 10, "test": 20}, 10)
    films = [{json.loads(row)["film"] for row in lines(f"{split}.jsonl")} for split in made.rows]
    assert [len(part) for part in films] == [7, 1, 2]
    Path("ko-en.tsv").write_text(
        "ko\ten\tbook\n" + "".join(f"{ko}\t{en}\tb{n % 5}\n" for n, (ko, en) in enumerate(numbered(50))), "utf-8"
    )
    made = divided("ko-en.tsv", "pairs", group_by="book", valid="10", test="10")
    assert [len(set(lines(f"{split}.document", "pairs"))) for split in made.rows] == [3, 1, 1]
    corpus(train=numbered(10))
    with pytest.raises(UsageError, match="needs a table"):
        divided(group_by="book", out="no")


def test_plain_text_in_one_language() -> None:
    Path("text").mkdir()
    Path("text/train.txt").write_text("".join(f"Line {n // 2}\n" for n in range(100)), "utf-8")
    made = divided("./text", valid="10", test="10")
    parts = [set(lines(f"{split}.txt")) for split in made.rows]
    assert made.rows == {"train": 80, "valid": 10, "test": 10}
    assert disjoint(parts)


# The command


def test_the_command_makes_an_artifact(run_cli: Run) -> None:
    ran = run_cli("data", "split", "--data", "ko-en", "--out", "work/split", "--json")
    assert ran.code == 0
    data = json.loads(ran.out)["data"]
    assert data["path"] == str(Path("work/split").resolve())
    assert artifacts.open_artifact("work/split", "corpus").id == data["id"]
    assert run_cli("data", "split", "--data", "ko-en", "--out", "work/split").code == OutputExists.exit_code


def test_data_without_train_is_refused() -> None:
    corpus(test=numbered(3))
    with pytest.raises(BadInput, match="no train split"):
        divided()
