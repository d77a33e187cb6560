"""An output comes whole or not at all, and is the same however often its writing was interrupted."""

from __future__ import annotations

import gzip
import lzma
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.readers import open_bytes
from nlpcli.decoding.formats.partial import PartialOutput
from nlpcli.errors import RunFailed

SUFFIXES = ["", ".gz", ".xz", ".zst"]
CHUNKS = ["하나\n둘\n", "", "셋\n" * 500, "넷\n"]


def read(path: Path) -> str:
    """Return a file's text, unpacked."""
    with open_bytes(path) as stream:
        return stream.read().decode()


def write(out: Path, chunks: list[str]) -> bytes:
    """Write without interruption and return the file's bytes."""
    with PartialOutput(out) as output:
        for chunk in chunks:
            output.write(chunk)
            output.end_chunk()
        output.publish()
    return out.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_output_is_there_when_it_is_published(suffix: str) -> None:
    out = Path(f"new/out{suffix}")
    with PartialOutput(out) as output:
        output.write("하나\n")
        assert not out.exists()
        assert output.publish() == out
    assert os.listdir("new") == [out.name]
    assert read(out) == "하나\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    chunks=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3), max_size=5),
    data=st.data(),
)
def test_interruptions_leave_no_trace(suffix: str, chunks: list[list[str]], data: st.DataObject) -> None:
    out, sizes = Path(f"out{suffix}"), [0]
    whole = write(out, ["".join(chunk) for chunk in chunks])
    out.unlink()
    while len(sizes) <= len(chunks):
        with PartialOutput(out, sizes[-1]) as output:
            for _ in range(data.draw(st.integers(1, 3))):
                for text in chunks[len(sizes) - 1] if len(sizes) <= len(chunks) else []:
                    output.write(text)
                sizes += [output.end_chunk()] if len(sizes) <= len(chunks) else []
            output.write("this is lost")
            assert output.size() >= sizes[-1]
    with PartialOutput(out, sizes[-1]) as output:
        output.publish()
    assert out.read_bytes() == whole
    assert read(out) == "".join(text for chunk in chunks for text in chunk)


def test_other_tools_read_the_members() -> None:
    assert gzip.decompress(write(Path("a.gz"), CHUNKS)).decode() == "".join(CHUNKS)
    assert lzma.decompress(write(Path("a.xz"), CHUNKS)).decode() == "".join(CHUNKS)
    assert gzip.decompress(write(Path("b.gz"), [])) == lzma.decompress(write(Path("b.xz"), [])) == b""
    assert read(Path("b.gz")) == ""


def test_gzip_holds_no_time_and_no_name() -> None:
    header = write(Path("a.gz"), CHUNKS)[:10]
    assert header[3] == 0  # no flags, so no name
    assert header[4:8] == bytes(4)  # no time
    assert write(Path("other.gz"), CHUNKS) == write(Path("a.gz"), CHUNKS)


def test_what_was_there_stays_until_then() -> None:
    Path("out").write_text("old")
    with PartialOutput(Path("out")) as output:
        output.write("new")
        output.end_chunk()
    assert Path("out").read_text() == "old"
    assert Path("out.partial").read_text() == "new"
    with PartialOutput(Path("out")) as output:
        output.discard()
    assert os.listdir() == ["out"]


def test_a_partial_file_elsewhere() -> None:
    with PartialOutput(Path("out.gz"), partial=Path("job/7")) as output:
        output.write("하나")
        output.publish()
    assert read(Path("out.gz")) == "하나"


def test_a_partial_file_that_has_shrunk_is_refused() -> None:
    Path("out.partial").write_text("12")
    with pytest.raises(RunFailed, match=r"out\.partial has 2 bytes, and 3 were written"):
        PartialOutput(Path("out"), 3)


def fill(output: PartialOutput) -> None:
    """Write a chunk that a compressor cannot hold back."""
    for number in range(100_000):
        output.write(f"{number * 7919}\n")
    output.end_chunk()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_told_and_nothing_published(suffix: str) -> None:
    out = Path(f"out{suffix}")
    out.write_text("old")
    full = Path(f"out{suffix}.partial")
    with PartialOutput(out) as output:
        output.write("x\n")
        size = output.end_chunk()
        device = os.open("/dev/full", os.O_WRONLY)
        os.dup2(device, output._file)
        os.close(device)
        with pytest.raises(RunFailed) as caught:
            fill(output)
    assert caught.value.message == f"the disk is full while writing {full}"
    assert "df -h" in caught.value.fix
    assert out.read_text() == "old"
    assert full.stat().st_size == size


def test_a_device_is_written_as_it_is() -> None:
    with PartialOutput(Path("/dev/null")) as output:
        output.write("x")
        output.publish()
    assert Path("/dev/null").is_char_device()
    with PartialOutput(Path("/dev/full")) as output, pytest.raises(RunFailed, match="disk is full"):
        output.write("x")


def test_a_pipe_is_written_as_it_is() -> None:
    os.mkfifo("pipe")
    reading = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    with PartialOutput(Path("pipe")) as output:
        output.write("하나")
        output.publish()
    assert os.read(reading, 100).decode() == "하나"
    os.close(reading)
