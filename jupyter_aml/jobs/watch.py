"""Watching a job while it runs: its time-out, the wish to cancel it, and the files it changes.

Stopping goes by steps: interrupt at once, SIGTERM after a grace, SIGKILL after another, so that a notebook
or a script that can save its state does, and one that cannot still ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from jupyter_aml import limits

PREEMPT_FILE = "preempt"  # beside the file that says to cancel
_LOOK_SECONDS = 0.05
_FILES_SECONDS = 1.0


class Stoppable(Protocol):
    """A kernel or a command."""

    def interrupt(self) -> None:
        """Ask it to stop what it does."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Watch(threading.Thread):
    """Watches until `finish`.

    ``reason`` is ``canceled``, ``preempted`` or ``timeout`` once it has begun to stop the job.
    """

    def __init__(
        self, job: Stoppable, cancel_file: Path, timeout: float | None, take_files: Callable[[], None]
    ) -> None:
        super().__init__(name="aml-watch", daemon=True)
        self.reason: str | None = None
        self._job = job
        self._cancel_file = cancel_file
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._take_files = take_files
        self._done = threading.Event()

    def finish(self) -> None:
        """The job has ended; stop watching."""
        self._done.set()
        self.join()

    def run(self) -> None:
        """Look again and again."""
        next_files = time.monotonic() + _FILES_SECONDS
        while not self._done.wait(_LOOK_SECONDS):
            if self.reason is None and (reason := self._why_stop()):
                self.reason = reason
                threading.Thread(target=self._stop, name="aml-stop", daemon=True).start()
            if time.monotonic() >= next_files:
                self._take_files()
                next_files = time.monotonic() + _FILES_SECONDS

    def _why_stop(self) -> str | None:
        if self._cancel_file.exists():
            return "canceled"
        if self._cancel_file.with_name(PREEMPT_FILE).exists():
            return "preempted"
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "timeout"
        return None

    def _stop(self) -> None:
        if self.reason != "preempted":  # whose room is wanted is told by SIGTERM, as elsewhere
            self._job.interrupt()
            if self._done.wait(limits.CANCEL_GRACE_SECONDS):
                return
        self._job.terminate()
        if self._done.wait(limits.TERMINATE_GRACE_SECONDS):
            return
        self._job.kill()
