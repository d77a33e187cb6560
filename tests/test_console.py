"""stdout is data, stderr is for a person; neither a closed pipe nor the user's text can break a run."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import console
from nlpcli.errors import BadInput


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that the progress lines see, as a list of one number to set."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def closed_pipe() -> Iterator[io.TextIOWrapper]:
    """Return a stream whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="ascii")
    yield stream
    stream.close()


# Levels


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (console.QUIET, ["warning: w"]),
        (console.NORMAL, ["i", "warning: w"]),
        (console.VERBOSE, ["i", "d", "warning: w"]),
    ],
)
def test_each_level_says_its_share_and_only_on_stderr(level: int, said: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    console.set_level(level)
    console.info("i")
    console.detail("d")
    console.warn("w")
    out, err = capfd.readouterr()
    assert (out, err.split("\n")[:-1]) == ("", said)


def test_an_error_says_what_why_and_how_to_mend_it_even_when_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    console.set_level(console.QUIET)
    console.error(BadInput("what", cause="why", fix="how"))
    console.error(BadInput("only what"))
    assert capfd.readouterr().err == "error: what\n  cause: why\n  fix: how\nerror: only what\n"


def test_user_text_is_never_markup(capfd: pytest.CaptureFixture[str]) -> None:
    text = "[unk] [bold]x[/bold] :smile: \\[a] <s> {x} 100%"
    for say in (console.info, console.warn, console.out):
        say(text)
    console.table([text], [[text]], title=text)
    out, err = capfd.readouterr()
    assert err.count(text) == 2
    assert out.count(text) == 4


# stdout


def test_data_is_written_as_utf8_whatever_the_locale(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    console.out("안녕 𝒳\u2028")
    console.write_out(["a", "", "b"])
    console.write_out([])
    assert capfdbinary.readouterr().out == "안녕 𝒳\u2028\na\n\nb\n".encode()


def test_data_follows_what_was_printed_before(capfd: pytest.CaptureFixture[str]) -> None:
    print("first")
    console.out("second")
    print("third", flush=True)
    assert capfd.readouterr().out == "first\nsecond\nthird\n"


def test_a_closed_stdout_ends_the_command_and_harms_nothing_after(
    closed_pipe: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", closed_pipe)
    with pytest.raises(console.ClosedPipe) as caught:
        console.out("x" * 100_000)
    assert caught.value.exit_code == 141
    print("what a library prints later", flush=True)


def test_no_stdout_at_all_ends_the_command_like_a_closed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python sets sys.stdout to None when it starts with `>&-`."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(console.ClosedPipe):
        console.out("x")


# stderr


def say_everything() -> None:
    console.info("i")
    console.warn("w")
    console.error(BadInput("e", cause="c", fix="f"))
    with console.Progress("train", 10, "steps") as progress:
        progress.update(5)


def test_a_closed_stderr_is_harmless(closed_pipe: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", closed_pipe)
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    say_everything()
    say_everything()


def test_no_stderr_at_all_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python sets sys.stderr to None when it starts with `2>&-`."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    say_everything()


def test_a_stderr_closed_by_somebody_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    say_everything()


def test_a_full_disk_under_the_log_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    full = open("/dev/full", "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", full)
    try:
        say_everything()
    finally:
        with suppress(OSError):  # what the stream still holds
            full.close()


# Tables


def test_a_table_sets_numbers_flush_right_and_words_flush_left(capfd: pytest.CaptureFixture[str]) -> None:
    console.table(["name", "n", "score"], [["a", 7, 1.5], ["longer", 12345, 23.456]])
    lines = capfd.readouterr().out.split("\n")[:-1]
    assert lines == ["name         n  score", "a            7   1.50", "longer  12,345  23.46"]


def test_off_a_terminal_no_cell_is_cut(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path, text = "/a/long/path" * 30, "긴 글 " * 60 + "끝"
    console.table(["path", "text"], [[path, text]], title="title")
    lines = capfd.readouterr().out.split("\n")[:-1]
    assert len(lines) == 3
    assert path in lines[2]
    assert text in lines[2]


def test_a_table_without_rows_shows_its_headers(capfd: pytest.CaptureFixture[str]) -> None:
    console.table(["setting", "value"], [])
    assert capfd.readouterr().out.split() == ["setting", "value"]


# Progress


def test_off_a_terminal_a_plain_line_comes_every_interval(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with console.Progress("train", 1000, "steps") as progress:
        for second in range(1, 101):
            clock[0] = 1000 + second
            progress.update(second * 10, note=f"loss {5 - second / 50:.2f}")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.split("\n")[:-1] == [
        "train: 300 of 1,000 steps, 30%, ETA 1 min 10 s, loss 4.40",
        "train: 600 of 1,000 steps, 60%, ETA 40 s, loss 3.80",
        "train: 900 of 1,000 steps, 90%, ETA 10 s, loss 3.20",
    ]


def test_short_work_says_nothing(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with console.Progress("encode", None, "pairs") as progress:
        clock[0] += console.PLAIN_INTERVAL - 1
        progress.update(10_000)
    assert capfd.readouterr().err == ""


def test_without_a_total_the_count_alone_is_said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    with console.Progress("encode train", None, "pairs") as progress:
        progress.update(10_000)
    assert capfd.readouterr().err == "encode train: 10,000 pairs\n"


def test_percent_is_said_once(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with console.Progress("train", 100, "%") as progress:
        clock[0] += 50
        progress.update(25)
    assert capfd.readouterr().err == "train: 25%, ETA 2 min 30 s\n"


def test_after_a_resume_the_time_left_follows_from_what_was_done_since(
    clock: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    with console.Progress("train", 1000, "steps", done=900) as progress:
        clock[0] += 30
        progress.update(900)
        clock[0] += 30
        progress.update(950)
    assert capfd.readouterr().err.split("\n")[:-1] == [
        "train: 900 of 1,000 steps, 90%",
        "train: 950 of 1,000 steps, 95%, ETA 1 min 00 s",
    ]


def test_more_than_the_total_leaves_no_time(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with console.Progress("train", 10, "steps") as progress:
        clock[0] += 60
        progress.update(12)
    assert "ETA 0 s" in capfd.readouterr().err


def test_quiet_has_no_progress(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL", 0)
    console.set_level(console.QUIET)
    with console.Progress("train", 10, "steps") as progress:
        progress.update(5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "unit"), [(10, "steps"), (100, "%"), (None, "pairs")])
def test_on_a_terminal_one_bar_is_drawn_and_taken_away(monkeypatch: pytest.MonkeyPatch, total: float | None, unit: str) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with console.Progress("train", total, unit) as progress:
        time.sleep(0.12)  # a bar is redrawn ten times a second
        progress.update(7, note="loss 1.00")
        console.info("evaluated")
    written = terminal.getvalue()
    assert "train" in written
    assert "loss 1.00" in written
    assert "\nevaluated\n" in written.replace("\r", "\n")
    assert written.endswith("\r")


# Numbers for a person


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (41, "41 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert console.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_400_000, "1.4 MB"),
        (2_500_000_000, "2.5 GB"),
        (7e12, "7000.0 GB"),
    ],
)
def test_sizes(count: float, said: str) -> None:
    assert console.size(count) == said


@given(st.integers(0, 10**12 - 10**8))
def test_a_size_is_never_a_thousand_of_its_unit(count: int) -> None:
    number, unit = console.size(count).split()
    assert float(number) < 1000
    assert float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit] == pytest.approx(count, rel=0.051, abs=0.5)


def test_a_size_just_below_the_next_unit_is_written_in_that_unit() -> None:
    assert [console.size(n) for n in (999_999, 999_999_999)] == ["1.0 MB", "1.0 GB"]
