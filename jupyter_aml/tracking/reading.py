"""Reading runs out of the database, whole pages at a time."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.errors import NotFoundError
from jupyter_aml.tracking.model import FINAL, MLFLOW_KIND, Progress, RunModel, Status
from jupyter_aml.tracking.tables import cells, experiments, metric_series, params, runs, tags

_parent = runs.alias("parent")
_JSON = ("error", "source", "spec")


def _among(column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether ``column`` is one of the numbers bound: one bound value, however many they are."""
    listed = sa.func.json_each(sa.bindparam("numbers", type_=sa.Text)).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def _of_runs(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table.c.run, table.c.name, table.c.value).where(_among(table.c.run))


# The statements are built once: to build them takes as long as to run them.
_RUNS = (
    sa.select(
        *(column for column in runs.c if column.name not in ("experiment", "parent")),
        experiments.c.name.label("experiment"),
        _parent.c.id.label("parent_id"),
    )
    .select_from(runs)
    .join(experiments, experiments.c.number == runs.c.experiment)
    .outerjoin(_parent, _parent.c.number == runs.c.parent)
    .where(_among(runs.c.number))
)
_NAMES = tuple(column.name for column in _RUNS.selected_columns)
_TAGS, _PARAMS = _of_runs(tags), _of_runs(params)
_METRICS = sa.select(metric_series.c.run, metric_series.c.name, metric_series.c.last_value).where(
    _among(metric_series.c.run), metric_series.c.kind == "scalar", metric_series.c.count > 0
)
_COUNTED = (
    sa.select(cells.c.run, sa.func.count(), sa.func.sum(sa.case((cells.c.state == "completed", 1), else_=0)))
    .where(_among(cells.c.run), cells.c.kind == "code")
    .group_by(cells.c.run)
)
_CURRENT = sa.select(cells.c.run, cells.c.position, cells.c.label).where(
    _among(cells.c.run), cells.c.state == "running"
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
    rows = {row["number"]: row for row in _rows(connection, numbers)}
    found_tags = _pairs(connection, _TAGS, numbers)
    found_params = _pairs(connection, _PARAMS, numbers)
    found_metrics = _metrics(connection, numbers)
    live = [number for number, row in rows.items() if row["kind"] in ("notebook", "cell")]
    progress = _progress(connection, live)
    return [
        RunModel.model_validate(
            rows[n]
            | {
                "tags": found_tags[n],
                "params": found_params[n],
                "metrics": found_metrics[n],
                "progress": progress.get(n),
            }
        )
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


def _fetch(
    connection: sa.Connection, statement: sa.Select[Any], numbers: Sequence[int]
) -> list[tuple[Any, ...]]:
    """The statement's rows about these runs, as the driver has them: for columns that need no conversion."""
    cursor = connection.execute(statement, {"numbers": json.dumps(list(numbers))}).cursor
    return [] if cursor is None else list(cursor.fetchall())


def _rows(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    for values in _fetch(connection, _RUNS, numbers):
        row = dict(zip(_NAMES, values, strict=True))
        row["archived"] = row["archived_at"] is not None
        for name in _JSON:
            row[name] = None if row[name] is None else json.loads(row[name])
        yield row


def _pairs(
    connection: sa.Connection, statement: sa.Select[Any], numbers: Sequence[int]
) -> defaultdict[int, dict[str, Any]]:
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for run, name, value in _fetch(connection, statement, numbers):
        found[run][name] = value
    return found


def _metrics(connection: sa.Connection, numbers: Sequence[int]) -> defaultdict[int, dict[str, float]]:
    found: defaultdict[int, dict[str, float]] = defaultdict(dict)
    for run, name, value in _fetch(connection, _METRICS, numbers):
        found[run][name] = math.nan if value is None else value
    return found


def _progress(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Progress]:
    if not numbers:
        return {}
    current = {run: (position, label) for run, position, label in _fetch(connection, _CURRENT, numbers)}
    found = {}
    for run, total, done in _fetch(connection, _COUNTED, numbers):
        index, label = current.get(run, (None, None))
        found[run] = Progress(done=done, total=total, index=index, label=label)
    return found


def unfinished(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Every run that is in no final state and is ours to look after, oldest first.

    One that an MLflow client made is the client's to end, unless somebody wants it canceled.
    """
    final = [status.value for status in FINAL]
    ours = sa.or_(runs.c.kind != MLFLOW_KIND, runs.c.status == Status.CANCEL_REQUESTED.value)
    found = sa.select(runs).where(runs.c.status.not_in(final), ours).order_by(runs.c.number)
    return list(connection.execute(found).all())
