"""`tokenize encode` and `decode`: as many lines out as in, in their order, and back again."""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpcli.tokenization import stream
from nlpcli.tokenization.tokenizer import Tokenizer

Run = Callable[..., Any]
LINES = ["안녕하세요.", "", "  두 칸", "가\u2028나 \x85 \x0b", "tab\there", "𝒳뷁 <s> [unk]", "", "끝"]


@pytest.fixture
def coded(run_cli: Run, tiny_tokenizer: Path) -> Run:
    """Return a function that runs encode or decode with the small tokenizer."""

    def run(command: str, *arguments: object, lang: str = "ko", stdin: str | bytes = b"") -> Any:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return run_cli("tokenize", command, "--tokenizer", tiny_tokenizer, "--lang", lang, *arguments, stdin=data)

    return run


def text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


@pytest.mark.parametrize("form", ["pieces", "ids"])
@pytest.mark.parametrize("lang", ["ko", "en"])
def test_what_is_encoded_is_decoded_to_the_same_lines(coded: Run, form: str, lang: str) -> None:
    Path("in.txt").write_text(text(LINES), "utf-8", newline="")
    encoded = coded("encode", "in.txt", "--to", form, lang=lang)
    assert (encoded.code, encoded.err) == (0, "")
    assert encoded.out.count("\n") == len(LINES)
    Path("coded.txt").write_text(encoded.out, "utf-8", newline="")
    decoded = coded("decode", "coded.txt", "--from", form, lang=lang)
    assert (decoded.code, decoded.out) == (0, text(LINES))


