"""What can be done with computes: the service's side. Wishes are written down; the loops make them facts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Path, Query

from jupyter_aml.compute import capacity, metering, records
from jupyter_aml.compute.host import this_host
from jupyter_aml.compute.model import (
    ComputeModel,
    Computes,
    CreateCluster,
    CreateInstance,
    Days,
    NewCompute,
    NodeModel,
    Nodes,
    QuotaModel,
    Quotas,
    Resize,
    SetQuota,
    SizeModel,
    Sizes,
    UpdateCompute,
    Usages,
)
from jupyter_aml.compute.schedules import check_schedule
from jupyter_aml.compute.sizes import SIZES, Size, size_of
from jupyter_aml.compute.tables import computes, nodes, quotas, usage
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.limits import INSTANCE_IDLE_SECONDS
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.tables import runs

operations = Operations()
ComputeName = Annotated[str, Path(min_length=1, max_length=60)]
DEFAULT_SIZE = "STANDARD_DS1_V2"
_STARTABLE = ("Stopped", "CreateFailed", "Unusable")
_STOPPABLE = ("Running", "JobRunning", "Starting", "Restarting", "Unusable")


@operations.add("GET", "/computes", action="read", resource="aml.compute")
def list_computes(context: Context, kind: Literal["instance", "cluster", "ssh"] | None = None) -> Computes:
    """The computes, oldest first."""
    statement = sa.select(computes).order_by(computes.c.number)
    if kind is not None:
        statement = statement.where(computes.c.kind == kind)
    now = states.now()
    with context.database.read() as connection:
        rows = connection.execute(statement).all()
        return Computes(items=[records.model_of(connection, row, now) for row in rows])


@operations.add("GET", "/computes/{name}", action="read", resource="aml.compute")
def get_compute(context: Context, name: ComputeName) -> ComputeModel:
    """A compute as it stands."""
    with context.database.read() as connection:
        return records.model_of(connection, records.compute_row(connection, name), states.now())


@operations.add("POST", "/computes", action="write", resource="aml.compute", status=201)
def create_compute(context: Context, body: NewCompute) -> ComputeModel:
    """Make a compute; it answers at once, and the compute's state tells how far it is."""
    wanted, now = body.compute, states.now()
    size = wanted.resolved() or size_of(DEFAULT_SIZE)
    for schedule in getattr(wanted, "schedules", []):
        check_schedule(schedule)
    host = this_host()
    if reason := capacity.why_never(size, host):
        raise InvalidError(
            f"This machine cannot hold {wanted.name!r}: {reason}.", hint="Choose a smaller size."
        )

    def write(connection: sa.Connection) -> ComputeModel:
        found = connection.execute(
            sa.select(computes).where(computes.c.folded == wanted.name.lower())
        ).one_or_none()
        if found is None:
            _check_fits(
                connection, wanted.name, size, wanted.min_nodes if isinstance(wanted, CreateCluster) else 1
            )
            _insert(connection, wanted, size, context.principal.user, now)
        elif not body.exist_ok or found.kind != wanted.kind:
            raise ConflictError(
                f"There is a compute {found.name!r} already ({found.kind}).",
                hint="Use it, choose another name, or delete it: aml compute delete -n " + found.name,
            )
        else:
            _update(connection, found, _settings(wanted))
        return records.model_of(connection, records.compute_row(connection, wanted.name), now)

    made = context.database.write(write)
    _changed(context, made)
    return made


@operations.add("PATCH", "/computes/{name}", action="write", resource="aml.compute")
def update_compute(context: Context, name: ComputeName, body: UpdateCompute) -> ComputeModel:
    """Change a compute's settings."""
    for schedule in body.schedules or []:
        check_schedule(schedule)
    given = json.loads(body.model_dump_json(exclude_none=True))

    def write(connection: sa.Connection) -> ComputeModel:
        _update(connection, records.compute_row(connection, name), given)
        return records.model_of(connection, records.compute_row(connection, name), states.now())

    made = context.database.write(write)
    _changed(context, made)
    return made


