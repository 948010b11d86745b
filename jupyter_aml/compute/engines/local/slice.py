"""A slice of this machine: cores, memory and GPUs that a set of processes is held to.

A process enters a slice before it becomes the user's program, and everything it starts stays inside. Where
the kernel's control groups can be used (`cgroups.means`) they hold the whole set; where not, the limits are
soft (`soft`), and `Slice.means` says so.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jupyter_aml.compute.engines.local import cgroups, soft
from jupyter_aml.compute.engines.local.watcher import MARK

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")
# Enters the groups given first, then becomes the program that follows them.
_ENTER = """
n=$1; cores=$2; kilobytes=$3; export AML_SLICE="$4"; shift 4
while [ "$n" -gt 0 ]; do echo 0 > "$1/cgroup.procs" || exit 125; shift; n=$((n - 1)); done
if [ -n "$kilobytes" ]; then ulimit -d "$kilobytes" || exit 125; fi
echo 500 2>/dev/null > /proc/self/oom_score_adj
if [ -n "$cores" ]; then exec taskset -c "$cores" "$@"; fi
exec "$@"
"""
DESCRIPTIONS = {
    "cgroup2": "cores, memory and processes are held by the kernel's control groups (version 2)",
    "cgroup1": "cores, memory and processes are held by the kernel's control groups (version 1)",
    "soft": "only soft limits hold: cores by affinity, memory by watching, which ends the largest process "
    "when all of them take too much; this account may make no control groups",
}


@dataclass(frozen=True)
class Slice:
    """A slice that has been made.

    ``memory`` is in bytes, ``gpus`` by index; ``groups`` are the folders to enter; ``folder`` is where one
    with soft limits is kept, and empty otherwise.
    """

    name: str
    cpus: float
    memory: int
    gpus: tuple[int, ...]
    means: str
    groups: tuple[str, ...]
    affinity: tuple[int, ...]
    folder: str = ""

    @classmethod
    def make(cls, name: str, cpus: float, memory: int, gpus: tuple[int, ...] = ()) -> Slice:
        """Make a slice, or change the limits of one that is there. Raises OSError where that fails."""
        groups = cgroups.make(name, cpus, memory)
        means = cgroups.means()
        if means != "soft":
            return cls(name, cpus, memory, gpus, means, groups, affinity=())
        folder = soft.make(name, memory)
        return cls(name, cpus, memory, gpus, means, groups, _some_cores(name, cpus), folder)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Slice:
        """The slice that `to_json` wrote."""
        lists = {name: tuple(found[name]) for name in ("gpus", "groups", "affinity")}
        return cls(**{**found, **lists})

    def to_json(self) -> dict[str, Any]:
        """Its parts, for a runner or a kernel's provisioner."""
        return asdict(self)

    def wrapped(self, program: Sequence[str]) -> list[str]:
        """The arguments that start ``program`` inside the slice."""
        limits = [",".join(map(str, self.affinity)), str(self.memory // 1024) if self.folder else ""]
        first = [str(len(self.groups)), *limits, self.name]
        return ["/bin/sh", "-c", _ENTER, "aml-slice", *first, *self.groups, *program]

    def enter(self) -> None:
        """Put this process, a fork that does not become another program, into the slice."""
        for group in self.groups:
            with open(os.path.join(group, "cgroup.procs"), "w") as file:
                file.write("0")
        if self.affinity:
            os.sched_setaffinity(0, self.affinity)
        if self.folder:
            soft.enter(self.folder)
            resource.setrlimit(resource.RLIMIT_DATA, (self.memory, self.memory))
        # The kernel looks first for its victims among the slice's own processes, never the service.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")

    def environment(self) -> dict[str, str]:
        """What a process in the slice is told of it: its mark, its GPUs, how many threads make sense."""
        threads = str(max(1, round(self.cpus)))
        gpus = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus))}
        return {MARK: self.name, **gpus, **dict.fromkeys(_THREADS, threads)}

    def memory_kills(self) -> int:
        """How often a process of the slice was ended because its memory was used up."""
        if self.folder:
            return soft.memory_kills(Path(self.folder))
        return cgroups.memory_kills(self.groups)

    def peak_memory(self) -> int:
        """The most memory the slice has used, in bytes."""
        if self.folder:
            return soft.peak_memory(Path(self.folder))
        return cgroups.peak_memory(self.groups)

    def destroy(self) -> bool:
        """End every process in the slice and remove it; False when one of them could not be ended."""
        return soft.end(self.name) and cgroups.kill(self.groups) and cgroups.remove(self.groups)


def _some_cores(name: str, cpus: float) -> tuple[int, ...]:
    """As many cores as the slice needs, another slice's beginning elsewhere."""
    own = sorted(os.sched_getaffinity(0))
    count = min(len(own), max(1, -(-int(cpus * 1000) // 1000)))
    first = sum(name.encode()) % len(own)
    return tuple(sorted({own[(first + number) % len(own)] for number in range(count)}))
