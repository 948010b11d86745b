"""Reading and changing computes in the database. Every change of state is one compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute.capacity import Load
from jupyter_aml.compute.kernels.specs import can_reach_kernels
from jupyter_aml.compute.model import LOCAL, ComputeModel, NodeCounts, Schedule, SizeModel
from jupyter_aml.compute.schedules import next_actions
from jupyter_aml.compute.sizes import Size
from jupyter_aml.compute.tables import computes, nodes, quotas
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, did_you_mean
from jupyter_aml.tracking.model import FINAL, Status
from jupyter_aml.tracking.tables import runs

ON = ("Creating", "Starting", "Running", "JobRunning", "Restarting", "Stopping")  # what takes of the host
TAKING = ("preparing", "idle", "running", "leaving", "preempted")
_FINAL = [status.value for status in FINAL]


def compute_row(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """A compute by its name, in any case; `NotFoundError` with the nearest name where there is none."""
    row = connection.execute(sa.select(computes).where(computes.c.folded == name.lower())).one_or_none()
    if row is None:
        known = connection.execute(sa.select(computes.c.name)).scalars().all()
        hint = did_you_mean(name, known) or "List them with: aml compute list"
        raise NotFoundError(f"There is no compute {name[:60]!r}.", hint=hint)
    return row


def move(
    connection: sa.Connection,
    number: int,
    state: str,
    only_from: Iterable[str],
    now: int,
    *,
    error: dict[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Bring a compute to ``state`` if it is in one of ``only_from``; whether it was."""
    changed = connection.execute(
        sa.update(computes)
        .where(computes.c.number == number, computes.c.state.in_(list(only_from)))
        .values(state=state, state_since=now, error=error, **values)
    )
    return changed.rowcount > 0


def size_from(spec: dict[str, Any]) -> Size:
    """The size a compute was made with."""
    return Size(**spec["size"])


def loads(connection: sa.Connection) -> list[Load]:
    """Everything that takes of this machine now."""
    found = [
        Load(row.name, size_from(row.spec), tuple(row.spec.get("gpus") or ()))
        for row in connection.execute(
            sa.select(computes).where(computes.c.kind == "instance", computes.c.state.in_(ON))
        )
    ]
    joined = sa.select(nodes.c.gpus, computes.c.name, computes.c.spec).join(
        computes, computes.c.number == nodes.c.compute
    )
    for row in connection.execute(joined.where(nodes.c.state.in_(TAKING))):
        low = row.spec.get("priority") == "low_priority"
        found.append(Load(row.name, size_from(row.spec), tuple(row.gpus), low))
    return found


def family_quotas(connection: sa.Connection) -> dict[str, float]:
    """The cores of each family with a quota."""
    return {row.family: row.cores for row in connection.execute(sa.select(quotas))}


def active_runs(connection: sa.Connection, name: str) -> list[sa.Row[Any]]:
    """The runs on a compute that have begun and not ended, oldest first."""
    return list(
        connection.execute(
            sa.select(runs.c.number, runs.c.id, runs.c.status)
            .where(runs.c.compute == name, runs.c.status.not_in([*_FINAL, Status.QUEUED.value]))
            .where(runs.c.spec.is_not(None))
            .order_by(runs.c.number)
        )
    )


def queued_runs(connection: sa.Connection, name: str) -> list[sa.Row[Any]]:
    """The runs that wait for a compute, oldest first."""
    return list(
        connection.execute(
            sa.select(runs.c.number, runs.c.id, runs.c.spec)
            .where(runs.c.compute == name, runs.c.status == Status.QUEUED.value)
            .order_by(runs.c.number)
        )
    )


def check_target(connection: sa.Connection, name: str, job: dict[str, Any]) -> str:
    """The name of the compute a job may be sent to; `InvalidError` where it could never run there."""
    asked = nodes_asked(job)
    if name == LOCAL:
        if asked > 1:
            raise InvalidError(
                f"The job asks for {asked} nodes, and local is one machine.",
                hint="Name a cluster: -c cpu-cluster",
            )
        return name
    row = compute_row(connection, name)
    if row.state in ("Deleting", "CreateFailed"):
        raise ConflictError(f"{row.name} is {row.state} and takes no runs.", hint="Choose another compute.")
    most = row.spec["max_nodes"] if row.kind == "cluster" else 1
    if asked > most:
        raise InvalidError(f"The job asks for {asked} nodes; {row.name} has at most {most}.")
    return str(row.name)


def nodes_asked(spec: dict[str, Any] | None) -> int:
    """How many nodes a job asks for."""
    return int(((spec or {}).get("resources") or {}).get("instance_count") or 1)


def model_of(connection: sa.Connection, row: sa.Row[Any], now: int) -> ComputeModel:
    """A compute as it stands, with what is on it."""
    spec = row.spec
    schedules = [Schedule.model_validate(item) for item in spec.get("schedules", [])]
    common: dict[str, Any] = {
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "state_since": row.state_since,
        "description": row.description,
        "tags": row.tags,
        "user": row.user,
        "created_at": row.created_at,
        "size": SizeModel(**spec["size"]) if spec.get("size") else None,
        "error": row.error,
        "details": _details(row.kind, spec),
        "active_runs": [run.id for run in active_runs(connection, row.name)],
        "queued_runs": len(queued_runs(connection, row.name)),
        "idle_seconds": spec.get("idle_seconds"),
        "last_used_at": row.last_used_at,
        "stops_at": spec.get("stops_at") if row.state in ("Running", "JobRunning") else None,
        "schedules": schedules,
        "next_actions": next_actions(schedules, now),
        "environments": spec.get("environments", []),
    }
    if row.kind == "cluster":
        common |= _cluster_fields(connection, row)
    return ComputeModel(**common)


def _details(kind: str, spec: dict[str, Any]) -> list[str]:
    """What holds the limits, what happened to them, and how the environments stand."""
    note = spec.get("memory_note")
    found = [*spec.get("details", []), *([note] if note else []), *spec.get("environment_notes", [])]
    if kind == "ssh" and not can_reach_kernels():
        found.append("for notebooks on it: pip install 'jupyter_aml[ssh]' in the Python that Jupyter runs in")
    return found


def _cluster_fields(connection: sa.Connection, row: sa.Row[Any]) -> dict[str, Any]:
    counted = connection.execute(
        sa.select(nodes.c.state, sa.func.count()).where(nodes.c.compute == row.number).group_by(nodes.c.state)
    )
    counts = NodeCounts(**dict(tuple(found) for found in counted))
    current = counts.idle + counts.preparing + counts.running + counts.leaving
    target = row.spec.get("target", row.spec["min_nodes"])
    return {
        "min_nodes": row.spec["min_nodes"],
        "max_nodes": row.spec["max_nodes"],
        "priority": row.spec["priority"],
        "node_counts": counts,
        "current_nodes": current,
        "target_nodes": target,
        "allocation_state": "steady" if current == target else "resizing",
    }


def cluster_nodes(connection: sa.Connection, number: int) -> Sequence[sa.Row[Any]]:
    """The nodes of a cluster, oldest first."""
    return connection.execute(
        sa.select(nodes).where(nodes.c.compute == number).order_by(nodes.c.number)
    ).all()
