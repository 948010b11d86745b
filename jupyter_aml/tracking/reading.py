"""Reading runs out of the database, whole pages at a time."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.errors import NotFoundError
from jupyter_aml.tracking.model import FINAL, Progress, RunModel, Status
from jupyter_aml.tracking.tables import cells, experiments, metric_series, params, runs, tags

_parent = runs.alias("parent")
_COLUMNS = (
    sa.select(runs, experiments.c.name.label("experiment_name"), _parent.c.id.label("parent_id"))
    .join(experiments, experiments.c.number == runs.c.experiment)
    .outerjoin(_parent, _parent.c.number == runs.c.parent)
)


def run_row(connection: sa.Connection, run_id: str) -> sa.Row[Any]:
    """The row of a run by its id; `NotFoundError` where there is none."""
    row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no run {run_id!r}.", hint="List them with: aml runs")
    return row


def load_runs(connection: sa.Connection, numbers: Sequence[int]) -> list[RunModel]:
    """The runs with these numbers, in the order given."""
    if not numbers:
        return []
    rows = {row.number: row for row in connection.execute(_COLUMNS.where(_among(runs.c.number, numbers)))}
    found_tags = _pairs(connection, tags, numbers)
    found_params = _pairs(connection, params, numbers)
    found_metrics = _metrics(connection, numbers)
    live = [number for number in numbers if number in rows and rows[number].kind in ("notebook", "cell")]
    progress = _progress(connection, live)
    return [
        _model(rows[n], found_tags[n], found_params[n], found_metrics[n], progress.get(n))
        for n in numbers
        if n in rows
    ]


def load_run(connection: sa.Connection, run_id: str) -> RunModel:
    """One run; `NotFoundError` where there is none."""
    return load_runs(connection, [run_row(connection, run_id).number])[0]


def is_below(connection: sa.Connection, run_id: str, ancestor: str) -> bool:
    """Whether a run is another one or one of its descendants."""
    current: str | None = run_id
    for _ in range(100):
        if current == ancestor:
            return True
        current = connection.execute(
            sa.select(_parent.c.id).join(runs, runs.c.parent == _parent.c.number).where(runs.c.id == current)
        ).scalar_one_or_none()
        if current is None:
            return False
    return False


def _among(column: sa.ColumnElement[int], numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    """Whether ``column`` is one of ``numbers``: one bound value, however many they are."""
    listed = sa.func.json_each(json.dumps(list(numbers))).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _fetch(connection: sa.Connection, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
    """The rows as the driver has them; for columns that need no conversion."""
    cursor = connection.execute(statement).cursor
    return [] if cursor is None else list(cursor.fetchall())


def _pairs(
    connection: sa.Connection, table: sa.Table, numbers: Sequence[int]
) -> defaultdict[int, dict[str, str]]:
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for run, name, value in _fetch(
        connection, sa.select(table.c.run, table.c.name, table.c.value).where(_among(table.c.run, numbers))
    ):
        found[run][name] = value
    return found


def _metrics(connection: sa.Connection, numbers: Sequence[int]) -> defaultdict[int, dict[str, float]]:
    s = metric_series.c
    found: defaultdict[int, dict[str, float]] = defaultdict(dict)
    summary = sa.select(s.run, s.name, s.last_value)
    for run, name, value in _fetch(
        connection, summary.where(_among(s.run, numbers), s.kind == "scalar", s.count > 0)
    ):
        found[run][name] = math.nan if value is None else value
    return found


def _progress(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Progress]:
    if not numbers:
        return {}
    c = cells.c
    ended = sa.func.sum(sa.case((c.state.in_(["completed", "failed"]), 1), else_=0))
    counted = connection.execute(
        sa.select(c.run, sa.func.count().label("total"), ended.label("done"))
        .where(_among(c.run, numbers), c.kind == "code")
        .group_by(c.run)
    ).all()
    current = {
        row.run: row
        for row in connection.execute(
            sa.select(c.run, c.position, c.label).where(_among(c.run, numbers), c.state == "running")
        )
    }
    return {
        row.run: Progress(
            done=row.done,
            total=row.total,
            index=current[row.run].position if row.run in current else None,
            label=current[row.run].label if row.run in current else None,
        )
        for row in counted
    }


def _model(
    row: sa.Row[Any],
    run_tags: dict[str, str],
    run_params: dict[str, str],
    metrics: dict[str, float],
    progress: Progress | None,
) -> RunModel:
    return RunModel.model_construct(
        id=row.id,
        experiment=row.experiment_name,
        display_name=row.display_name,
        description=row.description,
        kind=row.kind,
        status=Status(row.status),
        attempt=row.attempt,
        parent_id=row.parent_id,
        user=row.user,
        compute=row.compute,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        archived=row.archived_at is not None,
        cancel_requested_at=row.cancel_requested_at,
        tags=run_tags,
        params=run_params,
        metrics=metrics,
        progress=progress,
        error=row.error,
        source=row.source,
        spec=row.spec,
    )


def unfinished(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Every run that is in no final state, oldest first."""
    final = [status.value for status in FINAL]
    return list(
        connection.execute(sa.select(runs).where(runs.c.status.not_in(final)).order_by(runs.c.number)).all()
    )
