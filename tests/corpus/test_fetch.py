"""Downloads from a server that misbehaves, over real sockets: what arrives is whole and verified, or it is not there."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import nlpcli
from nlpcli import artifacts
from nlpcli.corpus import download as room
from nlpcli.corpus import fetch as fetching
from nlpcli.corpus.fetch import Fetched, fetch_data
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.registry import Dataset, Download, registry
from nlpcli.errors import BadInput, NlpcliError, OutputExists, RunFailed, UsageError

Run = Callable[..., Any]
BODY = random.Random(1).randbytes(300_000)
PAIRS = {"Set.en-ko.ko": "안녕\n네\n".encode(), "Set.en-ko.en": b"Hello\nYes\n", "LICENSE": b"CC0 1.0\n", "other.xml": b"<x/>"}


@dataclass
class File:
    """What the server has under a path, and how it misbehaves."""

    body: bytes = BODY
    etag: str = '"one"'
    ranges: bool = True
    drops: list[int] = field(default_factory=list)  # after so many bytes, one a request
    statuses: list[int] = field(default_factory=list)  # errors first
    location: str = ""
    length: int | None = None  # what Content-Length says; -1: it is not said
    chunked: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    endless: bool = False  # without a length, and far more than was asked for
    careless: bool = False  # takes no notice of If-Range
    shifted: bool = False  # Content-Range says another place than was asked for


class Server:
    """A local HTTP server; `asked` has the headers of every request."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{path}"

    def add(self, path: str, **how: Any) -> str:
        self.files["/" + path] = File(**how)
        return self.url(path)

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers)))
                with contextlib.suppress(OSError):
                    self.answer(server.files.get(self.path))
                self.close_connection = True

            def answer(self, file: File | None) -> None:
                if file is None or file.statuses:
                    self.send_error(file.statuses.pop(0) if file else 404)
                    return
                if file.location:
                    self.send_response(302)
                    self.send_header("Location", file.location)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                start = 0
                found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if found and file.ranges and (file.careless or self.headers.get("If-Range") == file.etag):
                    start = int(found[1])
                if start >= len(file.body) and start:
                    self.send_error(416)
                    return
                body = file.body[start:]
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start + file.shifted}-{len(file.body) - 1}/{len(file.body)}")
                if file.etag:
                    self.send_header("ETag", file.etag)
                if file.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif file.length != -1 and not file.endless:
                    self.send_header("Content-Length", str(len(body) if file.length is None else file.length))
                for name, value in file.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.send_body(file, body)

            def send_body(self, file: File, body: bytes) -> None:
                if file.drops:
                    body = body[: file.drops.pop(0)]
                    file = File(pause=file.pause, chunked=file.chunked)
                    self.wfile.write(f"{len(body) + 9:x}\r\n".encode() + body if file.chunked else body)
                    return
                for _ in range(50 if file.endless else 0):  # 15 MB: a fault must not fill the disk
                    self.wfile.write(BODY)
                if file.chunked:
                    self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
                    return
                for at in range(0, len(body), 20_000):
                    self.wfile.write(body[at : at + 20_000])
                    time.sleep(file.pause)

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(room, "FIRST_WAIT", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a parallel set of one archive into the registry under the name `set`."""

    def put(url: str, **how: Any) -> None:
        files = {"Set.en-ko.ko": "train.ko", "Set.en-ko.en": "train.en"}
        made = Dataset("", "parallel", "ko", "en", "CC0 1.0", "https://example.org", [Download(url, files=files, **how)])
        monkeypatch.setattr(fetching, "registry", lambda: {"set": made})

    return put


def zipped(members: dict[str, bytes] = PAIRS) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(name), data)  # without the time of day
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetched(source: str, **options: Any) -> Fetched:
    return fetch_data(source=source, **options)


def left() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file()}


# What arrives


def test_a_file_arrives_whole_and_is_an_artifact(server: Server) -> None:
    url = server.add("x/reviews.tsv.gz")
    made = fetched(url, sha256=digest(BODY).upper())
    assert made.path == Path("data/reviews").resolve()
    assert (made.path / "reviews.tsv.gz").read_bytes() == BODY
    assert (made.sha256, made.vouched_by) == ({url: digest(BODY)}, {url: "--sha256"})
    manifest = artifacts.open_artifact(made.path, "corpus").manifest
    assert [(i.path, i.id) for i in manifest.inputs] == [(url, f"sha256:{digest(BODY)}")]
    asked = server.asked[0][1]
    assert (asked["User-Agent"], asked["Accept-Encoding"]) == (f"nlpcli/{nlpcli.__version__}", "identity")
    assert not Path("data/reviews.partial").exists()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_set_of_the_registry_becomes_a_corpus(server: Server, known: Any, chunked: bool) -> None:
    data = zipped()
    known(server.add("en-ko.txt.zip", body=data, chunked=chunked), sha256=digest(data), bytes=len(data))
    made = fetched("set")
    assert made.licence == "CC0 1.0"
    assert {path.name for path in made.path.iterdir()} == {"train.ko", "train.en", "LICENSE", "README.md", "manifest.json"}
    found = find_corpus("set")
    assert (found.src, found.tgt, found.split("train").src.read_bytes()) == ("ko", "en", PAIRS["Set.en-ko.ko"])
    assert artifacts.read_artifact(made.path).manifest.metrics["train.ko"] == {"bytes": 11, "lines": 2}


def test_an_archive_by_its_url_is_unpacked_as_it_is(server: Server) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as t:
        for name in ("ko-en/train.ko", "README.md", "manifest.json"):
            info = tarfile.TarInfo(name)
            info.size = 2
            t.addfile(info, io.BytesIO(b"x\n"))
    made = fetched(server.add("news.tar.gz", body=buffer.getvalue()), keep_archive=True, out=Path("here/news"))
    found = {entry.path for entry in artifacts.open_artifact("here/news").manifest.files}
    assert found == {"ko-en/train.ko", "source.README.md", "source.manifest.json", "news.tar.gz"}
    assert made.name == "news"


def test_home_is_where_the_data_goes(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NLPCLI_HOME", str(tmp_path / "home"))
    url = server.add("a.txt", body=b"x\n")
    assert fetched(url).path == tmp_path / "home/data/a"
    assert digest(b"x\n") in (tmp_path / "home/checksums.toml").read_text("utf-8")


# Broken connections


@pytest.mark.parametrize("chunked", [False, True])
def test_a_dropped_connection_is_gone_on_with(server: Server, chunked: bool, capfd: pytest.CaptureFixture[str]) -> None:
    url = server.add("a.bin", drops=[100_000, 50_000, 0], chunked=chunked)
    made = fetched(url, sha256=digest(BODY))
    assert (made.path / "a.bin").read_bytes() == BODY
    ranges = [headers.get("Range") for _, headers in server.asked]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150000-"]
    assert all(headers["If-Range"] == '"one"' for _, headers in server.asked[1:])
    assert "trying again" in capfd.readouterr().err


@pytest.mark.parametrize("how", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"weak"'}])
def test_a_server_that_cannot_go_on_starts_anew(server: Server, how: dict[str, Any]) -> None:
    url = server.add("a.bin", drops=[100_000], **how)
    assert (fetched(url, sha256=digest(BODY)).path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("careless", [False, True])
def test_a_file_that_changed_meanwhile_starts_anew(server: Server, monkeypatch: pytest.MonkeyPatch, careless: bool) -> None:
    url = server.add("a.bin", drops=[100_000])
    with monkeypatch.context() as patched:
        patched.setattr(room, "TRIES", 1)
        with pytest.raises(RunFailed):
            fetched(url)
    other = BODY[::-1]
    server.add("a.bin", body=other, etag='"two"', careless=careless)
    assert (fetched(url).path / "a.bin").read_bytes() == other
    assert server.asked[1][1]["If-Range"] == '"one"'


def test_a_range_that_nobody_asked_for_is_not_taken(server: Server) -> None:
    url = server.add("a.bin", drops=[100_000], shifted=True)
    assert (fetched(url, sha256=digest(BODY)).path / "a.bin").read_bytes() == BODY


def test_what_has_come_is_kept_after_the_last_try(server: Server) -> None:
    url = server.add("a.bin", drops=[60_000] + [0] * 4)
    with pytest.raises(RunFailed, match="in 5 tries") as caught:
        fetched(url)
    assert "60.0 kB are kept" in caught.value.cause
    assert left() >= {"data/a.partial/.download/a.bin.part", "data/a.partial/.download/a.bin.json"}
    assert not Path("data/a").exists()
    made = fetched(url, sha256=digest(BODY))
    assert server.asked[-1][1]["Range"] == "bytes=60000-"
    assert (made.path / "a.bin").read_bytes() == BODY


def test_tries_are_counted_anew_while_it_gets_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GAIN", 20_000)
    url = server.add("a.bin", drops=[20_000] * 14)
    assert (fetched(url, sha256=digest(BODY)).path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("length", [len(BODY) + 10, -1])
def test_a_body_of_another_length(server: Server, length: int, capfd: pytest.CaptureFixture[str]) -> None:
    url = server.add("a.bin", length=length, etag="")
    if length > 0:
        with pytest.raises(RunFailed) as caught:
            fetched(url)
        assert f"{len(BODY):,} of {length:,} bytes came" in caught.value.cause
        assert not Path("data/a").exists()
    else:
        fetched(url)
        assert "does not say how long" in capfd.readouterr().err


def test_a_finished_part_that_was_not_renamed(server: Server) -> None:
    url = server.add("a.bin")
    folder = Path("data/a.partial/.download")
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(BODY)
    (folder / "a.bin.json").write_text(json.dumps({"url": url, "validator": '"one"'}), "utf-8")
    assert (fetched(url, sha256=digest(BODY)).path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("note", ['{"url": "http://other/", "validator": "\\"one\\""}', "{", "", "[]"])
def test_a_part_of_something_else_is_not_used(server: Server, note: str) -> None:
    url = server.add("a.bin")
    folder = Path("data/a.partial/.download")
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(b"something else")
    (folder / "a.bin.json").write_text(note, "utf-8")
    assert (fetched(url).path / "a.bin").read_bytes() == BODY


def test_what_a_killed_try_had_unpacked_is_not_taken(server: Server) -> None:
    Path("data/a.partial").mkdir(parents=True)
    Path("data/a.partial/half").write_bytes(b"x")
    made = fetched(server.add("a.bin"))
    assert [entry.path for entry in artifacts.read_artifact(made.path).manifest.files] == ["a.bin"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again(server: Server, status: int) -> None:
    url = server.add("a.bin", statuses=[status, status])
    assert (fetched(url).path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_not_asked_for_again(server: Server, status: int) -> None:
    url = server.add("a.bin", statuses=[status] * 5)
    with pytest.raises(BadInput) as caught:
        fetched(url)
    assert str(status) in caught.value.cause
    assert len(server.asked) == 1
    assert left() == set()


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FIRST_WAIT", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}/a.bin"
    with pytest.raises(RunFailed, match="5 tries"):
        fetched(url)
    assert left() == set()


def test_a_server_that_says_nothing_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TIMEOUT", 0.2)
    url = server.add("a.bin", pause=0.5)
    with pytest.raises(RunFailed) as caught:
        fetched(url)
    assert "TimeoutError" in caught.value.cause


# Where it may lead


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://x/"])
def test_a_redirect_out_of_http_is_refused(server: Server, location: str) -> None:
    with pytest.raises(BadInput):
        fetched(server.add("a.bin", location=location))
    assert left() == set()


def test_redirects_are_followed_and_counted(server: Server) -> None:
    server.add("b.bin")
    assert (fetched(server.add("a.bin", location="/b.bin")).path / "a.bin").read_bytes() == BODY
    with pytest.raises(BadInput, match="cannot be fetched"):
        fetched(server.add("c.bin", location="/c.bin"))
    for n in range(8):
        server.add(f"d{n}.bin", location=f"/d{n + 1}.bin")
    with pytest.raises(BadInput, match="cannot be fetched"):
        fetched(server.url("d0.bin"))


def test_https_never_becomes_http() -> None:
    request = room.urllib.request.Request("https://example.org/a")
    with pytest.raises(BadInput, match="leads to"):
        room._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/a")


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://host/x.zip", "http://", "http:///x.zip", "http://host:port/x", "http://[/x"),
        *("http://user:secret@host/x.zip", "http://host/a b.zip", "http://host/한.zip", "http://host/a\n.zip", "https://host/"),
    ],
)
def test_urls_that_are_none_or_not_allowed(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetched(url)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("name", ["tatoba", "nothing-like-it"])
def test_a_name_that_is_not_in_the_registry(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetched(name)
    assert "tatoeba" in caught.value.cause + caught.value.fix


# Digests


def test_a_wrong_digest_keeps_nothing(server: Server, run_cli: Run) -> None:
    ran = run_cli("data", "fetch", server.add("a.zip", body=zipped()), "--sha256", "0" * 64)
    assert (ran.code, ran.out) == (3, "")
    assert digest(zipped()) in ran.err
    assert "0" * 64 in ran.err
    assert "  fix: " in ran.err
    assert left() == set()


def test_the_registry_is_believed_and_can_be_overruled(server: Server, known: Any) -> None:
    data = zipped()
    known(server.add("en-ko.txt.zip", body=data), sha256="1" * 64)
    with pytest.raises(BadInput, match="not the file that was expected") as caught:
        fetched("set")
    assert "registry says 1111" in caught.value.cause
    assert left() == set()
    assert fetched("set", sha256=digest(data)).vouched_by == {server.url("en-ko.txt.zip"): "--sha256"}


def test_the_first_digest_is_taken_on_trust_and_held_to_ever_after(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    url = server.add("a.bin")
    assert fetched(url).vouched_by == {url: "first use"}
    assert f"taken on trust: {digest(BODY)}" in capfd.readouterr().err
    assert f'"{url}" = "{digest(BODY)}"' in Path("data/checksums.toml").read_text("utf-8")
    assert fetched(url, force=True).vouched_by == {url: "checksums.toml"}
    server.add("a.bin", body=b"another", etag='"two"')
    with pytest.raises(BadInput) as caught:
        fetched(url, force=True)
    assert f"checksums.toml says {digest(BODY)}" in caught.value.cause
    assert (Path("data/a/a.bin")).read_bytes() == BODY  # what was there before stays
    fetched(url, force=True, sha256=digest(b"another"))
    assert fetched(url, force=True).sha256 == {url: digest(b"another")}


def test_notes_that_cannot_be_read_are_named(server: Server) -> None:
    Path("data").mkdir()
    Path("data/checksums.toml").write_text("[", "utf-8")
    with pytest.raises(BadInput, match=r"checksums\.toml cannot be read"):
        fetched(server.add("a.bin"))


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63])
def test_what_is_no_digest_is_refused(sha256: str) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        fetched("http://127.0.0.1/a", sha256=sha256)


# Sizes


def test_a_file_too_large_is_refused(server: Server, known: Any) -> None:
    with pytest.raises(BadInput, match=r"has 300,000 bytes or more; at most 200,000"):
        fetched(server.add("a.bin"), max_size="200kB")
    with pytest.raises(BadInput, match=r"at most 200,000"):
        fetched(server.add("b.bin", endless=True), max_size="200 kB")
    known(server.add("en-ko.txt.zip"), sha256=digest(BODY), bytes=1000)
    with pytest.raises(BadInput, match=r"at most 1,000"):
        fetched("set")
    assert left() == set()


@pytest.mark.parametrize("size", ["", "0", "many", "-1GB", "1XB", "GB"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="--max-size"):
        fetched("http://127.0.0.1/a", max_size=size)


def test_a_body_packed_by_the_server_is_refused(server: Server) -> None:
    with pytest.raises(BadInput, match="nobody asked for"):
        fetched(server.add("a.bin", headers={"Content-Encoding": "gzip"}))


def test_a_full_disk_keeps_what_has_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(room, "_write", full)
        with pytest.raises(RunFailed, match="the disk is full") as caught:
            fetched(server.add("a.bin"))
    assert "df -h" in caught.value.fix


# Archives


@pytest.mark.parametrize("member", ["../up", "/etc/x", "a\\b"])
def test_a_hostile_archive_leaves_nothing(server: Server, member: str) -> None:
    with pytest.raises(BadInput, match="not unpacked"):
        fetched(server.add("a.zip", body=zipped({"good": b"x", member: b"x"})))
    assert left() == set()
    assert not Path("data/a.partial").exists()


def test_a_set_that_has_changed_says_what_is_missing(server: Server, known: Any) -> None:
    known(server.add("en-ko.txt.zip", body=zipped({"Set.en-ko.ko": b"x\n"})))
    with pytest.raises(BadInput, match=r"has no Set\.en-ko\.en"):
        fetched("set")
    assert left() == set()


# Again


def test_what_is_there_is_up_to_date_and_nobody_is_asked(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    url = server.add("a.bin")
    first = fetched(url)
    count = len(server.asked)
    assert fetched(url) == first
    assert len(server.asked) == count
    assert "up to date" in capfd.readouterr().err


def test_what_is_there_and_different_is_not_replaced(server: Server) -> None:
    fetched(server.add("a.bin"))
    other = server.add("other.bin", body=b"x")
    with pytest.raises(OutputExists):
        fetched(other, out=Path("data/a"))
    assert fetched(other, out=Path("data/a"), force=True).sha256 == {other: digest(b"x")}
    Path("mine").mkdir()
    Path("mine/notes").write_text("x", "utf-8")
    with pytest.raises(OutputExists):
        fetched(other, out=Path("mine"), force=True)


# Signals


def start(url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "no_proxy": "*"}
    command = [sys.executable, "-m", "nlpcli", "data", "fetch", url, "--sha256", digest(BODY)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_fetch_goes_on_where_it_was(server: Server, signum: int) -> None:
    url = server.add("a.bin", pause=0.1)
    part = Path("data/a.partial/.download/a.bin.part")
    running = start(url)
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signum)
    _, err = running.communicate(timeout=30)
    assert running.returncode == (-9 if signum == signal.SIGKILL else 128 + signum)
    if signum != signal.SIGKILL:
        assert "are kept in" in err
        assert "run the same command again" in err
    kept = part.stat().st_size
    assert 0 < kept < len(BODY)
    assert not Path("data/a").exists()
    made = fetched(url, sha256=digest(BODY))
    assert server.asked[-1][1]["Range"] == f"bytes={kept}-"
    assert (made.path / "a.bin").read_bytes() == BODY


def test_two_at_once_do_not_meet(server: Server) -> None:
    url = server.add("a.bin", pause=0.2)
    running = start(url)
    deadline = time.monotonic() + 60
    while not Path("data/a.partial/.download/a.bin.part").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(OutputExists, match="another process"):
        fetched(url)
    assert running.wait(timeout=30) == 0
    assert running.stderr
    running.stderr.close()


# Nobody else opens the network


def test_only_fetching_and_clusters_can_open_the_network() -> None:
    package = Path(nlpcli.__file__).parent
    opening = {
        "urllib",
        "urllib.request",
        "http.client",
        "http",
        "socket",
        "ssl",
        "ftplib",
        "requests",
        "httpx",
        "aiohttp",
        "asyncio",
    }
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            if opening & set(names):
                found.add(path.relative_to(package).as_posix())
    assert found == {"corpus/download.py", "cluster/connection.py", "cluster/worker.py"}


def test_other_commands_do_not_open_a_socket(run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    assert run_cli("data", "prepare", "--data", "ko-en", "--out", "prepared").code == 0
    assert run_cli("data", "split", "--data", "ko-en", "--out", "split").code == 0
    assert run_cli("data", "list").code == 0
    ran = run_cli("data", "prepare", "--data", "tatoeba", "--out", "none")
    assert (ran.code, "fix: nlpcli data fetch tatoeba" in ran.err) == (3, True)
    with pytest.raises(AssertionError, match="the network was opened"):
        fetched("http://127.0.0.1:9/a.bin")


# The registry itself


def test_every_entry_of_the_registry_is_in_order() -> None:
    assert {"tatoeba", "ted2020", "kde4", "nsmc"} <= set(registry())
    for name, entry in registry().items():
        assert fetching.NAME.fullmatch(name)
        assert entry.licence
        assert entry.about
        assert entry.kind in ("parallel", "labelled")
        assert (bool(entry.src), bool(entry.tgt)) == ((True, True) if entry.kind == "parallel" else (False, False))
        targets = [target for one in entry.downloads for target in one.files.values()]
        assert len(targets) == len(set(targets))
        if entry.kind == "parallel":
            assert {f"train.{entry.src}", f"train.{entry.tgt}"} <= set(targets)
        for one in entry.downloads:
            assert one.url.startswith("https://")
            room.check_url(one.url)
            assert not one.sha256 or fetching.DIGEST.fullmatch(one.sha256)
            assert one.files


def test_every_error_has_a_fix(server: Server) -> None:
    for source in ("nothing", "ftp://x/y", server.url("missing.zip")):
        with pytest.raises(NlpcliError) as caught:
            fetched(source)
        assert caught.value.fix
