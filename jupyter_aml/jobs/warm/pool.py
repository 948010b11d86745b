"""The service's side of the pool: start it in the background, ask it for runners, renew it when needed.

A pool is an accelerator and nothing else: whoever cannot get a runner from it starts one the ordinary way.
So every failure here is `PoolUnavailable`, raised at once and never after a wait for imports.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from jupyter_aml.errors import UnavailableError
from jupyter_aml.jobs.warm.server import receive, send
from jupyter_aml.jobs.warm.stamp import stamp

DEFAULT_PRELOAD = ("numpy", "pandas", "sklearn.linear_model")
_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 30.0


class PoolUnavailable(UnavailableError):
    """The pool cannot fork a runner now; start one without it."""

    code = "pool_unavailable"


class WarmPool:
    """One pool process. Safe to use from several threads.

    Args:
        python: the interpreter; runners are forked from it, so it must be the one the runs are to use.
        preload: modules to import beside what every run needs; those not installed are passed over.
        environment: the pool's own environment. A job can read it (``/proc/self/environ``), so it holds no
            secrets; variables that act only at an interpreter's start count as they are here.
        entry: what a runner runs, ``module:function`` or ``/path/file.py:function``; called with the argument
            list, returns the exit code.
    """

    def __init__(
        self,
        python: str = sys.executable,
        preload: Sequence[str] = DEFAULT_PRELOAD,
        environment: Mapping[str, str] | None = None,
        entry: str = "jupyter_aml.jobs.runner:main",
    ) -> None:
        self._command = [python, "-P", "-m", "jupyter_aml.jobs.warm.server", entry, *preload]
        self._environment = dict(os.environ if environment is None else environment)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._ready: tuple[list[str], list[int]] | None = None
        self._not_before = 0.0
        self._closed = False

    def start(self) -> None:
        """Begin to start the pool, if it is not running; returns at once."""
        with self._lock:
            if self._process is None and not self._closed:
                self._launch()

    def close(self) -> None:
        """End the pool. Runners forked from it live on."""
        with self._lock:
            self._closed = True
            self._drop()

    @property
    def pid(self) -> int | None:
        """The pool's process, while there is one."""
        return self._process.pid if self._process else None

    def is_ready(self) -> bool:
        """Whether a runner could be forked now."""
        with self._lock:
            return self._process is not None and self._look_for_ready()

    def fork_runner(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Fork a process that calls the entry point with ``argv`` in environment ``env``; its process id.

        It is no child of the caller, leads its own session, and has nothing open but ``/dev/null`` and the
        pool's standard error. Raises `PoolUnavailable` where that cannot be done right now; where the pool
        ended, or the installed packages changed, a new pool is being started by then.
        """
        with self._lock:
            if self._process is None:
                self._launch_unless_failing()
            if not self._look_for_ready():
                raise PoolUnavailable("The pool of warm processes is still starting.")
            self._check_packages()
            return self._ask(argv, env)

    def _ask(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        assert self._connection is not None
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            send(self._connection, {"argv": list(argv), "env": dict(env)})
            answer = receive(self._connection)
        except OSError:
            answer = None
        if answer is None:
            self._drop()
            self._launch()
            raise PoolUnavailable("The pool of warm processes has ended; a new one is being started.")
        if "pid" not in answer:
            raise PoolUnavailable(f"The pool could not fork a runner: {answer.get('error')}.")
        return int(answer["pid"])

    def _check_packages(self) -> None:
        assert self._ready is not None
        folders, first = self._ready
        if stamp(folders) != first:
            self._drop()
            self._launch()
            raise PoolUnavailable(
                "The installed packages changed; a new pool of warm processes is being started."
            )

    def _look_for_ready(self) -> bool:
        """Read what the pool has said of its start so far; never waits."""
        assert self._connection is not None
        while _readable(self._connection):
            message = receive(self._connection)
            if message is None:
                self._renew_after_end()
                raise PoolUnavailable("The pool of warm processes has ended.")
            if message.get("ready"):
                self._ready = (message["folders"], message["stamp"])
            elif (module := message.get("harmful")) in self._command:
                self._command.remove(module)
                self._drop()
                self._launch()
        return self._ready is not None

    def _renew_after_end(self) -> None:
        """Start the pool anew where it had been ready; one that cannot start is left alone for a while."""
        was_ready = self._ready is not None
        self._drop()
        if was_ready:
            self._launch()
        else:
            self._not_before = time.monotonic() + _PAUSE_SECONDS

    def _launch_unless_failing(self) -> None:
        if self._closed or time.monotonic() < self._not_before:
            raise PoolUnavailable("There is no pool of warm processes.")
        self._launch()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                self._command, stdin=theirs.fileno(), env=self._environment, cwd="/", start_new_session=True
            )
        self._connection, self._ready = ours, None

    def _drop(self) -> None:
        """Let go of the pool; it ends at the end of file."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._connection = self._ready = None


def _readable(connection: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(0))
