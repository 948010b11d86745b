"""The state machine of a run: every change is one compare-and-swap, and a final state never changes.

Each edge is a single ``UPDATE ... WHERE number = ? AND attempt = ? AND status IN (...)``. No row changed
means that somebody else was first, which is no error. The attempt number is the fence: what an older
attempt says changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from jupyter_aml.tracking.model import FINAL, FOLLOWS, Status
from jupyter_aml.tracking.tables import run_tokens, runs, transitions


def now() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def predecessors(status: Status) -> list[Status]:
    """The states from which a run may go to ``status``."""
    return [before for before, after in FOLLOWS.items() if status in after]


def move(
    connection: sa.Connection,
    number: int,
    attempt: int,
    status: Status,
    *,
    at: int | None = None,
    reason: str | None = None,
    error: dict[str, Any] | None = None,
    only_from: Iterable[Status] | None = None,
    new_attempt: bool = False,
) -> bool:
    """Bring a run's attempt to ``status`` if its state allows it; whether it did.

    ``at`` is clamped so that no run starts before it was made or ends before it started, whatever the
    clock did. ``new_attempt`` raises the attempt number with the change, which fences the old one off.
    """
    at = now() if at is None else at
    values: dict[str, Any] = {"status": status.value}
    if new_attempt:
        values["attempt"] = runs.c.attempt + 1
    if status is Status.RUNNING:
        values["started_at"] = sa.func.coalesce(runs.c.started_at, sa.func.max(at, runs.c.created_at))
    if status is Status.QUEUED:
        values |= {"started_at": None, "ended_at": None}
    if status in FINAL:
        values["ended_at"] = sa.func.max(at, sa.func.coalesce(runs.c.started_at, runs.c.created_at))
        values["error"] = error
    sources = predecessors(status) if only_from is None else list(only_from)
    changed = connection.execute(
        sa.update(runs)
        .where(runs.c.number == number, runs.c.attempt == attempt)
        .where(runs.c.status.in_([source.value for source in sources]))
        .values(values)
    )
    if changed.rowcount == 0:
        return False
    record(connection, number, attempt + 1 if new_attempt else attempt, status, at, reason)
    if status in FINAL:
        connection.execute(sa.delete(run_tokens).where(run_tokens.c.run == number))
    return True


def record(
    connection: sa.Connection, number: int, attempt: int, status: Status, at: int, reason: str | None
) -> None:
    """Write a state into the run's history."""
    connection.execute(
        sa.insert(transitions).values(run=number, attempt=attempt, status=status.value, at=at, reason=reason)
    )
