"""What can be done with environments: the service's side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Query

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations, Store
from jupyter_aml.core.paths import check_name, check_value
from jupyter_aml.environments import prune, records
from jupyter_aml.environments.curated import CURATED, VERSION
from jupyter_aml.environments.folder import EnvironmentFolder
from jupyter_aml.environments.model import (
    AnonymousEnvironment,
    Builds,
    CreateEnvironment,
    Definition,
    EnvironmentModel,
    Environments,
    Pruned,
    PruneEnvironments,
    RefreshEnvironment,
    UpdateEnvironment,
)
from jupyter_aml.environments.pythons import own_python
from jupyter_aml.environments.tables import environments
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.tracking import states
from jupyter_aml.tracking.recorder import check_tag_name

operations = Operations()
_Version = Annotated[str | None, Query(max_length=64)]


@operations.add("POST", "/environments", action="write", resource="aml.environments", status=201)
def create_environment(context: Context, body: CreateEnvironment) -> EnvironmentModel:
    """Create a version; one that has this very definition already is returned instead."""
    check_name(body.name, "environment")
    if ":" in body.name or "@" in body.name or body.name.lower() in (*CURATED, records.ANONYMOUS):
        raise ConflictError(
            f"The environment {body.name!r} comes with jupyter_aml and cannot be made.",
            hint="Choose another name.",
        )
    check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
    _check_tags(body.tags)

    def write(connection: sa.Connection) -> EnvironmentModel:
        version = _insert(connection, context.principal.user, body)
        return _shown(context.store, connection, body.name, version)

    return context.database.write(write)


def _insert(connection: sa.Connection, user: str, body: CreateEnvironment) -> str:
    e, digest = environments.c, body.definition.digest()
    same = sa.select(environments).where(e.name == body.name)
    if body.version is None:
        same = same.where(e.digest == digest).order_by(e.number.desc()).limit(1)
    else:
        same = same.where(e.version == body.version)
    found = connection.execute(same).one_or_none()
    if found is not None:
        if found.digest != digest:
            raise ConflictError(
                f"Version {found.version} of the environment {body.name!r} is there already, and different.",
                hint="Versions never change: leave the version out, and the next number is taken.",
            )
        connection.execute(sa.update(environments).where(e.number == found.number).values(archived_at=None))
        return str(found.version)
    version = body.version or _next_version(connection, body.name)
    connection.execute(
        sa.insert(environments).values(
            name=body.name,
            version=version,
            definition=body.definition.model_dump(mode="json"),
            digest=digest,
            description=body.description,
            tags=body.tags,
            user=user,
            created_at=states.now(),
        )
    )
    return version


def _next_version(connection: sa.Connection, name: str) -> str:
    versions = connection.execute(sa.select(environments.c.version).where(environments.c.name == name))
    return str(max((int(text) for text in versions.scalars() if text.isdecimal()), default=0) + 1)


@operations.add("POST", "/environments/anonymous", action="write", resource="aml.environments", status=201)
def create_anonymous_environment(context: Context, body: AnonymousEnvironment) -> EnvironmentModel:
    """Keep a definition that has no name, for one job; lists do not show it."""
    whole = CreateEnvironment(
        name=records.ANONYMOUS, version=body.definition.digest()[:16], definition=body.definition
    )

    def write(connection: sa.Connection) -> EnvironmentModel:
        version = _insert(connection, context.principal.user, whole)
        return _shown(context.store, connection, records.ANONYMOUS, version)

    return context.database.write(write)


def _check_tags(tags: dict[str, Any]) -> None:
    if len(tags) > limits.TAGS_A_RUN:
        raise InvalidError(f"An environment has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in tags.items():
        check_tag_name(name)
        if value is not None:
            check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)


def _shown(
    store: Store, connection: sa.Connection, text: str, version: str | None = None, label: str | None = None
) -> EnvironmentModel:
    found = records.find(connection, text, version, label)
    latest = records.latest_versions(connection, [found.name]).get(found.name)
    return records.model(store, found, latest)


@operations.add("GET", "/environments", action="read", resource="aml.environments")
def list_environments(
    context: Context,
    name: Annotated[str | None, Query(max_length=limits.NAME_LENGTH)] = None,
    which: Literal["active", "archived", "all"] = "active",
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT,
    page_token: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> Environments:
    """The newest version of each environment, or with ``name`` all versions of that one; newest first."""
    e = environments.c
    statement = sa.select(environments).where(e.name != records.ANONYMOUS)
    if which != "all":
        is_archived = e.archived_at.is_not(None)
        statement = statement.where(is_archived if which == "archived" else sa.not_(is_archived))
    if name is not None:
        statement = statement.where(e.name == name)
    else:
        newest = statement.with_only_columns(sa.func.max(e.number)).group_by(e.name)
        statement = sa.select(environments).where(e.number.in_(newest))
    if page_token is not None:
        statement = statement.where(e.number < int(page_token))
    with context.database.read() as connection:
        rows = connection.execute(statement.order_by(e.number.desc()).limit(limit + 1)).all()
        latest = records.latest_versions(connection, {row.name for row in rows})
    items = [records.model(context.store, _found(row), latest.get(row.name)) for row in rows[:limit]]
    more = len(rows) > limit
    if not more and which != "archived":
        curated = [key for key in CURATED if name in (None, key)]
        items += [
            records.model(context.store, records.Found(key, VERSION, CURATED[key].definition), VERSION)
            for key in curated
        ]
    return Environments(items=items, next_page_token=str(rows[limit - 1].number) if more else None)


def _found(row: sa.Row[Any]) -> records.Found:
    definition = Definition.model_validate(row.definition)
    return records.Found(row.name, row.version, definition, row=row, notes=definition.notes)


@operations.add("GET", "/environments/{name}", action="read", resource="aml.environments")
def get_environment(
    context: Context, name: str, version: _Version = None, label: _Version = None
) -> EnvironmentModel:
    """The version that is meant: by ``version``, by the label ``latest``, or the newest."""
    with context.database.read() as connection:
        return _shown(context.store, connection, name, version, label)


@operations.add("GET", "/resolve-environment", action="read", resource="aml.environments")
def resolve_environment(
    context: Context, text: Annotated[str, Query(min_length=1, max_length=400)]
) -> EnvironmentModel:
    """The environment that ``text`` means: ``name``, ``name:3``, ``name@latest`` or Azure's longer forms."""
    with context.database.read() as connection:
        return _shown(context.store, connection, text)


