"""Opening a workspace's SQLite file: the settings every connection has, and the migrations.

A database newer than this version knows is refused; an older one is copied aside
(``aml.db.before-NNNN``) and migrated by Alembic in one transaction. Revisions are numbered ``0001`` on.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from jupyter_aml import limits
from jupyter_aml.core.durable import sync_folder
from jupyter_aml.errors import AmlError, UnavailableError

HEAD = "0006"
APPLICATION_ID = 0x414D4C31  # "AML1"
_RESTORE = "Restore aml.db from a backup (each upgrade keeps one beside it, aml.db.before-*)."
MIGRATIONS = Path(__file__).parent / "migrations"
_QUICK_CHECK_BYTES = 256 * 1024 * 1024
# Magic numbers of statfs for file systems where SQLite's WAL and flock cannot be trusted.
_NETWORK_FILESYSTEMS = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x5346414F: "AFS",
}


class SchemaError(AmlError):
    """The database cannot be opened by this version."""

    code = "schema"
    http_status = 503


def configure(connection: sqlite3.Connection, *, write: bool) -> None:
    """Set and read back what durability and safety rest on (each connection of the service)."""
    connection.isolation_level = None  # transactions are begun and ended in so many words
    if write:
        _expect(connection, "PRAGMA journal_mode=WAL", "wal")
        connection.execute("PRAGMA synchronous=FULL")
        _expect(connection, "PRAGMA synchronous", 2)
    else:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA foreign_keys=ON")
    _expect(connection, "PRAGMA foreign_keys", 1)
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-16384")
    connection.execute(f"PRAGMA busy_timeout={int(limits.DATABASE_BUSY_SECONDS * 1000)}")


def _expect(connection: sqlite3.Connection, pragma: str, value: object) -> None:
    found = connection.execute(pragma).fetchone()[0]
    if found != value:
        raise UnavailableError(
            f"SQLite answered {found!r} to '{pragma}' where {value!r} is needed.",
            hint="The workspace must lie on a local disk that can be written.",
        )


def prepare(path: Path) -> None:
    """Make the file ready: made with mode 0600, checked, and at the newest revision."""
    _refuse_network_filesystem(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(path, timeout=limits.DATABASE_BUSY_SECONDS)) as connection:
        revision = _revision(connection)
        if revision == HEAD:
            _check(connection, path)
            return
        if revision is not None:
            _check(connection, path)
            _refuse_newer(revision)
            _copy_aside(connection, path, revision)
    _migrate(path)


def _revision(connection: sqlite3.Connection) -> str | None:
    try:
        configure(connection, write=True)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    except sqlite3.DatabaseError as error:
        raise SchemaError(
            f"The workspace's database is damaged: {error}.",
            hint=_RESTORE,
        ) from error
    return str(row[0]) if row else None


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise SchemaError(f"{path} is not a workspace's database.", hint="Choose another folder for it.")
    if path.stat().st_size <= _QUICK_CHECK_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise SchemaError(
                f"The workspace's database is damaged: {found}.",
                hint=_RESTORE,
            )


def _refuse_newer(revision: str) -> None:
    if not revision.isdecimal() or int(revision) > int(HEAD):
        raise SchemaError(
            f"The workspace was written by a newer version of jupyter_aml "
            f"(schema {revision}, this one knows {HEAD}).",
            hint="Upgrade: pip install --upgrade jupyter_aml",
        )


def _copy_aside(connection: sqlite3.Connection, path: Path, revision: str) -> None:
    copy = path.with_name(f"{path.name}.before-{HEAD}-from-{revision}")
    partial = copy.with_name(copy.name + ".part")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(partial)) as target:
        connection.backup(target)
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.rename(copy)
    sync_folder(path.parent)


def _migrate(path: Path) -> None:
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        configure(connection, write=True)

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
    engine.dispose()


def _refuse_network_filesystem(folder: Path) -> None:
    name = _NETWORK_FILESYSTEMS.get(_filesystem_magic(folder))
    if name:
        raise SchemaError(
            f"{folder} lies on {name}, where a database with several readers cannot be kept safely.",
            hint="Put the workspace on a local disk: set AML_HOME, or Workspace.create(name, path=...).",
        )


def _filesystem_magic(folder: Path) -> int:
    """``f_type`` of Linux's statfs(2), which Python's os.statvfs leaves out; 0 where it cannot be had."""
    import ctypes

    class StatFs(ctypes.Structure):
        _fields_ = [("f_type", ctypes.c_long), ("rest", ctypes.c_byte * 256)]

    result = StatFs()
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.statfs(os.fsencode(folder), ctypes.byref(result)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return int(result.f_type) & 0xFFFFFFFF
