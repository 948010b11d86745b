"""Distributed commands: one process a rank, on its node, told of the others by PyTorch's or MPI's variables.

All ranks run the same command in the same folder. The log of rank 0 is the run's; every other rank has one
of its own, ``user_logs/std_log_process_NN.txt``. When one rank fails, the others are ended.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.jobs.logfile import LogFile, LogPump
from jupyter_aml.jobs.shell import ShellCommand

_LOOK_SECONDS = 0.02
_GRACE_SECONDS = 5.0


def ranks_of(job: Mapping[str, Any], nodes: int) -> int:
    """How many processes a command job has on ``nodes`` nodes."""
    distribution = job.get("distribution") or {}
    return nodes * int(distribution.get("process_count_per_instance") or 1)


def rank_environment(kind: str, rank: int, nodes: int, per_node: int, port: int) -> dict[str, str]:
    """What rank ``rank`` is told: which one it is, of how many, and where rank 0 listens.

    The names are those of PyTorch's ``env://`` rendezvous and of Open MPI and PMI.
    """
    size, node, local = nodes * per_node, rank // per_node, rank % per_node
    if kind == "mpi":
        found = {
            "OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size, "OMPI_COMM_WORLD_LOCAL_RANK": local,
            "OMPI_COMM_WORLD_LOCAL_SIZE": per_node, "OMPI_COMM_WORLD_NODE_RANK": node,
            "PMI_RANK": rank, "PMI_SIZE": size,
        }  # fmt: skip
    else:
        found = {
            "MASTER_PORT": port, "WORLD_SIZE": size, "RANK": rank, "LOCAL_RANK": local,
            "LOCAL_WORLD_SIZE": per_node, "NODE_RANK": node,
        }  # fmt: skip
    return {"MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in found.items()}}


class Ranks:
    """The processes of a distributed command; stopped together, as one command is.

    Args:
        places: the slices of the nodes; none for this machine itself.
        outputs: where each rank prints, a descriptor a rank.
    """

    def __init__(
        self,
        command: str,
        job: Mapping[str, Any],
        cwd: Path,
        environment: Mapping[str, str],
        places: Sequence[Slice],
        outputs: Sequence[int],
    ) -> None:
        distribution = job.get("distribution") or {}
        nodes = max(1, len(places))
        per_node = len(outputs) // nodes
        port, kind = _free_port(), distribution.get("type") or "pytorch"
        self._processes = []
        self.failed_rank: int | None = None
        for rank, output in enumerate(outputs):
            place = places[rank // per_node] if places else None
            own = {
                **environment,
                **(place.environment() if place else {}),
                **rank_environment(kind, rank, nodes, per_node, port),
            }
            self._processes.append(ShellCommand(command, cwd, own, output, place))

    def wait(self) -> int:
        """Wait for the end of all; the exit code of the first that failed, or 0."""
        code = 0
        while any(process.poll() is None for process in self._processes):
            code = code or self._first_failure()
            if code:
                self._end_the_others()
                return code
            time.sleep(_LOOK_SECONDS)
        return code or self._first_failure()

    def _first_failure(self) -> int:
        for rank, process in enumerate(self._processes):
            if process.poll():
                self.failed_rank = rank
                return process.poll() or 0
        return 0

    def _end_the_others(self) -> None:
        self.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while any(process.poll() is None for process in self._processes) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self.kill()
        for process in self._processes:
            process.wait()

    def interrupt(self) -> None:
        """Ask all to stop."""
        for process in self._processes:
            process.interrupt()

    def terminate(self) -> None:
        """Ask all to end."""
        for process in self._processes:
            process.terminate()

    def kill(self) -> None:
        """End all."""
        for process in self._processes:
            process.kill()


class RankLogs:
    """The logs of the ranks: the run's own for rank 0, a file of its own for every other."""

    def __init__(self, main: LogFile, folder: Path, count: int) -> None:
        self._own = [LogFile(folder / f"std_log_process_{rank:02d}.txt") for rank in range(1, count)]
        pipes = [os.pipe() for _ in range(count)]
        self.outputs = [write for _, write in pipes]
        logs = [main, *self._own]
        self._pumps = [LogPump(read, log) for (read, _), log in zip(pipes, logs, strict=True)]

    def start(self) -> None:
        """Begin to read; called when the processes have been started."""
        for output in self.outputs:
            os.close(output)
        for pump in self._pumps:
            pump.start()

    def finish(self) -> None:
        """Read what is left and close the ranks' own files."""
        for pump in self._pumps:
            pump.join(5.0)
        for log in self._own:
            log.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
