"""On Ray itself: two nodes on this machine, workers and a node killed, a private cluster, addresses where nobody is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from learnt import Learnt

from nlpcli import artifacts
from nlpcli.cluster import connection, pool
from nlpcli.cluster.connection import check_address, joined
from nlpcli.cluster.folders import send
from nlpcli.cluster.pool import Pool, cluster_map
from nlpcli.corpus import decode
from nlpcli.decoding.translate import translate
from nlpcli.errors import BadInput, RunFailed, Unavailable, UsageError
from nlpcli.tokenization.encode import encode_dataset

ON_RAY = [pytest.mark.slow, pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


def on_ray(test: Any) -> Any:
    for mark in ON_RAY:
        test = mark(test)
    return test


# Addresses


@pytest.mark.parametrize("address", ["", "here", "ray://", "ray://host", "host:port", "http://host:1", "local:", "a b:1"])
def test_what_is_no_address_is_refused_before_any_work(address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a Ray cluster"):
        check_address(address)


@pytest.mark.parametrize("address", ["local", "ray://head:10001", "10.0.0.1:6379", "ray://[::1]:10001", "head.example.org:1"])
def test_addresses(address: str) -> None:
    check_address(address)


def test_without_ray_the_pip_line_is_told(
    run_cli: Callable[..., Any], tiny_corpus: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = run_cli(
        "tokenize", "dataset", "--data", tiny_corpus, "--tokenizer", tiny_tokenizer, "-o", "set", "--cluster", "local"
    )
    assert (ran.code, ran.out) == (7, "")
    assert "error: --cluster needs ray, which is not installed" in ran.err
    assert "fix: pip install 'nlpcli[cluster]'" in ran.err
    assert not Path("set").exists()


@on_ray
@pytest.mark.parametrize("kind", ["ray://", ""])
def test_where_nobody_answers_the_address_is_named(kind: str) -> None:
    pytest.importorskip("ray")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{kind}127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match=f"no Ray cluster can be reached at {address}") as e, joined(address):
            pass
    assert "refused" in e.value.cause
    assert "ray start --head" in e.value.fix


@on_ray
@pytest.mark.parametrize("kind", ["ray://", ""])
def test_what_listens_but_is_no_cluster_is_told_soon(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        address = f"{kind}127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unavailable, match="can be reached") as e, joined(address):
            pass
    assert "what listens there is no Ray cluster" in e.value.cause


@on_ray
@pytest.mark.parametrize("times", [1, 2])
def test_a_client_that_was_not_served_asks_once_more(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the head sends is a traceback of its own; its last line is told."""
    ray = pytest.importorskip("ray")
    traceback = "Traceback (most recent call last):\n  File x, line 1, in y\nRuntimeError: the server has failed\n"
    asked: list[str] = []

    def init(address: str, **_: Any) -> None:
        asked.append(address)
        if len(asked) <= times:
            raise ConnectionAbortedError(f"Initialization failure from server:\n{traceback}")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(connection, "_knock", lambda host, port: None)
    if times == 1:
        with joined("ray://head:1"):
            pass
    else:
        with pytest.raises(Unavailable, match="no Ray cluster can be reached at ray://head:1") as e, joined("ray://head:1"):
            pass
        assert e.value.cause.endswith("Initialization failure from server: RuntimeError: the server has failed")
    assert asked == ["ray://head:1"] * 2


