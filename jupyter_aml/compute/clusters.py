"""Clusters: nodes come with the queued runs and go after idle time, step by step of the service's loop.

A node that a run has claimed is ``running`` until the run ends or is queued again. Nodes for dedicated
clusters may displace those of low-priority ones: their runs are asked to end and are queued again.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute import capacity, metering, records
from jupyter_aml.compute.engines.local.machines import Machines
from jupyter_aml.compute.host import Host
from jupyter_aml.compute.scaling import NodeFact, plan
from jupyter_aml.compute.sizes import Size
from jupyter_aml.compute.tables import computes, nodes
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.operation import Store
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import FINAL, Status
from jupyter_aml.tracking.tables import runs

log = logging.getLogger("jupyter_aml.service")
_NOT_ON_IT = [*(status.value for status in FINAL), Status.QUEUED.value]


class Clusters:
    """Brings the nodes of a workspace's clusters to what its queue and their settings ask for."""

    courier = None

    def __init__(self, store: Store, machines: Machines, host: Host) -> None:
        self._store = store
        self._machines = machines
        self._host = host
        self._is_wanted = False  # a dedicated node waits for room, which low-priority ones leave alone

    def step(self, now: int) -> bool:
        """One step; whether something is still on its way (and the next step should come soon).

        What goes wrong with one cluster is raised after the others.
        """
        self._release(now)
        with self._store.database.read() as connection:
            rows = connection.execute(sa.select(computes).where(computes.c.kind == "cluster")).all()
        # Dedicated clusters are served first.
        rows = sorted(rows, key=lambda row: (row.spec["priority"] == "low_priority", row.number))
        self._is_wanted = False
        busy, faults = False, Faults()
        for row in rows:
            with faults.kept():
                busy = self._bring(row, now) or busy
        faults.raise_first()
        return busy

    def has_slot(self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]) -> bool:
        """Whether it has as many idle nodes as the run asks for."""
        return compute.state != "Deleting" and len(_idle(connection, compute)) >= records.nodes_asked(
            run.spec
        )

    def claim(
        self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]
    ) -> list[dict[str, Any]] | None:
        """Give the run its nodes; their slices, as a runner is told of them."""
        if not self.has_slot(connection, compute, run):
            return None
        # The newest: the oldest come to their idle time first.
        taken = _idle(connection, compute)[-records.nodes_asked(run.spec) :]
        now = states.now()
        connection.execute(
            sa.update(nodes)
            .where(nodes.c.number.in_([node.number for node in taken]))
            .values(state="running", run=run.number, state_since=now)
        )
        connection.execute(
            sa.update(computes).where(computes.c.number == compute.number).values(last_used_at=now)
        )
        size = records.size_from(compute.spec)
        return [self._machines.ensure(node.id, size, node.gpus).to_json() for node in taken]

    def _release(self, now: int) -> None:
        """Nodes whose run is on them no more are idle, or leave where they were displaced."""
        gone = sa.or_(runs.c.status.is_(None), runs.c.status.in_(_NOT_ON_IT))
        free = sa.select(nodes.c.number).outerjoin(runs, runs.c.number == nodes.c.run).where(gone)

        def write(connection: sa.Connection) -> None:
            for state, following in (("running", "idle"), ("preempted", "leaving")):
                connection.execute(
                    sa.update(nodes)
                    .where(nodes.c.state == state, nodes.c.number.in_(free))
                    .values(state=following, run=None, state_since=now)
                )

        with self._store.database.read() as connection:
            waiting = connection.execute(
                sa.select(nodes.c.number)
                .outerjoin(runs, runs.c.number == nodes.c.run)
                .where(nodes.c.state.in_(("running", "preempted")), gone)
                .limit(1)
            ).first()
        if waiting is not None:
            self._store.database.write(write)

    def _bring(self, row: sa.Row[Any], now: int) -> bool:
        with self._store.database.read() as connection:
            present = records.cluster_nodes(connection, row.number)
            queued = records.queued_runs(connection, row.name)
        self._settle(row, present, now)
        deleting = row.state == "Deleting"
        if deleting and not present:
            self._store.database.write(
                lambda connection: connection.execute(
                    sa.delete(computes).where(computes.c.number == row.number)
                )
            )
            self._tell(row, "Deleted")
            return False
        spec = row.spec
        wanted = 0 if deleting else sum(records.nodes_asked(run.spec) for run in queued)
        idle = sum(node.state in ("idle", "preparing") for node in present)
        found = plan(
            [NodeFact(node.id, node.state, node.state_since) for node in present],
            wanted=wanted,
            least=0 if deleting else spec["min_nodes"],
            most=0 if deleting else spec["max_nodes"],
            idle_ms=0 if deleting else spec["idle_seconds"] * 1000,
            now=now,
        )
        if found.target != spec.get("target"):
            self._note_target(row, found.target)
        if found.remove:
            self._store.database.write(
                lambda connection: connection.execute(
                    sa.update(nodes)
                    .where(nodes.c.id.in_(found.remove), nodes.c.state == "idle")
                    .values(state="leaving", state_since=now)
                )
            )
        for _ in range(found.add):
            if not self._add(row, now):
                break
        return bool(found.add or found.remove or deleting or (wanted and idle))

    def _settle(self, row: sa.Row[Any], present: Sequence[sa.Row[Any]], now: int) -> None:
        """Nodes that were being made are made, nodes that leave are ended."""
        for node in present:
            if node.state == "preparing":
                self._make(row, node, now)
            elif node.state == "leaving" and self._machines.end(node.id):
                failpoint("node.ended")
                self._store.database.write(functools.partial(_gone, node=node, now=now))
                self._tell(row, row.state)

    def _make(self, row: sa.Row[Any], node: sa.Row[Any], now: int) -> None:
        try:
            self._machines.ensure(node.id, records.size_from(row.spec), node.gpus)
        except OSError as error:
            log.warning("node %s of %s could not be made: %s", node.id, row.name, error)
            failure = {"class": "NodeFailed", "message": f"a node could not be made: {error}"}

            def fail(connection: sa.Connection) -> None:
                _move(connection, node, "unusable", now)
                connection.execute(
                    sa.update(computes).where(computes.c.number == row.number).values(error=failure)
                )

            self._store.database.write(fail)
            return

        failpoint("node.made")

        def ready(connection: sa.Connection) -> None:
            _move(connection, node, "idle", now)
            metering.begin(
                connection,
                compute=row.name,
                kind="cluster",
                user=row.user,
                size=records.size_from(row.spec),
                node=node.id,
                now=now,
                low_priority=row.spec["priority"] == "low_priority",
            )

        self._store.database.write(ready)
        self._tell(row, row.state)

    def _add(self, row: sa.Row[Any], now: int) -> bool:
        """Begin to make a node if there is room, or have low-priority ones make some; whether it was."""
        size = records.size_from(row.spec)
        dedicated = row.spec["priority"] == "dedicated"
        if self._is_wanted and not dedicated:
            return False

        def write(connection: sa.Connection) -> bool:
            loads = records.loads(connection)
            if capacity.why_over_quota(size, 1, loads, records.family_quotas(connection)):
                return False
            room = capacity.Room.beside(self._host, loads)
            if not room.holds(size):
                if dedicated:
                    self._is_wanted = True
                    _displace(connection, size, loads, self._host, now)
                return False
            connection.execute(
                sa.insert(nodes).values(
                    id=f"tvm-{secrets.token_hex(5)}",
                    compute=row.number,
                    state="preparing",
                    state_since=now,
                    created_at=now,
                    gpus=list(room.pick_gpus(size)),
                )
            )
            return True

        begun = self._store.database.write(write)
        if begun:
            failpoint("node.added")
            with self._store.database.read() as connection:
                present = records.cluster_nodes(connection, row.number)
            self._settle(row, [node for node in present if node.state == "preparing"], now)
        return begun

    def _note_target(self, row: sa.Row[Any], target: int) -> None:
        def write(connection: sa.Connection) -> None:
            fresh = connection.execute(
                sa.select(computes.c.spec).where(computes.c.number == row.number)
            ).scalar_one()
            spec = {**fresh, "target": target}
            connection.execute(sa.update(computes).where(computes.c.number == row.number).values(spec=spec))

        self._store.database.write(write)

    def _tell(self, row: sa.Row[Any], state: str) -> None:
        self._store.signals.publish({"compute": row.name, "state": state})


