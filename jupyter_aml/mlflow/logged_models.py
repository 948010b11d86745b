"""MLflow 3's logged models: a model has a life of its own beside the run that made it.

Its files are files of that run, below ``models/<its id>/``, so that our faces show them with the run and a
version registered from it knows where it comes from.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core import ids
from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.mlflow import filters
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.errors import WrongValueError
from jupyter_aml.mlflow.fields import Fields, shown
from jupyter_aml.mlflow.rows import writable_run
from jupyter_aml.mlflow.subjects import checked_run_id, experiment_id, number_of
from jupyter_aml.mlflow.tables import logged_model_metrics, logged_models
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import MLFLOW_KIND, Status
from jupyter_aml.tracking.operations import insert_run, parent_number
from jupyter_aml.tracking.recorder import check_tag_name
from jupyter_aml.tracking.tables import experiments, runs

_m, _p = logged_models.c, logged_model_metrics.c
_STATUSES = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
_ATTRIBUTES = (
    "name", "model_id", "model_type", "status", "source_run_id", "experiment_id",
    "creation_timestamp", "creation_time", "last_updated_timestamp", "last_updated_time",
)  # fmt: skip
_NAME = re.compile(r"[^/:.%\"'\x00-\x1f]{1,500}")
_PAGE = 50
_PAGE_MOST = 50_000
_SELECT = (
    sa.select(logged_models, runs.c.id.label("run_id"), experiments.c.name.label("experiment_name"))
    .join(runs, runs.c.number == _m.home)
    .join(experiments, experiments.c.number == _m.experiment)
)


def create(call: Call) -> dict[str, Any]:
    """Make a logged model; its files come afterwards."""
    fields, principal = call.fields, call.principal
    experiment = number_of(call.store, principal.user, fields.needed("experiment_id"))
    name = fields.text("name") or f"model-{secrets.token_hex(4)}"
    if not _NAME.fullmatch(name):
        raise WrongValueError("name", name, "a model's name holds no '/', ':', '.', '%' nor quotes")
    source = fields.text("source_run_id") or None
    values = {
        "id": f"m-{uuid.uuid4().hex}",
        "experiment": experiment,
        "has_source": source is not None,
        "name": name,
        "type": check_value(fields.text("model_type") or "", "model type", 500),
        "status": _STATUSES[0],
        "params": _checked(fields.pairs("params"), "param", limits.PARAM_VALUE_LENGTH),
        "tags": _checked(fields.pairs("tags"), "tag", limits.TAG_VALUE_LENGTH),
    }

    def write(connection: sa.Connection) -> dict[str, Any]:
        at = states.now()
        if source is not None:
            home = writable_run(connection, checked_run_id(source)).number
        else:
            home = _home(connection, call, experiment, name, at)
        connection.execute(sa.insert(logged_models).values(**values, home=home, created_at=at, updated_at=at))
        return _shown(connection, str(values["id"]))

    return {"model": call.store.database.write(write)}


def _home(connection: sa.Connection, call: Call, experiment: int, name: str, at: int) -> int:
    """A run for the files of a model that comes from none: archived, so that no list shows it."""
    values = {
        "id": ids.new_run_id(), "experiment": experiment, "kind": MLFLOW_KIND, "archived_at": at,
        "display_name": name[: limits.DISPLAY_NAME_LENGTH], "user": call.principal.user, "source": {},
        "parent": parent_number(connection, call.context, None),
    }  # fmt: skip
    number = insert_run(connection, values, Status.RUNNING)
    states.move(connection, number, 1, Status.COMPLETED)
    return number


def _checked(pairs: dict[str, str], what: str, longest: int) -> dict[str, str]:
    if len(pairs) > limits.TAGS_A_RUN:
        raise InvalidError(f"A logged model has at most {limits.TAGS_A_RUN:,} {what}s.")
    for key, value in pairs.items():
        check_tag_name(key)
        check_value(value[:longest], f"value of {what} {key!r}", longest)
    return {key: value[:longest] for key, value in pairs.items()}


def model_row(connection: sa.Connection, model_id: str) -> sa.Row[Any]:
    """The row of a logged model, with its run's id; `NotFoundError` where there is none."""
    row = connection.execute(_SELECT.where(_m.id == model_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"Logged model with ID '{ascii(model_id)[1:-1][:64]}' not found.")
    return row


def _shown(connection: sa.Connection, model_id: str) -> dict[str, Any]:
    return _models_json(connection, [model_row(connection, model_id)])[0]


def _models_json(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    metrics = _metrics(connection, [row.number for row in rows])
    return [_model_json(row, metrics[row.number]) for row in rows]


def _model_json(row: sa.Row[Any], metrics: list[dict[str, Any]]) -> dict[str, Any]:
    experiment = experiment_id(row.experiment, row.experiment_name)
    info = {
        "model_id": row.id,
        "experiment_id": experiment,
        "name": row.name,
        "creation_timestamp_ms": row.created_at,
        "last_updated_timestamp_ms": row.updated_at,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/models/{row.id}/artifacts",
        "status": row.status,
        "model_type": row.type,
        "tags": [{"key": key, "value": value} for key, value in row.tags.items()],
    }
    if row.has_source:
        info["source_run_id"] = row.run_id
    params = [{"key": key, "value": value} for key, value in row.params.items()]
    return {"info": info, "data": {"params": params, "metrics": metrics}}


def _metrics(connection: sa.Connection, numbers: list[int]) -> defaultdict[int, list[dict[str, Any]]]:
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = connection.execute(
        sa.select(logged_model_metrics, runs.c.id.label("run_id"))
        .join(runs, runs.c.number == _p.run)
        .where(_p.model.in_(numbers))
        .order_by(_p.number)
    )
    for row in rows:
        found[row.model].append(
            {
                "key": row.name,
                "value": shown(float("nan") if row.value is None else row.value),
                "timestamp": row.time,
                "step": row.step,
                "run_id": row.run_id,
                "dataset_name": row.dataset_name,
                "dataset_digest": row.dataset_digest,
            }
        )
    return found


def get(call: Call) -> dict[str, Any]:
    """A logged model."""
    with call.store.database.read() as connection:
        return {"model": _shown(connection, call.path["model_id"])}


def finalize(call: Call) -> dict[str, Any]:
    """Say that a model's files are all there, or that they could not be sent."""
    status = call.fields.needed("status")
    if status not in _STATUSES[1:]:
        raise WrongValueError("status", status, f"one of {', '.join(_STATUSES[1:])}")
    return _update(call, lambda _row: {"status": status})


def _update(call: Call, values_for: Callable[[sa.Row[Any]], dict[str, Any]]) -> dict[str, Any]:
    def write(connection: sa.Connection) -> dict[str, Any]:
        row = model_row(connection, call.path["model_id"])
        values = {**values_for(row), "updated_at": states.now()}
        connection.execute(sa.update(logged_models).where(_m.number == row.number).values(values))
        return _shown(connection, row.id)

    return {"model": call.store.database.write(write)}


def delete(call: Call) -> dict[str, Any]:
    """Forget a logged model. Its files stay with the run."""

    def write(connection: sa.Connection) -> None:
        row = model_row(connection, call.path["model_id"])
        connection.execute(sa.delete(logged_models).where(_m.number == row.number))

    call.store.database.write(write)
    return {}


def set_tags(call: Call) -> dict[str, Any]:
    """Set tags of a logged model."""
    given = call.fields.pairs("tags")

    def changed(row: sa.Row[Any]) -> dict[str, Any]:
        return {"tags": _checked({**row.tags, **given}, "tag", limits.TAG_VALUE_LENGTH)}

    return _update(call, changed)


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag of a logged model."""
    name = call.path["tag_key"]

    def changed(row: sa.Row[Any]) -> dict[str, Any]:
        if name not in row.tags:
            raise NotFoundError(f"No tag with key {ascii(name)[:80]} on the logged model.")
        return {"tags": {key: value for key, value in row.tags.items() if key != name}}

    _update(call, changed)
    return {}


def log_params(call: Call) -> dict[str, Any]:
    """Add params to a logged model; one that is there is not changed."""
    given = call.fields.pairs("params")

    def changed(row: sa.Row[Any]) -> dict[str, Any]:
        return {"params": _checked({**given, **row.params}, "param", limits.PARAM_VALUE_LENGTH)}

    _update(call, changed)
    return {}


def search(call: Call) -> dict[str, Any]:
    """Logged models of some experiments by MLflow's filter, newest first."""
    fields, store = call.fields, call.store
    numbers = [number_of(store, call.principal.user, text) for text in fields.texts("experiment_ids")]
    wanted = fields.text("filter")
    order = [_ordering(item) for item in fields.objects("order_by")]
    count = fields.count("max_results", _PAGE, _PAGE_MOST)
    datasets = [
        (item.needed("dataset_name"), item.text("dataset_digest")) for item in fields.objects("datasets")
    ]
    with store.database.read() as connection:
        rows = connection.execute(_SELECT.where(_m.experiment.in_(numbers)).order_by(_m.number.desc())).all()
        items = [_item(model, datasets) for model in _models_json(connection, rows)]
    found = filters.select(items, attributes=_ATTRIBUTES, filter=wanted, order_by=order)
    identity = ["logged models", numbers, wanted, order, datasets]
    page, token = filters.page(
        found, min(count, limits.PAGE_MAX), fields.text("page_token"), store.secret, identity
    )
    answer: dict[str, Any] = {"models": [item["model"] for item in page]}
    return answer | ({"next_page_token": token} if token else {})


def _ordering(item: Fields) -> str:
    return f"{item.needed('field_name')} {'ASC' if item.flag('ascending', default=True) else 'DESC'}"


def _item(model: dict[str, Any], datasets: list[tuple[str, str | None]]) -> dict[str, Any]:
    """What a filter can speak of."""
    info, data = model["info"], model["data"]
    metrics = [
        metric
        for metric in data["metrics"]
        if not datasets
        or any(
            metric["dataset_name"] == name and digest in (None, "", metric["dataset_digest"])
            for name, digest in datasets
        )
    ]
    return {
        **{name: info.get(name) for name in _ATTRIBUTES},
        "creation_timestamp": info["creation_timestamp_ms"],
        "creation_time": info["creation_timestamp_ms"],
        "last_updated_timestamp": info["last_updated_timestamp_ms"],
        "last_updated_time": info["last_updated_timestamp_ms"],
        "tags": {tag["key"]: tag["value"] for tag in info["tags"]},
        "params": {param["key"]: param["value"] for param in data["params"]},
        "metrics": {metric["key"]: metric["value"] for metric in metrics},
        "model": model,
    }


def add_metrics(connection: sa.Connection, run: int, points: Sequence[dict[str, Any]]) -> None:
    """Add to logged models what a run measured of them: points with the ``model_id`` they are about."""
    numbers: dict[str, int] = {}
    for point in points:
        model_id = point["model_id"]
        if model_id not in numbers:
            numbers[model_id] = model_row(connection, model_id).number
        connection.execute(
            sa.insert(logged_model_metrics).values(
                model=numbers[model_id], run=run, name=point["name"], value=point["value"],
                step=point["step"], time=point["time"],
                dataset_name=check_value(point["dataset_name"], "dataset's name", 500),
                dataset_digest=check_value(point["dataset_digest"], "dataset's digest", 36),
            )
        )  # fmt: skip


def home_run(connection: sa.Connection, model_id: str) -> str:
    """The id of the run that has a logged model's files."""
    return str(model_row(connection, model_id).run_id)


def files_folder(model_id: str) -> str:
    """The folder of a logged model's files in its run."""
    return f"models/{check_text(model_id, 'model id', 40)}"
