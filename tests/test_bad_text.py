"""Broken text through every command that reads text: an error and nothing left, or the good lines and a list of the bad."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpcli.cli import main
from nlpcli.corpus.readers import LONGEST_LINE
from nlpcli.tokenization.tokenizer import Tokenizer

Run = Callable[..., Any]
GOOD = ["저는 학교에 갑니다.", "오늘은 날씨가 좋네요.", "친구와 밥을 먹었어요."] * 4
LINES = [line.encode() + b"\n" for line in GOOD]


def with_line(number: int, raw: bytes) -> bytes:
    """Return the good lines with another in the place of this number, from 1."""
    return b"".join([*LINES[: number - 1], raw, *LINES[number:]])


@dataclass(frozen=True)
class Bad:
    """A broken file: its name and bytes, the numbers of its bad lines, and what is said about the first of them."""

    name: str
    data: bytes
    lines: list[int]
    said: str
    options: tuple[str, ...] = ()

    @property
    def good(self) -> list[str]:
        """The good lines that another one did not take the place of."""
        header = self.data.startswith(HEADER)
        return [line for number, line in enumerate(GOOD, 1 + header) if number not in self.lines]


HEADER = b"n\ttext\n"
ROWS = [b"1\t" + line for line in LINES]
RECORDS = [json.dumps({"text": line}).encode() + b"\n" for line in GOOD]
BAD = {
    "CP949": Bad("x.txt", with_line(5, "친구와 밥을 먹었어요.\n".encode("cp949")), [5], "not UTF-8"),
    "Latin-1": Bad("x.txt", with_line(12, "déjà vu\n".encode("latin-1")), [12], "not UTF-8"),
    "much CP949": Bad(
        "x.txt",
        "".join(f"{line}\n" for line in GOOD[:9]).encode("cp949") + b"".join(LINES[9:]),
        list(range(1, 10)),
        "not UTF-8",
    ),
    "UTF-16": Bad("x.txt", with_line(1, codecs.BOM_UTF16_LE + "저는".encode("utf-16-le") + b"\n"), [1], "not UTF-8"),
    "surrogate": Bad("x.txt", with_line(2, b"\xed\xa0\x80\n"), [2], "not UTF-8"),
    "a character cut in two": Bad("x.txt", b"".join(LINES) + "끝".encode()[:2], [13], "not UTF-8"),
    "too long": Bad("x.txt", with_line(3, b"x" * (LONGEST_LINE + 1) + b"\n"), [3], "longer than"),
    "too long, without an end": Bad("x.txt", b"".join(LINES) + b"x" * (3 * LONGEST_LINE), [13], "longer than"),
    "packed": Bad("x.txt.gz", gzip.compress(with_line(7, b"\xff\n")), [7], "not UTF-8"),
    "too few columns": Bad(
        "x.tsv", HEADER + b"".join([*ROWS[:4], b"5\n", *ROWS[5:]]), [6], "has 1 columns", ("--column", "text")
    ),
    "too many columns": Bad(
        "x.tsv", HEADER + b"".join([*ROWS[:4], b"5\ta\tb\n", *ROWS[5:]]), [6], "has 3 columns", ("--column", "text")
    ),
    "no such column in a row": Bad("x.tsv", b"".join([*ROWS[:4], b"5\n", *ROWS[5:]]), [5], "has 1 columns", ("--column", "2")),
    "a row that is not UTF-8": Bad(
        "x.tsv", b"".join([*ROWS[:4], b"\xff\tx\n", *ROWS[5:]]), [5], "not UTF-8", ("--column", "2")
    ),
    "broken JSON": Bad("x.jsonl", b"".join([*RECORDS[:2], b'{"text": "cut', b"\n", *RECORDS[3:]]), [3], "not a record"),
    "JSON without the key": Bad("x.jsonl", b"".join([*RECORDS[:2], b"{}\n", *RECORDS[3:]]), [3], "not a record"),
    "JSON of two lines": Bad("x.jsonl", b"".join([*RECORDS[:2], b'{"text": "a\\nb"}\n', *RECORDS[3:]]), [3], "one line"),
    "JSON that is no text": Bad("x.jsonl", b"".join([*RECORDS[:2], b'{"text": 7}\n', *RECORDS[3:]]), [3], "one line"),
}

COMMANDS: dict[str, list[str]] = {
    "tokenize train": ["tokenize", "train", "--workers", "1"],
    "tokenize dataset": ["tokenize", "dataset", "--tokenizer", "TOKENIZER", "--workers", "1"],
    "embed train": ["embed", "train", "--dim", "4", "--epochs", "1", "--min-count", "1", "--workers", "1"],
}


def words_of(name: str, tokenizer: Path) -> list[str]:
    return [str(tokenizer) if word == "TOKENIZER" else word for word in COMMANDS[name]]


def rows_of(language: str, tokenizer: Path) -> list[str]:
    """Return the rows of the dataset that was made, decoded."""
    ids, offsets = np.load(f"made/train.{language}.npy"), np.load(f"made/train.{language}.offsets.npy")
    return Tokenizer.load(tokenizer).decode([ids[begin:end].tolist() for begin, end in pairwise(offsets)], language)


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, run_cli: Run, tiny_tokenizer: Path) -> Run:
    """Return a function that runs one of the commands on a file of Korean."""
    words = words_of(request.param, tiny_tokenizer)
    return lambda data, *more: run_cli(*words, "--data", data, "--lang", "ko", "--out", "made", *more)


@pytest.fixture(scope="module", autouse=True)
def _commands_built_once() -> Iterator[None]:
    """Building the tree of commands takes longer than most of what they do here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "_command_tree", cache(main._command_tree))
        yield


