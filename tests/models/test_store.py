"""What models keep alive and what goes with them: blobs, uses, the check of the store, an older database."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jupyter_aml.core import schema
from jupyter_aml.core.access import Principal
from jupyter_aml.core.database import Database
from jupyter_aml.core.operation import Context
from jupyter_aml.errors import ConflictError, NotFoundError
from jupyter_aml.models import operations, uses
from jupyter_aml.models.check import check_models
from jupyter_aml.models.model import (
    CreateModel,
    CreateModelVersion,
    ModelFile,
    ModelVersion,
    RegisterRunModel,
    SetModelAlias,
)
from jupyter_aml.models.tables import model_files, models
from jupyter_aml.service.garbage import collect_garbage
from jupyter_aml.service.process import all_operations, open_store
from jupyter_aml.tracking import operations as tracking
from jupyter_aml.tracking.model import FinishRun, StartRun
from jupyter_aml.tracking.records import add_artifact
from jupyter_aml.tracking.tables import experiments
from jupyter_aml.workspace import Workspace


@pytest.fixture
def context(home: Path, tmp_path: Path) -> Iterator[Context]:
    """A workspace's store in this process; its service is never started."""
    all_operations()
    Workspace.create("store", path=tmp_path / "place")
    store = open_store(tmp_path / "place")
    yield Context(store, Principal(getpass.getuser()))
    assert list(check_models(store)) == []
    store.database.close()


def send(context: Context, name: str, data: bytes) -> ModelVersion:
    """Register a file that was sent."""
    blob = context.store.blobs.put(data)
    file = ModelFile(path="m.bin", digest=blob.digest, size=blob.size)
    return operations.create_model_version(context, name, CreateModelVersion(files=[file], root="m.bin"))


def add_run(context: Context, data: bytes) -> tuple[str, str]:
    """A run that has ended with the file ``m.bin``: its id and the file's digest."""
    run = tracking.start_run(context, StartRun(experiment="e"))
    blob = context.store.blobs.put(data)

    def write(connection: sa.Connection) -> None:
        number = connection.execute(sa.text("SELECT max(number) FROM runs")).scalar_one()
        add_artifact(
            connection, number, {"path": "m.bin", "digest": blob.digest, "size": blob.size, "time": 1}
        )

    context.database.write(write)
    tracking.finish_run(context, run.id, FinishRun(status="Completed"))
    return run.id, blob.digest


def test_a_model_outlives_its_run_and_bytes_go_with_the_last_that_names_them(context: Context) -> None:
    run_id, digest = add_run(context, b"weights")
    blobs = context.store.blobs
    for name in ("a", "b"):
        operations.register_run_model(context, run_id, RegisterRunModel(name=name, path="m.bin"))
    tracking.delete_run(context, run_id)
    for delete in (lambda: None, lambda: operations.delete_model_version(context, "a", 1)):
        delete()
        collect_garbage(context.store, grace=-1)
        assert blobs.read(digest) == b"weights"
    assert operations.get_model_version(context, "b", 1).lineage.run_id == run_id
    operations.delete_model(context, "b")
    collect_garbage(context.store, grace=-1)
    assert not blobs.has(digest)


def test_deleting_a_model_leaves_the_bytes_of_its_run(context: Context) -> None:
    run_id, digest = add_run(context, b"weights")
    operations.register_run_model(context, run_id, RegisterRunModel(name="a", path="m.bin"))
    operations.delete_model(context, "a")
    collect_garbage(context.store, grace=-1)
    assert context.store.blobs.has(digest)


def test_a_version_whose_bytes_are_gone_is_not_made(context: Context) -> None:
    run_id, digest = add_run(context, b"weights")
    context.store.blobs.delete(digest)
    with pytest.raises(ConflictError, match="bytes of 'm.bin' are not stored any more"):
        operations.register_run_model(context, run_id, RegisterRunModel(name="a", path="m.bin"))
    with pytest.raises(NotFoundError):
        operations.get_model(context, "a")


def test_what_is_used_is_not_deleted(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    send(context, "served", b"1")
    send(context, "served", b"2")
    used = {"number": 2}
    finders = [lambda connection, number: ["the deployment blue of x"] if number == used["number"] else []]
    monkeypatch.setattr(uses, "finders", finders)
    with pytest.raises(ConflictError, match="The model served:2 is used by the deployment blue of x"):
        operations.delete_model_version(context, "served", 2)
    with pytest.raises(ConflictError, match="served:2 is used"):
        operations.delete_model(context, "served")
    assert operations.get_model(context, "served").version_count == 2
    operations.delete_model_version(context, "served", 1)
    used["number"] = 0
    operations.delete_model(context, "served")


def test_a_name_made_again_has_nothing_of_the_old_one(context: Context) -> None:
    send(context, "again", b"1")
    operations.set_model_alias(context, "again", SetModelAlias(alias="best", version=1))
    operations.delete_model(context, "again")
    made = operations.create_model(context, CreateModel(name="again", tags={"a": "b"}))
    assert (made.aliases, made.version_count, made.latest_version) == ({}, 0, None)
    assert send(context, "again", b"2").version == 1
    with pytest.raises(ConflictError, match="There is a model 'again' already"):
        operations.create_model(context, CreateModel(name="again"))


def test_the_check_finds_what_was_changed_behind_the_registry(context: Context) -> None:
    send(context, "checked", b"1")
    other = context.store.blobs.put(b"2").digest
    for change, undo, problem in [
        (
            sa.update(model_files).values(digest=other),
            sa.update(model_files).values(digest=context.store.blobs.put(b"1").digest),
            "the files of model checked:1 are not those",
        ),
        (
            sa.update(models).values(last_version=0),
            sa.update(models).values(last_version=1),
            "beyond its last",
        ),
    ]:
        context.database.write(lambda connection, change=change: connection.execute(change))
        assert any(problem in line for line in check_models(context.store))
        context.database.write(lambda connection, undo=undo: connection.execute(undo))


def test_a_database_without_models_gets_them_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(schema, "HEAD", "0003")
        database = Database(tmp_path / "aml.db")
        row = sa.insert(experiments).values(name="kept", user="me", created_at=1)
        database.write(lambda connection: connection.execute(row))
        with pytest.raises(sa.exc.OperationalError, match="no such table"), database.read() as connection:
            connection.execute(sa.select(models))
        database.close()
    database = Database(tmp_path / "aml.db")
    with database.read() as connection:
        assert connection.execute(sa.select(experiments.c.name)).scalars().all() == ["kept"]
        assert connection.execute(sa.select(models)).all() == []
    database.close()
    assert (tmp_path / f"aml.db.before-{schema.HEAD}-from-0003").exists()
