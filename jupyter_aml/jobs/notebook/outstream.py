"""The kernel's stdout and stderr in a run: bounded, so that a cell which prints without end costs no memory.

ipykernel collects what a cell prints and sends it five times a second in one message, however large it grew,
and its publishing socket drops messages when the reader is slow. Here a message holds at most `_PIECE`
characters, a cell that is `_AHEAD` characters before its reader waits, and nothing is dropped.
"""

from __future__ import annotations

import atexit
import codecs
import os
import threading
from collections.abc import Iterator
from typing import Any

import zmq
from ipykernel.iostream import OutStream
from ipykernel.thread import CONTROL_THREAD_NAME, BaseThread

_PIECE = 256 * 1024
_AHEAD = 4 * 1024 * 1024
_CONTROL_SECONDS = 2.0
_READ = 64 * 1024


class BoundedOutStream(OutStream):
    """An ``OutStream`` whose writer waits for its reader; the kernel's ``IPKernelApp.outstream_class``."""

    def __init__(self, session: Any, pub_thread: Any, name: str, *args: Any, **kwargs: Any) -> None:
        self._ahead = 0
        self._room = threading.Condition()
        super().__init__(session, pub_thread, name, *args, **kwargs)
        socket = pub_thread.socket
        if socket.getsockopt(zmq.TYPE) == zmq.XPUB:
            pub_thread.schedule(lambda: socket.setsockopt(zmq.XPUB_NODROP, 1))
        atexit.register(_end_control_thread)  # runs before the publisher's own, which is registered already

    def write(self, string: str) -> int:
        """As the base class; waits while the reader is far behind."""
        if not isinstance(string, str) or not self._is_master_process():
            return super().write(string) or 0
        for start in range(0, len(string), _PIECE):
            piece = string if len(string) <= _PIECE else string[start : start + _PIECE]
            super().write(piece)
            self._ahead += len(piece)
            if self._ahead > _AHEAD:
                self._wait_for_room()
        return len(string)

    def _watch_pipe_fd(self) -> None:
        """Publish what is written to the descriptor (by C code, by programs the cell starts).

        The base class also copies it to the process's own stream; in a run both end in the same log. It
        decodes a multi-byte character that is cut by the end of a read; here it is kept whole.
        """
        if self._fid is None:
            return
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while (data := os.read(self._fid, _READ)) and self._should_watch:
            self.write(decode(data))

    def _wait_for_room(self) -> None:
        thread = self.pub_thread.thread
        if not thread.is_alive() or thread is threading.current_thread():
            return
        self.pub_thread.schedule(self._flush)
        with self._room:
            while self._ahead > _AHEAD and thread.is_alive() and os.getpid() == self._master_pid:
                self._room.wait(0.5)

    def _flush_buffers(self) -> Iterator[tuple[dict[str, Any], str]]:
        # The caller sends each pair before it asks for the next, and sending waits for the reader.
        for parent, data in super()._flush_buffers():
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                yield parent, piece
                with self._room:
                    self._ahead = max(0, self._ahead - len(piece))
                    self._room.notify_all()


def _end_control_thread() -> None:
    """Let the control thread end before the publisher does.

    After a request to shut down it still has to publish that it is idle, and where the publisher was faster
    to end it waits for ever, and the process with it (ipykernel 7).
    """
    for thread in threading.enumerate():
        if thread.name == CONTROL_THREAD_NAME and isinstance(thread, BaseThread):
            thread.stop()
            thread.join(_CONTROL_SECONDS)
