"""MLflow's runs, which are ours.

A run that an MLflow client makes is of kind ``mlflow``: no process of ours holds it, so it lasts until a
client ends it, and one that has ended may still be added to (MLflow's clients resume runs), though nothing
that it holds is changed or taken away. The status of a job's run is the runner's business: what a script's
MLflow client says of it at its exit is taken note of and changes nothing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core import ids
from jupyter_aml.core.ids import is_run_id
from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.entities import NAME_TAG, NOTE_TAG, PARENT_TAG, STATUSES, USER_TAG, runs_json
from jupyter_aml.mlflow.errors import WrongValueError
from jupyter_aml.mlflow.experiments import archived_only
from jupyter_aml.mlflow.rows import run_row
from jupyter_aml.mlflow.subjects import checked_run_id, number_of
from jupyter_aml.tracking import states
from jupyter_aml.tracking.finish import finalize_run
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.model import MLFLOW_KIND, RunModel, Status
from jupyter_aml.tracking.operations import insert_run, parent_number, publish
from jupyter_aml.tracking.reading import load_run
from jupyter_aml.tracking.records import set_tags as write_tags
from jupyter_aml.tracking.search import find_runs
from jupyter_aml.tracking.tables import experiments, runs

_SEARCH_MOST = 50_000
_ENDS = {"FINISHED": Status.COMPLETED, "FAILED": Status.FAILED, "KILLED": Status.CANCELED}
_FAILURE = {"class": "Failed", "message": "the MLflow client ended it as failed", "reason": "user_error"}


def create(call: Call) -> dict[str, Any]:
    """Make a run, in state RUNNING."""
    fields, principal = call.fields, call.principal
    experiment = number_of(call.store, principal.user, fields.text("experiment_id") or "0")
    given = fields.pairs("tags")
    name = given.pop(NAME_TAG, None) or fields.text("run_name") or ids.display_name()
    if fields.text("run_name") not in (None, "", name):
        raise InvalidError(f"Both 'run_name' and the tag '{NAME_TAG}' are given, and they differ.")
    check_text(name, "run's name", limits.DISPLAY_NAME_LENGTH)
    values = {
        "id": ids.new_run_id(),
        "experiment": experiment,
        "kind": MLFLOW_KIND,
        "display_name": name,
        "description": check_value(given.pop(NOTE_TAG, ""), "description", limits.DESCRIPTION_LENGTH),
        "user": principal.user,
        "source": {},
        **_started(fields.integer("start_time")),
    }
    parent = given.pop(PARENT_TAG, None)
    given.pop(USER_TAG, None)  # a run is of who made it, whatever they say

    def write(connection: sa.Connection) -> dict[str, Any]:
        archived = sa.select(experiments.c.archived_at).where(experiments.c.number == experiment)
        if connection.execute(archived).scalar_one() is not None:
            raise InvalidError("The experiment must be in the 'active' state. Current state is deleted.")
        values["parent"] = _parent(connection, call, parent)
        number = insert_run(connection, values, Status.RUNNING)
        write_tags(connection, number, {"tags": cut(given, limits.TAG_VALUE_LENGTH)})
        return runs_json(connection, [number])[0]

    made = call.store.database.write(write)
    _tell(call, str(values["id"]))
    return {"run": made}


def _started(start_time: int | None) -> dict[str, int]:
    """A run that is brought here from elsewhere keeps its time; none begins in the future."""
    if not start_time or start_time < 0:
        return {}
    at = min(start_time, states.now())
    return {"created_at": at, "started_at": at}


def _parent(connection: sa.Connection, call: Call, parent: str | None) -> int | None:
    """The parent the tag names; a run of a job goes below the job in any case."""
    if parent is not None and not is_run_id(parent):
        raise WrongValueError(PARENT_TAG, parent, "it is no run's id")
    return parent_number(connection, call.context, parent)


def get(call: Call) -> dict[str, Any]:
    """A run with all that was logged so far."""
    return {"run": read_run(call, checked_run_id(call.fields.run_id()))}


def read_run(call: Call, run_id: str) -> dict[str, Any]:
    """MLflow's form of a run as it stands."""
    ingest_for_reading(call.store, run_id)
    with call.store.database.read() as connection:
        return runs_json(connection, [run_row(connection, run_id).number])[0]


