"""Soft limits: what holds a slice where this account may make no control groups.

Each process is held to the slice's memory (RLIMIT_DATA) and cores (affinity) by the kernel; the sum of all of
them by a watcher, which ends the largest when they take too much (see `watcher`). A slice is a folder,
``$AML_HOME/slices/NAME``: ``limits.json``, ``usage``, ``entered`` and the lock of its watcher.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from jupyter_aml.compute.engines.local import watcher
from jupyter_aml.core.paths import aml_home, make_private

MOST_PROCESSES = 4096


def make(name: str, memory: int) -> str:
    """Make the slice, or change its limits, and have it watched; its folder. Raises OSError."""
    folder = make_private(folder_of(name))
    limits = json.dumps({"memory": memory, "processes": MOST_PROCESSES})
    new = folder / f".limits-{os.getpid()}"
    new.write_text(limits)
    new.rename(folder / "limits.json")
    for file in ("usage", "entered"):
        (folder / file).touch(mode=0o600)
    _watch(folder)
    return str(folder)


def folder_of(name: str) -> Path:
    """Where a slice is kept, whether it is there or not."""
    return aml_home() / "slices" / name


def names() -> Iterator[str]:
    """The slices there are."""
    with contextlib.suppress(OSError):
        yield from (entry.name for entry in os.scandir(aml_home() / "slices") if entry.is_dir())


def enter(folder: str) -> None:
    """Note that this process, whose environment need not show it, is in the slice."""
    own = watcher.process_of(os.getpid())
    if own is not None:
        watcher.note(Path(folder), [own])


def end(name: str, seconds: float = 5.0) -> bool:
    """Kill all that is in the slice until nothing is left, and remove it; False when some lives on."""
    folder = folder_of(name)
    deadline = time.monotonic() + seconds
    while folder.is_dir() and (living := watcher.belonging(folder)):
        if time.monotonic() > deadline:
            return False
        for process in living:
            watcher.kill(process)
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def memory_kills(folder: Path) -> int:
    """How often a process of the slice was ended because its memory was used up."""
    return watcher.usage(folder)[0]


def peak_memory(folder: Path) -> int:
    """The most memory that was seen in use, in bytes."""
    return watcher.usage(folder)[1]


def cpu_seconds(name: str) -> float:
    """The processor time of the slice's living processes, and of children of theirs that have ended."""
    folder, ticks = folder_of(name), 0
    for process in watcher.belonging(folder) if folder.is_dir() else ():
        fields = process.read("stat").decode("utf-8", "replace").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _watch(folder: Path) -> None:
    """Start the slice's watcher where there is none: it has the lock from its birth."""
    lock = os.open(folder / "watcher.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", watcher.__file__, str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", env={}, start_new_session=True, pass_fds=(lock,),
        )  # fmt: skip
        threading.Thread(target=process.wait, name="aml-watcher-reaper", daemon=True).start()
    except BlockingIOError:
        return
    finally:
        os.close(lock)
