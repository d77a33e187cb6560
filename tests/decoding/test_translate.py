"""`translate` the command's function: a file or a stream in, a file that is whole or absent or a stream out."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from learnt import Learnt

from nlpcli import console
from nlpcli.decoding import translator, work
from nlpcli.decoding.translate import Translated
from nlpcli.decoding.translate import translate as run
from nlpcli.errors import BadInput, OutputExists, UsageError


def translate(*, model: Path, file: Path = Path("-"), **options: Any) -> Translated:
    return run(model=model, files=[file], **{"workers": 1, "device": "cpu", **options})


def write(name: str, lines: list[str]) -> Path:
    path = Path(name)
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def folder() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def test_a_file_becomes_a_file_line_by_line(learnt: Learnt) -> None:
    file = write("in.ko", ["", *learnt.src[:3], "   ", *learnt.src[3:]])
    result = translate(model=learnt.path, file=file, out=Path("new/folder/out.en"))
    expected = ["", *learnt.tgt[:3], "", *learnt.tgt[3:]]
    assert Path("new/folder/out.en").read_bytes() == "".join(line + "\n" for line in expected).encode()
    assert (result.path, result.lines, result.blank, result.issues) == (Path("new/folder/out.en"), 10, 2, {})
    assert os.listdir("new/folder") == ["out.en"]


def test_without_out_lines_go_to_stdout_and_nothing_else_does(learnt: Learnt, capfd: pytest.CaptureFixture[str]) -> None:
    result = translate(model=learnt.path, file=write("in.ko", learnt.src))
    assert capfd.readouterr().out == "".join(line + "\n" for line in learnt.tgt)
    assert result.path == Path("-")


@pytest.mark.parametrize("window", [1, 3, 8, 9])
def test_windows_leave_no_seam(learnt: Learnt, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(work, "FILE_WINDOW", window)
    result = translate(model=learnt.path, file=write("in.ko", learnt.src), out=Path("out.en"))
    assert Path("out.en").read_text("utf-8").splitlines() == learnt.tgt
    assert result.lines == 8


def test_line_ends_are_read_as_lines_and_written_as_newlines(learnt: Learnt) -> None:
    Path("in.ko").write_bytes("\r\n".join(["\ufeff" + learnt.src[0], "", learnt.src[1]]).encode())  # no newline at the end
    translate(model=learnt.path, file=Path("in.ko"), out=Path("out.en"))
    assert Path("out.en").read_bytes() == f"{learnt.tgt[0]}\n\n{learnt.tgt[1]}\n".encode()


def test_an_empty_file_becomes_an_empty_file(learnt: Learnt) -> None:
    result = translate(model=learnt.path, file=write("in.ko", []), out=Path("out.en"))
    assert Path("out.en").read_bytes() == b""
    assert result.lines == 0


def test_compressed_files_are_read(learnt: Learnt) -> None:
    with gzip.open("in.ko.gz", "wb") as f:
        f.write("".join(line + "\n" for line in learnt.src).encode())
    translate(model=learnt.path, file=Path("in.ko.gz"), out=Path("out.en"))
    assert Path("out.en").read_text("utf-8").splitlines() == learnt.tgt


def test_a_pipe_given_by_its_path_is_read_once(learnt: Learnt) -> None:
    """`nlpcli translate <(zcat in.gz)`: what has been read from a pipe cannot be read again."""
    reader, writer = os.pipe()
    os.write(writer, "".join(line + "\n" for line in learnt.src).encode())
    os.close(writer)
    try:
        translate(model=learnt.path, file=Path(f"/dev/fd/{reader}"), out=Path("out.en"))
    finally:
        os.close(reader)
    assert Path("out.en").read_text("utf-8").splitlines() == learnt.tgt


def test_stdin_is_translated_window_by_window(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe each window is written before more than the next one is asked for, so that a dialogue does not hang."""
    written: list[str] = []

    def lines() -> Iterator[bytes]:
        for number, line in enumerate([*learnt.src, ""]):
            assert len(written) == number // 3 * 3
            yield (line + "\n").encode()

    asked = lines()
    monkeypatch.setattr(work, "STREAM_WINDOW", 3)
    monkeypatch.setattr(console, "write_text", lambda text: written.extend(text.split("\n")[:-1]))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=SimpleNamespace(readline=lambda _: next(asked, b""))))
    translate(model=learnt.path)
    assert written == [*learnt.tgt, ""]