@operations.add("DELETE", "/computes/{name}", action="write", resource="aml.compute", status=202)
def delete_compute(context: Context, name: ComputeName, force: bool = False) -> ComputeModel:
    """Delete a compute. One that runs are on or wait for is refused; with ``force`` they are canceled."""

    def write(connection: sa.Connection) -> ComputeModel:
        row = records.compute_row(connection, name)
        active, queued = records.active_runs(connection, row.name), records.queued_runs(connection, row.name)
        if (active or queued) and not force:
            raise ConflictError(
                f"{row.name} has {len(active)} active and {len(queued)} queued runs.",
                hint="Wait for their end, or delete it with --force, which cancels them.",
            )
        _cancel(connection, [run.number for run in (*active, *queued)])
        records.move(connection, row.number, "Deleting", [row.state], states.now())
        return records.model_of(connection, records.compute_row(connection, name), states.now())

    made = context.database.write(write)
    _changed(context, made)
    return made


@operations.add("POST", "/computes/{name}/start", action="execute", resource="aml.compute", status=202)
def start_compute(context: Context, name: ComputeName) -> ComputeModel:
    """Start a stopped instance."""

    def check(connection: sa.Connection, row: sa.Row[Any]) -> None:
        _check_fits(connection, row.name, records.size_from(row.spec), 1)

    return _wish(context, name, "Starting", _STARTABLE, "start", check)


@operations.add("POST", "/computes/{name}/stop", action="execute", resource="aml.compute", status=202)
def stop_compute(context: Context, name: ComputeName) -> ComputeModel:
    """Stop a running instance: everything on it ends, runs on it are canceled."""

    def cancel(connection: sa.Connection, row: sa.Row[Any]) -> None:
        _cancel(connection, [run.number for run in records.active_runs(connection, row.name)])

    return _wish(context, name, "Stopping", _STOPPABLE, "stop", cancel)


@operations.add("POST", "/computes/{name}/restart", action="execute", resource="aml.compute", status=202)
def restart_compute(context: Context, name: ComputeName) -> ComputeModel:
    """Stop and start an instance."""

    def cancel(connection: sa.Connection, row: sa.Row[Any]) -> None:
        _cancel(connection, [run.number for run in records.active_runs(connection, row.name)])

    return _wish(context, name, "Restarting", ("Running", "JobRunning", "Unusable"), "restart", cancel)


@operations.add("POST", "/computes/{name}/resize", action="write", resource="aml.compute")
def resize_compute(context: Context, name: ComputeName, body: Resize) -> ComputeModel:
    """Give a stopped instance another size."""
    size = body.resolved()
    if size is None:
        raise InvalidError("The new size is missing.", hint="Give --size, or --cpus and --memory.")
    if reason := capacity.why_never(size, this_host()):
        raise InvalidError(f"This machine cannot hold {name!r}: {reason}.", hint="Choose a smaller size.")

    def write(connection: sa.Connection) -> ComputeModel:
        row = records.compute_row(connection, name)
        if row.kind != "instance" or row.state != "Stopped":
            raise ConflictError(
                f"{row.name} is {row.state}: only a stopped instance can be resized.",
                hint=f"Stop it first: aml compute stop -n {row.name}",
            )
        spec = {**row.spec, "size": dataclasses.asdict(size)}
        connection.execute(sa.update(computes).where(computes.c.number == row.number).values(spec=spec))
        return records.model_of(connection, records.compute_row(connection, name), states.now())

    return context.database.write(write)


@operations.add("GET", "/computes/{name}/nodes", action="read", resource="aml.compute")
def list_nodes(context: Context, name: ComputeName) -> Nodes:
    """The nodes of a cluster, oldest first."""
    with context.database.read() as connection:
        row = records.compute_row(connection, name)
        found = connection.execute(
            sa.select(nodes, runs.c.id.label("run_id"))
            .outerjoin(runs, runs.c.number == nodes.c.run)
            .where(nodes.c.compute == row.number)
            .order_by(nodes.c.number)
        ).all()
    return Nodes(
        items=[
            NodeModel(
                node_id=node.id,
                state=node.state,
                state_since=node.state_since,
                run_id=node.run_id,
                created_at=node.created_at,
            )
            for node in found
        ]
    )