@operations.add("PATCH", "/environments/{name}", action="write", resource="aml.environments")
def update_environment(context: Context, name: str, body: UpdateEnvironment) -> EnvironmentModel:
    """Change description or tags, archive it or bring it back; without a version, that of all versions."""
    _check_tags(body.tags or {})
    if name in CURATED:
        raise ConflictError(f"The environment {name!r} comes with jupyter_aml and cannot be changed.")
    e = environments.c

    def write(connection: sa.Connection) -> EnvironmentModel:
        meant = sa.select(environments).where(e.name == name)
        if body.version is not None:
            meant = meant.where(e.version == body.version)
        rows = connection.execute(meant).all()
        if not rows:
            records.find(connection, name, body.version)
            raise NotFoundError(f"There is no environment {name!r}.")
        for row in rows:
            connection.execute(
                sa.update(environments).where(e.number == row.number).values(_changes(row, body))
            )
        return _shown(context.store, connection, name, rows[-1].version)

    return context.database.write(write)


def _changes(row: sa.Row[Any], body: UpdateEnvironment) -> dict[str, Any]:
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


@operations.add("POST", "/environments/{name}/refresh", action="write", resource="aml.environments")
def refresh_environment(context: Context, name: str, body: RefreshEnvironment) -> EnvironmentModel:
    """Forget what a version was resolved to, so that the next job resolves it anew.

    What is built stays until it is pruned; a rerun goes on using the lock of the run it repeats.
    """
    with context.database.read() as connection:
        found = records.find(connection, name, body.version)
        folder = EnvironmentFolder(context.store.folder.environments)
        folder.resolution_file(found.definition.resolution_digest(), own_python()).unlink(missing_ok=True)
        return _shown(context.store, connection, name, body.version)


@operations.add("GET", "/built-environments", action="read", resource="aml.environments")
def list_built_environments(context: Context) -> Builds:
    """What is built on this machine, largest first."""
    return Builds(items=prune.built(context.store))


@operations.add("POST", "/built-environments/prune", action="write", resource="aml.environments")
def prune_environments(context: Context, body: PruneEnvironments) -> Pruned:
    """Remove what was built and not used for so long; what a run uses now stays."""
    return prune.prune(context.store, body)
