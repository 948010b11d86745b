"""The loop of the workspace's machines: one step brings every compute nearer to what was wished for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute import metering, records
from jupyter_aml.compute.clusters import Clusters
from jupyter_aml.compute.engines._base import Engine
from jupyter_aml.compute.engines.local.machines import Machines
from jupyter_aml.compute.engines.ssh.attached import Attached
from jupyter_aml.compute.host import this_host
from jupyter_aml.compute.instances import Instances
from jupyter_aml.compute.kernels.specs import NO_ENVIRONMENTS, EnvironmentKernel, KernelSpecs
from jupyter_aml.compute.model import LOCAL
from jupyter_aml.compute.tables import computes, nodes
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.operation import Store
from jupyter_aml.errors import NotFoundError
from jupyter_aml.tracking import states

_METER_SECONDS = 10.0


class ComputeLoop:
    """Keeps instances and clusters, and finds a place for a run on them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._machines = Machines(store.workspace_id)
        host = this_host()
        self.clusters = Clusters(store, self._machines, host)
        self.instances = Instances(store, self._machines, host)
        self._engines: dict[str, Engine] = {
            "instance": self.instances, "cluster": self.clusters, "ssh": Attached(store),
        }  # fmt: skip
        self._kernels = KernelSpecs(store)
        self._next_meter = 0.0
        self._tidied = False

    def step(self, offered: Mapping[str, Sequence[EnvironmentKernel]] = NO_ENVIRONMENTS) -> bool:
        """One step; whether something is on its way, so that the next step should come soon.

        What goes wrong with one compute keeps none of the others waiting; it is raised at the end.
        ``offered`` are the environments that are ready, by the instances they are ready on.
        """
        now, busy, faults = states.now(), False, Faults()
        with faults.kept():
            if not self._tidied:
                self._end_strangers()
                self._tidied = True
        with faults.kept():
            if time.monotonic() > self._next_meter:
                self._meter(now)
        with faults.kept():
            self._kernels.step(offered)  # first: they are there when an instance is told to be on
        for engine in self._engines.values():
            with faults.kept():
                busy = engine.step(now) or busy
        faults.raise_first()
        return busy

    def is_on(self) -> bool:
        """Whether any machine is on, so that the service must stay."""
        with self._store.database.read() as connection:
            return bool(records.loads(connection))

    def can_take(self, run: sa.Row[Any]) -> bool:
        """Whether a queued run could begin now; asked before a write is tried."""
        with self._store.database.read() as connection:
            try:
                row = records.compute_row(connection, run.compute)
            except NotFoundError:
                return False
            return self._engines[row.kind].has_slot(connection, row, run)

    def claim(self, connection: sa.Connection, run: sa.Row[Any]) -> Sequence[dict[str, Any]] | None:
        """Take what a run needs of its compute, in the caller's transaction: the slices it runs in.

        None where somebody else was faster; an empty list for this machine itself.
        """
        if run.compute == LOCAL:
            return []
        row = records.compute_row(connection, run.compute)
        return self._engines[row.kind].claim(connection, row, run)

    def courier_of(self, run: sa.Row[Any]) -> str | None:
        """The program that takes the runner's place for a run on another machine; None for one of this."""
        if run.compute == LOCAL:
            return None
        with self._store.database.read() as connection:
            try:
                return self._engines[records.compute_row(connection, run.compute).kind].courier
            except NotFoundError:
                return None

    def is_displaced(self, run: sa.Row[Any]) -> bool:
        """Whether a run is to make room, because a dedicated node needs that of its low-priority one."""
        with self._store.database.read() as connection:
            found = sa.select(nodes.c.number).where(nodes.c.run == run.number, nodes.c.state == "preempted")
            return connection.execute(found).first() is not None

    def _end_strangers(self) -> None:
        """End machines that the database does not know: a crash came between the two."""
        with self._store.database.read() as connection:
            known = set(connection.execute(sa.select(nodes.c.id)).scalars())
            known |= set(connection.execute(sa.select(computes.c.name)).scalars())
        for name in list(self._machines.names()):
            if name not in known:
                self._machines.end(name)

    def _meter(self, now: int) -> None:
        self._next_meter = time.monotonic() + _METER_SECONDS
        with self._store.database.read() as connection:
            on = records.loads(connection)
        if on:
            self._store.database.write(lambda connection: metering.tick(connection, now))