# Two nodes on this machine


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with a processor each, the first of them with a port for clients."""
    pytest.importorskip("ray")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ["RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S"] = "60"  # a busy machine may need longer than Ray's 30
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster

    Path(get_default_ray_temp_dir()).mkdir(parents=True, exist_ok=True)  # the cluster notes its address there, and expects it
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="nlpcli-", dir="/tmp")  # a short name, for Unix sockets
    head = {"num_cpus": 1, "include_dashboard": False, "ray_client_server_port": port, "temp_dir": folder}
    found = Cluster(initialize_head=True, head_node_args=head)
    found.client_port = port
    found.second = found.add_node(num_cpus=1)
    yield found
    found.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def make_square(pids: Path, deadly: tuple[int, ...], once: bool) -> Callable[[list[Path]], Callable[[int], int]]:
    """Return what makes a function that squares, notes who did it, and kills its process at some numbers.

    Defined in here it is sent as code: the workers do not know the tests.
    """

    def square(n: int) -> int:
        (pids / f"{n}-{os.getpid()}").touch()
        if n == 5 and not deadly:
            raise BadInput("five is not welcome", cause="it is five")
        if n in deadly and not (once and (pids / f"died-{n}").exists()):
            (pids / f"died-{n}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return n * n

    return lambda _: square


@on_ray
def test_killed_workers_are_named_and_nothing_is_lost_or_doubled(
    nodes: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, handlers = make_square(tmp_path, (3, 11), True), signal.getsignal(signal.SIGTERM)
    assert list(cluster_map(make, range(20), nodes.address)) == [n * n for n in range(20)]
    ran = capfd.readouterr()
    assert ran.out == ""  # where Ray would have told it
    lost = [line for line in ran.err.splitlines() if line.startswith("warning: cluster: the worker on ")]
    assert len(lost) == 2
    assert f"({nodes.head_node.node_ip_address}, node " in lost[0]
    assert "was lost, item 4 is done anew by another" in lost[0]
    assert "was lost, item 12 is done anew by another" in lost[1]
    runs = [int(path.name.partition("-")[0]) for path in tmp_path.glob("[0-9]*-*")]
    assert sorted(runs) == sorted([*range(20), 3, 11])
    assert len({path.name.partition("-")[2] for path in tmp_path.glob("[0-9]*-*")}) >= 3
    assert signal.getsignal(signal.SIGTERM) == handlers


@on_ray
def test_an_item_that_kills_every_worker_ends_the_work(nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="item 8 was given to 3 workers and each was lost"):
        list(cluster_map(make_square(tmp_path, (7,), False), range(9), nodes.address))


@on_ray
def test_an_error_comes_as_itself_in_its_turn(nodes: Any, tmp_path: Path) -> None:
    results = cluster_map(make_square(tmp_path, (), False), range(9), nodes.address)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(BadInput, match="five is not welcome") as e:
        next(results)
    assert e.value.cause == "it is five"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the little corpus is many items."""
    monkeypatch.setattr(decode, "ROWS", 40)


