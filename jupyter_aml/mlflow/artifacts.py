"""The artifact proxy: a run's files, and those of logged models and registered versions, by MLflow's paths.

Bytes are streamed both ways and kept as blobs. A logged model's files are files of the run it came from,
below ``models/<its id>/``; those of a registered version are the version's own and can only be read.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jupyter_aml.errors import ConflictError, NotFoundError
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.homes import Home, home_of
from jupyter_aml.mlflow.paths import Place, artifact_place, checked_path, refused
from jupyter_aml.mlflow.rows import check_unfinished, run_row, writable_run
from jupyter_aml.mlflow.subjects import checked_run_id, experiment_id
from jupyter_aml.tracking import states
from jupyter_aml.tracking.downloads import attachment, receive
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.records import add_artifact
from jupyter_aml.tracking.tables import artifacts, experiments


def list_files(call: Call) -> dict[str, Any]:
    """The files and folders directly below a folder, named relative to it; nothing below a file."""
    place = artifact_place(call.fields.needed("path"))
    return {"files": _entries(call, place)}


def list_of_run(call: Call) -> dict[str, Any]:
    """As `list_files`, for a run by its id, named from the run's root."""
    run_id = checked_run_id(call.fields.run_id())
    folder = call.fields.text("path") or ""
    place = Place(run_id, checked_path(folder) if folder else "")
    with call.store.database.read() as connection:
        row = run_row(connection, run_id)
        name = connection.execute(
            sa.select(experiments.c.name).where(experiments.c.number == row.experiment)
        ).scalar_one()
    above = f"{folder}/" if folder else ""
    files = [{**entry, "path": above + entry["path"]} for entry in _entries(call, place)]
    number = experiment_id(row.experiment, name)
    return {"root_uri": f"mlflow-artifacts:/{number}/{run_id}/artifacts", "files": files}


def _entries(call: Call, place: Place) -> list[dict[str, Any]]:
    with call.store.database.read() as connection:
        home = home_of(connection, place)
        if home.run_id is None:
            found = home.files(connection)
        else:
            run = run_row(connection, home.run_id)
    if home.run_id is not None:
        ingest_for_reading(call.store, home.run_id)
        with call.store.database.read() as connection:
            found = _below(connection, run.number, home.path)
    return _level(found, f"{home.path}/" if home.path else "")


def _below(connection: sa.Connection, run: int, folder: str) -> list[tuple[str, int]]:
    """Paths and sizes of all files below a folder of a run."""
    a = artifacts.c
    statement = sa.select(a.path, a.size).where(a.run == run).order_by(a.path)
    if folder:
        statement = statement.where(a.path > f"{folder}/", a.path < f"{folder}0")  # "0" follows "/"
    return [(row.path, row.size) for row in connection.execute(statement)]


def _level(files: list[tuple[str, int]], prefix: str) -> list[dict[str, Any]]:
    """One level of a tree, from the paths of its files in order."""
    entries: dict[str, dict[str, Any]] = {}
    for path, size in files:
        if not path.startswith(prefix):
            continue
        name, slash, _ = path[len(prefix) :].partition("/")
        if slash:
            entries.setdefault(name, {"path": name, "is_dir": True})
        else:
            entries[name] = {"path": name, "is_dir": False, "file_size": size}
    return list(entries.values())


def download(call: Call) -> Response:
    """The bytes of a file, always as an attachment."""
    place = artifact_place(call.path["path"])
    if not place.path:
        raise refused()
    with call.store.database.read() as connection:
        home = home_of(connection, place)
        digest = _digest(connection, home)
    if digest is None and home.run_id is not None:
        ingest_for_reading(call.store, home.run_id)
        with call.store.database.read() as connection:
            digest = _digest(connection, home)
    if digest is None:
        raise NotFoundError(f"No such artifact: {ascii(place.path)[1:-1][:200]}")
    return attachment(call.store.blobs, digest, place.path, call.request)


def _digest(connection: sa.Connection, home: Home) -> str | None:
    if home.run_id is None:
        return home.digest(connection)
    number = run_row(connection, home.run_id).number
    return connection.execute(
        sa.select(artifacts.c.digest).where(artifacts.c.run == number, artifacts.c.path == home.path)
    ).scalar_one_or_none()


async def upload(call: Call) -> dict[str, Any]:
    """Store the body as a file. A file of a run that has ended is never replaced."""
    home = await run_in_threadpool(_writable_home, call)
    blob = await receive(call.store.blobs, call.request)
    operation = {"path": home.path, "digest": blob.digest, "size": blob.size, "time": states.now()}
    await run_in_threadpool(call.store.database.write, lambda connection: _add(connection, home, operation))
    return {}


def _writable_home(call: Call) -> Home:
    """Where the file goes, refused before a byte of it is read where it may not."""
    place = artifact_place(call.path["path"])
    if not place.path:
        raise refused()
    with call.store.database.read() as connection:
        home = home_of(connection, place)
        _check_writable(connection, home)
    return home


def _check_writable(connection: sa.Connection, home: Home) -> sa.Row[Any]:
    if home.run_id is None:
        raise ConflictError("The files of a registered version cannot be changed.")
    if home.is_model:  # the run of a model that comes from none is archived from its beginning
        row = run_row(connection, home.run_id)
        check_unfinished(row)
    else:
        row = writable_run(connection, home.run_id)
    if Status(row.status).is_final:
        a = artifacts.c
        held = sa.select(a.path).where(a.run == row.number, a.path == home.path)
        if connection.execute(held).first() is not None:
            raise ConflictError(
                f"Run {row.display_name} is {row.status}: its file {home.path!r} cannot be replaced."
            )
    return row


def _add(connection: sa.Connection, home: Home, operation: dict[str, Any]) -> None:
    add_artifact(connection, _check_writable(connection, home).number, operation)


def delete(call: Call) -> dict[str, Any]:
    """Remove a file, or a folder and what is in it, of a run that has not ended."""
    place = artifact_place(call.path["path"])
    if not place.path:
        raise refused()

    def write(connection: sa.Connection) -> None:
        home = home_of(connection, place)
        row = _check_writable(connection, home)
        if Status(row.status).is_final:
            raise ConflictError(f"Run {row.display_name} is {row.status}; its files cannot be removed.")
        a = artifacts.c
        below = sa.and_(a.path > f"{home.path}/", a.path < f"{home.path}0")
        gone = connection.execute(
            sa.delete(artifacts).where(a.run == row.number, sa.or_(a.path == home.path, below))
        )
        if gone.rowcount == 0:
            raise NotFoundError(f"No such artifact: {ascii(place.path)[1:-1][:200]}")

    call.store.database.write(write)
    return {}
