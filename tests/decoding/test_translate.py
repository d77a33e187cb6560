"""`translate` the command's function: a file or a stream in, a file that is whole or absent or a stream out."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
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
from nlpcli.errors import BadInput, GateFailed, OutputExists, UsageError


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
        assert [name for name in record if name != "issues"] == ["line", "source", "hypotheses"]  # the last line may have some
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


def test_strict_is_a_gate_behind_the_output(learnt: Learnt) -> None:
    long = " ".join(learnt.src)
    file = write("in.ko", [learnt.src[0], "", long])
    options: dict[str, Any] = {"max_input_tokens": 20, "issues": Path("issues.jsonl"), "strict": True}
    with pytest.raises(GateFailed, match="split") as caught:
        translate(model=learnt.path, file=file, out=Path("out.en"), **options)
    assert caught.value.exit_code == 8
    assert caught.value.data.lines == 3
    assert len(Path("out.en").read_text("utf-8").split("\n")) == 4
    rows = [json.loads(line) for line in Path("issues.jsonl").read_text("utf-8").split("\n")[:-1]]
    found = [row for row in rows if row["issue"] == "split"]
    assert [(row["file"], row["line"], row["source"]) for row in found] == [("in.ko", 3, long)]
    assert "parts" in found[0]["detail"]


def test_without_issues_strict_passes(learnt: Learnt) -> None:
    assert translate(model=learnt.path, file=write("in.ko", learnt.src), out=Path("out.en"), strict=True).issues == {}


def test_lines_that_are_too_long_are_all_named_before_the_work(learnt: Learnt) -> None:
    file = write("in.ko", [learnt.src[0], " ".join(learnt.src), "", " ".join(learnt.src)])
    with pytest.raises(BadInput, match=r"line\(s\) 2, 4 are too long"):
        translate(model=learnt.path, file=file, out=Path("out.en"), on_long="error", max_input_tokens=20)
    assert folder() == ["in.ko"]


def test_files_of_several_formats_go_to_a_folder(learnt: Learnt) -> None:
    write("a.ko", learnt.src[:2])
    write("rows.tsv", ["ko\tn", f"{learnt.src[2]}\t1"])
    write("film.srt", ["1", "00:00:01,000 --> 00:00:02,000", f"<i>{learnt.src[3]}</i>"])
    result = run(
        model=learnt.path, files=[Path("a.ko"), Path("*.tsv"), Path("film.srt")], out=Path("out"), workers=1, keep_tags=True
    )
    assert (result.files, result.lines) == (3, 4)
    assert Path("out/a.en").read_text("utf-8").split("\n")[:-1] == learnt.tgt[:2]
    assert Path("out/rows.en.tsv").read_text("utf-8") == f"ko\tn\n{learnt.tgt[2]}\t1\n"
    assert Path("out/film.en.srt").read_text("utf-8").split("\n")[2] == f"<i>{learnt.tgt[3]}</i>"
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.en", "film.en.srt", "rows.en.tsv"]


def test_tags_and_placeholders_come_out_once_each(learnt: Learnt) -> None:
    lines = [f"<b>{learnt.src[0]}</b> {{name}}", "<br/>", f"{learnt.src[1]} &amp;"]
    translate(model=learnt.path, file=write("in.ko", lines), out=Path("out.en"), keep_tags=True)
    first, second, third = Path("out.en").read_text("utf-8").split("\n")[:-1]
    assert all(first.count(mark) == 1 for mark in ("<b>", "</b>", "{name}"))
    assert second == "<br/>"
    assert learnt.tgt[1].split()[0] in third


def test_words_of_a_file_are_never_written(learnt: Learnt) -> None:
    word = learnt.tgt[0].split()[0]
    options: dict[str, Any] = {"suppress_words": write("never.txt", [word])}
    translate(model=learnt.path, file=write("in.ko", learnt.src[:1]), out=Path("out.en"), **options)
    assert word not in Path("out.en").read_text("utf-8").split()


def test_a_glossary_is_kept_or_its_absence_is_an_issue(learnt: Learnt) -> None:
    term = learnt.src[0].split()[0].strip(",.")
    options: dict[str, Any] = {"glossary": write("terms.tsv", [f"{term}\tXyzzy"]), "issues": Path("issues.jsonl")}
    result = translate(model=learnt.path, file=write("in.ko", learnt.src), out=Path("out.en"), **options)
    first, *others = Path("out.en").read_text("utf-8").split("\n")[:-1]
    assert bool(re.search(r"\bXyzzy\b", first)) != ("glossary" in result.issues)
    assert others == learnt.tgt[1:]


def test_prefixes_and_required_words_go_with_their_lines(learnt: Learnt) -> None:
    begin = learnt.tgt[1].split()[0]
    options: dict[str, Any] = {"prefixes": write("begin.txt", [begin, ""])}
    translate(model=learnt.path, file=write("in.ko", learnt.src[:2]), out=Path("out.en"), **options)
    first, second = Path("out.en").read_text("utf-8").split("\n")[:-1]
    assert first.startswith(begin)
    assert second == learnt.tgt[1]
    with pytest.raises(BadInput, match=r"begin\.txt has 2 lines, and the input 3"):
        translate(model=learnt.path, file=write("in.ko", learnt.src[:3]), out=Path("other.en"), **options)


def test_mbr_takes_one_of_its_samples_and_a_seed_repeats_it(learnt: Learnt) -> None:
    file = write("in.ko", learnt.src)
    found = []
    for name in ("a", "b"):
        translate(model=learnt.path, file=file, out=Path(name), mbr=6, seed=3)
        found.append(Path(name).read_text("utf-8"))
    assert found[0] == found[1]
    assert sum(a == b for a, b in zip(found[0].split("\n"), learnt.tgt)) >= 6  # it is sure of what it knows


def test_a_folder_may_be_named_by_its_slash(learnt: Learnt) -> None:
    write("a.ko", learnt.src[:2])
    run(model=learnt.path, files=[Path("a.ko")], out="out/", workers=1)
    assert Path("out/a.en").read_text("utf-8").split("\n")[:-1] == learnt.tgt[:2]
    assert folder() == ["a.ko", "out"]


def test_fewer_hints_than_lines_of_a_stream_are_an_error(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("".join(f"{s}\n" for s in learnt.src).encode())))
    with pytest.raises(BadInput, match="fewer lines than the input"):
        translate(model=learnt.path, out=Path("out.en"), prefixes=write("begin.txt", ["It"]))
    assert folder() == ["begin.txt"]


def test_force_replaces_the_issues_of_a_stream_too(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    options: dict[str, Any] = {"out": Path("out.en"), "issues": write("issues.jsonl", ["old"])}
    with pytest.raises(OutputExists, match=r"issues\.jsonl already exists"):
        translate(model=learnt.path, **options)
    translate(model=learnt.path, force=True, **options)
    assert Path("issues.jsonl").read_bytes() == b""
