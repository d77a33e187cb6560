"""Joining a Ray cluster, or starting a private one on this machine, and leaving it as it was.

Ray is an extra (`nlpcli[cluster]`) and is loaded only here. It hands pickled code from process to process, so whoever reaches
the port of a cluster can run programs on it: docs/cluster.md. nlpcli itself reads no pickled file.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Iterator

from nlpcli import console
from nlpcli.environment import processors
from nlpcli.errors import NlpcliError, RunFailed, Unavailable, UsageError

LOCAL = "local"
CLIENT = "ray://"
ADDRESS = re.compile(r"(?P<client>ray://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>\d{1,5})")
CONNECT_SECONDS = 20.0
SOCKET_NAME = 72  # characters that Ray adds to its folder for the longest name of a Unix socket, which has 107 at most
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # a cluster started here tells nobody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray 3 does, and it warns unless told so
}


def check_address(address: str) -> None:
    """Refuse what is no address of a cluster, before any work.

    Raises:
        UsageError: it is not `local`, `ray://HOST:PORT` or `HOST:PORT`.
    """
    if address != LOCAL and not ADDRESS.fullmatch(address):
        raise UsageError(
            f"--cluster {address} is no address of a Ray cluster",
            cause="it is local, ray://HOST:PORT (from any machine) or HOST:PORT (on a machine of the cluster)",
            fix="--cluster local, or --cluster ray://HEAD:10001",
        )


@contextmanager
def joined(address: str, limit: int | None = None) -> Iterator[Any]:
    """Give the module `ray`, connected to the cluster at `address`, and disconnect in the end.

    Args:
        address: `local` (a private cluster on this machine, stopped in the end), `ray://HOST:PORT` or `HOST:PORT`.
        limit: processors of a private cluster; as many as this process may use if not given.

    Raises:
        UsageError: it is no address, or this process is connected to a cluster already.
        Unavailable: Ray is not installed, or nobody answers.
        RunFailed: the private cluster does not start.
    """
    check_address(address)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    ray = _ray()
    if ray.is_initialized():
        raise UsageError("this process is connected to a Ray cluster already", fix="call ray.shutdown() first")
    folder: str | None = None
    try:
        with _own_signals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's advice to its programmers
            if address == LOCAL:
                folder = tempfile.mkdtemp(prefix="nlpcli-", dir=_short_folder())
                _start(ray, folder, limit or processors())
            else:
                _connect(ray, address)
        yield ray
    finally:
        with _own_signals(), suppress(Exception):
            ray.shutdown()
            if folder:
                shutil.rmtree(folder, ignore_errors=True)


def _ray() -> Any:
    try:
        ray: Any = import_module("ray")
        inner: Any = import_module("ray._private.worker")
    except ImportError:
        raise Unavailable(
            "--cluster needs ray, which is not installed",
            cause="it is an extra, as it is large",
            fix="pip install 'nlpcli[cluster]'",
        ) from None
    # A thread of Ray's prints the cluster's troubles on stdout whatever `log_to_driver` says; stdout is data. What matters
    # of them the map finds out itself and says on stderr.
    inner.print_to_stdstream = _to_the_log
    return ray


def _to_the_log(data: Any, *_: Any, **__: Any) -> None:
    for line in data.get("lines", []):
        console.detail(f"ray: {line}")


def _start(ray: Any, folder: str, cpus: int) -> None:
    console.detail(f"cluster: starting Ray with {cpus} processors in {folder}")
    try:
        ray.init(
            address=LOCAL,
            num_cpus=cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
    except NlpcliError:
        raise
    except Exception as e:
        raise RunFailed(
            "Ray does not start on this machine",
            cause=_in_a_line(e),
            fix="work without --cluster, which needs no Ray: all processors of this machine are used",
        ) from None


def _connect(ray: Any, address: str) -> None:
    found = ADDRESS.fullmatch(address)
    assert found is not None
    try:
        _knock(found["host"], int(found["port"]))
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionAbortedError as e:  # the head starts a process for each client, which now and then does not come up
            console.detail(f"cluster: asked once more, as at first: {_in_a_line(e)}")
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except NlpcliError:
        raise
    except Exception as e:  # Ray and gRPC raise half a dozen kinds, ImportError where grpcio is missing among them
        port = "the client's port is 10001 unless the head was told another" if found["client"] else "the head's is 6379"
        raise Unavailable(
            f"no Ray cluster can be reached at {address}",
            cause=_in_a_line(e),
            fix=f"start one (`ray start --head` there), check host and port ({port}), or use --cluster local",
        ) from None


def _knock(host: str, port: int) -> None:
    """Raise soon if nobody answers, or something that is not Ray: Ray itself would wait for up to a quarter of an hour."""
    socket.create_connection((host.strip("[]"), port), CONNECT_SECONDS).close()
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    grpc: Any = import_module("grpc")
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            raise ConnectionError("what listens there is no Ray cluster") from None


def _in_a_line(e: BaseException) -> str:
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    if any(line.startswith("Traceback (") for line in lines):  # of another process; its last line says what happened
        lines = [lines[0], lines[-1]]
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{type(e).__name__}: {said}" if said else type(e).__name__


def _short_folder() -> Path:
    """Return the system's folder for temporary files, or /tmp where its name is too long for Ray's sockets."""
    found = Path(tempfile.gettempdir())
    return found if len(str(found)) + len("/nlpcli-12345678") + SOCKET_NAME <= 107 else Path("/tmp")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep signals until the block's end, when their handlers stand again: Ray puts its own there, and may swallow ours.

    Half started or half stopped, Ray would leave processes behind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    handlers = {signum: signal.getsignal(signum) or signal.SIG_DFL for signum in (signal.SIGINT, signal.SIGTERM)}
    for signum in handlers:
        signal.signal(signum, lambda number, _: seen.append(number))
    try:
        yield
    except SystemExit:  # Ray's way to take SIGTERM
        seen.append(signal.SIGTERM)
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        if seen:
            signal.raise_signal(seen[0])
