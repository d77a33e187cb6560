"""A translation of files that is interrupted goes on where it stopped, and its output is the same to the last byte."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from learnt import Learnt

from nlpcli.decoding import work
from nlpcli.decoding.formats.partial import PartialOutput
from nlpcli.decoding.job import Job, JobFacts, State, job_status
from nlpcli.decoding.translate import translate
from nlpcli.errors import BadInput, OutputExists, RunFailed, UsageError

WINDOW = 5
LINES = 100  # of a command that is stopped


class Stopped(Exception):
    """Stands for what ends a process."""


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FILE_WINDOW", WINDOW)


def text(learnt: Learnt, count: int, seed: int = 0) -> str:
    """Return lines that differ, some blank, some that make issues."""
    rng = random.Random(seed)
    kinds = (lambda i: learnt.src[0], lambda i: f"{rng.choice(learnt.src)} {i}", lambda i: "", lambda i: "ㅋ" * 300)
    lines = [kind(i) for i, kind in enumerate(rng.choices(kinds, (6, 6, 3, 1), k=count))]
    return "".join(line + "\n" for line in lines)


def run(learnt: Learnt, inputs: list[Path], out: Path, **options: Any) -> Any:
    return translate(model=learnt.path, files=inputs, out=out, workers=1, engine="torch", **options)


def stop_after(windows: int, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Have the next command end at a place: before a window is written, before it is noted, or before a file is published."""
    count = 0
    places: dict[str, tuple[type, str]] = {
        "write": (PartialOutput, "write"),
        "note": (Job, "save"),
        "publish": (PartialOutput, "publish"),
    }
    cls, name = places[at]
    original: Callable[..., Any] = getattr(cls, name)

    def stopping(self: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count > windows:
            raise Stopped
        return original(self, *args)

    monkeypatch.setattr(cls, name, stopping)


@pytest.mark.parametrize(
    ("at", "ending"),
    [("write", ""), ("note", ".gz"), ("note", ".xz"), ("write", ".zst")]
    + [
        pytest.param(*rest, marks=pytest.mark.thorough)
        for rest in (("note", ""), ("write", ".gz"), ("write", ".xz"), ("note", ".zst"))
    ],
)
def test_every_place_to_stop_leaves_the_same_bytes(
    learnt: Learnt, monkeypatch: pytest.MonkeyPatch, at: str, ending: str
) -> None:
    Path("in.ko").write_text(text(learnt, 18), "utf-8")
    run(learnt, [Path("in.ko")], Path(f"whole.en{ending}"), issues=Path("whole.jsonl"))
    for windows in range(4):
        with monkeypatch.context() as patch:
            stop_after(windows, patch, at)
            with pytest.raises(Stopped):
                run(learnt, [Path("in.ko")], Path(f"out.en{ending}"), issues=Path("issues.jsonl"))
            assert not Path(f"out.en{ending}").exists()
        result = run(learnt, [Path("in.ko")], Path(f"out.en{ending}"), issues=Path("issues.jsonl"))
        assert result.lines == 18
        assert Path(f"out.en{ending}").read_bytes() == Path(f"whole.en{ending}").read_bytes()
        assert Path("issues.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
        assert [path.name for path in Path().glob("out*")] == [f"out.en{ending}"]
        Path(f"out.en{ending}").unlink()
        Path("issues.jsonl").unlink()


@pytest.mark.parametrize("at", ["write", "note", "publish"])
def test_of_several_files_each_is_whole_or_absent(learnt: Learnt, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    inputs = [Path(f"{name}.ko") for name in "abcd"]
    for i, (path, count) in enumerate(zip(inputs, (7, 0, 12, 3))):
        path.write_text(text(learnt, count, i), "utf-8")
    run(learnt, inputs, Path("whole"))
    wanted = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
    assert sorted(wanted) == ["a.en", "b.en", "c.en", "d.en"]
    assert wanted["b.en"] == b""
    for stops in itertools.count():
        stopped = False
        with monkeypatch.context() as patch:
            stop_after(stops, patch, at)
            try:
                run(learnt, inputs, Path("out"))
            except Stopped:
                stopped = True
                found = {path.name: path.read_bytes() for path in Path("out").glob("*.en")}
                assert found.items() <= wanted.items()
        if Path("out.job").exists():
            run(learnt, inputs, Path("out"))
        assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == wanted
        for path in Path("out").iterdir():
            path.unlink()
        if not stopped:
            break
    assert stops >= 4


def interrupted(learnt: Learnt, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    Path("in.ko").write_text(text(learnt, 18), "utf-8")
    with monkeypatch.context() as patch:
        stop_after(2, patch, "write")
        with pytest.raises(Stopped):
            run(learnt, [Path("in.ko")], Path("out.en"), **options)


def test_what_was_done_is_not_done_again(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    result = run(learnt, [Path("in.ko")], Path("out.en"))
    assert (result.lines, result.resumed) == (18, 2 * WINDOW)


def test_a_file_that_changed_is_named_and_nothing_is_touched(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    Path("in.ko").write_text("다른 글\n", "utf-8")
    before = Path("out.en.partial").read_bytes()
    with pytest.raises(BadInput, match=r"in\.ko changed since") as caught:
        run(learnt, [Path("in.ko")], Path("out.en"))
    assert "--force" in caught.value.fix
    assert Path("out.en.partial").read_bytes() == before
    assert run(learnt, [Path("in.ko")], Path("out.en"), force=True).lines == 1
    assert sorted(path.name for path in Path().iterdir()) == ["in.ko", "out.en"]


def test_other_settings_are_named(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    with pytest.raises(OutputExists, match="other settings") as caught:
        run(learnt, [Path("in.ko")], Path("out.en"), beam_size=3)
    assert "--beam-size was 1" in caught.value.cause


def test_a_job_of_which_nothing_is_done_binds_nobody(learnt: Learnt) -> None:
    """An option that cannot work must not stand in the way of the one that can."""
    Path("in.ko").write_text(text(learnt, 7), "utf-8")
    with pytest.raises(UsageError, match="ctranslate2 cannot do this"):
        translate(model=learnt.path, files=[Path("in.ko")], out=Path("out.en"), engine="ctranslate2")
    assert run(learnt, [Path("in.ko")], Path("out.en")).lines == 7
    assert sorted(path.name for path in Path().iterdir()) == ["in.ko", "out.en"]


def test_the_number_of_workers_may_change(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    assert translate(model=learnt.path, files=[Path("in.ko")], out=Path("out.en"), workers=2, engine="torch").resumed == 10


def test_force_goes_on_with_the_same_work(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out.en").write_text("old\n", "utf-8")
    interrupted(learnt, monkeypatch, force=True)
    assert Path("out.en").read_text("utf-8") == "old\n"
    assert run(learnt, [Path("in.ko")], Path("out.en"), force=True).resumed == 10


def test_two_processes_do_not_work_on_one_job(learnt: Learnt) -> None:
    job = Job(Path("out.en.job"), JobFacts({}, []))
    with pytest.raises(OutputExists, match="another process"):
        Job(Path("out.en.job"), JobFacts({}, []))
    assert job_status(Path("out.en.job")).running
    job.close()
    assert not job_status(Path("out.en.job")).running


def test_status_tells_how_far_it_has_come(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    status = job_status(Path("out.en.job"))
    assert (status.lines, status.lines_done, status.files, status.files_done, status.running) == (18, 10, 1, 0, False)
    assert status.seconds_left is not None
    assert status.seconds_left >= 0
    with pytest.raises(BadInput, match="not the folder of a translation"):
        job_status(Path("elsewhere"))


def test_a_line_torn_off_the_journal_is_not_read(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    with Path("out.en.job/journal.jsonl").open("ab") as f:
        f.write(b'{"file":0,"window":3,"si')
    assert job_status(Path("out.en.job")).lines_done == 10
    run(learnt, [Path("in.ko")], Path("out.en"))
    run(learnt, [Path("in.ko")], Path("whole.en"))
    assert Path("out.en").read_bytes() == Path("whole.en").read_bytes()


def test_a_partial_file_that_lost_bytes_is_noticed(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(learnt, monkeypatch)
    with Path("out.en.partial").open("r+b") as f:
        f.truncate(3)
    with pytest.raises(RunFailed, match="has 3 bytes"):
        run(learnt, [Path("in.ko")], Path("out.en"))


def test_a_journal_is_json_lines() -> None:
    job = Job(Path("a.job"), JobFacts({}, []))
    job.save(State(window=1))
    job.save(State(window=2))
    job.close()
    assert [json.loads(line)["window"] for line in Path("a.job/journal.jsonl").read_text("utf-8").splitlines()] == [1, 2]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_shards_put_together_are_the_whole(learnt: Learnt, parts: int) -> None:
    Path("in.ko").write_text(text(learnt, 23), "utf-8")
    run(learnt, [Path("in.ko")], Path("whole.en"))
    for part in range(1, parts + 1):
        run(learnt, [Path("in.ko")], Path(f"part-{part}.en"), shard=f"{part}/{parts}")
    joined = b"".join(Path(f"part-{part}.en").read_bytes() for part in range(1, parts + 1))
    assert joined == Path("whole.en").read_bytes()


def command_in_small_windows(learnt: Learnt) -> list[str]:
    small = "from nlpcli.decoding import work; work.FILE_WINDOW = 5"
    script = f"import sys; {small}; from nlpcli.cli.main import main; sys.exit(main())"
    options = ["--model", str(learnt.path), "--issues", "issues.jsonl", "--workers", "2", "--engine", "torch"]
    return [sys.executable, "-c", script, "translate", "in.ko", "--out", "out.en", *options]


def wait_for_progress(process: subprocess.Popen[bytes]) -> None:
    """Wait until the command has noted one more window, or ended."""
    journal = Path("out.en.job/journal.jsonl")
    known = journal.stat().st_size if journal.exists() else 0
    while process.poll() is None and (not journal.exists() or journal.stat().st_size <= known):
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_word_and_it_goes_on(learnt: Learnt, signum: signal.Signals, status: int) -> None:
    Path("in.ko").write_text(text(learnt, LINES), "utf-8")
    process = subprocess.Popen(command_in_small_windows(learnt), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_progress(process)
    process.send_signal(signum)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (status, b""), stderr.decode()
    assert f"of {LINES} lines are kept in out.en.job\n  fix: the same command goes on from there" in stderr.decode()
    assert not Path("out.en").exists()
    done = job_status(Path("out.en.job")).lines_done
    assert done > 0
    assert run(learnt, [Path("in.ko")], Path("out.en"), issues=Path("issues.jsonl")).resumed == done
    run(learnt, [Path("in.ko")], Path("whole.en"))
    assert Path("out.en").read_bytes() == Path("whole.en").read_bytes()


@pytest.mark.slow
def test_a_killed_command_goes_on(learnt: Learnt) -> None:
    Path("in.ko").write_text(text(learnt, LINES), "utf-8")
    run(learnt, [Path("in.ko")], Path("whole.en"), issues=Path("whole.jsonl"))
    killed = 0
    while not Path("out.en").exists():
        process = subprocess.Popen(command_in_small_windows(learnt), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if killed < 3:
            wait_for_progress(process)
            time.sleep(random.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            killed += 1
        _, stderr = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), stderr.decode()
    assert Path("out.en").read_bytes() == Path("whole.en").read_bytes()
    assert Path("issues.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()