def nothing_was_made() -> bool:
    return not list(Path().glob("made*"))


def skipped() -> list[dict[str, Any]]:
    path = Path("made/skipped.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


# Lines that cannot be read


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_stops_the_command_with_its_number(command: Run, bad: Bad) -> None:
    Path(bad.name).write_bytes(bad.data)
    ran = command(bad.name, *bad.options)
    assert (ran.code, ran.out) == (3, "")
    assert bad.said in ran.err
    assert f"line {bad.lines[0]} " in ran.err or f"lines {bad.lines[0]}, " in ran.err
    assert f"error: {bad.name}: line" in ran.err
    assert "  fix: " in ran.err
    assert "Traceback" not in ran.err
    assert nothing_was_made()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("tokenize train", kind) for kind in BAD]
    + [("embed train", kind) for kind in ("CP949", "too long", "packed", "too few columns", "broken JSON")],
)
def test_bad_lines_are_left_out_on_request_and_listed(run_cli: Run, tiny_tokenizer: Path, name: str, kind: str) -> None:
    bad = BAD[kind]
    Path(bad.name).write_bytes(bad.data)
    words = words_of(name, tiny_tokenizer)
    ran = run_cli(*words, "--data", bad.name, "--lang", "ko", "--out", "made", "--on-error", "skip", *bad.options)
    assert (ran.code, ran.err.count("error: ")) == (0, 0), ran.err
    assert f"left out {len(bad.lines)} bad line(s)" in ran.err
    entries = skipped()
    assert [(entry["file"], entry["line"]) for entry in entries] == [(bad.name, number) for number in bad.lines]
    assert bad.said in entries[0]["reason"]
    assert all(len(entry["text"]) < 5000 for entry in entries)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_the_good_rows_are_all_there_and_none_is_counted_twice(run_cli: Run, tiny_tokenizer: Path, bad: Bad) -> None:
    Path(bad.name).write_bytes(bad.data)
    words = words_of("tokenize dataset", tiny_tokenizer)
    ran = run_cli(*words, "--data", bad.name, "--lang", "ko", "--out", "made", "--on-error", "skip", *bad.options, "--json")
    kept = rows_of("ko", tiny_tokenizer)
    assert [line for line in kept if line] == bad.good
    assert json.loads(ran.out)["data"]["splits"]["train"]["lines"] == len(kept)
    plain = gzip.decompress(bad.data) if bad.name.endswith(".gz") else bad.data
    rows = len(plain.removesuffix(b"\n").split(b"\n")) - plain.startswith(HEADER)
    assert len(kept) + len(skipped()) == rows
    assert [(entry["file"], entry["line"]) for entry in skipped()] == [(bad.name, number) for number in bad.lines]


@pytest.mark.parametrize(
    "bad", [bad for bad in BAD.values() if bad.name == "x.txt"], ids=[name for name, bad in BAD.items() if bad.name == "x.txt"]
)
def test_encode_stops_at_a_bad_line(run_cli: Run, tiny_tokenizer: Path, bad: Bad) -> None:
    Path("x.txt").write_bytes(bad.data)
    ran = run_cli("tokenize", "encode", "--tokenizer", tiny_tokenizer, "--lang", "ko", "x.txt")
    assert ran.code == 3
    assert bad.said in ran.err
    assert f"line {bad.lines[0]} " in ran.err or f"lines {bad.lines[0]}, " in ran.err
    assert "Traceback" not in ran.err


# Files that cannot be read


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("kept", [-1, 30, 9])
def test_a_truncated_archive_is_an_error_with_and_without_skip(command: Run, on_error: str, kept: int) -> None:
    Path("x.txt.gz").write_bytes(gzip.compress(b"".join(LINES))[:kept])
    ran = command("x.txt.gz", "--on-error", on_error)
    assert (ran.code, ran.out) == (3, "")
    assert "x.txt.gz is damaged or truncated" in ran.err
    assert nothing_was_made()


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("name", ["tokenize train", "tokenize dataset"])
@pytest.mark.parametrize("extra", ["ko", "en"])
def test_unequal_sides_are_an_error_with_and_without_skip(
    run_cli: Run, tiny_tokenizer: Path, name: str, on_error: str, extra: str
) -> None:
    Path("ko-en").mkdir()
    for language in ("ko", "en"):
        bad, more = b"\xff\n" * (on_error == "skip"), b"x\n" * (extra == language)
        Path(f"ko-en/train.{language}").write_bytes(bad + b"".join(LINES) + more)
    words = words_of(name, tiny_tokenizer)
    ran = run_cli(*words, "--data", "./ko-en", "--out", "made", "--on-error", on_error)
    assert (ran.code, ran.out) == (3, "")
    assert f"train.ko has {12 + (on_error == 'skip') + (extra == 'ko')} lines" in ran.err
    assert nothing_was_made()


