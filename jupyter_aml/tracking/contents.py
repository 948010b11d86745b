"""What a run holds: metrics, files, logs, cells and the snapshot it was made from. The service's side."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, did_you_mean
from jupyter_aml.tracking import states
from jupyter_aml.tracking.downloads import attachment, receive
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.live_logs import live_streams, read_stored, read_stream
from jupyter_aml.tracking.model import (
    ArtifactModel,
    Artifacts,
    CellModel,
    Cells,
    HistoryModel,
    LogChunk,
    LogModel,
    Logs,
    MetricModel,
    Metrics,
    MetricValues,
    Snapshot,
    SnapshotFile,
    Status,
)
from jupyter_aml.tracking.operations import RunPath
from jupyter_aml.tracking.reading import run_row
from jupyter_aml.tracking.records import add_artifact
from jupyter_aml.tracking.series import load_series, read_history
from jupyter_aml.tracking.tables import artifacts, cells, metric_objects, metric_series, snapshot_files

operations = Operations()


@operations.add("GET", "/runs/{run_id}/metrics", action="read", resource="aml.runs")
def get_metrics(context: Context, run_id: RunPath) -> Metrics:
    """The metrics of a run: each one's summary, and the latest value of those that are no scalars."""
    ingest_for_reading(context.store, run_id)
    s, o = metric_series.c, metric_objects.c
    latest = sa.select(o.value).where(o.series == s.number, o.sequence == s.count - 1).scalar_subquery()
    with context.database.read() as connection:
        number = run_row(connection, run_id).number
        rows = connection.execute(
            sa.select(metric_series, latest.label("value")).where(s.run == number).order_by(s.name)
        ).all()
    return Metrics(items=[_metric(row) for row in rows])


def _metric(row: sa.Row[Any]) -> MetricModel:
    scalar = row.kind == "scalar"
    nan = float("nan")
    return MetricModel.model_construct(
        name=row.name,
        kind=row.kind,
        count=row._mapping["count"],
        last=(nan if row.last_value is None else row.last_value) if scalar else None,
        last_step=row.last_step,
        last_time=row.last_time,
        min=row.min_value,
        max=row.max_value,
        value=row.value,
    )


@operations.add("GET", "/runs/{run_id}/metrics/history", action="read", resource="aml.runs")
def metric_history(
    context: Context,
    run_id: RunPath,
    name: Annotated[str, Query(max_length=limits.METRIC_NAME_LENGTH)],
    max_points: Annotated[int | None, Query(ge=4, le=limits.HISTORY_POINTS_MAX)] = None,
) -> HistoryModel:
    """The points of a scalar metric by step, thinned to about ``max_points`` where there are more."""
    ingest_for_reading(context.store, run_id)
    with context.database.read() as connection:
        known = load_series(connection, run_row(connection, run_id).number)
        series = known.get(name)
        if series is None:
            raise NotFoundError(f"The run has no metric {name!r}.", hint=did_you_mean(name, known))
        if series.kind != "scalar":
            raise InvalidError(
                f"Metric {name!r} is a {series.kind}, not a series of numbers.", hint="Use get_metrics."
            )
        history = read_history(connection, series, max_points)
    # A long history skips the model's validation: it is ours, and validating costs more than reading.
    return HistoryModel.model_construct(
        name=name,
        total=history.total,
        thinned=history.thinned,
        steps=list(history.steps),
        times=list(history.times),
        values=list(history.values),
    )


@operations.add("GET", "/runs/{run_id}/metrics/values", action="read", resource="aml.runs")
def metric_values(
    context: Context,
    run_id: RunPath,
    name: Annotated[str, Query(max_length=limits.METRIC_NAME_LENGTH)],
) -> MetricValues:
    """Every value of a metric that is no scalar, in the order logged."""
    ingest_for_reading(context.store, run_id)
    s, o = metric_series.c, metric_objects.c
    with context.database.read() as connection:
        number = run_row(connection, run_id).number
        values = connection.execute(
            sa.select(o.value)
            .join(metric_series, s.number == o.series)
            .where(s.run == number, s.name == name)
            .order_by(o.sequence)
        )
        return MetricValues(items=list(values.scalars()))


@operations.add("GET", "/runs/{run_id}/artifacts", action="read", resource="aml.runs")
def list_artifacts(
    context: Context,
    run_id: RunPath,
    prefix: Annotated[str, Query(max_length=limits.PATH_LENGTH)] = "",
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_MAX,
    page_token: Annotated[str | None, Query(max_length=limits.PATH_LENGTH)] = None,
) -> Artifacts:
    """The files of a run by path, those whose path begins with ``prefix``."""
    ingest_for_reading(context.store, run_id)
    a = artifacts.c
    with context.database.read() as connection:
        number = run_row(connection, run_id).number
        statement = sa.select(a.path, a.size, a.digest, a.created_at).where(a.run == number)
        if prefix:
            statement = statement.where(sa.func.substr(a.path, 1, len(prefix)) == prefix)
        if page_token:
            statement = statement.where(a.path > page_token)
        rows = connection.execute(statement.order_by(a.path).limit(limit + 1)).all()
    items = [ArtifactModel(**row._mapping) for row in rows[:limit]]
    return Artifacts(items=items, next_page_token=items[-1].path if len(rows) > limit else None)


