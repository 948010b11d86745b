"""What MLflow's clients log to a run: metrics, params and tags, one by one or in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core.journal import Scalar
from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.entities import NAME_TAG, NOTE_TAG, PARENT_TAG, USER_TAG
from jupyter_aml.mlflow.errors import BatchError, MissingValueError
from jupyter_aml.mlflow.fields import Fields, real, shown, whole
from jupyter_aml.mlflow.filters import page
from jupyter_aml.mlflow.logged_models import add_metrics
from jupyter_aml.mlflow.rows import run_row, writable_run
from jupyter_aml.mlflow.runs import cut
from jupyter_aml.mlflow.subjects import checked_run_id
from jupyter_aml.tracking import series as metric
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.records import set_param
from jupyter_aml.tracking.records import set_tags as write_tags
from jupyter_aml.tracking.tables import runs, tags

_METRICS, _PARAMS, _TAGS, _TOGETHER = 1_000, 100, 100, 1_000
_HISTORY_PAGE = 25_000
_OF_MODEL = ("model_id", "dataset_name", "dataset_digest")


def log_metric(call: Call) -> dict[str, Any]:
    """One point of a metric."""
    run_id = checked_run_id(call.fields.run_id())
    fields = call.fields
    given = {
        "key": fields.needed("key"),
        "value": fields.number("value"),
        "timestamp": fields.integer("timestamp"),
        "step": fields.integer("step"),
    }
    point = _point(given, "")
    own = _of_models([{name: fields.text(name) for name in _OF_MODEL}], [point])
    _write(call, run_id, [point], {}, {}, own)
    return {}


def log_parameter(call: Call) -> dict[str, Any]:
    """One param, which is set once and for all."""
    run_id = checked_run_id(call.fields.run_id())
    _write(call, run_id, [], {call.fields.needed("key"): call.fields.value("value")}, {})
    return {}


def set_tag(call: Call) -> dict[str, Any]:
    """One tag."""
    run_id = checked_run_id(call.fields.run_id())
    given = {call.fields.needed("key"): call.fields.value("value")}
    call.store.database.write(lambda connection: _set_tags(connection, run_row(connection, run_id), given))
    return {}


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag."""
    run_id, name = checked_run_id(call.fields.run_id()), call.fields.needed("key")

    def write(connection: sa.Connection) -> None:
        row = run_row(connection, run_id)
        held = sa.select(tags.c.name).where(tags.c.run == row.number, tags.c.name == name)
        if connection.execute(held).first() is None:
            raise NotFoundError(f"No tag with name: {name[:200]} in run with id {run_id}")
        write_tags(connection, row.number, {"tags": {name: None}})

    call.store.database.write(write)
    return {}


def log_batch(call: Call) -> dict[str, Any]:
    """Metrics, params and tags together, all of them or none."""
    run_id = checked_run_id(call.fields.run_id())
    items = call.fields.items("metrics")
    points = [_point(item, f"metrics[{n}].") for n, item in enumerate(items)]
    params = [(item.needed("key"), item.text("value") or "") for item in call.fields.objects("params")]
    given = call.fields.pairs("tags")
    _check_sizes(len(points), len(params), len(given))
    if len(dict(params)) != len(set(params)):
        raise BatchError("Duplicate parameter keys have been submitted with different values.")
    _write(call, run_id, points, dict(params), given, _of_models(items, points))
    return {}


def _check_sizes(points: int, params: int, given: int) -> None:
    for what, count, most in (
        ("metrics", points, _METRICS),
        ("params", params, _PARAMS),
        ("tags", given, _TAGS),
    ):
        if count > most:
            raise BatchError(
                f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
                f"Please split up {what} across multiple requests and try again."
            )
    if points + params + given > _TOGETHER:
        raise BatchError(f"A batch logging request can contain at most {_TOGETHER} metrics, params and tags.")


