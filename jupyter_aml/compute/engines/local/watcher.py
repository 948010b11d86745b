"""The watcher of one slice whose limits are soft: adds up what its processes use, and ends what is too much.

It runs as a program of its own, ``watcher.py FOLDER``, with nothing but Python's own modules, for as long as
the slice's folder is there (see `soft`). It is no part of the service, so a limit holds while that is away.

A process belongs to the slice when its environment carries the slice's mark, when it said so in ``entered``
(a fork that became no other program shows its parent's environment), or when it descends from one that
belongs. Those found by descent are added to ``entered``, so that they still belong when their parent has
gone. What leaves its session, cleans its environment and loses its parent between two looks is not found.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.2
MARK = "AML_SLICE"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SERVICE = b"jupyter_aml.service"  # who starts the service from inside a slice does not take it in


@dataclass(frozen=True)
class Process:
    """A living process: ``start`` (clock ticks since boot) tells it from a later one of the same number."""

    pid: int
    parent: int
    start: int

    def read(self, name: str) -> bytes:
        """What the kernel tells of it in the file ``name``; nothing where it has gone."""
        try:
            return Path(f"/proc/{self.pid}/{name}").read_bytes()
        except OSError:
            return b""


def belonging(folder: Path) -> list[Process]:
    """The slice's living processes; those found by descent are noted."""
    mark = f"{MARK}={folder.name}".encode()
    noted = _noted(folder)
    everybody = {process.pid: process for process in _everybody()}
    found = {
        pid
        for pid, process in everybody.items()
        if (pid, process.start) in noted or mark in process.read("environ").split(b"\0")
    }
    below = _below(found, everybody)
    with contextlib.suppress(FileNotFoundError):
        note(folder, (everybody[pid] for pid in below))
    return [everybody[pid] for pid in found | below if pid != os.getpid()]


def note(folder: Path, processes: Iterable[Process]) -> None:
    """Write down that these belong to the slice."""
    lines = "".join(f"{process.pid} {process.start}\n" for process in processes)
    if lines:
        with open(folder / "entered", "a") as file:
            file.write(lines)


def process_of(pid: int) -> Process | None:
    """The living process of that number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else Process(pid, int(fields[1]), int(fields[19]))


def _everybody() -> Iterable[Process]:
    for name in os.listdir("/proc"):
        if name.isdecimal() and (process := process_of(int(name))):
            yield process


def _noted(folder: Path) -> set[tuple[int, int]]:
    try:
        lines = (folder / "entered").read_text().splitlines()
    except OSError:
        return set()
    pairs = [line.split() for line in lines]
    return {(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2}


def _below(found: set[int], everybody: dict[int, Process]) -> set[int]:
    """Who descends from ``found`` without being in it."""
    children: dict[int, list[int]] = {}
    for process in everybody.values():
        children.setdefault(process.parent, []).append(process.pid)
    below: set[int] = set()
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child in found or child in below or _SERVICE in everybody[child].read("cmdline").split(b"\0"):
                continue
            below.add(child)
            waiting.append(child)
    return below


def resident(process: Process) -> int:
    """The memory it has touched, in bytes; what it shares with others counts in full."""
    fields = process.read("statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def proportional(process: Process) -> int:
    """As `resident`, what it shares counting in part: dear to find out for a large process."""
    for line in process.read("smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return resident(process)


class Watcher:
    """Looks at the slice in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kills, self._peak = usage(folder)

    def look(self) -> None:
        """One look. `FileNotFoundError` when the slice has gone."""
        limits = json.loads((self._folder / "limits.json").read_bytes())
        present = belonging(self._folder)
        used = {process: resident(process) for process in present}
        if sum(used.values()) > limits["memory"]:
            used = {process: proportional(process) for process in present}
        total = sum(used.values())
        too_much = total > limits["memory"]
        if too_much:
            self._kills += 1
        if total > self._peak or too_much:
            self._peak = max(self._peak, total)
            self._write()  # before anybody sees its end, so that who asks why is told
        if too_much:
            kill(max(used, key=lambda process: used[process]))
        elif len(present) > limits["processes"]:
            for process in present:
                kill(process)

    def _write(self) -> None:
        descriptor = os.open(self._folder / "usage", os.O_WRONLY)
        try:
            os.pwrite(descriptor, f"{self._kills:20d} {self._peak:20d}\n".encode(), 0)
        finally:
            os.close(descriptor)


def usage(folder: Path) -> tuple[int, int]:
    """How often the watcher has ended a process for want of memory, and the most memory it has seen used."""
    try:
        kills, peak = (folder / "usage").read_text().split()
    except (OSError, ValueError):
        return 0, 0
    return int(kills), int(peak)


def kill(process: Process) -> None:
    """End it, and nobody who has its number by now."""
    now = process_of(process.pid)
    if now is not None and now.start == process.start:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Watch the slice in the folder given, until it is gone."""
    watcher = Watcher(Path(arguments[0]))
    with contextlib.suppress(FileNotFoundError):
        while True:
            watcher.look()
            time.sleep(LOOK_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
