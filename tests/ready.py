"""`nlpcli` for tests that run many commands: each is forked from a process that has loaded torch, which takes seconds.

    python ready.py SOCKET    waits there for commands; SOCKET.bin/nlpcli is the command to put on the PATH

Arguments, folder, environment and streams are those that the command was called with; the rest of the interpreter is as at
its start. What must be the installed command itself (signals, start-up, memory) is tested with that.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
said = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(said).to_bytes(4, "big")], [0, 1, 2])
server.sendall(said)
sys.exit(int(server.recv(16) or 1))
"""


def serve(path: str) -> None:
    """Run the commands that clients send, each in a process of its own, until this one is ended."""
    import torch._dynamo  # noqa: F401 - an optimiser loads it

    import nlpcli.decoding.torch_engine
    import nlpcli.training.run  # noqa: F401
    from nlpcli.cli.main import end, main

    gc.collect()
    gc.freeze()  # what is collected in a child would have to be copied first
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    folder = Path(f"{path}.bin")
    folder.mkdir()
    client = folder / "nlpcli"
    client.write_text(CLIENT.format(python=sys.executable, path=path), "utf-8")
    client.chmod(client.stat().st_mode | stat.S_IXUSR)  # the sign that all is ready
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
        said = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
        command = os.fork()
        if not command:
            connection.close()
            end(main(_become(*json.loads(said), descriptors)))
        for descriptor in descriptors:
            os.close(descriptor)
        status = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        connection.sendall(str(status if status >= 0 else 128 - status).encode())
        os._exit(0)


def _become(arguments: list[str], folder: str, environment: dict[str, str], descriptors: list[int]) -> list[str]:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["nlpcli", *arguments]
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    return arguments


if __name__ == "__main__":
    serve(sys.argv[1])
