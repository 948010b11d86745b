"""MLflow's experiments, which are ours: deleted means archived, and brings the experiment's runs along."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml import limits
from jupyter_aml.core.paths import check_name, check_value
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.mlflow import filters
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.errors import ExistsError, WrongValueError
from jupyter_aml.mlflow.fields import Fields
from jupyter_aml.mlflow.subjects import DEFAULT_NAME, default_experiment, experiment_id, number_of
from jupyter_aml.tracking import states
from jupyter_aml.tracking.recorder import check_tag_name
from jupyter_aml.tracking.tables import experiments, runs

_ATTRIBUTES = ("name", "creation_time", "last_update_time", "experiment_id")
_PAGE_MOST = 50_000


def experiment_json(row: sa.Row[Any]) -> dict[str, Any]:
    """MLflow's form of an experiment's row."""
    number = experiment_id(row.number, row.name)
    return {
        "experiment_id": number,
        "name": row.name,
        "artifact_location": f"mlflow-artifacts:/{number}",
        "lifecycle_stage": "active" if row.archived_at is None else "deleted",
        "creation_time": row.created_at,
        "last_update_time": max(row.created_at, row.archived_at or 0),
        "tags": [{"key": key, "value": value} for key, value in row.tags.items()],
    }


def create(call: Call) -> dict[str, Any]:
    """Make an experiment. It has one place for its artifacts, the workspace: no other can be named."""
    name = check_name(call.fields.needed("name"), "experiment")
    if location := call.fields.text("artifact_location"):
        raise WrongValueError("artifact_location", location, "the workspace keeps the artifacts itself")
    tags = _checked_tags(call.fields.pairs("tags"))

    def write(connection: sa.Connection) -> int:
        values = {"name": name, "tags": tags, "user": call.principal.user, "created_at": states.now()}
        made = connection.execute(insert(experiments).values(values).on_conflict_do_nothing(["name"]))
        if made.rowcount == 0:
            raise ExistsError(f"Experiment(name={name}) already exists.")
        (number,) = made.inserted_primary_key or (0,)
        return int(number)

    return {"experiment_id": experiment_id(call.store.database.write(write), name)}


def get(call: Call) -> dict[str, Any]:
    """An experiment by its id."""
    number = number_of(call.store, call.principal.user, call.fields.needed("experiment_id"))
    with call.store.database.read() as connection:
        return {"experiment": experiment_json(_row(connection, number))}


def get_by_name(call: Call) -> dict[str, Any]:
    """An experiment by its name."""
    name = call.fields.needed("experiment_name")
    if name == DEFAULT_NAME:
        default_experiment(call.store, call.principal.user)
    with call.store.database.read() as connection:
        row = connection.execute(sa.select(experiments).where(experiments.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"Could not find experiment with name {name[:200]!r}")
    return {"experiment": experiment_json(row)}


def search(call: Call) -> dict[str, Any]:
    """Experiments by MLflow's filter, newest first."""
    fields = call.fields
    count = fields.count("max_results", limits.PAGE_MAX, _PAGE_MOST)
    wanted, order = fields.text("filter"), fields.texts("order_by")
    archived = archived_only(fields, "view_type")
    default_experiment(call.store, call.principal.user)
    statement = sa.select(experiments).order_by(experiments.c.number.desc())
    if archived is not None:
        stage = experiments.c.archived_at
        statement = statement.where(stage.is_not(None) if archived else stage.is_(None))
    with call.store.database.read() as connection:
        items = [experiment_json(row) for row in connection.execute(statement)]
    for item in items:
        item["shown_tags"], item["tags"] = item["tags"], {tag["key"]: tag["value"] for tag in item["tags"]}
    found = filters.select(items, attributes=_ATTRIBUTES, filter=wanted, order_by=order)
    identity = ["experiments", wanted, order, archived]
    shown, token = filters.page(
        found, min(count, limits.PAGE_MAX), fields.text("page_token"), call.store.secret, identity
    )
    answer: dict[str, Any] = {"experiments": [_shown(item) for item in shown]}
    return answer | ({"next_page_token": token} if token else {})


