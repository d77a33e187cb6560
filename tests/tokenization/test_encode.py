"""`tokenize dataset`: the same ids however many work on it, from any form of text, and going on where it was interrupted."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpcli import artifacts
from nlpcli.corpus import decode, readers
from nlpcli.errors import BadInput, Interrupted, RunFailed, UsageError
from nlpcli.tokenization import chunks
from nlpcli.tokenization import encode as room
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import Chunk, Encoded, EncodedChunk, encode_dataset
from nlpcli.tokenization.tokenizer import Tokenizer

Learn = Callable[..., Tokenizer]


def lines_of(folder: Path, split: str, language: str) -> list[str]:
    return (folder / f"{split}.{language}").read_text("utf-8").split("\n")[:-1]


def left_behind() -> set[str]:
    return {path.name for path in Path().iterdir() if path.name.startswith("set")}


# Workers and chunks


@pytest.mark.parametrize(
    ("workers", "rows", "size"), [(1, 5000, 1 << 22), (1, 1, 1 << 22), (3, 7, 1 << 22), (2, 599, 1 << 22), (4, 5000, 3000)]
)
def test_workers_and_chunks_change_nothing(
    tiny_corpus: Path,
    tiny_tokenizer: Path,
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    rows: int,
    size: int,
) -> None:
    monkeypatch.setattr(decode, "ROWS", rows)
    monkeypatch.setattr(decode, "BYTES", size)
    made = encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"), workers=workers)
    assert made.id == artifacts.read_artifact(tiny_dataset).id


def test_chunks_are_bounded_in_rows_and_bytes(tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("x.txt").write_text("가나다\n" * 95 + "긴" * 2000 + "\n", "utf-8")
    monkeypatch.setattr(decode, "ROWS", 30)
    monkeypatch.setattr(decode, "BYTES", 200)
    monkeypatch.setattr(decode, "PIECE", 64)
    seen = []
    encode = room.encode_chunk

    def noted(*arguments: Any) -> EncodedChunk:
        seen.append(arguments[-1])
        return encode(*arguments)

    monkeypatch.setattr(room, "encode_chunk", noted)
    encode_dataset(data="x.txt", tokenizer=tiny_tokenizer, out=Path("set"), lang="ko", workers=1)
    assert [chunk.first for chunk in seen] == [1 + sum(c.rows for c in seen[:i]) for i in range(len(seen))]
    for chunk in seen:
        [lines] = [side.split(b"\n") for side in chunk.sides]
        assert len(lines) == chunk.rows <= 30
        assert sum(map(len, lines[:-1])) < 264


def bad_in_many_ways(longest: int) -> bytes:
    lines = [b"\xef\xbb\xbffirst", "둘".encode(), b"\xff\xfe", b"", b"four\r", "다섯".encode(), "여섯".encode("cp949")]
    lines += [b"x" * (longest - 1), b"x" * longest, b"x" * (longest + 1), b"x" * (3 * longest), b"mid\rdle", b"\x00", b"last"]
    return b"\n".join(lines)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100])
def test_what_is_left_out_does_not_depend_on_chunks(tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    if rows == 100:  # all are judged in the slow way, as the first chunk is
        monkeypatch.setattr(decode, "ROWS", 1)
    for module in (readers, decode, chunks):
        monkeypatch.setattr(module, "LONGEST_LINE", 40)
    Path("x.txt").write_bytes(bad_in_many_ways(40))
    one = encode_dataset(data="x.txt", tokenizer=tiny_tokenizer, out=Path("one"), lang="en", on_error="skip", workers=1)
    monkeypatch.setattr(decode, "ROWS", rows)
    two = encode_dataset(data="x.txt", tokenizer=tiny_tokenizer, out=Path("two"), lang="en", on_error="skip", workers=2)
    assert one.id == two.id
    kept = Dataset.load("two").side("train", "en")
    text = ["first", "둘", "", "four", "다섯", "x" * 39, "x" * 40, "mid\rdle", "\x00", "last"]
    assert [kept[i].tolist() for i in range(len(kept))] == Tokenizer.load(tiny_tokenizer).encode(text, "en")


# Text in one language


def packed(data: str) -> bytes:
    return gzip.compress(data.encode())


@pytest.fixture
def forms(tiny_corpus: Path) -> list[dict[str, Any]]:
    """Write the same Korean text in every form that `--data` takes; return the options for each."""
    lines = lines_of(tiny_corpus, "train", "ko")[:50]
    plain = "".join(f"{line}\n" for line in lines)
    named = "id\tko\tnote\n" + "".join(f"{n}\t{line}\t-\n" for n, line in enumerate(lines))
    records = "".join(json.dumps({"n": n, "ko": line}, ensure_ascii=n % 2 == 0) + "\n" for n, line in enumerate(lines))
    for name, data in {"a.txt": plain, "train.ko": plain, "b.tsv": named, "c.jsonl": records}.items():
        Path(name).write_text(data, "utf-8")
        Path(f"{name}.gz").write_bytes(packed(data))
    Path("d.data").write_text(named.split("\n", 1)[1], "utf-8")
    Path("folder").mkdir()
    Path("folder/train.txt").write_text(plain, "utf-8")
    Path("win.txt").write_bytes(b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode())
    plain_forms = [{"data": name} for name in ("a.txt", "a.txt.gz", "train.ko", "train.ko.gz", "folder", "win.txt")]
    tables = [{"data": name, "column": "ko"} for name in ("b.tsv", "b.tsv.gz", "c.jsonl", "c.jsonl.gz")]
    return [*plain_forms, *tables, {"data": "b.tsv"}, {"data": "c.jsonl.gz"}, {"data": "d.data", "column": "2"}]


def test_every_form_of_the_same_text_gives_the_same_ids(forms: list[dict[str, Any]], learnt: Learn, tiny_corpus: Path) -> None:
    tokenizer = learnt(lang="ko")
    expected = tokenizer.encode(lines_of(tiny_corpus, "train", "ko")[:50], "ko")
    for n, form in enumerate(forms):
        made = encode_dataset(tokenizer=tokenizer.artifact.path, out=Path(f"set{n}"), workers=1, **form)
        assert made.splits == {"train": {"lines": 50, "ko_tokens": sum(map(len, expected))}}, form
        ids = np.load(made.path / "train.ko.npy", mmap_mode="r")
        offsets = np.load(made.path / "train.ko.offsets.npy", mmap_mode="r")
        assert [ids[begin:end].tolist() for begin, end in pairwise(offsets)] == expected, form


def test_one_side_of_a_pair_is_the_same_as_in_both(tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path) -> None:
    made = encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"), lang="en")
    assert made.splits.keys() == {"train", "valid"}
    for name in ("train.en.npy", "train.en.offsets.npy", "valid.en.npy", "valid.en"):
        assert (made.path / name).read_bytes() == (tiny_dataset / name).read_bytes()
    assert not list(made.path.glob("*.ko*"))
    assert Dataset.load("set").languages == ["en"]


def test_pairs_from_tables_are_those_of_two_files(tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path) -> None:
    pairs = list(zip(lines_of(tiny_corpus, "train", "ko"), lines_of(tiny_corpus, "train", "en")))
    Path("ko-en.tsv").write_text("en\tko\n" + "".join(f"{en}\t{ko}\n" for ko, en in pairs), "utf-8")
    Path("ko-en.jsonl.gz").write_bytes(packed("".join(json.dumps({"ko": ko, "en": en}) + "\n" for ko, en in pairs)))
    for n, data in enumerate(("ko-en.tsv", "ko-en.jsonl.gz")):
        made = encode_dataset(data=data, tokenizer=tiny_tokenizer, out=Path(f"set{n}"))
        for name in ("train.ko.npy", "train.en.npy", "train.ko.offsets.npy", "train.en.offsets.npy"):
            assert (made.path / name).read_bytes() == (tiny_dataset / name).read_bytes()


def test_ids_with_jamo_and_kiwi_are_the_tokenizers(learnt: Learn, tiny_corpus: Path) -> None:
    pytest.importorskip("kiwipiepy")
    tokenizer = learnt(pretokenizer="kiwi", vocab_size=1500, sample_lines=200)
    lines = lines_of(tiny_corpus, "valid", "ko")
    Path("v.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    encode_dataset(data="v.txt", tokenizer=tokenizer.artifact.path, out=Path("set"), lang="ko", workers=1)
    side = Dataset.load("set").side("train", "ko")
    assert [side[i].tolist() for i in range(len(side))] == tokenizer.encode(lines, "ko")


@pytest.mark.parametrize("content", [b"", b"\n\n\n"])
def test_lines_without_text_keep_their_place(tiny_tokenizer: Path, content: bytes) -> None:
    Path("x.txt").write_bytes(content)
    encode_dataset(data="x.txt", tokenizer=tiny_tokenizer, out=Path("set"), lang="ko")
    side = Dataset.load("set").side("train", "ko")
    assert side.lengths.tolist() == [0] * content.count(b"\n")


def test_text_in_no_language_of_the_tokenizer_is_a_usage_error(tiny_tokenizer: Path) -> None:
    Path("x.txt").write_text("x\n", "utf-8")
    with pytest.raises(UsageError, match="is for ko and en"):
        encode_dataset(data="x.txt", tokenizer=tiny_tokenizer, out=Path("set"))
    assert left_behind() == set()


# Interrupted and taken up again

INTERRUPTED = Interrupted("interrupted", signum=signal.SIGINT)


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "ROWS", 20)
    monkeypatch.setattr(room, "SHARD_ROWS", 100)


class Encoder:
    """Runs the command, breaks it off after so many chunks, and counts the rows that were encoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.monkeypatch, self.options = monkeypatch, options
        self.rows = 0

    def __call__(self, breaking: BaseException | None = None, after: int = 0, **options: Any) -> Encoded:
        encode, write, self.rows, written = room.encode_chunk, room._Split._write, 0, 0

        def counted(*arguments: Any) -> EncodedChunk:
            self.rows += arguments[-1].rows
            return encode(*arguments)

        def limited(split: Any, chunk: EncodedChunk) -> None:
            nonlocal written
            if breaking and written == after:
                raise breaking
            write(split, chunk)
            written += 1

        with self.monkeypatch.context() as patch:
            patch.setattr(room, "encode_chunk", counted)
            patch.setattr(room._Split, "_write", limited)
            return encode_dataset(out=Path("set"), **{"workers": 1, **self.options, **options})