@operations.add("GET", "/compute-sizes", action="read", resource="aml.compute")
def list_sizes(context: Context) -> Sizes:
    """The sizes machines come in, and whether this machine could give them."""
    host = this_host()
    return Sizes(
        items=[
            SizeModel(**dataclasses.asdict(size), fits=capacity.why_never(size, host) is None)
            for size in SIZES.values()
        ]
    )


@operations.add("GET", "/compute-usage", action="read", resource="aml.compute")
def list_usage(
    context: Context,
    compute: Annotated[str | None, Query(max_length=60)] = None,
    month: Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}$")] = None,
) -> Usages:
    """How long what was on, and what it would have cost, by compute, user and month."""

    def ticked(connection: sa.Connection) -> list[sa.Row[Any]]:
        metering.tick(connection, states.now())
        return list(connection.execute(sa.select(usage)).all())

    items = metering.summary(context.database.write(ticked))
    kept = [
        item for item in items if (compute is None or item.compute == compute) and month in (None, item.month)
    ]
    return Usages(items=kept)


@operations.add("GET", "/compute-usage/days", action="read", resource="aml.compute")
def list_daily_usage(
    context: Context,
    compute: Annotated[str | None, Query(max_length=60)] = None,
    days: Annotated[int, Query(ge=1, le=400)] = 30,
) -> Days:
    """How long machines were on and what it would have cost, by day (UTC), over the last ``days`` days."""
    now = states.now()
    since = (now // 86_400_000 - days + 1) * 86_400_000
    started = sa.func.max(usage.c.started_at, since).label("started_at")
    spans = sa.select(started, usage.c.ended_at, usage.c.price)
    wanted: sa.Select[Any] = spans.where(usage.c.ended_at > since)
    if compute is not None:
        wanted = wanted.where(usage.c.compute == compute)

    def ticked(connection: sa.Connection) -> list[sa.Row[Any]]:
        metering.tick(connection, now)
        return list(connection.execute(wanted).all())

    return Days(items=metering.daily(context.database.write(ticked)))


@operations.add("GET", "/compute-quotas", action="read", resource="aml.compute")
def list_quotas(context: Context) -> Quotas:
    """The size families that are in use or have a quota."""
    with context.database.read() as connection:
        limits = records.family_quotas(connection)
        used = capacity.cores_in_use(records.loads(connection))
    families = sorted({*limits, *used})
    return Quotas(
        items=[QuotaModel(family=name, limit=limits.get(name), used=used.get(name, 0.0)) for name in families]
    )


@operations.add("PUT", "/compute-quotas/{family}", action="write", resource="aml.compute", status=204)
def set_quota(context: Context, family: Annotated[str, Path(max_length=60)], body: SetQuota) -> None:
    """Limit the cores of a size family that may be in use at once."""
    known = {size.family for size in SIZES.values()} | {"custom"}
    if family not in known:
        raise InvalidError(
            f"There is no size family {family!r}.", hint=f"There are: {', '.join(sorted(known))}."
        )

    def write(connection: sa.Connection) -> None:
        connection.execute(sa.delete(quotas).where(quotas.c.family == family))
        if body.limit is not None:
            connection.execute(sa.insert(quotas).values(family=family, cores=body.limit))

    context.database.write(write)


def _check_fits(connection: sa.Connection, name: str, size: Size, machines: int) -> None:
    """Refuse what does not fit beside what is on, or exceeds a quota; ``machines`` may be 0."""
    loads = [load for load in records.loads(connection) if load.name != name]
    if reason := capacity.why_over_quota(size, max(machines, 0), loads, records.family_quotas(connection)):
        raise ConflictError(
            f"{name!r} exceeds a quota: {reason}.", hint="Stop something, or raise the quota."
        )
    room = capacity.Room.beside(this_host(), loads)
    if machines and not room.holds(size):
        on = ", ".join(sorted({load.name for load in loads})) or "nothing"
        raise ConflictError(
            f"{name!r} needs {size}, and {room} are free.",
            f"On now: {on}.",
            "Stop something (aml compute stop -n NAME), or choose a smaller size.",
        )


def _settings(wanted: CreateInstance | CreateCluster) -> dict[str, Any]:
    dumped: dict[str, Any] = json.loads(wanted.model_dump_json())
    for name in ("kind", "name", "size", "cpus", "memory", "gpus"):
        dumped.pop(name)
    return dumped


def _insert(
    connection: sa.Connection, wanted: CreateInstance | CreateCluster, size: Size, user: str, now: int
) -> None:
    settings = _settings(wanted)
    description, tags = settings.pop("description"), settings.pop("tags")
    cluster = isinstance(wanted, CreateCluster)
    connection.execute(
        sa.insert(computes).values(
            name=wanted.name,
            folded=wanted.name.lower(),
            kind=wanted.kind,
            state="Running" if cluster else "Creating",
            state_since=now,
            user=user,
            description=description,
            tags=tags,
            spec={**settings, "size": dataclasses.asdict(size)},
            created_at=now,
            last_used_at=now,
        )
    )


def _update(connection: sa.Connection, row: sa.Row[Any], given: dict[str, Any]) -> None:
    given = dict(given)
    columns = {name: given.pop(name) for name in ("description", "tags") if name in given}
    fitting = set(row.spec) | {"schedules", "environments"}
    if misplaced := set(given) - fitting:
        raise InvalidError(f"A compute {row.kind} has no {', '.join(sorted(misplaced))}.")
    if row.kind == "instance" and given.get("idle_seconds") is not None:
        given["idle_seconds"] = _instance_idle(given["idle_seconds"])
    spec = {**row.spec, **given}
    if spec.get("min_nodes", 0) > spec.get("max_nodes", 0):
        raise InvalidError(f"min_nodes ({spec['min_nodes']}) is more than max_nodes ({spec['max_nodes']}).")
    connection.execute(
        sa.update(computes).where(computes.c.number == row.number).values(spec=spec, **columns)
    )


def _instance_idle(seconds: float) -> float | None:
    """The idle time of an instance as it is kept: 0 means that it is never stopped for idleness."""
    if 0 < seconds < INSTANCE_IDLE_SECONDS:
        raise InvalidError(
            f"An instance is stopped after {INSTANCE_IDLE_SECONDS:g} idle seconds at the earliest.",
            hint="Give more, or 0 to have it never stopped for idleness.",
        )
    return seconds or None


def _wish(
    context: Context, name: str, state: str, only_from: Iterable[str], verb: str, before: Any
) -> ComputeModel:
    def write(connection: sa.Connection) -> ComputeModel:
        row = records.compute_row(connection, name)
        if row.kind != "instance":
            raise InvalidError(
                f"{row.name} is a {row.kind}; only an instance can be told to {verb}.",
                hint="Nodes of a cluster come with the jobs and go by themselves.",
            )
        if row.state not in only_from:
            raise ConflictError(f"{row.name} is {row.state}, so it cannot {verb} now.")
        before(connection, row)
        records.move(connection, row.number, state, [row.state], states.now(), last_used_at=states.now())
        return records.model_of(connection, records.compute_row(connection, name), states.now())

    made = context.database.write(write)
    _changed(context, made)
    return made


def _cancel(connection: sa.Connection, numbers: list[int]) -> None:
    """Ask these runs to end, because what they run on goes."""
    for number in numbers:
        row = connection.execute(sa.select(runs).where(runs.c.number == number)).one()
        if row.status == Status.QUEUED:
            error = {"class": "Canceled", "message": "its compute was deleted", "reason": "compute_deleted"}
            states.move(
                connection, number, row.attempt, Status.CANCELED, error=error, reason="compute_deleted"
            )
        elif states.move(connection, number, row.attempt, Status.CANCEL_REQUESTED, reason="compute"):
            connection.execute(
                sa.update(runs).where(runs.c.number == number).values(cancel_requested_at=states.now())
            )


def _changed(context: Context, compute: ComputeModel) -> None:
    context.store.signals.wake()
    context.store.signals.publish({"compute": compute.name, "state": compute.state})