@operations.add("GET", "/runs/{run_id}/artifacts/{path:path}", action="read", resource="aml.runs")
def download_artifact(context: Context, run_id: RunPath, path: str, request: Request) -> StreamingResponse:
    """The bytes of a file of the run, always as an attachment."""
    check_logical_path(path)
    ingest_for_reading(context.store, run_id)
    with context.database.read() as connection:
        number = run_row(connection, run_id).number
        found = connection.execute(
            sa.select(artifacts.c.digest).where(artifacts.c.run == number, artifacts.c.path == path)
        ).scalar_one_or_none()
        if found is None:
            known = connection.execute(
                sa.select(artifacts.c.path).where(artifacts.c.run == number).limit(1000)
            )
            hint = did_you_mean(path, known.scalars())
            raise NotFoundError(
                f"The run has no file {path!r}.", hint=hint or "List them with run.get_file_names()."
            )
    return attachment(context.store.blobs, found, path, request)


@operations.add(
    "PUT", "/runs/{run_id}/artifacts/{path:path}", action="write", resource="aml.runs", own_run=True,
    status=201, raw_body=True,
)  # fmt: skip
async def upload_artifact(context: Context, run_id: RunPath, path: str, request: Request) -> ArtifactModel:
    """Store the body as a file of a run that has not ended; ``X-AML-SHA256`` is checked where it is given."""
    check_logical_path(path)
    blob = await receive(context.store.blobs, request)

    def write(connection: sa.Connection) -> ArtifactModel:
        row = run_row(connection, run_id)
        if Status(row.status).is_final:
            raise ConflictError(f"Run {row.display_name} is {row.status}; its files cannot be changed.")
        at = states.now()
        operation = {"path": path, "digest": blob.digest, "size": blob.size, "time": at}
        add_artifact(connection, row.number, operation)
        return ArtifactModel(path=path, size=blob.size, digest=blob.digest, created_at=at)

    return context.database.write(write)


@operations.add("GET", "/runs/{run_id}/logs", action="read", resource="aml.runs")
def list_logs(context: Context, run_id: RunPath) -> Logs:
    """The log streams of a run."""
    with context.database.read() as connection:
        row = run_row(connection, run_id)
        found = live_streams(context.store.folder.run_folder(run_id).logs)
        a = artifacts.c
        stored = connection.execute(
            sa.select(a.path, a.size).where(
                a.run == row.number,
                sa.or_(
                    sa.func.substr(a.path, 1, 10) == "user_logs/",
                    sa.func.substr(a.path, 1, 12) == "system_logs/",
                ),
            )
        )
        for path, size in stored:
            found.setdefault(path, size)
    return Logs(items=[LogModel(stream=stream, size=size) for stream, size in sorted(found.items())])


@operations.add("GET", "/runs/{run_id}/log", action="read", resource="aml.runs")
def read_log(
    context: Context,
    run_id: RunPath,
    stream: Annotated[str, Query(max_length=limits.PATH_LENGTH)] = "user_logs/std_log.txt",
    offset: Annotated[int, Query(ge=-(2**40), le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=limits.LOG_CHUNK_BYTES)] = 65536,
) -> LogChunk:
    """A part of a log from byte ``offset`` (negative: from the end); text only, cut at whole characters."""
    check_logical_path(stream)
    with context.database.read() as connection:
        row = run_row(connection, run_id)
        stored = connection.execute(
            sa.select(artifacts.c.digest).where(artifacts.c.run == row.number, artifacts.c.path == stream)
        ).scalar_one_or_none()
    ended = Status(row.status).is_final
    if ended and stored is not None:
        return read_stored(context.store.blobs, stored, offset, limit)
    return read_stream(context.store.folder.run_folder(run_id).logs, stream, offset, limit, ended=ended)


@operations.add("GET", "/runs/{run_id}/cells", action="read", resource="aml.runs")
def list_cells(context: Context, run_id: RunPath) -> Cells:
    """The cells of a notebook run and how they went."""
    ingest_for_reading(context.store, run_id)
    c = cells.c
    with context.database.read() as connection:
        number = run_row(connection, run_id).number
        rows = connection.execute(sa.select(cells).where(c.run == number).order_by(c.position)).all()
    return Cells(
        items=[
            CellModel(
                index=row.position,
                label=row.label,
                kind=row.kind,
                state=row.state,
                started_at=row.started_at,
                ended_at=row.ended_at,
            )
            for row in rows
        ]
    )


@operations.add("GET", "/runs/{run_id}/snapshot", action="read", resource="aml.runs")
def list_snapshot(context: Context, run_id: RunPath) -> Snapshot:
    """The files a run was submitted with."""
    f = snapshot_files.c
    with context.database.read() as connection:
        row = run_row(connection, run_id)
        rows = connection.execute(
            sa.select(f.path, f.size, f.digest, f.executable)
            .where(f.snapshot == row.snapshot)
            .order_by(f.path)
        ).all()
    return Snapshot(items=[SnapshotFile(**found._mapping) for found in rows])


@operations.add("GET", "/runs/{run_id}/snapshot/{path:path}", action="read", resource="aml.runs")
def download_snapshot_file(
    context: Context, run_id: RunPath, path: str, request: Request
) -> StreamingResponse:
    """The bytes of a file the run was submitted with."""
    check_logical_path(path)
    f = snapshot_files.c
    with context.database.read() as connection:
        row = run_row(connection, run_id)
        digest = connection.execute(
            sa.select(f.digest).where(f.snapshot == row.snapshot, f.path == path)
        ).scalar_one_or_none()
    if digest is None:
        raise NotFoundError(f"The run's snapshot has no file {path!r}.")
    return attachment(context.store.blobs, digest, path, request)