@pytest.fixture
def encoder(shards: None, monkeypatch: pytest.MonkeyPatch, tiny_corpus: Path, tiny_tokenizer: Path) -> Encoder:
    return Encoder(monkeypatch, data=str(tiny_corpus), tokenizer=tiny_tokenizer)


@pytest.mark.parametrize(
    ("after", "again", "breaking"),
    [
        (7, 540, INTERRUPTED),
        (24, 240, OSError(28, "No space left on device")),
        (29, 140, INTERRUPTED),
        (30, 40, INTERRUPTED),
        (31, 40, INTERRUPTED),
    ],
    ids=["after a shard", "disk full", "in the last shard", "between the splits", "in the second split"],
)
def test_an_interrupted_command_goes_on_and_ends_in_the_same_artifact(
    encoder: Encoder, tiny_dataset: Path, capfd: pytest.CaptureFixture[str], breaking: BaseException, after: int, again: int
) -> None:
    with pytest.raises(type(breaking)):
        encoder(breaking, after)
    assert left_behind() == {"set.partial"}
    made = encoder()
    assert made.id == artifacts.read_artifact(tiny_dataset).id
    assert artifacts.verify(artifacts.read_artifact("set")) == []
    assert encoder.rows == again
    assert f"going on after {640 - again:,} rows" in capfd.readouterr().err
    assert left_behind() == {"set"}


