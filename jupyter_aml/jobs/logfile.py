"""The log of a job: everything it prints, as it comes, within a limit.

The first half of the limit is kept from the beginning, the other half from the end; between them one line
says how many bytes were dropped. A progress bar that rewrites its line is kept as its last state.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from pathlib import Path

from jupyter_aml import limits
from jupyter_aml.core.paths import make_private

_REWRITTEN = re.compile(rb"[^\r\n]*\r(?=[^\r\n])")


class LogFile:
    """Appends to one log stream. Thread-safe."""

    def __init__(self, path: Path, limit: int = limits.LOG_BYTES) -> None:
        make_private(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._head_left = limit // 2
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._tail_limit = limit - self._head_left
        self._dropped = 0
        self._lock = threading.Lock()
        self._recent: deque[bytes] = deque(maxlen=64)

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        if b"\r" in data:
            data = _REWRITTEN.sub(b"", data)
        with self._lock:
            self._recent.append(data[-8192:])
            head, rest = data[: self._head_left], data[self._head_left :]
            if head:
                self._head_left -= len(head)
                self._append(head)
                if self._head_left == 0:
                    self._append(b"\n[... the log is long; what follows is kept from its end ...]\n")
            if rest:
                self._keep_tail(rest)

    def _append(self, data: bytes) -> None:
        try:
            _write_all(self._descriptor, data)
        except OSError:  # a full disk must not stop the job, whose output is read here
            self._dropped += len(data)

    def _keep_tail(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > self._tail_limit:
            first = self._tail.popleft()
            excess = min(len(first), self._tail_size - self._tail_limit)
            if excess < len(first):
                self._tail.appendleft(first[excess:])
            self._tail_size -= excess
            self._dropped += excess

    def last_lines(self, count: int = limits.LOG_TAIL_LINES) -> list[str]:
        """The last lines written."""
        with self._lock:
            text = b"".join(self._recent).decode("utf-8", "replace")
        return [line[:1000] for line in text.splitlines()[-count:]]

    def close(self) -> None:
        """Write the kept end and close."""
        with self._lock:
            if self._descriptor < 0:
                return
            if self._dropped:
                self._append(f"[... {self._dropped:,} bytes dropped ...]\n".encode())
            for part in self._tail:
                self._append(part)
            self._tail.clear()
            os.close(self._descriptor)
            self._descriptor = -1


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class LogPump(threading.Thread):
    """Copies what comes out of a pipe into a log until its end."""

    def __init__(self, pipe: int, log: LogFile) -> None:
        super().__init__(name="aml-log-pump", daemon=True)
        self._pipe = pipe
        self._log = log

    def run(self) -> None:
        """Copy until the last writer has closed the pipe."""
        while data := os.read(self._pipe, 65536):
            self._log.write(data)
        os.close(self._pipe)
