"""A database in memory and a short way to put runs into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from jupyter_aml.core.database import metadata
from jupyter_aml.tracking.tables import experiments, metric_series, params, runs, tags

AddRun = Callable[..., int]


@pytest.fixture(scope="module")
def engine() -> Iterator[sa.Engine]:
    """One SQLite database in memory with the tables of tracking."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose changes are undone at the end."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def add_run() -> AddRun:
    """`insert_run` for the tests: ``add_run(connection, metrics={"a": 1.0}, status="Failed")``."""
    return insert_run


def insert_run(
    connection: sa.Connection, *, experiment: str = "default", series_kind: str = "scalar", **given: Any
) -> int:
    """Insert one run with its metrics, params and tags; the other keywords are columns of ``runs``."""
    metrics, own_params, own_tags = (given.pop(name, {}) for name in ("metrics", "params", "tags"))
    columns: dict[str, Any] = {
        "kind": "command",
        "display_name": "a run",
        "status": "Completed",
        "user": "me",
        "compute": "local",
    }
    number = given.pop("number", None) or _next_number(connection)
    columns |= {"number": number, "id": f"{number:032x}", "created_at": 1_000 + number, **given}
    columns["experiment"] = _experiment(connection, experiment)
    connection.execute(sa.insert(runs).values(columns))
    for name, value in metrics.items():
        stored = None if math.isnan(value) else value
        connection.execute(
            sa.insert(metric_series).values(
                run=number, name=name, kind=series_kind, count=1, first_time=0, last_step=0, last_time=0,
                last_value=stored, min_value=stored, max_value=stored, ordered=True,
            )
        )  # fmt: skip
    for table, pairs in ((params, own_params), (tags, own_tags)):
        for name, value in pairs.items():
            connection.execute(sa.insert(table).values(run=number, name=name, value=value))
    return number


def _next_number(connection: sa.Connection) -> int:
    return int(
        connection.execute(sa.select(sa.func.coalesce(sa.func.max(runs.c.number), 0) + 1)).scalar_one()
    )


def _experiment(connection: sa.Connection, name: str) -> int:
    found = connection.execute(sa.select(experiments.c.number).where(experiments.c.name == name)).scalar()
    if found is None:
        made = connection.execute(sa.insert(experiments).values(name=name, user="me", created_at=0))
        (found,) = made.inserted_primary_key or (None,)
    assert found is not None
    return int(found)