def _shown(item: filters.Item) -> dict[str, Any]:
    shown = dict(item)
    shown["tags"] = shown.pop("shown_tags")
    return shown


def archived_only(fields: Fields, name: str) -> bool | None:
    """Which a view type shows: only what is archived, only what is not, or (None) both."""
    view = fields.text(name) or "ACTIVE_ONLY"
    try:
        return {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None}[view]
    except KeyError:
        raise WrongValueError(name, view, "ACTIVE_ONLY, DELETED_ONLY or ALL") from None


def update(call: Call) -> dict[str, Any]:
    """Rename an experiment."""
    number = number_of(call.store, call.principal.user, call.fields.needed("experiment_id"))
    name = call.fields.text("new_name")
    if name is None:
        return {}
    check_name(name, "experiment")

    def write(connection: sa.Connection) -> None:
        row = _row(connection, number)
        if row.archived_at is not None:
            raise InvalidError("Cannot rename an experiment that is deleted.")
        if DEFAULT_NAME in (name, row.name) and name != row.name:
            raise InvalidError(f"The experiment {DEFAULT_NAME!r} keeps its name.")
        taken = sa.select(experiments.c.number).where(experiments.c.name == name)
        if connection.execute(taken.where(experiments.c.number != number)).first():
            raise ExistsError(f"Experiment(name={name}) already exists.")
        connection.execute(sa.update(experiments).where(experiments.c.number == number).values(name=name))

    call.store.database.write(write)
    return {}


def delete(call: Call) -> dict[str, Any]:
    """Archive an experiment and its runs."""
    return _archive(call, archived=True)


def restore(call: Call) -> dict[str, Any]:
    """Bring an archived experiment back, with the runs that were archived with it."""
    return _archive(call, archived=False)


def _archive(call: Call, *, archived: bool) -> dict[str, Any]:
    number = number_of(call.store, call.principal.user, call.fields.needed("experiment_id"))

    def write(connection: sa.Connection) -> None:
        before = _row(connection, number).archived_at
        if archived == (before is not None):
            raise NotFoundError(f"No Experiment with id={number} is {'active' if archived else 'deleted'}.")
        at = states.now() if archived else None
        e, r = experiments.c, runs.c
        connection.execute(sa.update(experiments).where(e.number == number).values(archived_at=at))
        same = r.archived_at.is_(None) if archived else r.archived_at == before
        connection.execute(sa.update(runs).where(r.experiment == number, same).values(archived_at=at))

    call.store.database.write(write)
    return {}


def set_tag(call: Call) -> dict[str, Any]:
    """Set a tag of an experiment."""
    return _change_tag(call, call.fields.value("value"))


def delete_tag(call: Call) -> dict[str, Any]:
    """Remove a tag of an experiment."""
    return _change_tag(call, None)


def _change_tag(call: Call, value: str | None) -> dict[str, Any]:
    number = number_of(call.store, call.principal.user, call.fields.needed("experiment_id"))
    name = call.fields.needed("key")

    def write(connection: sa.Connection) -> None:
        tags = dict(_row(connection, number).tags)
        if value is None:
            if tags.pop(name, None) is None:
                raise NotFoundError(f"No tag with name: {name[:200]} in experiment with id {number}.")
        else:
            tags = _checked_tags({**tags, name: value})
        connection.execute(sa.update(experiments).where(experiments.c.number == number).values(tags=tags))

    call.store.database.write(write)
    return {}


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > limits.TAGS_A_RUN:
        raise InvalidError(f"An experiment has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in tags.items():
        check_tag_name(name)
        check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)
    return tags


def _row(connection: sa.Connection, number: int) -> sa.Row[Any]:
    return connection.execute(sa.select(experiments).where(experiments.c.number == number)).one()