def _point(item: dict[str, Any], within: str) -> Scalar:
    """A metric's point. This is done a thousand times a batch, so it reads the object by hand."""
    key, value, time, step = item.get("key"), item.get("value"), item.get("timestamp"), item.get("step")
    if not isinstance(key, str) or not key:
        raise MissingValueError(f"{within}key")
    if value is None:
        raise MissingValueError(f"{within}value")
    if time is None:
        raise MissingValueError(f"{within}timestamp")
    if type(value) is not float:
        value = real(value, f"{within}value")
    if type(time) is not int:
        time = whole(time, f"{within}timestamp")
    if step is None:
        step = 0
    elif type(step) is not int:
        step = whole(step, f"{within}step")
    return Scalar(key, value, step, time)


def _of_models(items: list[dict[str, Any]], points: list[Scalar]) -> list[dict[str, Any]]:
    """The points that are also about a logged model (MLflow 3), as `logged_models.add_metrics` takes them."""
    found = []
    for item, point in zip(items, points, strict=True):
        if item.get("model_id"):
            about = {name: Fields(item).text(name) or "" for name in _OF_MODEL}
            found.append({**about, **point._asdict()})
    return found


def _write(
    call: Call,
    run_id: str,
    points: list[Scalar],
    params: dict[str, str],
    given: dict[str, str],
    of_models: Sequence[dict[str, Any]] = (),
) -> None:
    params = cut(params, limits.PARAM_VALUE_LENGTH)

    def write(connection: sa.Connection) -> None:
        row = writable_run(connection, run_id)
        if points:
            add_points(connection, row.number, points)
            add_metrics(connection, row.number, of_models)
        for name, value in params.items():
            try:
                set_param(connection, row.number, {"name": name, "value": value})
            except ConflictError as error:  # 400 in MLflow's protocol
                raise InvalidError(f"Changing param values is not allowed. {error}") from None
        _set_tags(connection, row, given)

    call.store.database.write(write)


def add_points(connection: sa.Connection, run: int, points: list[Scalar]) -> None:
    """Add points to a run's metrics."""
    known = metric.load_series(connection, run)
    for name in {point.name for point in points}:
        series = known.get(name)
        if series is None:
            check_text(name, "metric's name", limits.METRIC_NAME_LENGTH)
        elif series.kind != "scalar":
            raise InvalidError(f"Metric {name!r} is a {series.kind} and takes no numbers.")
    metric.add_scalars(connection, known, run, points)


def _set_tags(connection: sa.Connection, row: sa.Row[Any], given: dict[str, str]) -> None:
    """Set tags; those that MLflow has for what we keep in columns change the columns."""
    given = cut(given, limits.TAG_VALUE_LENGTH)
    columns: dict[str, str] = {}
    if name := given.pop(NAME_TAG, None):
        columns["display_name"] = check_text(name, "run's name", limits.DISPLAY_NAME_LENGTH)
    if (note := given.pop(NOTE_TAG, None)) is not None:
        columns["description"] = check_value(note, "description", limits.DESCRIPTION_LENGTH)
    for fixed in (USER_TAG, PARENT_TAG):  # who made a run and below which one is told at its making
        given.pop(fixed, None)
    if columns:
        connection.execute(sa.update(runs).where(runs.c.number == row.number).values(columns))
    if given:
        write_tags(connection, row.number, {"tags": given})


def get_history(call: Call) -> dict[str, Any]:
    """The points of a metric by step, page by page where a page's length is given."""
    fields = call.fields
    run_id, name = checked_run_id(fields.run_id()), fields.needed("metric_key")
    count = fields.integer("max_results")
    ingest_for_reading(call.store, run_id)
    with call.store.database.read() as connection:
        series = metric.load_series(connection, run_row(connection, run_id).number).get(name)
        if series is None or series.kind != "scalar":
            return {"metrics": []}
        history = metric.read_history(connection, series, None)
    rows: Sequence[tuple[int, int, float]] = list(
        zip(history.steps, history.times, history.values, strict=True)
    )
    token = None
    if count:
        count = fields.count("max_results", _HISTORY_PAGE, _HISTORY_PAGE)
        identity = ["history", run_id, name]
        rows, token = page(rows, count, fields.text("page_token"), call.store.secret, identity)
    points = [
        {"key": name, "value": shown(value), "timestamp": time, "step": step} for step, time, value in rows
    ]
    return {"metrics": points} | ({"next_page_token": token} if token else {})