@on_ray
@pytest.mark.usefixtures("small_chunks")
def test_through_a_client_a_dataset_is_the_same(
    nodes: Any,
    run_cli: Callable[..., Any],
    tiny_corpus: Path,
    tiny_tokenizer: Path,
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"ray://127.0.0.1:{nodes.client_port}"
    unseen = Path("on-this-machine-alone/tokenizer")  # so that it has to be unpacked from the bytes that are sent
    monkeypatch.setattr(pool, "send", lambda *given, **how: send(*given, **how)._replace(path=unseen))
    ran = run_cli(
        "tokenize", "dataset", "--data", tiny_corpus, "--tokenizer", tiny_tokenizer, "-o", "set", "--cluster", address
    )
    assert (ran.code, ran.out) == (0, f"{Path('set').resolve()}\n"), ran.err
    assert_same(Path("set"), tiny_dataset)


def kill_one(what: str, nodes: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a worker, or the second node, killed while it has an item; return where to find its name afterwards."""
    killed: list[str] = []

    def hand_out_and_kill(self: Pool[Any, Any], waiting: Any, hand_out: Any = Pool._hand_out) -> None:
        if killed:
            hand_out(self, waiting)
            return
        if self.workers and sum(worker.ready for worker in self.workers) < 2:
            return  # until both nodes are at work
        where = "" if what == "worker" else f"node {nodes.second.node_id[:8]}"
        victims = [worker for worker in self.workers if where in worker.node]
        for victim in victims[:1]:
            pid = int(victim.node.rpartition("process ")[2].rstrip(")"))
            os.kill(pid, signal.SIGSTOP)  # so that it has its item when it dies
        hand_out(self, waiting)
        for victim in victims[:1]:
            assert victim.task
            killed.append(victim.node)
            if what == "node":
                nodes.remove_node(nodes.second, allow_graceful=False)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(Pool, "_hand_out", hand_out_and_kill)
    return killed


@on_ray
def test_a_translation_is_the_same_when_a_worker_is_killed_meanwhile(
    nodes: Any, learnt: Learnt, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("in.ko").write_text("".join(f"{line} {i}\n\n" for i in range(20) for line in learnt.src), "utf-8")
    fixed: dict[str, Any] = {"model": learnt.path, "files": [Path("in.ko")], "engine": "torch", "batch_tokens": 200}
    translate(out=Path("alone.en"), issues=Path("alone.jsonl"), workers=1, **fixed)
    killed = kill_one("worker", nodes, monkeypatch)
    translate(out=Path("together.en"), issues=Path("together.jsonl"), cluster=nodes.address, **fixed)
    assert Path("together.en").read_bytes() == Path("alone.en").read_bytes()
    assert Path("together.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
    assert len(killed) == 1
    assert f"warning: cluster: the worker on {killed[0]} was lost, batch " in capfd.readouterr().err


@on_ray
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("what", ["worker", "node"])  # the node last: it does not come back
def test_a_dataset_is_the_same_when_a_worker_or_a_node_is_killed_meanwhile(
    what: str,
    nodes: Any,
    tiny_corpus: Path,
    tiny_tokenizer: Path,
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    killed = kill_one(what, nodes, monkeypatch)
    encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"), cluster=nodes.address)
    assert_same(Path("set"), tiny_dataset)
    assert len(killed) == 1
    told = [line for line in capfd.readouterr().err.splitlines() if "was lost" in line]
    assert f"warning: cluster: the worker on {killed[0]} was lost, train, rows " in told[0]


def assert_same(made: Path, expected: Path) -> None:
    one, other = artifacts.open_artifact(made), artifacts.open_artifact(expected)
    assert one.id == other.id
    assert {f.path: f.sha256 for f in one.manifest.files} == {f.path: f.sha256 for f in other.manifest.files}
    assert one.manifest.metrics == other.manifest.metrics


# A private cluster


@on_ray
def test_a_private_cluster_makes_the_same_dataset_and_is_stopped(
    tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path
) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "nlpcli", "tokenize", "dataset", "--data", tiny_corpus, "--tokenizer", tiny_tokenizer]
    ran = subprocess.run([*command, "-o", "set", "--cluster", "local", "-v"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"{Path('set').resolve()}\n"), ran.stderr
    assert_same(Path("set"), tiny_dataset)
    folder = Path(next(line for line in ran.stderr.splitlines() if "starting Ray" in line).rpartition(" in ")[2])
    assert not folder.exists()
    assert running_in(folder) == []
    assert "usage" not in ran.stderr.lower()


@on_ray
@pytest.mark.parametrize(("told", "signum"), [("starting Ray", signal.SIGTERM), ("is ready", signal.SIGINT)])
def test_an_interrupted_command_stops_its_private_cluster(
    told: str, signum: signal.Signals, tiny_corpus: Path, tiny_tokenizer: Path
) -> None:
    pytest.importorskip("ray")
    Path("ko-en").mkdir()
    for path in tiny_corpus.iterdir():
        Path("ko-en", path.name).write_bytes(path.read_bytes() * 200)
    command = [sys.executable, "-m", "nlpcli", "tokenize", "dataset", "--data", "./ko-en", "--tokenizer", tiny_tokenizer]
    process = subprocess.Popen(
        [*command, "-o", "set", "--cluster", "local", "-v"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if told in line:
            time.sleep(0.5)
            os.killpg(process.pid, signum)  # as a terminal does, to Ray's processes too
            break
    lines += process.stderr.readlines()
    assert process.wait(60) == 128 + signum, lines
    assert any(f"interrupted by {signum.name}" in line for line in lines)
    folder = Path(next(line for line in lines if "starting Ray" in line).rpartition(" in ")[2].strip())
    assert running_in(folder) == []
    assert not folder.exists()


def running_in(folder: Path) -> list[str]:
    """Return the command lines of the processes of a private cluster, once those that are ending have had time to."""
    for _ in range(50):
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
        if not found:
            break
        time.sleep(0.2)
    return found
