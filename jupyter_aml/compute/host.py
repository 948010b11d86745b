"""What this machine has: cores, memory and GPUs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_GPU_TOOL = ("nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A GPU: its index, as ``CUDA_VISIBLE_DEVICES`` counts, its name, its memory in bytes."""

    index: int
    name: str
    memory: int


@dataclass(frozen=True)
class Host:
    """A machine's cores, memory in bytes, and GPUs."""

    cpus: int
    memory: int
    gpus: tuple[Gpu, ...] = ()


def this_host() -> Host:
    """This machine, as far as this process may use it."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Host(cpus, _memory(), find_gpus())


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs ``nvidia-smi`` lists; none where there is no such tool."""
    try:
        answer = subprocess.run(_GPU_TOOL, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in answer.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[0].isdecimal():
            found.append(Gpu(int(parts[0]), parts[1], int(parts[2]) * 1024**2 if parts[2].isdecimal() else 0))
    return tuple(found)


def _memory() -> int:
    """The memory of the machine, or of the control group this process is kept in where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            files = [Path(f"/sys/fs/cgroup{path}/memory.max")]
        elif "memory" in controllers.split(","):
            files = [Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")]
        else:
            continue
        for file in files:
            for text in _lines(file):
                if text.isdecimal():
                    total = min(total, int(text))
    return total


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
