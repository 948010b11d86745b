"""The database of a workspace: one process, one connection that writes, commits that survive a loss of power.

SQLite in WAL mode with ``synchronous=FULL``. Writes are functions handed to one thread, which runs those
that wait together in one ``BEGIN IMMEDIATE`` transaction, each in a savepoint of its own, and answers them
after the commit; so writers never meet a lock, and a commit is paid once for many. Reads run on
connections of their own that cannot write nor checkpoint (SQLite before 3.51.3 corrupts a database when
two connections write or checkpoint at the same moment).
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core import schema
from jupyter_aml.core.durable import disk_error
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.errors import AmlError, StorageFullError, UnavailableError

metadata = sa.MetaData()
T = TypeVar("T")
_BATCH = 256
_Job = tuple[Callable[[sa.Connection], Any], "Future[Any]"]


class Database:
    """An open database. `read` and `write` may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        schema.prepare(path)
        self._writer = _engine(path, write=True)
        self._reader = _engine(path, write=False)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._connection = self._writer.connect()
        self._thread = threading.Thread(target=self._serve, name="aml-database-writer", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state and cannot write."""
        with _clear_errors(), self._reader.connect() as connection, connection.begin():
            yield connection

    def write(self, job: Callable[[sa.Connection], T]) -> T:
        """Run ``job`` in a write transaction and return its result once it is committed.

        An exception in the job undoes that job alone and is raised here.
        """
        if self._closed:
            raise UnavailableError("The workspace service is stopping.", hint="Try again in a moment.")
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future.result()

    def close(self) -> None:
        """Finish what waits, fold the write-ahead log into the database, and close."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()
            self._connection.close()
            self._reader.dispose()
            self._writer.dispose()

    def _serve(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, last = [first], False
            while len(batch) < _BATCH:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    last = True
                    break
                batch.append(job)
            self._commit(batch)
            if last:
                break
        with contextlib.suppress(sa.exc.SQLAlchemyError):  # a full disk must not keep the service from ending
            self._connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _commit(self, batch: list[_Job]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with _clear_errors(), self._connected().begin():
                for job, future in batch:
                    self._attempt(job, future, done)
                failpoint("db.commit")
        except BaseException as error:  # noqa: BLE001 - whatever stopped the commit is the answer to everybody in it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            self._disconnect()
            return
        failpoint("db.committed")
        for future, result in done:
            future.set_result(result)

    def _attempt(self, job: Callable[[sa.Connection], Any], future: Future[Any], done: list[Any]) -> None:
        try:
            with self._connection.begin_nested():
                result = job(self._connection)
        except sa.exc.OperationalError:
            raise  # disk full, lock, I/O: concerns the whole transaction
        except Exception as error:  # noqa: BLE001 - the job's own failure: it alone is undone
            future.set_exception(error)
        else:
            done.append((future, result))

    def _disconnect(self) -> None:
        """After a failed commit nothing of the connection is trusted; the next commit opens another."""
        for part in (self._connection.invalidate, self._connection.close):
            with contextlib.suppress(sa.exc.SQLAlchemyError, sqlite3.Error):  # it may not even close
                part()

    def _connected(self) -> sa.Connection:
        if self._connection.closed:
            self._connection = self._writer.connect()
        return self._connection


def _engine(path: Path, *, write: bool) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": limits.DATABASE_BUSY_SECONDS},
        poolclass=sa.pool.QueuePool,
        pool_size=1 if write else 8,
        max_overflow=0 if write else 40,
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        schema.configure(connection, write=write)

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what SQLite says of disk and locks into errors people can act on."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        clear = storage_error(getattr(error, "orig", error))
        if clear is None:
            raise
        raise clear from error


def storage_error(error: BaseException | None) -> AmlError | None:
    """The clear error for an `sqlite3.Error` or `OSError` about the storage, or None for any other."""
    if isinstance(error, OSError):
        return disk_error(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    kind = code & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return StorageFullError(
            "The disk that holds the workspace is full.", hint="Free some space; nothing needs restarting."
        )
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(
            "The workspace's database is held by another program.",
            hint="Close whatever has aml.db open; the same call then works.",
        )
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return UnavailableError(
            f"The workspace's database cannot be written or read: {error}.",
            hint="Check that its disk is mounted read-write and healthy; nothing needs restarting.",
        )
    return None
