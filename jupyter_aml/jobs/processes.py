"""The processes of a run: found by descent and by the mark in their environment, and ended as a whole.

The runner is a subreaper, so what its descendants leave behind becomes its child. A process that has left
the session still carries ``AML_RUN_ID`` in the environment it was started with; both ways together reach
everything but a program that starts another with a cleaned environment after its parent has died.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphans below this process become its children (Linux; elsewhere nothing happens)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return


def marked(run_id: str) -> Iterator[int]:
    """The processes that carry the run's mark or work in its folder, this one left out.

    A kernel forked from a warm process shows that process's environment to the kernel's ``/proc``, so the
    folder it works in, which is named by the run's id, tells it too.
    """
    mark = f"AML_RUN_ID={run_id}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environment = Path(entry.path, "environ").read_bytes()
            folder = os.readlink(f"{entry.path}/cwd")
        except OSError:
            continue
        if mark in environment.split(b"\0") or run_id in folder.split("/"):
            yield int(entry.name)


def descendants(pid: int) -> Iterator[int]:
    """Every process below ``pid``."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            yield child
            waiting.append(child)


def end_all(run_id: str, below: int | None = None, seconds: float = 5.0) -> bool:
    """Kill every process of the run until none is left; False when some could not be ended in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = set(marked(run_id)) | (set(descendants(below)) if below else set())
        living = {pid for pid in found if not _is_zombie(pid)}
        _reap()
        if not living:
            return True
        if time.monotonic() > deadline:
            return False
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.01)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _reap() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
