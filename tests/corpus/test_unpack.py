"""Hostile archives: nothing is written outside the folder, nothing but regular files, and not too much of them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus import unpack as room
from nlpcli.corpus.unpack import is_archive, unpack
from nlpcli.errors import BadInput

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GOOD = {"a.txt": b"one\n", "folder/b.txt": "둘\n".encode(), "./c": b""}
PACKERS: dict[str, Any] = {"tar": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstd.compress}


def zipped(members: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items() if isinstance(members, dict) else members:
            z.writestr(name, data)
    return buffer.getvalue()


def tarred(members: dict[str, bytes] | list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as t:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(data: bytes, limit: int = 10**9) -> list[str]:
    Path("archive").write_bytes(data)
    Path("into").mkdir()
    return unpack(Path("archive"), Path("into"), limit)


def refused(data: bytes, said: str, limit: int = 10**9) -> None:
    with pytest.raises(BadInput) as caught:
        unpacked(data, limit)
    assert said in f"{caught.value.message} {caught.value.cause}"
    assert caught.value.fix
    assert caught.value.cause.isprintable()
    assert {path.name for path in Path.cwd().iterdir()} == {"archive", "into"}
    assert not any(path.is_symlink() for path in Path("into").rglob("*"))


@pytest.mark.parametrize("form", ["zip", *PACKERS])
def test_regular_files_come_out_as_they_were(form: str) -> None:
    data = zipped(GOOD) if form == "zip" else PACKERS[form](tarred(GOOD))
    assert unpacked(data) == ["a.txt", "folder/b.txt", "c"]
    for name, content in GOOD.items():
        assert Path("into", name).read_bytes() == content
        assert stat.S_IMODE(Path("into", name).stat().st_mode) == 0o644
    assert is_archive(Path("archive"))


def test_folders_are_made_as_they_are_needed() -> None:
    folder = tarfile.TarInfo("d/")
    folder.type = tarfile.DIRTYPE
    assert unpacked(tarred([(folder, b""), (tarfile.TarInfo("d/x"), b"x")])) == ["d/x"]


@pytest.mark.parametrize(
    "data",
    [b"plain text\n", b"", gzip.compress(b"text\n" * 300), b"PK not a zip", bz2.compress(b"text")],
    ids=["text", "nothing", "gzip", "zip", "bzip2"],  # gzip writes the time, and all workers must give a test the same name
)
def test_what_is_no_archive_is_told_from_one(data: bytes) -> None:
    Path("file").write_bytes(data)
    assert not is_archive(Path("file"))


# Names

BAD_NAMES = [
    *("/etc/passwd", "../up", "a/../../up", "..", "a/..", "\\\\server\\x", "..\\up", "C:\\x", "c:x", "a\nb", "a\x1b[2Jb"),
    *("\u202egpj.exe", "x" * 300, "/".join("abcdefghijklmnopq"), "./", "//x"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere_or_are_none(name: str) -> None:
    refused(tarred({"good": b"", name: b"x"} if name != "./" else {"/": b"x"}), "the name")


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if name != "./"])
def test_such_names_in_a_zip(name: str) -> None:
    refused(zipped({"good": b"", name: b"x"}), "the name")


def test_a_name_cut_short_by_a_null_byte() -> None:
    data = zipped({"a.txtX.sh": b"x"}).replace(b"a.txtX.sh", b"a.txt\0.sh")
    refused(data, "control")


def test_a_name_that_is_not_utf8() -> None:
    info = tarfile.TarInfo("a\udcff")
    refused(tarred([(info, b"x")], tarfile.GNU_FORMAT), "control or invalid")


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "A"), ("é", "e\u0301"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("A/b", "a/B")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide(names: tuple[str, str]) -> None:
    refused(tarred([(tarfile.TarInfo(name), b"x") for name in names]), "twice")
    Path("into").rename("first")
    with pytest.raises(BadInput, match="not unpacked"):
        unpacked(zipped([(name, b"x") for name in names]))


# Kinds


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, "/etc/passwd"
    refused(tarred([(info, b"")]), "link or a device")


def test_a_link_in_a_zip() -> None:
    info = zipfile.ZipInfo("x")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    refused(zipped([(info, b"/etc/passwd")]), "link or a device")


def test_a_sparse_file() -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.GNUTYPE_SPARSE
    refused(tarred([(info, b"")], tarfile.GNU_FORMAT), "sparse")


def test_an_encrypted_zip_says_so() -> None:
    data = bytearray(zipped({"secret.txt": b"x"}))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    refused(bytes(data), "'secret.txt' is encrypted")


# Bombs


@pytest.mark.parametrize("form", ["zip", "gz", "xz", "bz2", "zst"])
def test_too_many_bytes_for_the_limit_or_for_the_archive(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RATIO_FROM", 500_000)
    content = {"zeros": bytes(3_000_000)}
    data = zipped(content) if form == "zip" else PACKERS[form](tarred(content))
    refused(data, "more than 400,000 bytes", limit=400_000)
    assert sum(path.stat().st_size for path in Path("into").iterdir()) <= 400_000
    Path("into").rename("first")
    with pytest.raises(BadInput) as caught:
        unpacked(data)
    assert "more than 200 times its size" in caught.value.cause


def test_a_zip_that_lies_about_its_size() -> None:
    data = zipped({"a": bytes(100_000)})
    for magic, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(magic) + at
        data = data[:place] + struct.pack("<I", 10) + data[place + 4 :]
    refused(data, "damaged")
    assert sum(path.stat().st_size for path in Path("into").iterdir()) <= 10


def test_members_of_a_zip_that_overlap() -> None:
    data = zipped({"a": b"x" * 1000, "b": b"y" * 1000})
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    data = data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :]  # b begins where a does
    refused(data, "damaged")


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_MEMBERS", 20)
    many = {f"{n}": b"" for n in range(21)}
    refused(tarred(many), "more than 20 members")
    Path("into").rename("first")
    with pytest.raises(BadInput):
        unpacked(zipped(many))


def test_headers_cannot_fill_the_memory() -> None:
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x" * 1_000_000}
    refused(gzip.compress(tarred([(info, b"")])), "header of 1,000,0")
    Path("into").rename("first")
    data = zipped({"a": b"x"})
    end = data.rindex(b"PK\x05\x06")
    directory = bytes(60_000_000) + data[end : end + 12] + struct.pack("<I", 50_000_000) + data[end + 16 :]
    with pytest.raises(BadInput) as caught:
        unpacked(data[:end] + directory)
    assert "directory says it has 50,000,000 bytes" in caught.value.cause


def test_an_archive_in_an_archive_stays_packed() -> None:
    inner = zipped({"../up": b"x"})
    assert unpacked(zipped({"inner.zip": inner})) == ["inner.zip"]
    assert Path("into/inner.zip").read_bytes() == inner


# Damage


@pytest.mark.parametrize("form", ["zip", *PACKERS])
def test_a_truncated_archive_is_damaged(form: str) -> None:
    content = {"a": random.Random(1).randbytes(50_000), "b": b"x"}
    data = zipped(content) if form == "zip" else PACKERS[form](tarred(content))
    refused(data[: len(data) // 2], "damaged")


def test_a_damaged_header_is_not_the_end_of_the_archive() -> None:
    data = bytearray(tarred({"a": b"x" * 10, "b": b"y"}))
    data[1024] ^= 1
    refused(bytes(data), "damaged")


@given(
    st.sampled_from(["zip", *PACKERS]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 4000),
)
def test_whatever_the_bytes_it_is_unpacked_or_refused(form: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(zipped(GOOD) if form == "zip" else PACKERS[form](tarred(GOOD)))
    for place, value in changes:
        data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "inside", "into")
        folder.mkdir(parents=True)
        archive = Path(name, "archive")
        archive.write_bytes(data[: len(data) - cut % len(data)])
        is_archive(archive)
        with suppress(BadInput):
            unpack(archive, folder, 10**6)
        assert {path.relative_to(name).parts[0] for path in Path(name).rglob("*")} == {"archive", "inside"}
        assert all(path.is_dir() or stat.S_ISREG(path.lstat().st_mode) for path in folder.rglob("*"))
