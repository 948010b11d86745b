"""What can be done with models: the service's side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Path as InPath
from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import ConflictError, NotFoundError, did_you_mean
from jupyter_aml.models import records, versions
from jupyter_aml.models.filter import MODEL_FIELDS, VERSION_FIELDS, conditions
from jupyter_aml.models.model import (
    CreateModel,
    CreateModelVersion,
    ModelFile,
    ModelFiles,
    Models,
    ModelVersion,
    ModelVersions,
    RegisteredModel,
    RegisterRunModel,
    SetModelAlias,
    SetModelStage,
    UpdateModel,
    UpdateModelVersion,
)
from jupyter_aml.models.references import check_alias, check_model_name
from jupyter_aml.models.tables import model_aliases, model_files, model_versions, models
from jupyter_aml.models.uses import refuse_if_used
from jupyter_aml.tracking import states
from jupyter_aml.tracking.downloads import attachment
from jupyter_aml.tracking.operations import RunPath

operations = Operations()
_Name = Annotated[str, InPath(max_length=limits.NAME_LENGTH)]
_Version = Annotated[int, InPath(ge=1, le=limits.MODEL_VERSION_MAX)]
_Filter = Annotated[str, Query(max_length=limits.FILTER_LENGTH)]
_Which = Literal["active", "archived", "all"]
_Limit = Annotated[int, Query(ge=1, le=limits.PAGE_MAX)]
_Token = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")]
_v, _m, _f, _a = model_versions.c, models.c, model_files.c, model_aliases.c


@operations.add("POST", "/models", action="write", resource="aml.models", status=201)
def create_model(context: Context, body: CreateModel) -> RegisteredModel:
    """Create a name that has no version yet."""
    check_model_name(body.name)
    versions.check_pairs(body.tags, "tag")

    def write(connection: sa.Connection) -> RegisteredModel:
        if connection.execute(sa.select(_m.number).where(_m.name == body.name)).one_or_none():
            raise ConflictError(f"There is a model {body.name!r} already.")
        versions.insert_model(connection, body.name, context.principal.user, body.description, body.tags)
        return records.show_model(connection, body.name)

    return context.database.write(write)


@operations.add("POST", "/models/{name}/versions", action="write", resource="aml.models", status=201)
def create_model_version(context: Context, name: _Name, body: CreateModelVersion) -> ModelVersion:
    """Register a model's next version; the model is made where there is none of that name."""
    return versions.register(context, name, body)


@operations.add(
    "POST", "/runs/{run_id}/models", action="write", resource="aml.models", own_run=True, status=201
)
def register_run_model(context: Context, run_id: RunPath, body: RegisterRunModel) -> ModelVersion:
    """Register a file or a folder of a run as a model's next version. A run's token may, with its own."""
    given = body.model_dump(exclude={"name"}, exclude_unset=True)
    return versions.register(context, body.name, CreateModelVersion(run_id=run_id, **given))


@operations.add("GET", "/models", action="read", resource="aml.models")
def list_models(
    context: Context,
    filter: _Filter = "",
    which: _Which = "active",
    limit: _Limit = limits.PAGE_DEFAULT,
    page_token: _Token = None,
) -> Models:
    """The models, newest first; a model is archived when all its versions are."""
    live = sa.exists().where(_v.model == _m.number, _v.archived_at.is_(None))
    any_version = sa.exists().where(_v.model == _m.number)
    archived = sa.and_(any_version, ~live)
    statement = sa.select(models).where(*conditions(filter, MODEL_FIELDS))
    if which != "all":
        statement = statement.where(archived if which == "archived" else sa.not_(archived))
    if page_token is not None:
        statement = statement.where(_m.number < int(page_token))
    with context.database.read() as connection:
        rows = connection.execute(statement.order_by(_m.number.desc()).limit(limit + 1)).all()
        items = records.show_models(connection, rows[:limit])
    return Models(items=items, next_page_token=_next(rows, limit))


