"""The database: durable settings, commits grouped but undone one by one, migrations, and refusals that help."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jupyter_aml.core import schema
from jupyter_aml.core.database import Database, metadata
from jupyter_aml.errors import ConflictError, UnavailableError
from jupyter_aml.service.process import all_operations
from jupyter_aml.tracking.tables import experiments


def add(name: str) -> sa.Insert:
    return sa.insert(experiments).values(name=name, user="me", created_at=1)


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(
            connection.execute(sa.select(experiments.c.name).order_by(experiments.c.number)).scalars()
        )


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    all_operations()  # every room's tables are known by now
    Database(tmp_path / "aml.db").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'aml.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_file_is_private_and_the_settings_are_the_durable_ones(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        database = Database(tmp_path / "aml.db")
        database.write(lambda connection: connection.execute(add("x")))
        assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    finally:
        os.umask(before)
    found = database.write(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert found == ["wal", 2, 1]
    database.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "aml.db")
    with pytest.raises(UnavailableError), database.read() as connection:
        connection.execute(add("x"))
    database.close()


def test_a_failed_write_is_undone_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "aml.db")
    gate = threading.Event()
    results: list[object] = []

    def hold(connection: sa.Connection) -> None:
        gate.wait(10)

    def fail(connection: sa.Connection) -> None:
        connection.execute(add("half"))
        raise ConflictError("no")

    def run(job: object) -> None:
        try:
            results.append(database.write(job))  # type: ignore[arg-type]
        except ConflictError as error:
            results.append(error)

    jobs = [hold, lambda c: c.execute(add("a")), fail, lambda c: c.execute(add("b"))]
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(names(database)) == ["a", "b"]
    assert sum(isinstance(result, ConflictError) for result in results) == 1
    database.close()


def test_writes_of_many_threads_all_count(tmp_path: Path) -> None:
    database = Database(tmp_path / "aml.db")

    def work(number: int) -> None:
        for index in range(50):
            statement = add(f"{number}-{index}")
            database.write(lambda connection, statement=statement: connection.execute(statement))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 400
    database.close()


def test_every_write_transaction_begins_immediate(tmp_path: Path) -> None:
    database = Database(tmp_path / "aml.db")
    seen: list[str] = []
    sa.event.listen(database._writer, "before_cursor_execute", lambda *args: seen.append(args[2]))
    database.write(lambda connection: connection.execute(add("x")))
    assert [statement for statement in seen if statement.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]
    database.close()


def test_another_program_holding_the_lock_gives_a_clear_error_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_aml import limits

    monkeypatch.setattr(limits, "DATABASE_BUSY_SECONDS", 0.2)
    database = Database(tmp_path / "aml.db")
    other = sqlite3.connect(tmp_path / "aml.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="held by another program"):
        database.write(lambda connection: connection.execute(add("x")))
    assert names(database) == []
    other.execute("ROLLBACK")
    other.close()
    database.write(lambda connection: connection.execute(add("y")))
    assert names(database) == ["y"]
    database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "aml.db").close()
    with sqlite3.connect(tmp_path / "aml.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(schema.SchemaError, match="newer version") as caught:
        Database(tmp_path / "aml.db")
    assert "pip install --upgrade" in (caught.value.hint or "")


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "aml.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    connection.close()
    with pytest.raises(schema.SchemaError, match="not a workspace's database"):
        Database(tmp_path / "aml.db")


def test_a_damaged_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "aml.db").write_bytes(b"This is no database at all." * 200)
    with pytest.raises((schema.SchemaError, UnavailableError, sqlite3.DatabaseError)) as caught:
        Database(tmp_path / "aml.db")
    assert isinstance(caught.value, schema.SchemaError)


def test_an_older_schema_is_copied_aside_and_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "aml.db"
    database = Database(path)
    database.write(lambda connection: connection.execute(add("kept")))
    database.close()
    versions = tmp_path / "migrations"
    import shutil

    shutil.copytree(Path(schema.__file__).parent / "migrations", versions)
    before, after = schema.HEAD, f"{int(schema.HEAD) + 1:04d}"
    (versions / "versions" / f"{after}_second.py").write_text(
        f"from alembic import op\nrevision = '{after}'\ndown_revision = '{before}'\n"
        "def upgrade() -> None:\n    op.execute('CREATE TABLE second (x INTEGER)')\n"
    )
    monkeypatch.setattr(schema, "HEAD", after)
    monkeypatch.setattr(schema, "MIGRATIONS", versions)
    database = Database(path)
    assert names(database) == ["kept"]
    database.write(lambda connection: connection.exec_driver_sql("INSERT INTO second VALUES (1)"))
    database.close()
    (copy,) = tmp_path.glob("aml.db.before-*")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (before,)
        assert connection.execute("SELECT name FROM experiments").fetchall() == [("kept",)]
    connection.close()
