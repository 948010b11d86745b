"""Control groups: how Linux holds a set of processes to its cores, memory and number.

Version 2 is used where this process may make groups with the controllers it needs, else version 1, else
nothing: then `means` is ``soft`` and a slice has what any user may set. Which it is gets tried, not guessed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Means = Literal["cgroup2", "cgroup1", "soft"]
_ROOT = Path("/sys/fs/cgroup")
_PARENT = "jupyter_aml"
_CONTROLLERS = ("memory", "cpu", "pids")
_PERIOD = 100_000  # microseconds
MOST_PROCESSES = 4096


@functools.cache
def means() -> Means:
    """What holds a slice to its limits on this machine, found by making a group and entering it."""
    for kind, parents in (("cgroup2", _version_2()), ("cgroup1", _version_1())):
        if parents and _can_enter(parents):
            return kind  # type: ignore[return-value]
    return "soft"


def make(name: str, cpus: float, memory: int) -> tuple[str, ...]:
    """Make the groups of a slice, or change its limits; the folders a process enters. None where soft."""
    kind = means()
    if kind == "soft":
        return ()
    groups = []
    for parent in _version_2() if kind == "cgroup2" else _version_1():
        group = parent / _PARENT / name
        if kind == "cgroup2":
            _delegate(parent)
            group.parent.mkdir(exist_ok=True)
            _delegate(group.parent)
        group.mkdir(parents=True, exist_ok=True)
        groups.append(group)
        _limit(group, kind, parent.name, cpus, memory)
    return tuple(map(str, groups))


def processes(groups: tuple[str, ...]) -> set[int]:
    """The processes in the slice's groups."""
    found: set[int] = set()
    for group in groups:
        with contextlib.suppress(OSError):
            found |= {int(line) for line in Path(group, "cgroup.procs").read_text().split()}
    return found


def kill(groups: tuple[str, ...], seconds: float = 5.0) -> bool:
    """Kill everything in the groups until nothing is left; False when some could not be killed in time."""
    deadline = time.monotonic() + seconds
    while living := processes(groups):
        if time.monotonic() > deadline:
            return False
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return True


def remove(groups: tuple[str, ...]) -> bool:
    """Remove the groups of a slice that nobody is in; False when one is still in use."""
    gone = True
    for group in groups:
        for _ in range(20):
            try:
                os.rmdir(group)
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)  # a process that has just died is counted for a moment
            else:
                break
        else:
            gone = False
    return gone


def memory_kills(groups: tuple[str, ...]) -> int:
    """How often the kernel has killed a process of the slice because its memory was used up."""
    for group in groups:
        for file in ("memory.events", "memory.oom_control"):
            for name, value in _pairs(Path(group, file)):
                if name == "oom_kill":
                    return value
    return 0


def peak_memory(groups: tuple[str, ...]) -> int:
    """The most memory the slice has used, in bytes; 0 where that is not told."""
    return _first(groups, "memory.peak", "memory.max_usage_in_bytes")


def used_memory(groups: tuple[str, ...]) -> int:
    """The memory the slice uses now, in bytes."""
    return _first(groups, "memory.current", "memory.usage_in_bytes")


def cpu_seconds(groups: tuple[str, ...]) -> float:
    """The processor time of the slice's living processes, and of children of theirs that have ended."""
    total = 0
    for pid in processes(groups):
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def names() -> Iterator[str]:
    """The slices there are groups of."""
    for parent in {"cgroup2": _version_2, "cgroup1": _version_1}.get(means(), list)():
        with contextlib.suppress(OSError):
            yield from (entry.name for entry in os.scandir(parent / _PARENT) if entry.is_dir())


def folders(name: str) -> tuple[str, ...]:
    """The groups of a slice, whether they are there or not."""
    parents = {"cgroup2": _version_2, "cgroup1": _version_1}.get(means(), list)()
    return tuple(str(parent / _PARENT / name) for parent in parents)


def leave() -> None:
    """Leave the slice this process was started in, if any: whoever started it, it is not to end with that."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        outside, found, _ = path.partition(f"/{_PARENT}/")
        if found:
            above = (_ROOT / controllers if controllers else _ROOT) / outside.lstrip("/")
            with contextlib.suppress(OSError):
                (above / "cgroup.procs").write_text(str(os.getpid()))


def _version_2() -> list[Path]:
    """The folder below which groups of version 2 can be made; none where it lacks a controller."""
    places = [_ROOT]
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            own = _ROOT / line[3:].lstrip("/")
            places += [parent for parent in own.parents if parent.is_relative_to(_ROOT)]
    for place in places:
        offered = _read(place / "cgroup.controllers").split()
        if all(name in offered for name in _CONTROLLERS) and os.access(place, os.W_OK):
            return [place]
    return []


def _version_1() -> list[Path]:
    parents = [_ROOT / name for name in _CONTROLLERS]
    return parents if all(os.access(parent / "cgroup.procs", os.W_OK) for parent in parents) else []


def _delegate(group: Path) -> None:
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))


def _limit(group: Path, kind: Means, controller: str, cpus: float, memory: int) -> None:
    quota = max(1000, int(cpus * _PERIOD))
    if kind == "cgroup2":
        settings = {
            "memory.max": memory,
            "memory.swap.max": 0,
            "cpu.max": f"{quota} {_PERIOD}",
            "pids.max": MOST_PROCESSES,
        }
    elif controller == "memory":
        settings = {"memory.use_hierarchy": 1, "memory.limit_in_bytes": memory}
    elif controller == "cpu":
        settings = {"cpu.cfs_period_us": _PERIOD, "cpu.cfs_quota_us": quota}
    else:
        settings = {"pids.max": MOST_PROCESSES}
    optional = {"memory.swap.max", "memory.use_hierarchy"}
    for name, value in settings.items():
        try:
            (group / name).write_text(str(value))
        except OSError:
            if name not in optional:
                raise


def _can_enter(parents: list[Path]) -> bool:
    """Whether a child of ours can be put into a group below each of ``parents``."""
    name = f"{_PARENT}-try-{os.getpid()}"
    groups = [parent / name for parent in parents]
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    try:
        for parent, group in zip(parents, groups, strict=True):
            if (parent / "cgroup.subtree_control").exists():
                _delegate(parent)
            group.mkdir()
            (group / "cgroup.procs").write_text(str(child.pid))
    except OSError:
        return False
    finally:
        child.communicate()
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
    return True


def _first(groups: tuple[str, ...], *files: str) -> int:
    for group in groups:
        for file in files:
            text = _read(Path(group, file)).strip()
            if text.isdecimal():
                return int(text)
    return 0


def _pairs(path: Path) -> Iterator[tuple[str, int]]:
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if value.isdecimal():
            yield name, int(value)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