def test_n_best_are_json_lines(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FILE_WINDOW", 4)  # line numbers go on from window to window
    lines = [*learnt.src[:3], "", *learnt.src[3:], 'a "quoted" \\ word 😀']
    out = Path("out.jsonl")
    translate(model=learnt.path, file=write("in.ko", lines), out=out, beam_size=3, n_best=2)
    records = [json.loads(line) for line in out.read_text("utf-8").split("\n")[:-1]]
    assert [r["line"] for r in records] == list(range(1, 11))
    assert [r["source"] for r in records] == lines
    assert [r["hypotheses"][0]["text"] if r["hypotheses"] else "" for r in records][:9] == [
        *learnt.tgt[:3],
        "",
        *learnt.tgt[3:],
    ]
    for record in records:
        assert list(record) == ["line", "source", "hypotheses"]
        assert len(record["hypotheses"]) == (2 if record["source"] else 0)
        assert all(list(h) == ["text", "score"] for h in record["hypotheses"])
        scores = [h["score"] for h in record["hypotheses"]]
        assert scores == sorted(scores, reverse=True)


def test_one_best_can_be_json_lines_too(learnt: Learnt) -> None:
    translate(model=learnt.path, file=write("in.ko", learnt.src[:1]), out=Path("out.jsonl"), details=True)
    [hypothesis] = json.loads(Path("out.jsonl").read_text("utf-8"))["hypotheses"]
    assert hypothesis["text"] == learnt.tgt[0]
    assert hypothesis["score"] < 0


def test_lines_that_reach_the_limit_are_counted_and_named(
    learnt: Learnt, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(translator, "LENGTH_FACTOR", 0)
    monkeypatch.setattr(translator, "LENGTH_EXTRA", 2)
    result = translate(model=learnt.path, file=write("in.ko", ["", *learnt.src]), out=Path("out.en"))
    assert (result.issues["limit"], result.blank) == (8, 1)
    assert "2, 3, 4, 5, 6 and 3 more" in capfd.readouterr().err


def test_last_weights_are_used_when_asked_for(learnt: Learnt) -> None:
    translate(model=learnt.path, file=write("in.ko", learnt.src), out=Path("out.en"), checkpoint="last")
    assert Path("out.en").read_text("utf-8").splitlines() != learnt.tgt


def test_more_hypotheses_than_beams_are_refused(learnt: Learnt) -> None:
    with pytest.raises(UsageError, match="cannot work"):
        translate(model=learnt.path, file=write("in.ko", learnt.src), out=Path("out.en"), beam_size=2, n_best=3)
    assert folder() == ["in.ko"]


def test_what_is_there_is_not_overwritten_unless_forced(learnt: Learnt) -> None:
    file, out = write("in.ko", learnt.src), write("out.en", ["old"])
    with pytest.raises(OutputExists, match=r"out\.en already exists"):
        translate(model=learnt.path, file=file, out=out)
    assert out.read_text("utf-8") == "old\n"
    translate(model=learnt.path, file=file, out=out, force=True)
    assert out.read_text("utf-8").splitlines() == learnt.tgt


def test_a_bad_line_ends_it_before_anything_is_written(learnt: Learnt, capfd: pytest.CaptureFixture[str]) -> None:
    Path("in.ko").write_bytes("가\n나\n".encode() + b"\xb0\xa1\n")
    with pytest.raises(BadInput, match="line 3 is not UTF-8"):
        translate(model=learnt.path, file=Path("in.ko"))
    assert capfd.readouterr().out == ""


def test_a_bad_line_leaves_the_old_translation(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    """From stdin, where the bad line is met in the middle of the work."""
    out = write("out.en", ["old"])
    stdin = io.BytesIO("".join(line + "\n" for line in learnt.src).encode() + b"\xff\n")
    monkeypatch.setattr(work, "FILE_WINDOW", 2)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stdin))
    with pytest.raises(BadInput, match="line 9"):
        translate(model=learnt.path, out=out, force=True)
    assert out.read_text("utf-8") == "old\n"
    assert folder() == ["out.en"]
