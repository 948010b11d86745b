"""Taking in what running processes wrote to their journals.

The journals of a run lie in its live folder, one file per writing process. Each call reads on from the
position kept in the database and applies what is new in the same transaction that moves the position; so
a journal read twice, by whoever, after whatever crash, counts once. What cannot be stored (a param that
was set to another value before, a name over its limit) is noted as a problem of the run, and the rest
goes on: logging never fails a run.
"""

from __future__ import annotations

import contextlib
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.durable import disk_error
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.journal import JournalChunk, Scalar, read_journal
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import check_text
from jupyter_aml.errors import AmlError, InvalidError, UnavailableError
from jupyter_aml.tracking import series as metric
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import FINAL, Status
from jupyter_aml.tracking.records import apply_operation
from jupyter_aml.tracking.tables import journal_positions, journal_problems, runs

_JOURNAL = re.compile(r"[0-9]{1,9}\.[0-9a-f]+\.journal", re.ASCII)
_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


@dataclass(frozen=True)
class Position:
    """How far a journal file has been taken in: a byte offset and the next record's number."""

    offset: int = 0
    sequence: int = 0


def ingest_run(store: Store, run_id: str) -> bool:
    """Take in everything the journals of ``run_id`` hold; whether there was anything new."""
    folder = store.folder.run_folder(run_id)
    if not folder.journal.is_dir():
        return False
    with _lock(run_id):
        changed = False
        for path in sorted(folder.journal.glob("*.journal")):
            while _JOURNAL.fullmatch(path.name) and _ingest_file(store, run_id, path, folder.staging):
                changed = True
    return changed


def ingest_for_reading(store: Store, run_id: str) -> None:
    """As `ingest_run`, for a caller who only reads and is served without it where nothing can be written."""
    with contextlib.suppress(UnavailableError):
        ingest_run(store, run_id)


def unread_bytes(store: Store, run_id: str) -> int:
    """Bytes of whole and torn records that are not taken in yet; 0 once everything is."""
    with store.database.read() as connection:
        positions = _positions(connection, run_id)
    files = store.folder.run_folder(run_id).journal.glob("*.journal")
    return sum(path.stat().st_size - positions.get(path.name, Position()).offset for path in files)


def _lock(run_id: str) -> threading.Lock:
    with _locks_guard:
        if len(_locks) > 10_000:
            _locks.clear()
        return _locks.setdefault(run_id, threading.Lock())


def _positions(connection: sa.Connection, run_id: str) -> dict[str, Position]:
    p = journal_positions.c
    rows = connection.execute(
        sa.select(p.file, p.offset, p.sequence).join(runs, runs.c.number == p.run).where(runs.c.id == run_id)
    )
    return {row.file: Position(row.offset, row.sequence) for row in rows}


def _ingest_file(store: Store, run_id: str, path: Path, staging: Path) -> bool:
    with store.database.read() as connection:
        position = _positions(connection, run_id).get(path.name, Position())
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size <= position.offset:
            return False
        chunk = read_journal(path, position.offset, position.sequence)
    except FileNotFoundError:  # the run has just been finalized and its folder removed
        return False
    if not chunk.records:
        return False
    adopt_staged(store.blobs, chunk, staging)
    failpoint("ingest.adopted")
    attempt = int(path.name.split(".", 1)[0])
    store.database.write(lambda connection: _apply(connection, run_id, attempt, path.name, position, chunk))
    failpoint("ingest.applied")
    return True


def adopt_staged(blobs: BlobStore, chunk: JournalChunk, staging: Path) -> None:
    """Store the bytes of the artifacts in ``chunk``, checked against the digest their record names."""
    for record in chunk.records:
        if isinstance(record, Scalar) or record.get("op") != "artifact":
            continue
        digest = str(record.get("digest"))
        try:
            if not blobs.has(digest):
                blobs.put_file(staging / digest, digest)
            record["size"] = blobs.size(digest)
        except (AmlError, OSError) as error:
            passing = error if isinstance(error, AmlError) else disk_error(error)
            if passing is not None and passing.http_status >= 500:
                raise passing from error  # a full disk: the position stays, and the next call tries again
            record["op"] = "problem"
            record["message"] = f"the file {record.get('path')!r} could not be taken in: {error}"


def _apply(
    connection: sa.Connection, run_id: str, attempt: int, file: str, position: Position, chunk: JournalChunk
) -> None:
    run = connection.execute(
        sa.select(runs.c.number, runs.c.attempt, runs.c.status).where(runs.c.id == run_id)
    ).one_or_none()
    if run is None or _positions(connection, run_id).get(file, Position()) != position:
        return
    if run.attempt == attempt and Status(run.status) not in FINAL:
        _apply_records(connection, run.number, attempt, chunk.records)
    _save_position(connection, run.number, file, chunk)


def _save_position(connection: sa.Connection, number: int, file: str, chunk: JournalChunk) -> None:
    p = journal_positions.c
    found = connection.execute(
        sa.update(journal_positions)
        .where(p.run == number, p.file == file)
        .values(offset=chunk.offset, sequence=chunk.sequence)
    )
    if found.rowcount == 0:
        connection.execute(
            sa.insert(journal_positions).values(
                run=number, file=file, offset=chunk.offset, sequence=chunk.sequence
            )
        )


def _apply_records(
    connection: sa.Connection, number: int, attempt: int, records: list[Scalar | dict[str, Any]]
) -> None:
    known = metric.load_series(connection, number)
    for scalars, operation in _grouped(records):
        if scalars:
            metric.add_scalars(connection, known, number, _checked(connection, number, known, scalars))
        if operation is not None:
            try:
                with connection.begin_nested():
                    apply_operation(connection, number, attempt, known, operation)
            except sa.exc.OperationalError:
                raise  # the disk or a lock, and nothing that the operation says
            except Exception as error:  # noqa: BLE001 - a job writes what it likes; it may not stop the reading
                note_problem(connection, number, f"{operation.get('op')}: {error}")
                known = metric.load_series(connection, number)  # a series it began was undone with it


def _grouped(records: list[Scalar | dict[str, Any]]) -> Iterator[tuple[list[Scalar], dict[str, Any] | None]]:
    """Runs of scalars, each with the operation that follows it."""
    scalars: list[Scalar] = []
    for record in records:
        if isinstance(record, Scalar):
            scalars.append(record)
        else:
            yield scalars, record
            scalars = []
    yield scalars, None


def _checked(
    connection: sa.Connection, number: int, known: dict[str, metric.Series], scalars: list[Scalar]
) -> list[Scalar]:
    """The scalars whose names may be stored; a scalar named as a list or table gets a series of its own."""
    renamed: dict[str, str | None] = {}
    for name in {scalar.name for scalar in scalars}:
        other = known.get(name)
        if other is not None:
            if other.kind != "scalar":
                renamed[name] = f"{name} (scalar)"
            continue
        try:
            check_text(name, "metric's name", limits.METRIC_NAME_LENGTH)
        except InvalidError as error:
            renamed[name] = None
            note_problem(connection, number, str(error))
    if not renamed:
        return scalars
    kept = []
    for scalar in scalars:
        name_now = renamed.get(scalar.name, scalar.name)
        if name_now is not None:
            kept.append(scalar._replace(name=name_now))
    return kept


def note_problem(connection: sa.Connection, number: int, message: str) -> None:
    """Keep what could not be taken in where people see it: on the run."""
    text = message[:2000].encode("utf-8", "replace").decode()  # a job may have put anything into it
    connection.execute(sa.insert(journal_problems).values(run=number, at=states.now(), message=text))
