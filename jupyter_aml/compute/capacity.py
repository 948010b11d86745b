"""What fits on this machine: pure arithmetic over sizes, quotas and what is on already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jupyter_aml.compute.host import Host
from jupyter_aml.compute.sizes import Size, show_memory

_TINY = 1e-9


@dataclass(frozen=True)
class Load:
    """What a machine that is on takes of the host. ``name`` is its compute, ``gpus`` are indexes."""

    name: str
    size: Size
    gpus: tuple[int, ...] = ()
    low_priority: bool = False


@dataclass(frozen=True)
class Room:
    """What is left of a host."""

    cpus: float
    memory: int
    gpus: tuple[int, ...]

    @classmethod
    def beside(cls, host: Host, loads: Iterable[Load]) -> Room:
        """What ``loads`` leave of ``host``."""
        loads = list(loads)
        taken = {index for load in loads for index in load.gpus}
        return cls(
            host.cpus - sum(load.size.cpus for load in loads),
            host.memory - sum(load.size.memory for load in loads),
            tuple(gpu.index for gpu in host.gpus if gpu.index not in taken),
        )

    def holds(self, size: Size) -> bool:
        """Whether a machine of this size fits in."""
        return self.cpus + _TINY >= size.cpus and self.memory >= size.memory and len(self.gpus) >= size.gpus

    def pick_gpus(self, size: Size) -> tuple[int, ...]:
        """The GPUs a machine of this size would get."""
        return self.gpus[: size.gpus]

    def __str__(self) -> str:
        gpus = f", {len(self.gpus)} GPUs" if self.gpus else ""
        return f"{max(0.0, self.cpus):g} cores, {show_memory(max(0, self.memory))}{gpus}"


def whole(host: Host) -> Room:
    """All of a host."""
    return Room.beside(host, [])


def why_never(size: Size, host: Host) -> str | None:
    """Why the host can never hold a machine of this size; None where it can when nothing else is on."""
    room = whole(host)
    if room.holds(size):
        return None
    return f"{size.name} needs {size}; this machine has {room}"


def cores_in_use(loads: Iterable[Load]) -> dict[str, float]:
    """The cores in use of each size family."""
    used: dict[str, float] = {}
    for load in loads:
        used[load.size.family] = used.get(load.size.family, 0.0) + load.size.cpus
    return used


def why_over_quota(
    size: Size, machines: int, loads: Iterable[Load], quotas: Mapping[str, float]
) -> str | None:
    """Why ``machines`` more of this size would exceed the quota of its family; None where they do not."""
    limit = quotas.get(size.family)
    if limit is None:
        return None
    used, asked = cores_in_use(loads).get(size.family, 0.0), size.cpus * machines
    if used + asked <= limit + _TINY:
        return None
    return f"the quota of {size.family} is {limit:g} cores: {used:g} are used, {asked:g} more are asked for"
