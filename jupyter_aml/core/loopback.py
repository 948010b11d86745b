"""The service's port on 127.0.0.1, for clients that speak only TCP; opened when somebody first needs one.

The port number is kept beside the service's lock, and a service that starts again opens the same port where
it can: who was given the address, a running job for one, goes on with it. What is served there is the
service's to say; a token is needed there as everywhere.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from jupyter_aml.core.durable import write_durably
from jupyter_aml.errors import UnavailableError

HOST = "127.0.0.1"


class Loopback:
    """See the module. Safe for many threads."""

    def __init__(self, remembered: Path) -> None:
        """``remembered`` is the file that holds the port number."""
        self._file = remembered
        self._lock = threading.Lock()
        self._serve: Callable[[socket.socket], object] | None = None
        self._port = 0
        self.is_promised = False  # whether somebody was given the address who cannot start the service again

    def attach(self, serve: Callable[[socket.socket], object]) -> None:
        """Say who serves the listening socket; the port is opened at once where there was one before."""
        self._serve = serve
        if self._file.exists():
            self.port()

    def port(self) -> int:
        """The port, opened where it is not yet; `UnavailableError` where nobody serves it."""
        with self._lock:
            if not self._port:
                if self._serve is None:
                    raise UnavailableError("The workspace service has no port: it is not running.")
                listener = self._listen()
                self._port = int(listener.getsockname()[1])
                write_durably(self._file, str(self._port).encode())
                self._serve(listener)
            return self._port

    def _listen(self) -> socket.socket:
        before = 0
        with contextlib.suppress(OSError, ValueError):
            before = int(self._file.read_text())
        for port in dict.fromkeys((before if 1024 <= before < 65536 else 0, 0)):
            # Named as TCP, which asyncio wants to see before it switches off Nagle's delay of 40 ms.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of ours, just closed
            try:
                listener.bind((HOST, port))
                listener.listen(256)
            except OSError:
                listener.close()
                continue
            return listener
        raise UnavailableError(f"The workspace service can open no port on {HOST}.")