def test_a_pair_is_left_out_if_either_side_is_bad(run_cli: Run, tiny_tokenizer: Path) -> None:
    Path("ko-en").mkdir()
    Path("ko-en/train.ko").write_bytes(with_line(3, b"\xff\n"))
    Path("ko-en/train.en").write_bytes(b"".join(b"\xfe\n" if n in (3, 6) else b"line %d\n" % n for n in range(1, 13)))
    words = words_of("tokenize dataset", tiny_tokenizer)
    ran = run_cli(*words, "--data", "./ko-en", "--out", "made", "--on-error", "skip", "--json")
    rows = json.loads(ran.out)["data"]["splits"]["train"]["pairs"]
    entries = [(Path(entry["file"]).name, entry["line"]) for entry in skipped()]
    assert entries == [("train.ko", 3), ("train.en", 3), ("train.en", 6)]
    assert rows + len({line for _, line in entries}) == 12
    assert rows_of("en", tiny_tokenizer) == [f"line {n}" for n in range(1, 13) if n not in (3, 6)]


# Text that is unusual but well


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (codecs.BOM_UTF8 + b"".join(LINES), GOOD),
        (b"".join(line.replace(b"\n", b"\r\n") for line in LINES), GOOD),
        (b"".join(LINES).removesuffix(b"\n"), GOOD),
        (unicodedata.normalize("NFD", "".join(f"{line}\n" for line in GOOD)).encode(), GOOD),
        (with_line(2, b"a\x00b\x01\x1b[0m\x7f\t\n"), [GOOD[0], "a\x00b\x01\x1b[0m\x7f\t", *GOOD[2:]]),
        (with_line(2, b"\n"), [GOOD[0], "", *GOOD[2:]]),
        (with_line(2, "앞\u2028뒤\x85\n".encode()), [GOOD[0], "앞\u2028뒤\x85", *GOOD[2:]]),
    ],
    ids=["byte order mark", "Windows lines", "no last line end", "NFD", "control characters", "blank line", "separators"],
)
def test_unusual_text_is_read_whole(run_cli: Run, tiny_tokenizer: Path, data: bytes, expected: list[str]) -> None:
    Path("x.txt").write_bytes(data)
    for name in COMMANDS:
        words = words_of(name, tiny_tokenizer)
        ran = run_cli(*words, "--data", "x.txt", "--lang", "ko", "--out", "made", "--on-error", "skip", "--force")
        assert (ran.code, skipped()) == (0, []), f"{name}: {ran.err}"
        if name == "tokenize dataset":
            assert rows_of("ko", tiny_tokenizer) == expected
    coder = ["--tokenizer", tiny_tokenizer, "--lang", "ko"]
    encoded = run_cli("tokenize", "encode", *coder, "--to", "ids", "x.txt").out
    assert encoded.count("\n") == len(expected)
    decoded = run_cli("tokenize", "decode", *coder, "--from", "ids", stdin=encoded.encode()).out
    assert decoded == "".join(f"{line}\n" for line in expected)


@pytest.mark.parametrize("name", ["tokenize train", "embed train"])
@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n\n", b"  \n\t\n", codecs.BOM_UTF8, b"\xff\n\xff\n"],
    ids=["empty", "blank lines", "blanks", "a byte order mark", "bad lines"],
)
def test_nothing_can_be_learnt_from_no_text(run_cli: Run, tiny_tokenizer: Path, name: str, data: bytes) -> None:
    Path("x.txt").write_bytes(data)
    words = words_of(name, tiny_tokenizer)
    ran = run_cli(*words, "--data", "x.txt", "--lang", "ko", "--out", "made", "--on-error", "skip")
    assert (ran.code, ran.out) == (3, "")
    assert "error: " in ran.err
    assert nothing_was_made()


def test_no_lines_in_are_no_lines_out(run_cli: Run, tiny_tokenizer: Path) -> None:
    ran = run_cli("tokenize", "encode", "--tokenizer", tiny_tokenizer, "--lang", "ko", stdin=b"")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


# Memory


PEAK = """
import sys
from nlpcli.cli.main import main
code = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["tokenize train", "tokenize dataset", "tokenize encode"])
def test_a_line_of_200_mb_does_not_fill_the_memory(tiny_tokenizer: Path, name: str) -> None:
    Path("x.txt").write_bytes(b"".join(LINES))
    os.truncate("x.txt", 200_000_000)  # zeros, of which the disk keeps no copy
    if name == "tokenize encode":
        words = ["tokenize", "encode", "--tokenizer", str(tiny_tokenizer), "--lang", "ko", "x.txt"]
    else:
        words = [*words_of(name, tiny_tokenizer), "--data", "x.txt", "--lang", "ko", "--out", "made"]
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "x.txt: line 13 is longer than 1,048,576 bytes" in done.stderr
    assert int(done.stdout.split("\n")[-2]) < 200_000  # kB
    assert nothing_was_made()
