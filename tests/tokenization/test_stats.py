"""`tokenize stats`: what it counts is what one counts by hand, for each split and side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpcli.errors import BadInput, UsageError
from nlpcli.tokenization import stats as room
from nlpcli.tokenization.stats import SideStats, tokenizer_stats
from nlpcli.tokenization.tokenizer import UNK, Tokenizer

Learn = Callable[..., Tokenizer]


def by_hand(tokenizer: Tokenizer, lines: list[str], split: str, language: str) -> SideStats:
    encoded = [tokenizer.encode([line], language)[0] for line in lines]
    pieces = [piece for line in lines for piece in tokenizer.encode_pieces([line], language)[0]]
    ids = [i for line in encoded for i in line]
    words = sum(len(line.split()) for line in lines)
    characters, size = sum(len(line) for line in lines), sum(len(line.encode()) for line in lines)
    return SideStats(
        split=split,
        language=language,
        lines=len(lines),
        words=words,
        characters=characters,
        bytes=size,
        tokens=len(ids),
        fertility=len(ids) / words,
        bytes_per_token=size / len(ids),
        characters_per_token=characters / len(ids),
        unknown_rate=ids.count(UNK) / len(ids),
        byte_rate=sum(len(piece) == 6 and piece.startswith("<0x") for piece in pieces) / len(ids),
        used=len(set(ids)) / tokenizer.vocab_size(language),
        longest=max(map(len, encoded)),
    )


def lines_of(folder: Path, split: str, language: str) -> list[str]:
    return (folder / f"{split}.{language}").read_text("utf-8").split("\n")[:-1]


@pytest.mark.parametrize(
    "settings",
    [{}, {"kind": "char", "byte_fallback": False, "vocab_size": 60}, {"jamo": True, "joint": True}, {"kind": "word"}],
    ids=str,
)
def test_figures_are_those_counted_by_hand(learnt: Learn, tiny_corpus: Path, settings: dict[str, Any]) -> None:
    tokenizer = learnt(**settings)
    found = tokenizer_stats(tokenizer=tokenizer.artifact.path, data=str(tiny_corpus), workers=1)
    assert found.tokenizer == tokenizer.id
    assert found.sides == [
        by_hand(tokenizer, lines_of(tiny_corpus, split, language), split, language)
        for split in ("train", "valid", "test")
        for language in ("ko", "en")
    ]
    if settings.get("byte_fallback", True) and "kind" not in settings:
        assert any(side.byte_rate > 0 for side in found.sides)
        assert all(side.unknown_rate == 0 for side in found.sides)
    else:
        assert any(side.unknown_rate > 0 for side in found.sides)
        assert all(side.byte_rate == 0 for side in found.sides)


@pytest.mark.parametrize(("workers", "chunk"), [(1, 7), (3, 50), (2, 5000)])
def test_workers_and_chunks_change_nothing(
    tiny_tokenizer: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch, workers: int, chunk: int
) -> None:
    whole = tokenizer_stats(tokenizer=tiny_tokenizer, data=str(tiny_corpus), workers=1)
    monkeypatch.setattr(room, "CHUNK", chunk)
    assert tokenizer_stats(tokenizer=tiny_tokenizer, data=str(tiny_corpus), workers=workers) == whole


def test_kiwis_marks_are_no_tokens(learnt: Learn, tiny_corpus: Path) -> None:
    pytest.importorskip("kiwipiepy")
    tokenizer = learnt(pretokenizer="kiwi", vocab_size=1500, sample_lines=200)
    lines = lines_of(tiny_corpus, "valid", "ko")
    Path("v.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (side,) = tokenizer_stats(tokenizer=tokenizer.artifact.path, data="v.txt", lang="ko", workers=1).sides
    assert side == by_hand(tokenizer, lines, "train", "ko")


def test_one_language_of_a_pair_or_of_a_table(tiny_tokenizer: Path, tiny_corpus: Path) -> None:
    both = tokenizer_stats(tokenizer=tiny_tokenizer, data=str(tiny_corpus)).sides
    alone = tokenizer_stats(tokenizer=tiny_tokenizer, data=str(tiny_corpus), lang="en").sides
    assert alone == [side for side in both if side.language == "en"]
    rows = [f"x\t{line}\n" for line in lines_of(tiny_corpus, "train", "en")]
    Path("t.tsv").write_text("".join(rows), "utf-8")
    assert tokenizer_stats(tokenizer=tiny_tokenizer, data="t.tsv", lang="en", column="2").sides == alone[:1]


def test_a_tokenizer_of_one_language_needs_no_lang(learnt: Learn, tiny_corpus: Path) -> None:
    sides = tokenizer_stats(tokenizer=learnt(lang="ko").artifact.path, data=str(tiny_corpus)).sides
    assert [(side.split, side.language) for side in sides] == [(s, "ko") for s in ("train", "valid", "test")]


def test_an_empty_text_has_figures_of_nothing(tiny_tokenizer: Path) -> None:
    Path("e.txt").write_text("", "utf-8")
    Path("blank.txt").write_text("\n\n", "utf-8")
    (none,) = tokenizer_stats(tokenizer=tiny_tokenizer, data="e.txt", lang="ko").sides
    (blank,) = tokenizer_stats(tokenizer=tiny_tokenizer, data="blank.txt", lang="ko").sides
    assert (none.lines, none.tokens, none.fertility, none.longest) == (0, 0, 0, 0)
    assert (blank.lines, blank.words, blank.bytes_per_token, blank.longest) == (2, 0, 0, 0)


def test_the_table_has_a_row_a_side_and_json_every_figure(
    run_cli: Callable[..., Any], tiny_tokenizer: Path, tiny_corpus: Path
) -> None:
    table = run_cli("tokenize", "stats", "--tokenizer", tiny_tokenizer, "--data", tiny_corpus)
    assert (table.code, table.err) == (0, "")
    head, *rows = table.out.split("\n")[:-1]
    assert head.split()[:5] == ["split", "side", "lines", "words", "tokens"]
    assert [row.split()[:3] for row in rows[:2]] == [["train", "ko", "600"], ["train", "en", "600"]]
    assert len(rows) == 6
    ran = run_cli("tokenize", "stats", "--tokenizer", tiny_tokenizer, "--data", tiny_corpus, "--json")
    envelope = json.loads(ran.out)
    assert (envelope["command"], envelope["status"]) == ("tokenize stats", "ok")
    tokenizer = Tokenizer.load(tiny_tokenizer)
    expected = by_hand(tokenizer, lines_of(tiny_corpus, "train", "ko"), "train", "ko")
    assert envelope["data"]["tokenizer"] == tokenizer.id
    assert envelope["data"]["sides"][0] == {name: getattr(expected, name) for name in SideStats.__dataclass_fields__}
    assert f"{expected.fertility:.2f}" in rows[0].split()


def test_text_of_another_language_is_a_usage_error(tiny_tokenizer: Path) -> None:
    Path("x.txt").write_text("x\n", "utf-8")
    with pytest.raises(UsageError, match="no language"):
        tokenizer_stats(tokenizer=tiny_tokenizer, data="x.txt")


def test_a_bad_line_is_refused_by_number(tiny_tokenizer: Path) -> None:
    Path("x.txt").write_bytes("하나\n".encode() + b"\xff\n")
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        tokenizer_stats(tokenizer=tiny_tokenizer, data="x.txt", lang="ko")