def test_a_command_may_be_interrupted_many_times(encoder: Encoder, tiny_dataset: Path) -> None:
    for _ in range(6):
        with pytest.raises(Interrupted):
            encoder(INTERRUPTED, after=6)
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id


def test_before_the_first_shard_nothing_is_left(encoder: Encoder, tiny_dataset: Path) -> None:
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=4)
    assert left_behind() == set()
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id
    assert encoder.rows == 640


def test_the_number_of_workers_may_change_on_the_way(encoder: Encoder, tiny_dataset: Path) -> None:
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=7, workers=3)
    assert encoder(workers=2).id == artifacts.read_artifact(tiny_dataset).id


@pytest.fixture
def own_corpus(tiny_corpus: Path) -> Path:
    """Return a copy of the small corpus that may be changed."""
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for path in tiny_corpus.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_bad_lines_are_written_down_once_each(encoder: Encoder, own_corpus: Path) -> None:
    for path, numbers in ((own_corpus / "train.ko", (3, 111, 130, 155)), (own_corpus / "valid.en", (9,))):
        lines = path.read_bytes().split(b"\n")
        for number in numbers:
            lines[number - 1] = b"\xff"
        path.write_bytes(b"\n".join(lines))
    with pytest.raises(Interrupted):  # lines 111, 130 and 155 lie behind the shard
        encoder(INTERRUPTED, 8, data=str(own_corpus), on_error="skip")
    made = encoder(data=str(own_corpus), on_error="skip")
    noted = [json.loads(line) for line in (made.path / "skipped.jsonl").read_text().splitlines()]
    assert [(Path(n["file"]).name, n["line"]) for n in noted] == [
        *(("train.ko", number) for number in (3, 111, 130, 155)),
        ("valid.en", 9),
    ]
    assert (made.splits["train"]["pairs"], made.splits["valid"]["pairs"]) == (596, 39)
    Path("set").rename("first")
    assert encoder(data=str(own_corpus), on_error="skip").id == made.id


def changed_text(corpus: Path) -> dict[str, Any]:
    path = corpus / "train.en"
    path.write_text("Changed.\n" + path.read_text("utf-8").split("\n", 1)[1], "utf-8")
    return {}