@operations.add("GET", "/model-versions", action="read", resource="aml.models")
def list_model_versions(
    context: Context,
    name: Annotated[str | None, Query(max_length=limits.NAME_LENGTH)] = None,
    filter: _Filter = "",
    which: _Which = "active",
    latest: bool = False,
    limit: _Limit = limits.PAGE_DEFAULT,
    page_token: _Token = None,
) -> ModelVersions:
    """Versions, newest first: of all models or of one; with ``latest`` the newest of each that fits."""
    statement = (
        sa.select(_v.number).join(models, _m.number == _v.model).where(*conditions(filter, VERSION_FIELDS))
    )
    if which != "all":
        statement = statement.where(
            _v.archived_at.is_not(None) if which == "archived" else _v.archived_at.is_(None)
        )
    if name is not None:
        statement = statement.where(_m.name == name)
    if latest:
        newest = statement.with_only_columns(_v.model, sa.func.max(_v.version)).group_by(_v.model)
        statement = sa.select(_v.number).where(sa.tuple_(_v.model, _v.version).in_(newest))
    if page_token is not None:
        statement = statement.where(_v.number < int(page_token))
    with context.database.read() as connection:
        rows = connection.execute(statement.order_by(_v.number.desc()).limit(limit + 1)).all()
        items = records.show_versions(connection, [row.number for row in rows[:limit]])
    return ModelVersions(items=items, next_page_token=_next(rows, limit))


def _next(rows: Any, limit: int) -> str | None:
    return str(rows[limit - 1].number) if len(rows) > limit else None


@operations.add("GET", "/models/{name}", action="read", resource="aml.models")
def get_model(context: Context, name: _Name) -> RegisteredModel:
    """A model: its description, tags, aliases and stages."""
    with context.database.read() as connection:
        return records.show_model(connection, name)


@operations.add("GET", "/resolve-model", action="read", resource="aml.models")
def resolve_model(
    context: Context, text: Annotated[str, Query(min_length=1, max_length=400)]
) -> ModelVersion:
    """The version that ``text`` means: ``name``, ``name:3``, ``name@champion``, ``models:/name/3``."""
    with context.database.read() as connection:
        return records.show_version(connection, records.resolve(connection, text).number)


@operations.add("GET", "/models/{name}/versions/{version}", action="read", resource="aml.models")
def get_model_version(context: Context, name: _Name, version: _Version) -> ModelVersion:
    """A version: flavour, signature, digest, size, lineage, stage and aliases."""
    with context.database.read() as connection:
        return records.show_version(connection, records.find_version(connection, name, version).number)


@operations.add("GET", "/models/{name}/versions/{version}/files", action="read", resource="aml.models")
def list_model_files(
    context: Context,
    name: _Name,
    version: _Version,
    prefix: Annotated[str, Query(max_length=limits.PATH_LENGTH)] = "",
    limit: _Limit = limits.PAGE_MAX,
    page_token: Annotated[str | None, Query(max_length=limits.PATH_LENGTH)] = None,
) -> ModelFiles:
    """The files of a version by path, those whose path begins with ``prefix``."""
    with context.database.read() as connection:
        number = records.find_version(connection, name, version).number
        statement = sa.select(_f.path, _f.digest, _f.size).where(_f.version == number)
        if prefix:
            statement = statement.where(sa.func.substr(_f.path, 1, len(prefix)) == prefix)
        if page_token is not None:
            statement = statement.where(_f.path > page_token)
        rows = connection.execute(statement.order_by(_f.path).limit(limit + 1)).all()
    items = [ModelFile(**row._mapping) for row in rows[:limit]]
    return ModelFiles(items=items, next_page_token=items[-1].path if len(rows) > limit else None)


@operations.add(
    "GET", "/models/{name}/versions/{version}/files/{path:path}", action="read", resource="aml.models"
)
def download_model_file(
    context: Context, name: _Name, version: _Version, path: str, request: Request
) -> StreamingResponse:
    """The bytes of a file of a version, always as an attachment."""
    check_logical_path(path)
    with context.database.read() as connection:
        number = records.find_version(connection, name, version).number
        digest = connection.execute(
            sa.select(_f.digest).where(_f.version == number, _f.path == path)
        ).scalar_one_or_none()
        if digest is None:
            known = connection.execute(sa.select(_f.path).where(_f.version == number).limit(1000)).scalars()
            raise NotFoundError(
                f"The model {name}:{version} has no file {path!r}.", hint=did_you_mean(path, known)
            )
    return attachment(context.store.blobs, digest, path, request)


@operations.add("PATCH", "/models/{name}", action="write", resource="aml.models")
def update_model(context: Context, name: _Name, body: UpdateModel) -> RegisteredModel:
    """Rename a model, change its description or tags, archive all its versions or bring them back."""

    def write(connection: sa.Connection) -> RegisteredModel:
        row = records.find_model(connection, name)
        values: dict[str, Any] = {"updated_at": states.now()}
        if body.new_name is not None and body.new_name != name:
            values["name"] = check_model_name(body.new_name)
            if connection.execute(sa.select(_m.number).where(_m.name == body.new_name)).one_or_none():
                raise ConflictError(f"There is a model {body.new_name!r} already.")
        if body.description is not None:
            values["description"] = versions.check_description(body.description)
        if body.tags is not None:
            values["tags"] = versions.merged(row.tags, body.tags, "tag")
        connection.execute(sa.update(models).where(_m.number == row.number).values(values))
        if body.archived is not None:
            versions.set_archived(connection, _v.model == row.number, archived=body.archived)
        return records.show_model(connection, values.get("name", name))

    return context.database.write(write)


