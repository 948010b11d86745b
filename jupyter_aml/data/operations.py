"""What can be done with data assets: the service's side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import check_logical_path, check_name, check_value
from jupyter_aml.data import records, store_records
from jupyter_aml.data.content import check_files, check_shape, content_digest
from jupyter_aml.data.fingerprint import difference
from jupyter_aml.data.model import (
    DataAssets,
    DataCheck,
    DataFileModel,
    DataFiles,
    DataModel,
    DataUse,
    DataUses,
    Location,
    RegisterData,
    UpdateData,
)
from jupyter_aml.data.tables import data_files, data_versions, run_data
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, did_you_mean
from jupyter_aml.tracking import states
from jupyter_aml.tracking.downloads import attachment
from jupyter_aml.tracking.operations import RunPath
from jupyter_aml.tracking.reading import run_row
from jupyter_aml.tracking.recorder import check_tag_name
from jupyter_aml.tracking.tables import experiments, runs

operations = Operations()
_Version = Annotated[str | None, Query(max_length=64)]
_Name = Annotated[str | None, Query(max_length=limits.NAME_LENGTH)]
_Limit = Annotated[int, Query(ge=1, le=limits.PAGE_MAX)]


@operations.add("POST", "/data", action="write", resource="aml.data", own_run=True, status=201)
def register_data(context: Context, body: RegisterData) -> DataModel:
    """Register a version; one that has this very content already is returned instead."""
    check_name(body.name, "data asset")
    check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
    _check_tags(body.tags)
    check_shape(body)
    check_files(context.store.blobs, body.files)
    location = None if body.place is None else store_records.locate(context.store, body)

    def write(connection: sa.Connection) -> DataModel:
        row = _insert(connection, context.principal.user, body, location)
        return records.shown(connection, row)

    return context.database.write(write)


def _insert(
    connection: sa.Connection, user: str, body: RegisterData, location: Location | None
) -> sa.Row[Any]:
    d, digest = data_versions.c, content_digest(body, location)
    same = sa.select(data_versions).where(d.name == body.name)
    if body.version is None:
        same = same.where(d.digest == digest).order_by(d.number.desc()).limit(1)
    else:
        same = same.where(d.version == body.version)
    found = connection.execute(same).one_or_none()
    if found is not None:
        if found.digest != digest:
            raise ConflictError(
                f"Version {found.version} of the data asset {body.name!r} is there already, and different.",
                hint="Versions never change: leave the version out, and the next number is taken.",
            )
        connection.execute(sa.update(data_versions).where(d.number == found.number).values(archived_at=None))
        return connection.execute(sa.select(data_versions).where(d.number == found.number)).one()
    fingerprint = None if location is None else location.fingerprint
    made = connection.execute(
        sa.insert(data_versions)
        .values(
            name=body.name,
            version=body.version or _next_version(connection, body.name),
            type=body.type,
            description=body.description,
            tags=body.tags,
            digest=digest,
            size=sum(file.size for file in body.files)
            if location is None
            else fingerprint and fingerprint.size,
            file_count=len(body.files) if location is None else fingerprint and fingerprint.file_count,
            location=None if location is None else location.model_dump(mode="json"),
            definition=None if body.definition is None else body.definition.model_dump(mode="json"),
            user=user,
            created_at=states.now(),
        )
        .returning(data_versions)
    ).one()
    if body.files:
        rows = [{"version": made.number, **file.model_dump()} for file in body.files]
        connection.execute(sa.insert(data_files), rows)
    return made


def _next_version(connection: sa.Connection, name: str) -> str:
    versions = connection.execute(sa.select(data_versions.c.version).where(data_versions.c.name == name))
    return str(max((int(text) for text in versions.scalars() if text.isdecimal()), default=0) + 1)


def _check_tags(tags: dict[str, Any]) -> None:
    if len(tags) > limits.TAGS_A_RUN:
        raise InvalidError(f"A data asset has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in tags.items():
        check_tag_name(name)
        if value is not None:
            check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)


@operations.add("GET", "/data", action="read", resource="aml.data")
def list_data(
    context: Context,
    name: _Name = None,
    which: Literal["active", "archived", "all"] = "active",
    limit: _Limit = limits.PAGE_DEFAULT,
    page_token: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> DataAssets:
    """The newest version of each data asset, or with ``name`` all versions of that one; newest first."""
    d = data_versions.c
    statement = sa.select(data_versions)
    if which != "all":
        is_archived = d.archived_at.is_not(None)
        statement = statement.where(is_archived if which == "archived" else sa.not_(is_archived))
    if name is not None:
        statement = statement.where(d.name == name)
    else:
        newest = statement.with_only_columns(sa.func.max(d.number)).group_by(d.name)
        statement = sa.select(data_versions).where(d.number.in_(newest))
    if page_token is not None:
        statement = statement.where(d.number < int(page_token))
    with context.database.read() as connection:
        rows = connection.execute(statement.order_by(d.number.desc()).limit(limit + 1)).all()
        latest = records.latest_versions(connection, {row.name for row in rows})
    items = [records.model(row, latest.get(row.name)) for row in rows[:limit]]
    return DataAssets(items=items, next_page_token=str(rows[limit - 1].number) if len(rows) > limit else None)


@operations.add("GET", "/data/{name}", action="read", resource="aml.data")
def get_data(context: Context, name: str, version: _Version = None, label: _Version = None) -> DataModel:
    """The version that is meant: by ``version``, by the label ``latest``, or the newest."""
    with context.database.read() as connection:
        return records.shown(connection, records.find(connection, name, version, label))


@operations.add("GET", "/resolve-data", action="read", resource="aml.data")
def resolve_data(context: Context, text: Annotated[str, Query(min_length=1, max_length=400)]) -> DataModel:
    """The data asset that ``text`` means: ``name``, ``name:3``, ``name@latest`` or Azure's longer forms."""
    with context.database.read() as connection:
        return records.shown(connection, records.find(connection, text))


