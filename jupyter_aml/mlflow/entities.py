"""Our runs in MLflow's words.

What we keep in columns MLflow keeps in tags of fixed names; they are told as such tags and taken as such.
Times of a run: MLflow's start is when ours was made.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.mlflow.fields import shown
from jupyter_aml.mlflow.linked import links_of
from jupyter_aml.mlflow.rows import listed
from jupyter_aml.mlflow.subjects import experiment_id
from jupyter_aml.tracking.model import RunModel
from jupyter_aml.tracking.reading import load_runs
from jupyter_aml.tracking.search.fields import MLFLOW_STATUSES
from jupyter_aml.tracking.tables import SEQUENCE_BITS, experiments, metric_points, metric_series

NAME_TAG, NOTE_TAG, PARENT_TAG, USER_TAG = (
    "mlflow.runName", "mlflow.note.content", "mlflow.parentRunId", "mlflow.user",
)  # fmt: skip
STATUSES = {own: word for word, all_own in MLFLOW_STATUSES.items() for own in all_own}
_s = metric_series.c
_METRICS = sa.select(
    _s.run, _s.name, _s.last_value, _s.last_step, _s.last_time, _s.ordered, _s.number, _s.first_time
).where(listed(_s.run), _s.kind == "scalar", _s.count > 0)


def runs_json(connection: sa.Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """MLflow's form of the runs with these numbers, in the order given."""
    found = load_runs(connection, numbers)
    metrics = _metrics(connection, numbers)
    ids = _experiment_ids(connection, {run.experiment for run in found})
    links = links_of(connection, numbers)
    return [
        run_json(run, ids[run.experiment], metrics[number], *links[number])
        for number, run in zip(numbers, found, strict=True)
    ]


def run_json(
    run: RunModel,
    experiment: str,
    metrics: list[dict[str, Any]],
    inputs: dict[str, Any],
    outputs: dict[str, Any],
) -> dict[str, Any]:
    """MLflow's form of a run."""
    tags = {**run.tags, NAME_TAG: run.display_name, USER_TAG: run.user}
    if run.parent_id:
        tags[PARENT_TAG] = run.parent_id
    if run.description:
        tags[NOTE_TAG] = run.description
    return {
        "info": info_json(run, experiment),
        "data": {"metrics": metrics, "params": _pairs(run.params), "tags": _pairs(tags)},
        "inputs": inputs,
        "outputs": outputs,
    }


def info_json(run: RunModel, experiment: str) -> dict[str, Any]:
    """What MLflow calls the run's info."""
    info = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.display_name,
        "experiment_id": experiment,
        "user_id": run.user,
        "status": STATUSES[run.status],
        "start_time": run.created_at,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{run.id}/artifacts",
        "lifecycle_stage": "deleted" if run.archived else "active",
    }
    return info | ({} if run.ended_at is None else {"end_time": run.ended_at})


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _experiment_ids(connection: sa.Connection, names: set[str]) -> dict[str, str]:
    rows = connection.execute(
        sa.select(experiments.c.number, experiments.c.name).where(experiments.c.name.in_(names))
    )
    return {row.name: experiment_id(row.number, row.name) for row in rows}


def _metrics(connection: sa.Connection, numbers: Sequence[int]) -> defaultdict[int, list[dict[str, Any]]]:
    """Each run's metrics with the value of the greatest step, the latest of those where they are several."""
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    # As the driver has them: rows of SQLAlchemy take several times as long.
    cursor = connection.execute(_METRICS, {"numbers": json.dumps(list(numbers))}).cursor
    rows = [] if cursor is None else cursor.fetchall()
    for run, name, *last, ordered, series, first_time in rows:
        value, step, time = last if ordered else _greatest(connection, series, first_time)
        told = math.nan if value is None else value
        found[run].append({"key": name, "value": shown(told), "timestamp": time, "step": step})
    return found


def _greatest(connection: sa.Connection, series: int, first_time: int) -> tuple[float | None, int, int]:
    p, first = metric_points.c, series << SEQUENCE_BITS
    step = sa.func.coalesce(p.step, p.id - first)
    row = connection.execute(
        sa.select(p.value, step.label("step"), p.time)
        .where(p.id >= first, p.id < first + 2**SEQUENCE_BITS)
        .order_by(step.desc(), p.time.desc(), p.value.desc())
        .limit(1)
    ).one()
    return row.value, row.step, row.time + first_time