@operations.add("PATCH", "/models/{name}/versions/{version}", action="write", resource="aml.models")
def update_model_version(
    context: Context, name: _Name, version: _Version, body: UpdateModelVersion
) -> ModelVersion:
    """Change a version's description, tags or properties, archive it or bring it back; never its files."""

    def write(connection: sa.Connection) -> ModelVersion:
        row = records.find_version(connection, name, version)
        values: dict[str, Any] = {"updated_at": states.now()}
        if body.description is not None:
            values["description"] = versions.check_description(body.description)
        if body.tags is not None:
            values["tags"] = versions.merged(row.tags, body.tags, "tag")
        if body.properties is not None:
            values["properties"] = versions.merged(row.properties, body.properties, "property")
        connection.execute(sa.update(model_versions).where(_v.number == row.number).values(values))
        if body.archived is not None:
            versions.set_archived(connection, _v.number == row.number, archived=body.archived)
        return records.show_version(connection, row.number)

    return context.database.write(write)


@operations.add("POST", "/models/{name}/versions/{version}/stage", action="write", resource="aml.models")
def set_model_stage(context: Context, name: _Name, version: _Version, body: SetModelStage) -> ModelVersion:
    """Move a version to a stage, and with ``archive_existing`` those that had it to Archived, all at once."""

    def write(connection: sa.Connection) -> ModelVersion:
        row = records.find_version(connection, name, version)
        at = states.now()
        if body.archive_existing and body.stage in ("Staging", "Production"):
            connection.execute(
                sa.update(model_versions)
                .where(_v.model == row.model, _v.stage == body.stage, _v.number != row.number)
                .values(stage="Archived", updated_at=at)
            )
        connection.execute(
            sa.update(model_versions).where(_v.number == row.number).values(stage=body.stage, updated_at=at)
        )
        return records.show_version(connection, row.number)

    return context.database.write(write)


@operations.add("POST", "/models/{name}/aliases", action="write", resource="aml.models")
def set_model_alias(context: Context, name: _Name, body: SetModelAlias) -> RegisteredModel:
    """Let an alias mean this version from now on; whichever it meant before, it means no more."""
    check_alias(body.alias)

    def write(connection: sa.Connection) -> RegisteredModel:
        row = records.find_version(connection, name, body.version)
        versions.set_alias(connection, row, body.alias)
        return records.show_model(connection, name)

    return context.database.write(write)


@operations.add("DELETE", "/models/{name}/aliases/{alias}", action="write", resource="aml.models", status=204)
def delete_model_alias(context: Context, name: _Name, alias: str) -> None:
    """Forget an alias; nothing happens where there is none of that name."""

    def write(connection: sa.Connection) -> None:
        model = records.find_model(connection, name)
        connection.execute(sa.delete(model_aliases).where(_a.model == model.number, _a.alias == alias))

    context.database.write(write)


@operations.add(
    "DELETE", "/models/{name}/versions/{version}", action="write", resource="aml.models", status=204
)
def delete_model_version(context: Context, name: _Name, version: _Version) -> None:
    """Delete a version that nothing uses. Its number is not given again, bytes that others share stay."""

    def write(connection: sa.Connection) -> None:
        row = records.find_version(connection, name, version)
        refuse_if_used(connection, row.number, f"The model {name}:{version}")
        connection.execute(sa.delete(model_versions).where(_v.number == row.number))

    context.database.write(write)


@operations.add("DELETE", "/models/{name}", action="write", resource="aml.models", status=204)
def delete_model(context: Context, name: _Name) -> None:
    """Delete a model and all its versions, unless something uses one of them."""

    def write(connection: sa.Connection) -> None:
        model = records.find_model(connection, name)
        found = connection.execute(sa.select(_v.number, _v.version).where(_v.model == model.number))
        for row in found.all():
            refuse_if_used(connection, row.number, f"The model {name}:{row.version}")
        connection.execute(sa.delete(models).where(_m.number == model.number))

    context.database.write(write)