@pytest.mark.parametrize(
    "change",
    [
        changed_text,
        lambda corpus: {"on_error": "skip"},
        lambda corpus: {"src": "en", "tgt": "ko"},
        lambda corpus: {"lang": "ko"},
    ],
    ids=["text", "on_error", "direction", "language"],
)
def test_with_other_text_or_settings_it_begins_anew(
    encoder: Encoder, own_corpus: Path, change: Callable[[Path], dict[str, Any]]
) -> None:
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=7, data=str(own_corpus))
    options = {"data": str(own_corpus), **change(own_corpus)}
    made = encoder(**options)
    assert encoder.rows == 640
    Path("set").rename("first")
    assert encoder(**options).id == made.id


def test_with_another_tokenizer_it_begins_anew(encoder: Encoder, learnt: Learn) -> None:
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=7)
    made = encoder(tokenizer=learnt(kind="unigram").artifact.path)
    assert encoder.rows == 640
    assert Dataset.load(made.path).tokenizer.id == learnt(kind="unigram").id


def test_with_another_column_it_begins_anew(encoder: Encoder) -> None:
    Path("t.tsv").write_text("a\tb\n" + "".join(f"하나 {n}\t둘 {n}\n" for n in range(200)), "utf-8")
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=7, data="t.tsv", lang="ko", column="a")
    made = encoder(data="t.tsv", lang="ko", column="b")
    data = Dataset.load(made.path)
    assert data.tokenizer.decode([data.side("train", "ko")[0].tolist()], "ko") == ["둘 0"]


def test_a_bad_line_after_a_shard_leaves_nothing(encoder: Encoder, own_corpus: Path) -> None:
    path = own_corpus / "train.ko"
    lines = path.read_bytes().split(b"\n")
    lines[399] = lines[449] = "여든".encode("cp949")
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(BadInput, match="lines 400, 450 are not UTF-8"):
        encoder(data=str(own_corpus))
    assert left_behind() == set()


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_unequal_sides_after_a_shard_leave_nothing(encoder: Encoder, own_corpus: Path, on_error: str) -> None:
    with (own_corpus / "train.en").open("a") as f:
        f.write("one more\n")
    with pytest.raises(BadInput, match=r"600 lines and .* has 601"):
        encoder(data=str(own_corpus), on_error=on_error)
    assert left_behind() == set()


# Processes

SCRIPT = """
import sys, time
from nlpcli.cli.main import main
from nlpcli.corpus import decode
from nlpcli.tokenization import encode as room
decode.ROWS, room.SHARD_ROWS = 20, 100
encode = room.encode_chunk
def slow(*arguments):
    time.sleep(0.05)
    return encode(*arguments)
room.encode_chunk = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def slow_command(tiny_corpus: Path, tiny_tokenizer: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts the command, made slow, in a process group of its own."""
    started = []

    def start(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, "tokenize", "dataset", "--data", str(tiny_corpus)]
        command += ["--tokenizer", str(tiny_tokenizer), "--out", "set", *more]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def group_is_gone(group: int) -> bool:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_what_a_kill_9_leaves_is_taken_up(
    slow_command: Callable[..., subprocess.Popen[str]], encoder: Encoder, tiny_dataset: Path
) -> None:
    process = slow_command("--workers", "2")
    wait_for(Path("set.partial/progress.json").exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert group_is_gone(process.pid)
    assert left_behind() == {"set.partial"}
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id
    assert 0 < encoder.rows <= 540


def test_a_kill_9_of_the_first_process_alone_ends_its_workers_too(
    slow_command: Callable[..., subprocess.Popen[str]], encoder: Encoder, tiny_dataset: Path
) -> None:
    process = slow_command("--workers", "2")
    wait_for(Path("set.partial/progress.json").exists, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert group_is_gone(process.pid)
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id


def test_an_interrupt_from_the_terminal_ends_all_processes(
    slow_command: Callable[..., subprocess.Popen[str]], encoder: Encoder, tiny_dataset: Path
) -> None:
    process = slow_command("--workers", "3")
    wait_for(Path("set.partial/progress.json").exists, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "interrupted" in err
    assert group_is_gone(process.pid)
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id
    assert 0 < encoder.rows <= 540


def test_a_worker_that_is_killed_is_a_failed_run_that_can_go_on(
    encoder: Encoder, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = room.encode_chunk

    def dying(*arguments: Any) -> EncodedChunk:
        chunk: Chunk = arguments[-1]
        if chunk.first == 201:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(room, "encode_chunk", dying)
        with pytest.raises(RunFailed, match="worker process died"):
            encoder(workers=2)
    assert left_behind() == {"set.partial"}
    assert encoder().id == artifacts.read_artifact(tiny_dataset).id
    assert encoder.rows < 640


def test_no_worker_outlives_a_command_that_failed(encoder: Encoder) -> None:
    with pytest.raises(Interrupted):
        encoder(INTERRUPTED, after=3, workers=3)
    assert multiprocessing.active_children() == []