def update(call: Call) -> dict[str, Any]:
    """Rename a run, or end it."""
    fields = call.fields
    run_id = checked_run_id(fields.run_id())
    word, name, end = fields.text("status"), fields.text("run_name"), fields.integer("end_time")
    if word is not None and word not in STATUSES.values():
        raise WrongValueError("status", word, f"one of {', '.join(dict.fromkeys(STATUSES.values()))}")
    if name:
        rename(call, run_id, name)
    with call.store.database.read() as connection:
        row = run_row(connection, run_id)
    if word in _ENDS and row.spec is None:
        status = _ENDS[word]
        error = _FAILURE if status is Status.FAILED else None
        finalize_run(call.store, row, status, error, at=end or None)
        _tell(call, run_id)
    return {"run_info": read_run(call, run_id)["info"]}


def rename(call: Call, run_id: str, name: str) -> None:
    """Give a run another display name."""
    check_text(name, "run's name", limits.DISPLAY_NAME_LENGTH)
    change(call, run_id, {"display_name": name})


def change(call: Call, run_id: str, values: dict[str, Any]) -> None:
    """Change columns of a run."""

    def write(connection: sa.Connection) -> None:
        number = run_row(connection, run_id).number
        connection.execute(sa.update(runs).where(runs.c.number == number).values(values))

    call.store.database.write(write)


def delete(call: Call) -> dict[str, Any]:
    """Archive a run: MLflow's delete can be undone."""
    change(call, checked_run_id(call.fields.run_id()), {"archived_at": states.now()})
    return {}


def restore(call: Call) -> dict[str, Any]:
    """Bring an archived run back."""
    change(call, checked_run_id(call.fields.run_id()), {"archived_at": None})
    return {}


def search(call: Call) -> dict[str, Any]:
    """Runs by MLflow's filter and orderings: at most `limits.PAGE_MAX`, and the next page's token."""
    fields, store = call.fields, call.store
    count = min(fields.count("max_results", limits.PAGE_MAX, _SEARCH_MOST), limits.PAGE_MAX)
    archived = archived_only(fields, "run_view_type")
    names = _names(call, fields.texts("experiment_ids"))
    if not names:
        return {"runs": []}
    with store.database.read() as connection:
        numbers, token = find_runs(
            connection,
            filter=fields.text("filter") or "",
            order_by=fields.texts("order_by"),
            experiments=names,
            archived=archived,
            limit=count,
            page_token=fields.text("page_token") or None,
            secret=store.secret + call.principal.user.encode(),
        )
        found = runs_json(connection, numbers)
    return {"runs": found} | ({"next_page_token": token} if token else {})


def _names(call: Call, texts: list[str]) -> list[str]:
    """The names of experiments; an id that is none's has no runs."""
    numbers = []
    for text in texts:
        try:
            numbers.append(number_of(call.store, call.principal.user, text))
        except NotFoundError:
            continue
    with call.store.database.read() as connection:
        found = connection.execute(
            sa.select(experiments.c.name).where(experiments.c.number.in_(numbers))
        ).scalars()
        return list(found)


def cut(values: dict[str, str], longest: int) -> dict[str, str]:
    """Values cut to their greatest length, as MLflow's server does by default (autolog counts on it)."""
    return {key: value[:longest] for key, value in values.items()}


def _tell(call: Call, run_id: str) -> None:
    with call.store.database.read() as connection:
        run: RunModel = load_run(connection, run_id)
    publish(call.store, run)
