"""What can be done with experiments and runs: the service's side."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Path as InPath

from jupyter_aml import limits
from jupyter_aml.core import ids
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.operation import Context, Operations, Store
from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.tracking import states
from jupyter_aml.tracking.experiments import experiment_number
from jupyter_aml.tracking.finish import finalize_run
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.model import (
    FinishRun,
    RunError,
    RunModel,
    Runs,
    SearchRuns,
    SetTags,
    StartRun,
    Status,
    UpdateRun,
)
from jupyter_aml.tracking.reading import is_below, load_run, load_runs, run_row
from jupyter_aml.tracking.records import set_tags as write_tags
from jupyter_aml.tracking.search import find_runs
from jupyter_aml.tracking.source_files import check_json_size, split_source, store_source
from jupyter_aml.tracking.tables import metric_points, metric_series, runs

operations = Operations()
RunPath = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$", description="A run's id: 32 hex digits.")]


def request_digest(body: Any) -> str:
    """What tells one keyed request from another."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def keyed_run(connection: sa.Connection, user: str, key: str | None, digest: str) -> str | None:
    """The run an earlier request with this idempotency key made, if there was one."""
    if key is None:
        return None
    row = connection.execute(
        sa.select(runs.c.id, runs.c.request_digest).where(runs.c.user == user, runs.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    if row.request_digest != digest:
        raise ConflictError(
            f"The idempotency key {key!r} was used for another request.", hint="Use a fresh key."
        )
    return str(row.id)


def insert_run(connection: sa.Connection, values: dict[str, Any], status: Status) -> int:
    """Insert a run in its first state and return its number."""
    at = states.now()
    first = {"created_at": at, "status": status.value, "compute": "local"}
    if status is Status.RUNNING:
        first |= {"started_at": at, "attempt": 1}
    result = connection.execute(sa.insert(runs).values(first | values))
    (number,) = result.inserted_primary_key or (0,)
    states.record(connection, number, first.get("attempt", 0), status, at, None)  # type: ignore[arg-type]
    failpoint("run.inserted")
    return int(number)


def publish(store: Store, run: RunModel) -> None:
    """Tell listeners how a run stands."""
    progress = run.progress
    store.signals.publish(
        {
            "run_id": run.id,
            "experiment": run.experiment,
            "status": run.status.value,
            "progress": None if progress is None else {"done": progress.done, "total": progress.total},
        }
    )


def fresh_run(context: Context, run_id: str) -> RunModel:
    """A run with everything its processes have said so far, told to listeners."""
    ingest_for_reading(context.store, run_id)
    with context.database.read() as connection:
        return load_run(connection, run_id)


@operations.add("POST", "/runs", action="write", resource="aml.runs", own_run=True, status=201)
def start_run(context: Context, body: StartRun) -> RunModel:
    """Start an interactive run, in state Running; the caller logs to it and finishes it."""
    name = body.display_name or ids.display_name()
    check_text(name, "display name", limits.DISPLAY_NAME_LENGTH)
    if len(body.tags) > limits.TAGS_A_RUN:
        raise InvalidError(f"A run has at most {limits.TAGS_A_RUN:,} tags.")
    digest = request_digest(body.model_dump(exclude={"source", "key"}))
    principal = context.principal
    source, texts = split_source(body.source)
    stored = store_source(context.store.blobs, texts)

    def write(connection: sa.Connection) -> str:
        found = keyed_run(connection, principal.user, body.key, digest)
        if found:
            return found
        parent = parent_number(connection, context, body.parent_id)
        run_id = ids.new_run_id()
        number = insert_run(
            connection,
            {
                "id": run_id,
                "experiment": experiment_number(connection, body.experiment, principal.user),
                "parent": parent,
                "kind": body.kind,
                "display_name": name,
                "user": principal.user,
                "source": source,
                "key": body.key,
                "request_digest": digest,
            },
            Status.RUNNING,
        )
        write_tags(connection, number, {"tags": body.tags})
        stored.record(connection, number)
        return run_id

    run_id = context.database.write(write)
    run = fresh_run(context, run_id)
    publish(context.store, run)
    return run


def parent_number(connection: sa.Connection, context: Context, parent_id: str | None) -> int | None:
    """The number of the run a new one goes below; what a run starts goes below itself."""
    own = context.principal.run_id
    if parent_id is None:
        return None if own is None else int(run_row(connection, own).number)
    if own is not None and not is_below(connection, parent_id, own):
        raise NotFoundError(f"There is no run {parent_id!r} that this token may add to.")
    return int(run_row(connection, parent_id).number)


@operations.add("POST", "/runs/search", action="read", resource="aml.runs")
def search_runs(context: Context, body: SearchRuns) -> Runs:
    """Find runs by MLflow's filter grammar; newest first unless ordered otherwise."""
    with context.database.read() as connection:
        numbers, token = find_runs(
            connection,
            filter=body.filter,
            order_by=body.order_by,
            experiments=body.experiments,
            parent_id=body.parent_id,
            archived=body.archived,
            limit=body.limit,
            page_token=body.page_token,
            secret=context.store.secret + context.principal.user.encode(),
        )
        return Runs(items=load_runs(connection, numbers), next_page_token=token)


@operations.add("GET", "/runs/{run_id}", action="read", resource="aml.runs")
def get_run(context: Context, run_id: RunPath) -> RunModel:
    """A run as it stands, with all that was logged so far."""
    return fresh_run(context, run_id)


@operations.add("PATCH", "/runs/{run_id}", action="write", resource="aml.runs", own_run=True)
def update_run(context: Context, run_id: RunPath, body: UpdateRun) -> RunModel:
    """Change a run's display name or description, or archive it."""
    values: dict[str, Any] = {}
    if body.display_name is not None:
        values["display_name"] = check_text(body.display_name, "display name", limits.DISPLAY_NAME_LENGTH)
    if body.description is not None:
        values["description"] = check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
    if body.archived is not None:
        values["archived_at"] = states.now() if body.archived else None

    def write(connection: sa.Connection) -> None:
        run_row(connection, run_id)
        if values:
            connection.execute(sa.update(runs).where(runs.c.id == run_id).values(values))

    context.database.write(write)
    return fresh_run(context, run_id)


@operations.add("PATCH", "/runs/{run_id}/tags", action="write", resource="aml.runs", own_run=True)
def set_tags(context: Context, run_id: RunPath, body: SetTags) -> RunModel:
    """Set tags; a null value removes one."""
    context.database.write(
        lambda connection: write_tags(connection, run_row(connection, run_id).number, {"tags": body.tags})
    )
    return fresh_run(context, run_id)


@operations.add("POST", "/runs/{run_id}/finish", action="write", resource="aml.runs", own_run=True)
def finish_run(context: Context, run_id: RunPath, body: FinishRun) -> RunModel:
    """End an interactive run: take in what it logged, then set its final state."""
    error = body.error or (RunError() if body.status == "Failed" else None)
    record: dict[str, Any] | None = None
    if error is not None:
        record = {**error.model_dump(by_alias=True, exclude_defaults=True), **_told(error)}
    check_json_size(record, "error", limits.ERROR_JSON_BYTES)
    with context.database.read() as connection:
        row = run_row(connection, run_id)
    if row.spec is not None:
        raise ConflictError("A submitted job ends by itself; it can only be canceled.")
    if not finalize_run(context.store, row, Status(body.status), record):
        run = fresh_run(context, run_id)
        if run.status is not Status(body.status):
            raise ConflictError(f"Run {run.display_name} is already {run.status.value}.")
    run = fresh_run(context, run_id)
    publish(context.store, run)
    return run


def _told(error: RunError) -> dict[str, str]:
    """What every record of a failure has."""
    return {"class": error.kind, "message": error.message, "reason": error.reason}


@operations.add("POST", "/runs/{run_id}/cancel", action="write", resource="aml.runs", own_run=True)
def cancel_run(context: Context, run_id: RunPath) -> RunModel:
    """Ask a run to stop: at once where it waits, else it is interrupted, then ended."""

    def write(connection: sa.Connection) -> None:
        row = run_row(connection, run_id)
        if Status(row.status).is_final:
            raise ConflictError(f"Run {row.display_name} is already {row.status}.")
        connection.execute(
            sa.update(runs)
            .where(runs.c.number == row.number)
            .values(cancel_requested_at=sa.func.coalesce(runs.c.cancel_requested_at, states.now()))
        )
        error = {"class": "Canceled", "message": "canceled before it started", "reason": "canceled"}
        queued = states.move(
            connection, row.number, row.attempt, Status.CANCELED, only_from=[Status.QUEUED], error=error
        )
        if not queued:
            states.move(connection, row.number, row.attempt, Status.CANCEL_REQUESTED)

    context.database.write(write)
    context.store.signals.wake()
    run = fresh_run(context, run_id)
    publish(context.store, run)
    return run


@operations.add("DELETE", "/runs/{run_id}", action="write", resource="aml.runs", status=204)
def delete_run(context: Context, run_id: RunPath) -> None:
    """Delete a finished run and everything of it; its children lose their parent."""

    def write(connection: sa.Connection) -> None:
        row = run_row(connection, run_id)
        if not Status(row.status).is_final:
            raise ConflictError(
                f"Run {row.display_name} is {row.status}.", hint=f"Cancel it first: aml cancel {run_id[:8]}"
            )
        delete_run_rows(connection, row.number)

    context.database.write(write)


def delete_run_rows(connection: sa.Connection, number: int) -> None:
    """Remove a run's rows (what refers to it by foreign key goes along)."""
    series = sa.select(metric_series.c.number).where(metric_series.c.run == number)
    for (found,) in connection.execute(series).all():
        first = found << 32
        connection.execute(
            sa.delete(metric_points).where(metric_points.c.id >= first, metric_points.c.id < first + 2**32)
        )
    connection.execute(sa.update(runs).where(runs.c.parent == number).values(parent=None))
    connection.execute(sa.delete(runs).where(runs.c.number == number))
