"""Lines in windows, and files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpcli.decoding.lines import line_writer, windows


def write(name: str, lines: list[str]) -> Path:
    path = Path(name)
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def folder() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def write_and_fail(out: Path, error: type[BaseException]) -> None:
    with line_writer(out) as write_lines:
        write_lines(["new"])
        raise error


class TestLineWriter:
    def test_the_file_appears_whole_at_the_end(self) -> None:
        with line_writer(Path("a/b/out")) as write_lines:
            write_lines(["one", "둘"])
            assert not Path("a/b/out").exists()
            write_lines(iter(["", "vier"]))
        assert Path("a/b/out").read_bytes() == "one\n둘\n\nvier\n".encode()
        assert os.listdir("a/b") == ["out"]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_an_error_leaves_nothing(self, error: type[BaseException]) -> None:
        with pytest.raises(error):
            write_and_fail(Path("out"), error)
        assert folder() == []

    def test_an_error_leaves_the_old_file(self) -> None:
        out = write("out", ["old"])
        with pytest.raises(RuntimeError):
            write_and_fail(out, RuntimeError)
        assert out.read_text("utf-8") == "old\n"
        assert folder() == ["out"]

    def test_the_old_file_stays_until_the_new_one_is_whole(self) -> None:
        out = write("out", ["old"])
        with line_writer(out) as write_lines:
            write_lines(["new"])
            assert out.read_text("utf-8") == "old\n"
        assert out.read_text("utf-8") == "new\n"

    @pytest.mark.parametrize("out", [None, Path("-")])
    def test_without_a_file_it_is_stdout(self, out: Path | None, capfd: pytest.CaptureFixture[str]) -> None:
        with line_writer(out) as write_lines:
            write_lines(["one", "둘"])
        assert capfd.readouterr().out == "one\n둘\n"
        assert folder() == []

    def test_a_pipe_or_device_is_written_to_and_not_replaced(self) -> None:
        """`--out /dev/null --force` as root must not turn /dev/null into a file."""
        os.mkfifo("out")
        reader = os.open("out", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with line_writer(Path("out")) as write_lines:
                write_lines(["one"])
            assert Path("out").is_fifo()
            assert os.read(reader, 100) == b"one\n"
        finally:
            os.close(reader)


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 3, []), (2, 3, [2]), (3, 3, [3]), (7, 3, [3, 3, 1]), (3, 1, [1, 1, 1])],
)
def test_windows_cut_a_stream_into_lists(count: int, size: int, expected: list[int]) -> None:
    lines = [str(i) for i in range(count)]
    cut = list(windows(lines, size))
    assert [len(window) for window in cut] == expected
    assert [line for window in cut for line in window] == lines


def test_windows_read_no_further_than_they_must() -> None:
    read: list[int] = []

    def lines() -> Iterator[Any]:
        for i in range(10):
            read.append(i)
            yield str(i)

    assert next(windows(lines(), 4)) == ["0", "1", "2", "3"]
    assert read == [0, 1, 2, 3]
