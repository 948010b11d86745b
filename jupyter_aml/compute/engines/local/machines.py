"""Machines of the local engine: an instance or a node is a slice of this host, held to its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jupyter_aml.compute.engines.local import cgroups, soft
from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.compute.sizes import Size


class Machines:
    """The slices of one workspace. What a method brings about it brings about again after a crash.

    A machine may have been made by other means than those of today: each method looks for both.
    """

    def __init__(self, workspace_id: str) -> None:
        self._prefix = f"{workspace_id[:12]}-"

    def ensure(self, name: str, size: Size, gpus: Iterable[int] = ()) -> Slice:
        """Make the machine's slice with its limits, or find it. Raises OSError where that fails."""
        return Slice.make(self._prefix + name, size.cpus, size.memory, tuple(gpus))

    def end(self, name: str) -> bool:
        """End everything on the machine and remove it; False when something could not be ended in time."""
        groups = cgroups.folders(self._prefix + name)
        return soft.end(self._prefix + name) and cgroups.kill(groups) and cgroups.remove(groups)

    def names(self) -> Iterator[str]:
        """The machines there are slices of."""
        for name in {*cgroups.names(), *soft.names()}:
            if name.startswith(self._prefix):
                yield name.removeprefix(self._prefix)

    def memory_kills(self, name: str) -> int:
        """How often a process of the machine was killed for want of memory."""
        full = self._prefix + name
        return cgroups.memory_kills(cgroups.folders(full)) + soft.memory_kills(soft.folder_of(full))

    def cpu_seconds(self, name: str) -> float:
        """The processor time the machine has used."""
        full = self._prefix + name
        return cgroups.cpu_seconds(cgroups.folders(full)) + soft.cpu_seconds(full)
