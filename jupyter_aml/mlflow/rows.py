"""Finding the rows a request is about; refusing it in MLflow's words where they are not as they must be."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.tracking.model import MLFLOW_KIND, Status
from jupyter_aml.tracking.tables import runs


def listed(column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether ``column`` is one of the numbers bound as ``numbers``, a JSON list: one value, however many."""
    numbers = sa.func.json_each(sa.bindparam("numbers", type_=sa.Text)).table_valued("value")
    return column.in_(sa.select(numbers.c.value))


def run_row(connection: sa.Connection, run_id: str) -> sa.Row[Any]:
    """The row of a run; `NotFoundError` where there is none."""
    row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"Run with id={run_id} not found.")
    return row


def writable_run(connection: sa.Connection, run_id: str) -> sa.Row[Any]:
    """The row of a run that may be added to: it is not deleted, and it has not ended for good."""
    row = run_row(connection, run_id)
    if row.archived_at is not None:
        raise InvalidError(f"The run {run_id} must be in the 'active' state. Current state is deleted.")
    check_unfinished(row)
    return row


def check_unfinished(row: sa.Row[Any]) -> None:
    """Refuse a run that has ended; one that an MLflow client made may still be added to."""
    if Status(row.status).is_final and row.kind != MLFLOW_KIND:
        raise ConflictError(f"Run {row.display_name} is {row.status}; what it holds cannot be changed.")
