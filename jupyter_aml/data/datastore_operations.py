"""What can be done with datastores: the service's side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations, Store
from jupyter_aml.core.paths import check_name, check_value
from jupyter_aml.core.vault import Vault
from jupyter_aml.data import store_records
from jupyter_aml.data.sql import connected
from jupyter_aml.data.store_model import (
    BUILT_IN,
    CREDENTIALS,
    CreateDatastore,
    Credentials,
    DatastoreModel,
    Datastores,
    Entries,
    EntryModel,
    LocalStore,
    SqlStore,
    StoreSettings,
    UpdateDatastore,
)
from jupyter_aml.data.stores import open_files
from jupyter_aml.data.tables import data_versions, datastores
from jupyter_aml.errors import ConflictError, ForbiddenError, InvalidError, did_you_mean
from jupyter_aml.tracking import states
from jupyter_aml.tracking.recorder import check_tag_name

operations = Operations()
_SYSTEM = tuple(map(Path, ("/proc", "/sys", "/dev")))


@operations.add("POST", "/datastores", action="write", resource="aml.datastores", status=201)
def create_datastore(context: Context, body: CreateDatastore) -> DatastoreModel:
    """Register a place for data; it is reached first, unless ``validated`` is false."""
    check_name(body.name, "datastore")
    if body.name in BUILT_IN or body.settings.type == "workspace":
        raise ConflictError(
            f"The datastore {body.name!r} is the workspace's own.", hint="Choose another name."
        )
    _check_about(body.description, dict(body.tags))
    credentials = _plain(body.settings.type, body.credentials)
    _check_place(context.store, body.settings)
    settings = body.settings.model_dump(mode="json")
    if body.validated:
        _reach(context.store, body.name, settings, credentials)
    vault = Vault(context.store.folder.vault)

    def write(connection: sa.Connection) -> None:
        d = datastores.c
        found = connection.execute(sa.select(datastores).where(d.name == body.name)).one_or_none()
        if found is not None and not body.replace and found.settings != settings:
            raise ConflictError(
                f"There is a datastore {body.name!r} already, and it is another.",
                hint="Choose another name, or pass replace=True.",
            )
        values = {"type": body.settings.type, "description": body.description, "tags": body.tags}
        values |= {"settings": settings}
        if found is not None:
            connection.execute(sa.update(datastores).where(d.name == body.name).values(**values))
        else:
            made = {"name": body.name, "user": context.principal.user, "created_at": states.now()}
            connection.execute(sa.insert(datastores).values(**made, **values))

    context.database.write(write)
    vault.put(store_records.vault_name(body.name), credentials)
    return get_datastore(context, body.name)


def _plain(kind: str, credentials: Credentials) -> dict[str, str]:
    known = CREDENTIALS[kind]
    for name, secret in credentials.items():
        if name not in known:
            raise InvalidError(
                f"A datastore of type {kind} takes no credential {ascii(name)[:80]}.",
                hint=did_you_mean(name, known) or (f"It takes: {', '.join(known)}." if known else None),
            )
        value = secret.get_secret_value()
        # Not shown: it is a secret, whatever else it is.
        if not value or len(value) > limits.SECRET_LENGTH or any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise InvalidError(f"The credential {name!r} is empty, too long or holds control characters.")
    return {name: secret.get_secret_value() for name, secret in credentials.items()}


def _check_about(description: str | None, tags: dict[str, str | None] | None) -> None:
    if description is not None:
        check_value(description, "description", limits.DESCRIPTION_LENGTH)
    if len(tags or {}) > limits.TAGS_A_RUN:
        raise InvalidError(f"A datastore has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in (tags or {}).items():
        check_tag_name(name)
        if value is not None:
            check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)


def _check_place(store: Store, settings: StoreSettings) -> None:
    """Refuse the workspace's own folder, whose token nobody is to read as data, and the system's."""
    if isinstance(settings, LocalStore):
        real = Path(os.path.realpath(settings.path))
    elif isinstance(settings, SqlStore) and settings.url.startswith("sqlite"):
        database = sa.make_url(settings.url).database or ""
        if not database.startswith("/"):
            raise InvalidError(
                "A SQLite database is named by its absolute path.", hint="sqlite:////data/x.db"
            )
        real = Path(os.path.realpath(database))
    else:
        return
    own = Path(os.path.realpath(store.folder.root))
    if real == own or real in own.parents or own in real.parents:
        raise ForbiddenError(
            "That place holds the workspace itself, or lies in it.",
            hint="Keep the data in a folder beside it.",
        )
    if real == Path("/") or any(real == system or system in real.parents for system in _SYSTEM):
        raise ForbiddenError("That place belongs to the system.", hint="Name the folder the data is in.")


def _reach(store: Store, name: str, settings: dict[str, Any], credentials: dict[str, str]) -> None:
    if settings["type"] == "sql":
        with connected(name, settings, credentials) as connection:
            connection.execute(sa.select(1))
    elif settings["type"] != "http":  # a server need not show what lies at its root
        open_files(store.folder, name, settings, credentials).check()


@operations.add("GET", "/datastores", action="read", resource="aml.datastores")
def list_datastores(context: Context) -> Datastores:
    """All datastores."""
    with context.database.read() as connection:
        return Datastores(items=store_records.every(context.store, connection), next_page_token=None)


@operations.add("GET", "/datastores/{name}", action="read", resource="aml.datastores")
def get_datastore(context: Context, name: str) -> DatastoreModel:
    """A datastore."""
    with context.database.read() as connection:
        return store_records.find(context.store, connection, name)


@operations.add("GET", "/default-datastore", action="read", resource="aml.datastores")
def get_default_datastore(context: Context) -> DatastoreModel:
    """The default datastore."""
    with context.database.read() as connection:
        return store_records.find(context.store, connection, store_records.default_name(connection))


@operations.add("PATCH", "/datastores/{name}", action="write", resource="aml.datastores")
def update_datastore(context: Context, name: str, body: UpdateDatastore) -> DatastoreModel:
    """Change description, tags or credentials, or make it the default."""
    _check_about(body.description, body.tags)
    before = get_datastore(context, name)
    credentials = None if body.credentials is None else _plain(before.type, body.credentials)
    if name in BUILT_IN and (body.description is not None or body.tags is not None):
        raise ConflictError(f"The datastore {name!r} is the workspace's own and cannot be changed.")

    def write(connection: sa.Connection) -> None:
        d = datastores.c
        found = store_records.find(context.store, connection, name)
        if body.is_default:
            connection.execute(sa.update(datastores).values(is_default=d.name == name))
        if name not in BUILT_IN:
            tags = {**found.tags, **(body.tags or {})}
            values = {"tags": {key: value for key, value in tags.items() if value is not None}}
            description = found.description if body.description is None else body.description
            connection.execute(
                sa.update(datastores).where(d.name == name).values(description=description, **values)
            )

    context.database.write(write)
    if credentials is not None:
        Vault(context.store.folder.vault).put(store_records.vault_name(name), credentials)
    return get_datastore(context, name)


@operations.add("DELETE", "/datastores/{name}", action="write", resource="aml.datastores", status=204)
def delete_datastore(context: Context, name: str) -> None:
    """Forget a datastore and its credentials; what lies there stays. Refused while data assets lie in it."""
    if name in BUILT_IN:
        raise ConflictError(f"The datastore {name!r} is the workspace's own and cannot be deleted.")

    def write(connection: sa.Connection) -> None:
        store_records.find(context.store, connection, name)
        d = data_versions.c
        used = connection.execute(
            sa.select(d.name, d.version)
            .where(d.location["datastore"].as_string() == name, d.archived_at.is_(None))
            .limit(1)
        ).one_or_none()
        if used is not None:
            raise ConflictError(
                f"The data asset {used.name}:{used.version} lies in the datastore {name!r}.",
                hint=f"Archive it first: aml data archive -n {used.name}",
            )
        connection.execute(sa.delete(datastores).where(datastores.c.name == name))

    context.database.write(write)
    Vault(context.store.folder.vault).put(store_records.vault_name(name), {})


@operations.add("GET", "/datastores/{name}/browse", action="read", resource="aml.datastores")
def browse_datastore(
    context: Context, name: str, path: Annotated[str, Query(max_length=limits.PATH_LENGTH)] = ""
) -> Entries:
    """What is directly in a folder of a datastore; of a database, its tables."""
    found = get_datastore(context, name)
    if found.type == "sql":
        return _tables(context.store, found)
    items: list[EntryModel] = []
    for entry in store_records.files(context.store, found).entries(path):
        if len(items) == limits.BROWSE_ENTRIES:
            return Entries(items=items, more=True)
        items.append(
            EntryModel(
                path=entry.path, is_folder=entry.is_folder, size=entry.size, modified_at=entry.modified_at
            )
        )
    return Entries(items=items, more=False)


def _tables(store: Store, found: DatastoreModel) -> Entries:
    credentials = Vault(store.folder.vault).get(store_records.vault_name(found.name))
    with connected(found.name, found.settings, credentials) as connection:
        inspector = sa.inspect(connection)
        names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
    shown = names[: limits.BROWSE_ENTRIES]
    return Entries(
        items=[EntryModel(path=table, is_folder=False, size=None, modified_at=None) for table in shown],
        more=len(names) > len(shown),
    )