def test_each_line_holds_the_tokenizers_pieces_or_ids_of_its_line(coded: Run, tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.load(tiny_tokenizer)
    ids = coded("encode", "--to", "ids", stdin=text(LINES)).out.split("\n")[:-1]
    assert [[int(i) for i in line.split()] for line in ids] == tokenizer.encode(LINES, "ko")
    pieces = coded("encode", stdin=text(LINES)).out.split("\n")[:-1]
    assert [line.split(" ") if line else [] for line in pieces] == tokenizer.encode_pieces(LINES, "ko")


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 25])
def test_lines_out_are_as_many_as_lines_in_whatever_is_read_at_a_time(
    coded: Run, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(stream, "CHUNK", 7)
    lines = [f"문장 {n}" if n % 3 else "" for n in range(count)]
    encoded = coded("encode", "--to", "ids", stdin=text(lines))
    assert encoded.out.count("\n") == count
    assert coded("decode", "--from", "ids", stdin=encoded.out).out == text(lines)


def test_lines_come_out_before_all_are_read(coded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 2)
    ran = coded("encode", stdin="하나\n둘\n셋\n".encode() + b"\xff\n")
    assert ran.code == 3
    assert ran.out.count("\n") == 2


@pytest.mark.parametrize("source", ["-", None])
def test_stdin_is_read_for_a_minus_and_for_no_file(coded: Run, source: str | None) -> None:
    Path("in.txt").write_text(text(LINES), "utf-8", newline="")
    assert coded("encode", *([source] if source else []), stdin=text(LINES)).out == coded("encode", "in.txt").out


def test_packed_text_is_read_by_its_ending(coded: Run) -> None:
    Path("in.txt.gz").write_bytes(gzip.compress(text(LINES).encode()))
    assert coded("encode", "in.txt.gz").out == coded("encode", stdin=text(LINES)).out


def test_windows_lines_and_byte_order_mark_are_read_as_plain_ones(coded: Run) -> None:
    assert coded("encode", stdin=b"\xef\xbb\xbf" + "하나\r\n둘\r\n".encode()).out == coded("encode", stdin="하나\n둘\n").out


def test_decoding_forgives_extra_blanks_between_ids(coded: Run) -> None:
    ids = coded("encode", "--to", "ids", stdin="안녕하세요\n").out
    assert coded("decode", "--from", "ids", stdin="  " + ids.replace(" ", "   ")).out == "안녕하세요\n"


@pytest.mark.parametrize("bad", ["99999", "-1", "▁안녕", "3.5", "1e2", "٣", "²", "9" * 5000])
def test_what_is_not_an_id_is_refused_with_its_line(coded: Run, bad: str) -> None:
    good = coded("encode", "--to", "ids", stdin="안녕하세요\n").out
    ran = coded("decode", "--from", "ids", stdin=f"{good}{good}{good.strip()} {bad}\n{good}")
    assert ran.code == 3
    assert f"error: line 3: {bad[:20]}" in ran.err
    assert "  fix: " in ran.err


def test_the_line_is_counted_over_all_that_was_read(coded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 2)
    ran = coded("decode", "--from", "ids", stdin="5 6\n" * 6 + "7 x\n")
    assert ran.code == 3
    assert "line 7: x" in ran.err


def test_the_largest_id_is_decoded_and_the_next_is_refused(coded: Run, tiny_tokenizer: Path) -> None:
    size = Tokenizer.load(tiny_tokenizer).vocab_size("ko")
    assert coded("decode", "--from", "ids", stdin=f"{size - 1}\n").code == 0
    refused = coded("decode", "--from", "ids", stdin=f"{size}\n")
    assert refused.code == 3
    assert f"from 0 to {size - 1}" in refused.err


@pytest.mark.parametrize("form", ["pieces", "ids"])
def test_a_line_break_spelt_in_bytes_does_not_make_two_lines_of_one(coded: Run, tiny_tokenizer: Path, form: str) -> None:
    processor = Tokenizer.load(tiny_tokenizer).processors["ko"]
    word = "<0x0A>" if form == "pieces" else str(processor.piece_to_id("<0x0A>"))
    assert processor.id_to_piece(processor.piece_to_id("<0x0A>")) == "<0x0A>"
    assert coded("decode", "--from", form, stdin=f"{word} {word}\n{word}\n").out.count("\n") == 2


def test_bytes_that_are_no_utf8_come_out_as_replacement_characters(coded: Run) -> None:
    ran = coded("decode", stdin="▁가 <0xEA> <0xB0>\n")
    assert ran.code == 0
    assert "\ufffd" in ran.out


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_another_language_is_a_usage_error(coded: Run, command: str) -> None:
    ran = coded(command, lang="de", stdin="x\n")
    assert (ran.code, ran.out) == (2, "")
    assert "no language de" in ran.err
    assert "--lang ko" in ran.err


def test_text_that_is_not_utf8_is_bad_input_with_its_line(coded: Run) -> None:
    ran = coded("encode", stdin="하나\n".encode() + "둘이서 간다\n".encode("cp949"))
    assert ran.code == 3
    assert "line 2 is not UTF-8" in ran.err
    assert "CP949" in ran.err


def test_a_missing_file_is_bad_input(coded: Run) -> None:
    ran = coded("encode", "nothing.txt")
    assert ran.code == 3
    assert "nothing.txt" in ran.err


def test_an_artifact_of_another_kind_is_refused(run_cli: Run, tiny_dataset: Path) -> None:
    ran = run_cli("tokenize", "encode", "--tokenizer", tiny_dataset, "--lang", "ko", stdin=b"x\n")
    assert ran.code == 4
    assert "is a dataset, not a tokenizer" in ran.err


# JSON


def test_json_has_the_ids_the_pieces_and_their_places(coded: Run, tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.load(tiny_tokenizer)
    lines = [*LINES, unicodedata.normalize("NFD", "학교에 갔다")]
    ran = coded("encode", "--to", "json", stdin=text(lines))
    records = [json.loads(line) for line in ran.out.split("\n")[:-1]]
    assert [record["text"] for record in records] == [unicodedata.normalize("NFC", line) for line in lines]
    assert [record["ids"] for record in records] == tokenizer.encode(lines, "ko")
    assert [record["pieces"] for record in records] == tokenizer.encode_pieces(lines, "ko")
    for record in records:
        spans = tokenizer.offsets(record["text"], record["pieces"], "ko")
        assert record["offsets"] == [list(span) for span in spans]


@pytest.mark.parametrize(
    ("kind", "byte_fallback"),
    [("bpe", True), ("unigram", True), ("bpe", False), ("unigram", False), ("char", False), ("word", False)],
)
def test_json_has_the_same_ids_as_ids(run_cli: Run, learnt: Callable[..., Tokenizer], kind: str, byte_fallback: bool) -> None:
    tokenizer = learnt(kind=kind, byte_fallback=byte_fallback)
    given = [*LINES, "가 <s> </s><pad> ZZ <unk>"]

    def encoded(form: str) -> list[str]:
        command = ["tokenize", "encode", "--tokenizer", tokenizer.artifact.path, "--lang", "ko", "--to", form]
        return run_cli(*command, stdin=text(given).encode()).out.split("\n")[:-1]

    assert [" ".join(map(str, json.loads(line)["ids"])) for line in encoded("json")] == encoded("ids")


# Drawn segmentations, many workers


@pytest.mark.parametrize("form", ["pieces", "ids"])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_drawn_segmentations_follow_from_the_seed_and_decode_to_the_same(
    run_cli: Run, learnt: Callable[..., Tokenizer], monkeypatch: pytest.MonkeyPatch, kind: str, form: str
) -> None:
    monkeypatch.setattr(stream, "CHUNK", 3)
    tokenizer = learnt(kind=kind).artifact.path
    given = ["I have to finish the housework.", "", "My grandmother sang songs at home."] * 5

    def coded(command: str, *arguments: object, stdin: str) -> str:
        ran = run_cli("tokenize", command, "--tokenizer", tokenizer, "--lang", "en", *arguments, stdin=stdin.encode())
        assert (ran.code, ran.err) == (0, "")
        return str(ran.out)

    def drawn(*more: object) -> str:
        return coded("encode", "--to", form, "--sample", 0.3, *more, stdin=text(given))

    first = drawn("--seed", 7)
    assert drawn("--seed", 7) == first
    assert drawn("--seed", 7, "--workers", 3) == first
    assert drawn("--seed", 8) != first != coded("encode", "--to", form, stdin=text(given))
    assert len(set(first.split("\n"))) > 3  # the same line is not always cut alike
    assert coded("decode", "--from", form, stdin=first) == text(given)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_what_has_no_choice_of_segmentations_cannot_be_drawn_from(
    run_cli: Run, learnt: Callable[..., Tokenizer], kind: str
) -> None:
    tokenizer = learnt(kind=kind).artifact.path
    ran = run_cli("tokenize", "encode", "--tokenizer", tokenizer, "--lang", "ko", "--sample", 0.1, stdin=b"x\n")
    assert (ran.code, ran.out) == (2, "")
    assert "nothing to draw" in ran.err


@pytest.mark.parametrize("seed", [-1, 2**32, 2**32 - 1, 10**30])
def test_any_number_is_a_seed(coded: Run, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(stream, "CHUNK", 2)
    first = coded("encode", "--sample", 0.5, "--seed", seed, stdin=text(LINES))
    assert (first.code, first.err) == (0, "")
    assert coded("encode", "--sample", 0.5, "--seed", seed, stdin=text(LINES)).out == first.out


@pytest.mark.parametrize("alpha", ["-0.1", "1.1", "nan", "much"])
def test_a_probability_out_of_range_is_a_usage_error(coded: Run, alpha: str) -> None:
    assert coded("encode", "--sample", alpha, stdin="x\n").code == 2


@pytest.mark.parametrize("form", ["pieces", "ids", "json"])
def test_many_workers_write_the_same(coded: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(stream, "CHUNK", 2)
    one = coded("encode", "--to", form, stdin=text(LINES * 3))
    assert coded("encode", "--to", form, "--workers", 3, stdin=text(LINES * 3)).out == one.out


def test_output_is_utf8_whatever_the_locale(coded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = coded("encode", stdin="안녕하세요\n").out
    monkeypatch.setattr(sys, "stdout", open(1, "w", encoding="ascii", closefd=False))
    assert coded("encode", stdin="안녕하세요\n").out == expected
