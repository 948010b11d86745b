"""What each operation of a journal does to the database (the scalar metrics aside, see `series`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml import limits
from jupyter_aml.core.blobs import is_digest
from jupyter_aml.core.paths import check_logical_path, check_text, check_value
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.tracking import series as metric
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.recorder import OWN_TAGS, check_object, check_tag_name
from jupyter_aml.tracking.tables import artifacts, cells, metric_objects, params, tags

_Known = dict[str, metric.Series]
_STATES_FROM_JOURNAL = {Status.STARTING, Status.RUNNING, Status.FINALIZING}


def apply_operation(
    connection: sa.Connection, run: int, attempt: int, known: _Known, operation: dict[str, Any]
) -> None:
    """Apply one journal operation to run number ``run``; raises on one that cannot be."""
    kind = str(operation["op"])
    if kind == "object":
        add_object(connection, run, known, operation)
    elif kind == "state":
        _move(connection, run, attempt, operation)
    elif kind in _SIMPLE:
        _SIMPLE[kind](connection, run, operation)
    elif kind != "end":  # the end is the reconcile loop's business, which reads the result file
        raise InvalidError(f"there is no journal operation {kind!r}")


def set_param(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    """Set a param once and for all; setting it to the same value again changes nothing."""
    name = check_text(operation["name"], "param's name", limits.PARAM_NAME_LENGTH)
    value = check_value(operation["value"], f"value of param {name!r}", limits.PARAM_VALUE_LENGTH)
    found = connection.execute(
        sa.select(params.c.value).where(params.c.run == run, params.c.name == name)
    ).scalar_one_or_none()
    if found is None:
        connection.execute(sa.insert(params).values(run=run, name=name, value=value))
        _check_count(connection, params, run, limits.PARAMS_A_RUN)
    elif found != value:
        raise ConflictError(
            f"Param {name!r} is {found[:80]!r} and cannot be changed to {value[:80]!r}.",
            hint="Params are set once; use a tag for what changes.",
        )


def set_own_tag(connection: sa.Connection, run: int, name: str, value: str) -> None:
    """Set a tag of the service itself, which callers cannot."""
    statement = insert(tags).values(run=run, name=OWN_TAGS + name, value=value)
    connection.execute(statement.on_conflict_do_update(["run", "name"], set_={"value": value}))


def set_tags(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    """Set or (where the value is None) remove tags."""
    given = dict(operation["tags"])
    if len(given) > limits.TAGS_A_RUN:
        raise InvalidError(f"A run has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in given.items():
        check_tag_name(name)
        if value is None:
            connection.execute(sa.delete(tags).where(tags.c.run == run, tags.c.name == name))
            continue
        check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)
        statement = insert(tags).values(run=run, name=name, value=value)
        connection.execute(statement.on_conflict_do_update(["run", "name"], set_={"value": value}))
    _check_count(connection, tags, run, limits.TAGS_A_RUN)


def _check_count(connection: sa.Connection, table: sa.Table, run: int, most: int) -> None:
    held = sa.select(sa.func.count()).select_from(table).where(table.c.run == run)
    if connection.execute(held).scalar_one() > most:
        raise InvalidError(f"A run has at most {most:,} {table.name}.")


def add_object(connection: sa.Connection, run: int, known: _Known, operation: dict[str, Any]) -> None:
    """Add a list, row, table, image or other structured value to its series."""
    kind = check_text(operation["kind"], "metric's kind", 40)
    name = check_text(operation["name"], "metric's name", limits.METRIC_NAME_LENGTH)
    check_object(name, operation["value"], len(json.dumps(operation["value"])))
    if name in known and known[name].kind != kind:
        name = f"{name} ({kind})"
    series = metric.open_series(connection, known, run, name, kind)
    given = operation.get("step")
    sequence, step = series.place(None if given is None else _integer(given), _integer(operation["time"]))
    connection.execute(
        sa.insert(metric_objects).values(
            series=series.number,
            sequence=sequence,
            step=step,
            time=series.last_time,
            value=operation["value"],
        )
    )
    metric.save_series(connection, series)


def add_artifact(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    """Name stored bytes as a file of the run; a second file of the same path takes the first one's place."""
    path = check_logical_path(operation["path"])
    digest, size = operation["digest"], _integer(operation["size"])
    if not is_digest(digest):
        raise InvalidError(f"{digest!r} is no digest")
    _check_place(connection, run, path)
    values = {"digest": digest, "size": size, "created_at": _integer(operation.get("time") or states.now())}
    statement = insert(artifacts).values(run=run, path=path, **values)
    connection.execute(statement.on_conflict_do_update(["run", "path"], set_=values))


def _check_place(connection: sa.Connection, run: int, path: str) -> None:
    """Refuse a file where there is a folder, and one below a file: they could not be downloaded together."""
    a, parts = artifacts.c, path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    below = sa.and_(a.path > f"{path}/", a.path < f"{path}0")  # "0" follows "/"
    found = connection.execute(
        sa.select(a.path).where(a.run == run, sa.or_(below, a.path.in_(above))).limit(1)
    ).scalar_one_or_none()
    if found is not None:
        raise ConflictError(f"{path!r} cannot be a file of the run, which has {found!r}.")


def plan_cells(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    """The cells the run's notebook has, all pending."""
    connection.execute(sa.delete(cells).where(cells.c.run == run))
    rows = [
        {"run": run, "position": _integer(cell["index"]), "label": _short(cell["label"], 200),
         "kind": _short(cell["kind"], 20), "state": "pending", "started_at": None, "ended_at": None}
        for cell in operation["cells"]
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(cells), rows)


def move_cell(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    """A cell began or ended."""
    state, at = _short(operation["state"], 20), _integer(operation["time"])
    values: dict[str, Any] = {"state": state}
    began = sa.func.coalesce(cells.c.started_at, at)  # no cell ends before it began, whatever the clock did
    values |= {"started_at": at} if state == "running" else {"ended_at": sa.func.max(at, began)}
    connection.execute(
        sa.update(cells)
        .where(cells.c.run == run, cells.c.position == _integer(operation["index"]))
        .values(values)
    )


def _move(connection: sa.Connection, run: int, attempt: int, operation: dict[str, Any]) -> None:
    status = Status(operation["status"])
    if status not in _STATES_FROM_JOURNAL:
        raise InvalidError(f"a run cannot declare itself {status.value}")
    states.move(connection, run, attempt, status, at=_integer(operation["time"]))


def _integer(value: object) -> int:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise InvalidError(f"{value!r:.80} is no integer of 64 bits")


def _short(value: object, longest: int) -> str:
    return check_value(str(value)[:longest], "text", longest)


def _problem(connection: sa.Connection, run: int, operation: dict[str, Any]) -> None:
    raise InvalidError(str(operation["message"]))


_SIMPLE: dict[str, Callable[[sa.Connection, int, dict[str, Any]], None]] = {
    "param": set_param,
    "tags": set_tags,
    "artifact": add_artifact,
    "cells": plan_cells,
    "cell": move_cell,
    "problem": _problem,
}
