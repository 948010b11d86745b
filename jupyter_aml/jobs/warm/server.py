"""The pool process: it imports, then forks runners on request, and ends when its service does.

It is started as ``python -P -m jupyter_aml.jobs.warm.server``; descriptor 0 is a socket to the service. One
message each way per request: four bytes of length, then JSON. End of file on it means that the service has
ended. The pool runs no thread and no event loop, opens no database, and writes nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_aml.jobs.warm import fork
from jupyter_aml.jobs.warm.preload import ThreadsLeftError, preload
from jupyter_aml.jobs.warm.stamp import import_folders, stamp


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message, or None where the other side has ended."""
    head = _exactly(connection, 4)
    body = _exactly(connection, int.from_bytes(head, "big")) if head else None
    if body is None:
        return None
    message: dict[str, Any] = json.loads(body)
    return message


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Send one message."""
    body = json.dumps(message).encode("utf-8", "surrogateescape")
    connection.sendall(len(body).to_bytes(4, "big") + body)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(min(length - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)


def main(arguments: list[str]) -> int:
    """``arguments``: a run's entry point (see `WarmPool`), then the optional modules to import."""
    connection = socket.socket(fileno=0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # or importing it prints a warning
    folders = import_folders()
    first = stamp(folders)
    entry = _entry(arguments[0])
    try:
        preload(arguments[1:])
    except ThreadsLeftError as error:
        send(connection, {"harmful": error.module})
        return 1
    send(connection, {"ready": True, "folders": folders, "stamp": first})
    while (request := receive(connection)) is not None:
        send(connection, _serve(entry, request))
    return 0


def _entry(text: str) -> Callable[[list[str]], int]:
    module, _, function = text.rpartition(":")
    names = runpy.run_path(module) if module.endswith(".py") else vars(importlib.import_module(module))
    entry: Callable[[list[str]], int] = names[function]
    return entry


def _serve(entry: Callable[[list[str]], int], request: dict[str, Any]) -> dict[str, Any]:
    def body() -> int:
        fork.redirect_streams(os.open(os.devnull, os.O_WRONLY), 2)
        fork.close_descriptors()
        fork.reset_signals()
        fork.replace_environment(request["env"])
        fork.renew_seeds()
        sys.argv = ["jupyter_aml-runner", *request["argv"]]
        return entry(request["argv"])

    try:
        return {"pid": fork.spawn_detached(body)}
    except OSError as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    fork.leave(main(sys.argv[1:]))