def _idle(connection: sa.Connection, compute: sa.Row[Any]) -> list[sa.Row[Any]]:
    """The idle nodes of a cluster, oldest first."""
    return [node for node in records.cluster_nodes(connection, compute.number) if node.state == "idle"]


def _move(connection: sa.Connection, node: sa.Row[Any], state: str, now: int) -> None:
    connection.execute(
        sa.update(nodes)
        .where(nodes.c.number == node.number, nodes.c.state == node.state)
        .values(state=state, state_since=now)
    )


def _gone(connection: sa.Connection, node: sa.Row[Any], now: int) -> None:
    connection.execute(sa.delete(nodes).where(nodes.c.number == node.number))
    metering.end(connection, node.id, now)


def _displace(
    connection: sa.Connection, size: Size, loads: Sequence[capacity.Load], host: Host, now: int
) -> None:
    """Mark as many low-priority nodes as a machine of ``size`` needs the room of, the youngest first."""
    low = connection.execute(
        sa.select(nodes, computes.c.spec)
        .join(computes, computes.c.number == nodes.c.compute)
        .order_by(nodes.c.state_since.desc(), nodes.c.number.desc())
    ).all()
    rest = list(loads)
    # What is leaving already makes room too, so that no more is displaced than needed.
    chosen: list[sa.Row[Any]] = []
    for going in (True, False):
        for node in low:
            leaving = node.state in ("leaving", "preempted")
            if node.spec["priority"] != "low_priority" or leaving != going:
                continue
            if capacity.Room.beside(host, rest).holds(size):
                break
            taken = next(
                (load for load in rest if load.low_priority and load.size == records.size_from(node.spec)),
                None,
            )
            if taken is not None:
                rest.remove(taken)
                if not going:
                    chosen.append(node)
    if not capacity.Room.beside(host, rest).holds(size):
        return
    for node in chosen:
        _move(connection, node, "preempted" if node.state == "running" else "leaving", now)
