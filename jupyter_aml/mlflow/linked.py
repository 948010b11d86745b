"""What a run was made with and what it made, in MLflow's words: datasets, and logged models in and out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import NotFoundError
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.errors import BatchError, WrongValueError
from jupyter_aml.mlflow.fields import Fields
from jupyter_aml.mlflow.rows import listed, writable_run
from jupyter_aml.mlflow.subjects import checked_run_id
from jupyter_aml.mlflow.tables import logged_models, run_datasets, run_models
from jupyter_aml.tracking.tables import tags

_NAME, _DIGEST, _SOURCE, _SCHEMA, _PROFILE = 500, 36, 65_535, 1_048_575, 16_777_215  # MLflow's own limits
_TAG_NAME, _TAG_VALUE, _EACH = 255, 500, 1_000
HISTORY_TAG = "mlflow.log-model.history"
_d, _rm, _lm = run_datasets.c, run_models.c, logged_models.c
_DATASETS = sa.select(run_datasets).where(listed(_d.run))
_MODELS = (
    sa.select(_rm.run, _rm.is_output, _rm.step, _lm.id)
    .join(logged_models, _lm.number == _rm.model)
    .where(listed(_rm.run))
    .order_by(_lm.number)
)


def log_inputs(call: Call) -> dict[str, Any]:
    """Datasets and logged models that a run was made with. A dataset's source is kept, never opened."""
    run_id = checked_run_id(call.fields.run_id())
    datasets = [_dataset(item) for item in call.fields.objects("datasets")]
    models = [(item.needed("model_id"), 0) for item in call.fields.objects("models")]
    if max(len(datasets), len(models)) > _EACH:
        raise BatchError(f"A request can name at most {_EACH:,} datasets and {_EACH:,} models.")

    def write(connection: sa.Connection) -> None:
        number = writable_run(connection, run_id).number
        for values in datasets:
            statement = insert(run_datasets).values(run=number, **values)
            key = ["run", "name", "digest"]
            connection.execute(statement.on_conflict_do_update(key, set_={"tags": values["tags"]}))
        _link(connection, number, models, is_output=False)

    call.store.database.write(write)
    return {}


def _dataset(item: Fields) -> dict[str, Any]:
    given = item.object("dataset")
    tags = item.pairs("tags")
    for key, value in tags.items():
        check_text(key, "dataset tag's name", _TAG_NAME)
        check_value(value, "value of a dataset's tag", _TAG_VALUE)
    schema, profile = given.text("schema"), given.text("profile")
    return {
        "name": check_text(given.needed("name"), "dataset's name", _NAME),
        "digest": check_text(given.needed("digest"), "dataset's digest", _DIGEST),
        "source_type": check_text(given.needed("source_type"), "dataset's source type", _DIGEST),
        "source": check_value(given.needed("source"), "dataset's source", _SOURCE),
        "schema": None if schema is None else check_value(schema, "dataset's schema", _SCHEMA),
        "profile": None if profile is None else check_value(profile, "dataset's profile", _PROFILE),
        "tags": tags,
    }


def log_outputs(call: Call) -> dict[str, Any]:
    """Logged models that a run made."""
    run_id = checked_run_id(call.fields.run_id())
    models = [
        (item.needed("model_id"), item.integer("step", 0) or 0) for item in call.fields.objects("models")
    ]
    if len(models) > _EACH:
        raise BatchError(f"A request can name at most {_EACH:,} models.")

    def write(connection: sa.Connection) -> None:
        _link(connection, writable_run(connection, run_id).number, models, is_output=True)

    call.store.database.write(write)
    return {}


def _link(connection: sa.Connection, run: int, models: list[tuple[str, int]], *, is_output: bool) -> None:
    for model_id, step in models:
        number = connection.execute(sa.select(_lm.number).where(_lm.id == model_id)).scalar_one_or_none()
        if number is None:
            raise NotFoundError(f"Logged model with ID '{ascii(model_id)[1:-1][:64]}' not found.")
        statement = insert(run_models).values(run=run, model=number, is_output=is_output, step=step)
        connection.execute(
            statement.on_conflict_do_update(["run", "model", "is_output"], set_={"step": step})
        )


def log_model(call: Call) -> dict[str, Any]:
    """What an MLflow 2 client says of a model it has uploaded: added to the run's list of them, in a tag."""
    run_id, text = checked_run_id(call.fields.run_id()), call.fields.needed("model_json")
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongValueError("model_json", text[:100], "it is not JSON") from None
    if not isinstance(model, dict) or not {"artifact_path", "flavors", "run_id"} <= model.keys():
        raise WrongValueError(
            "model_json", text[:100], "a model's artifact_path, flavors and run_id are needed"
        )

    def write(connection: sa.Connection) -> None:
        number = writable_run(connection, run_id).number
        held = connection.execute(
            sa.select(tags.c.value).where(tags.c.run == number, tags.c.name == HISTORY_TAG)
        ).scalar_one_or_none()
        history = json.dumps([*json.loads(held or "[]"), model])
        # Longer than a caller's tag may be: each model adds its signature to it.
        check_value(history, "list of logged models", _SCHEMA)
        statement = insert(tags).values(run=number, name=HISTORY_TAG, value=history)
        connection.execute(statement.on_conflict_do_update(["run", "name"], set_={"value": history}))

    call.store.database.write(write)
    return {}


Links = dict[int, tuple[dict[str, Any], dict[str, Any]]]


def links_of(connection: sa.Connection, numbers: Sequence[int]) -> Links:
    """MLflow's ``inputs`` and ``outputs`` of the runs with these numbers."""
    bound = {"numbers": json.dumps(list(numbers))}
    inputs: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    outputs: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for row in connection.execute(_DATASETS, bound):
        inputs[row.run].setdefault("dataset_inputs", []).append(_dataset_json(row))
    for row in connection.execute(_MODELS, bound):
        told: dict[str, Any] = {"model_id": row.id}
        if row.is_output:
            outputs[row.run].setdefault("model_outputs", []).append({**told, "step": row.step})
        else:
            inputs[row.run].setdefault("model_inputs", []).append(told)
    return {number: (inputs[number], outputs[number]) for number in numbers}


def _dataset_json(row: sa.Row[Any]) -> dict[str, Any]:
    dataset = {name: row._mapping[name] for name in ("name", "digest", "source_type", "source")}
    dataset |= {name: row._mapping[name] for name in ("schema", "profile") if row._mapping[name] is not None}
    return {
        "dataset": dataset,
        "tags": [{"key": key, "value": value} for key, value in row.tags.items()],
    }