@operations.add("PATCH", "/data/{name}", action="write", resource="aml.data")
def update_data(context: Context, name: str, body: UpdateData) -> DataModel:
    """Change description or tags, archive it or bring it back; without a version, that of all versions."""
    _check_tags(body.tags or {})
    d = data_versions.c

    def write(connection: sa.Connection) -> DataModel:
        meant = sa.select(data_versions).where(d.name == name).order_by(d.number)
        if body.version is not None:
            meant = meant.where(d.version == body.version)
        rows = connection.execute(meant).all()
        if not rows:
            rows = [records.find(connection, name, body.version)]
        for row in rows:
            change = sa.update(data_versions).where(d.number == row.number)
            connection.execute(change.values(_changes(row, body)))
        fresh = connection.execute(sa.select(data_versions).where(d.number == rows[-1].number)).one()
        return records.shown(connection, fresh)

    return context.database.write(write)


def _changes(row: sa.Row[Any], body: UpdateData) -> dict[str, Any]:
    values: dict[str, Any] = {"name": row.name}
    if body.description is not None:
        values["description"] = check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
    if body.tags is not None:
        merged: dict[str, str | None] = {**row.tags, **body.tags}
        values["tags"] = {key: value for key, value in merged.items() if value is not None}
        _check_tags(values["tags"])
    if body.archived is not None:
        values["archived_at"] = (row.archived_at or states.now()) if body.archived else None
    return values


@operations.add("GET", "/data/{name}/files", action="read", resource="aml.data")
def list_data_files(
    context: Context,
    name: str,
    version: _Version = None,
    limit: _Limit = limits.PAGE_DEFAULT,
    page_token: Annotated[str | None, Query(max_length=limits.PATH_LENGTH)] = None,
) -> DataFiles:
    """The files of a version that the workspace keeps, by path; none for data that lies in a datastore."""
    f = data_files.c
    with context.database.read() as connection:
        row = records.find(connection, name, version)
        statement = sa.select(f.path, f.digest, f.size).where(f.version == row.number).order_by(f.path)
        if page_token is not None:
            statement = statement.where(f.path > page_token)
        found = connection.execute(statement.limit(limit + 1)).all()
    items = [DataFileModel(path=file.path, digest=file.digest, size=file.size) for file in found[:limit]]
    return DataFiles(items=items, next_page_token=items[-1].path if len(found) > limit else None)


@operations.add("GET", "/data/{name}/files/{path:path}", action="read", resource="aml.data")
def download_data_file(
    context: Context, name: str, path: str, request: Request, version: _Version = None
) -> StreamingResponse:
    """The bytes of a file that the workspace keeps."""
    check_logical_path(path)
    f = data_files.c
    with context.database.read() as connection:
        row = records.find(connection, name, version)
        digest = connection.execute(
            sa.select(f.digest).where(f.version == row.number, f.path == path)
        ).scalar_one_or_none()
        if digest is None:
            known = connection.execute(sa.select(f.path).where(f.version == row.number).limit(1000)).scalars()
            raise NotFoundError(
                f"The data asset {row.name}:{row.version} has no file {path!r}.",
                hint=did_you_mean(path, known),
            )
    return attachment(context.store.blobs, digest, path, request)


@operations.add("GET", "/data/{name}/check", action="read", resource="aml.data")
def check_data(context: Context, name: str, version: _Version = None) -> DataCheck:
    """Whether data in a datastore still looks as it did when it was registered."""
    with context.database.read() as connection:
        row = records.find(connection, name, version)
    location = None if row.location is None else Location.model_validate(row.location)
    if location is None or location.fingerprint is None:
        return DataCheck(changed=False, reason=None)
    reason = difference(location.fingerprint, store_records.fingerprint(context.store, location))
    return DataCheck(changed=reason is not None, reason=reason)


def _uses(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> DataUses:
    u, d = run_data.c, data_versions.c
    rows = connection.execute(
        sa.select(
            runs.c.id, runs.c.display_name, experiments.c.name.label("experiment"), u.name, u.mode,
            d.name.label("data"), d.version,
        )
        .join(runs, runs.c.number == u.run)
        .join(experiments, experiments.c.number == runs.c.experiment)
        .join(data_versions, d.number == u.version)
        .where(*conditions)
        .order_by(runs.c.number.desc(), u.name)
        .limit(limits.PAGE_MAX)
    )  # fmt: skip
    items = [
        DataUse(
            run_id=row.id, run_name=row.display_name, experiment=row.experiment, input=row.name,
            mode=row.mode, data=row.data, version=row.version,
        )
        for row in rows
    ]  # fmt: skip
    return DataUses(items=items)


@operations.add("GET", "/data/{name}/runs", action="read", resource="aml.data")
def list_data_runs(context: Context, name: str, version: _Version = None) -> DataUses:
    """The runs that took a data asset as an input, newest first; with ``version`` that version only."""
    with context.database.read() as connection:
        row = records.find(connection, name, version)
        if version is not None:
            return _uses(connection, run_data.c.version == row.number)
        return _uses(connection, data_versions.c.name == row.name)


@operations.add("GET", "/runs/{run_id}/data", action="read", resource="aml.runs")
def list_run_data(context: Context, run_id: RunPath) -> DataUses:
    """The data a run took as inputs, with the versions that were meant when it was submitted."""
    with context.database.read() as connection:
        return _uses(connection, run_data.c.run == run_row(connection, run_id).number)
