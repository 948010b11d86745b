"""Checking that a workspace is whole: each invariant is a function that names what breaks it.

The numbers are those of the list of invariants the project keeps (F1 to F14); those about
endpoints come with them. The check reads only; it may run beside everything else.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.operation import Store
from jupyter_aml.data.tables import data_files
from jupyter_aml.jobs.processes import marked
from jupyter_aml.models.check import check_models
from jupyter_aml.models.tables import model_files
from jupyter_aml.service.garbage import is_referenced
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import FINAL, FOLLOWS, MLFLOW_KIND, Status
from jupyter_aml.tracking.tables import (
    SEQUENCE_BITS,
    artifacts,
    metric_points,
    metric_series,
    runs,
    snapshot_files,
    transitions,
)

_GRACE_MS = 30_000
_ENDING_SECONDS = 1.0


def check_store(store: Store, *, full: bool = True) -> list[str]:
    """Everything that is wrong, a sentence each; an empty list for a workspace that is whole.

    ``full`` reads every blob and compares its digest; without it only presence and size are looked at.
    """
    problems: list[str] = []
    for check in _CHECKS:
        problems += check(store)
    problems += _blobs(store, full=full)
    return problems


def _database(store: Store) -> Iterator[str]:
    with store.database.read() as connection:
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check").all():
            if line != "ok":
                yield f"F1 database: {line}"
        for row in connection.exec_driver_sql("PRAGMA foreign_key_check").all():
            yield f"F1 database: a row of {row[0]} refers to a row of {row[2]} that is not there"


def _ended_runs(store: Store) -> Iterator[str]:
    r = runs.c
    final = [status.value for status in FINAL]
    with store.database.read() as connection:
        rows = connection.execute(
            sa.select(r.id, r.status, r.created_at, r.started_at, r.ended_at, r.error).where(
                r.status.in_(final)
            )
        ).all()
    for row in rows:
        if row.ended_at is None:
            yield f"F2 run {row.id} is {row.status} without an end"
        elif row.ended_at < (row.started_at or row.created_at):
            yield f"F2 run {row.id} ended before it began"
        if row.status == Status.FAILED and not row.error:
            yield f"F2 run {row.id} failed without a reason"
        if (
            row.ended_at
            and states.now() - row.ended_at > _GRACE_MS
            and store.folder.run_folder(row.id).root.exists()
        ):
            yield f"F2 run {row.id} has ended and its live folder is still there"


def _live_runs(store: Store) -> Iterator[str]:
    r = runs.c
    waiting = [Status.QUEUED.value, *(status.value for status in FINAL)]
    with store.database.read() as connection:
        rows = connection.execute(
            sa.select(r.id, r.status, r.attempt, sa.func.max(transitions.c.at).label("since"))
            .join(transitions, transitions.c.run == r.number)
            .where(r.status.not_in(waiting), r.kind != MLFLOW_KIND)
            .group_by(r.number)
        ).all()
    for row in rows:
        lock = LifeLock(store.folder.run_folder(row.id).lock)
        folder = store.folder.run_folder(row.id).root
        free = not folder.is_dir() or lock.take()
        lock.release()
        if free and states.now() - row.since > _GRACE_MS:
            yield f"F3 run {row.id} is {row.status} and nobody runs it"


def _histories(store: Store) -> Iterator[str]:
    t = transitions.c
    with store.database.read() as connection:
        rows = connection.execute(
            sa.select(
                runs.c.id, runs.c.status.label("now"), runs.c.attempt.label("last"), t.status, t.attempt
            )
            .join(transitions, t.run == runs.c.number)
            .order_by(runs.c.number, t.number)
        ).all()
    before: dict[str, tuple[Status, int]] = {}
    current: dict[str, tuple[str, int]] = {}
    for row in rows:
        status = Status(row.status)
        if row.id in before:
            previous, attempt = before[row.id]
            if status not in FOLLOWS[previous]:
                yield f"F5 run {row.id} went from {previous.value} to {status.value}"
            if row.attempt not in (attempt, attempt + 1):
                yield f"F4 run {row.id} went from attempt {attempt} to {row.attempt}"
        before[row.id] = (status, row.attempt)
        current[row.id] = (row.now, row.last)
    for run_id, (status_now, last) in current.items():
        if before[run_id] != (Status(status_now), last):
            yield f"F5 run {run_id} is {status_now} but its history ends at {before[run_id][0].value}"


def _metrics(store: Store) -> Iterator[str]:
    s, p = metric_series.c, metric_points.c
    series = p.id.op(">>")(SEQUENCE_BITS)
    counted = (
        sa.select(series.label("series"), sa.func.count().label("points"), sa.func.max(p.id).label("top"))
        .group_by(series)
        .subquery()
    )
    with store.database.read() as connection:
        rows = connection.execute(
            sa.select(s.number, s.name, s.count.label("told"), counted.c.points, counted.c.top)
            .outerjoin(counted, counted.c.series == s.number)
            .where(s.kind == "scalar")
        ).all()
    for row in rows:
        top = None if row.top is None else row.top - (row.number << SEQUENCE_BITS)
        if row.told != (row.points or 0) or (row.told and top != row.told - 1):
            yield f"F11 metric {row.name!r} (series {row.number}) counts {row.told}, has {row.points} points"


def _processes(store: Store) -> Iterator[str]:
    final = [status.value for status in FINAL]
    yesterday = states.now() - 86_400_000
    with store.database.read() as connection:
        recent = list(
            connection.execute(
                sa.select(runs.c.id).where(runs.c.status.in_(final), runs.c.ended_at > yesterday)
            ).scalars()
        )
    for run_id in recent[:1000]:
        if any(marked(run_id)):
            time.sleep(_ENDING_SECONDS)  # its runner may be on its way out
        for pid in marked(run_id):
            yield f"F12 process {pid} belongs to run {run_id}, which has ended"


def _modes(store: Store) -> Iterator[str]:
    folder = store.folder
    private = [folder.root, folder.blobs, folder.runs, folder.run]
    files = [folder.database, folder.token, folder.address, folder.description, folder.vault]
    for path in [*private, *files, *folder.root.glob("aml.db*")]:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield f"F13 {path} can be read by others"


def _canaries(store: Store) -> Iterator[str]:
    token = store.folder.token.read_bytes() if store.folder.token.exists() else b""
    for path in [store.folder.service_log, *_logs(store.folder.runs)]:
        if token and path.is_file() and token in path.read_bytes():
            yield f"F14 the service's token stands in {path}"


def _logs(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names if name.endswith(".txt"))


def _blobs(store: Store, *, full: bool) -> Iterator[str]:
    with store.database.read() as connection:
        tables = (
            (artifacts, "an artifact"),
            (snapshot_files, "a snapshot"),
            (model_files, "a model"),
            (data_files, "a data asset"),
        )
        for table, what in tables:
            for digest, size in connection.execute(sa.select(table.c.digest, table.c.size).distinct()):
                if not store.blobs.has(digest):
                    yield f"F6 blob {digest} of {what} is missing"
                elif store.blobs.size(digest) != size:
                    yield f"F6 blob {digest} of {what} has {store.blobs.size(digest)} bytes, not {size}"
                elif full and not store.blobs.verify(digest):
                    yield f"F6 blob {digest} of {what} is damaged"
        for digest in store.blobs.digests():
            if store.blobs.age(digest) > 48 * 3600 and not is_referenced(connection, digest):
                yield f"F7 blob {digest} is referred to by nothing"
    for path in store.blobs.temporary_files():
        yield f"F8 {path} was left behind"


_CHECKS: tuple[Callable[[Store], Iterator[str]], ...] = (
    _database,
    _ended_runs,
    _live_runs,
    _histories,
    _metrics,
    _processes,
    _modes,
    _canaries,
    check_models,
)
