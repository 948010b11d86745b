"""Finding datastores, and looking into them: the service's side."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.core.vault import Vault
from jupyter_aml.data.fingerprint import fingerprint_of
from jupyter_aml.data.model import Fingerprint, Location, Place, RegisterData
from jupyter_aml.data.store_model import BUILT_IN, DEFAULT, DatastoreModel
from jupyter_aml.data.stores import StoreFiles, open_files
from jupyter_aml.data.stores._base import checked
from jupyter_aml.data.tables import datastores
from jupyter_aml.errors import InvalidError, NotFoundError, did_you_mean


def vault_name(name: str) -> str:
    """Under which name the vault keeps the credentials of a datastore."""
    return f"datastore/{name}"


def find(store: Store, connection: sa.Connection, name: str) -> DatastoreModel:
    """The datastore ``name``; `NotFoundError` naming the nearest where there is none."""
    d = datastores.c
    default = default_name(connection)
    if name in BUILT_IN:
        return _built_in(name, default)
    row = connection.execute(sa.select(datastores).where(d.name == name)).one_or_none()
    if row is None:
        names = [*BUILT_IN, *connection.execute(sa.select(d.name).limit(1000)).scalars()]
        raise NotFoundError(
            f"There is no datastore {ascii(name)[:80]}.",
            hint=did_you_mean(name, names) or "List them with: aml datastore list",
        )
    return _model(store, row, default)


def every(store: Store, connection: sa.Connection) -> list[DatastoreModel]:
    """All datastores: the workspace's own first, then by name."""
    default = default_name(connection)
    rows = connection.execute(sa.select(datastores).order_by(datastores.c.name)).all()
    return [
        *(_built_in(name, default) for name in BUILT_IN),
        *(_model(store, row, default) for row in rows),
    ]


def default_name(connection: sa.Connection) -> str:
    """The name of the default datastore."""
    found = connection.execute(
        sa.select(datastores.c.name).where(datastores.c.is_default)
    ).scalar_one_or_none()
    return found or DEFAULT


def _built_in(name: str, default: str) -> DatastoreModel:
    return DatastoreModel(
        name=name, type="workspace", description="A folder of the workspace itself.", tags={},
        settings={"type": "workspace"}, is_default=name == default, has_credentials=False, user="",
        created_at=None,
    )  # fmt: skip


def _model(store: Store, row: sa.Row[Any], default: str) -> DatastoreModel:
    return DatastoreModel(
        name=row.name,
        type=row.type,
        description=row.description,
        tags=row.tags,
        settings=row.settings,
        is_default=row.name == default,
        has_credentials=bool(Vault(store.folder.vault).get(vault_name(row.name))),
        user=row.user,
        created_at=row.created_at,
    )


def files(store: Store, found: DatastoreModel) -> StoreFiles:
    """The files of a datastore, opened with its credentials."""
    credentials = Vault(store.folder.vault).get(vault_name(found.name))
    return open_files(store.folder, found.name, found.settings, credentials)


def fingerprint(store: Store, place: Place) -> Fingerprint | None:
    """How a place looks now; None where nothing is there, or the datastore is gone."""
    try:
        with store.database.read() as connection:
            found = find(store, connection, place.datastore)
        return fingerprint_of(files(store, found).files(place.path))
    except NotFoundError:
        return None


def locate(store: Store, body: RegisterData) -> Location:
    """The place a data asset is registered for, with how it looks now."""
    assert body.place is not None
    with store.database.read() as connection:
        found = find(store, connection, body.place.datastore)
    place = Place(datastore=found.name, path=checked(body.place.path))
    is_query = body.definition is not None and body.definition.format == "sql"
    if (found.type == "sql") != is_query:
        raise InvalidError(
            f"The datastore {found.name!r} is a database, and takes a query."
            if found.type == "sql"
            else f"The datastore {found.name!r} is no database, and takes no query."
        )
    if is_query:
        return Location(**place.model_dump())
    entries = list(files(store, found).files(place.path))
    if body.type == "uri_file" and [entry.path for entry in entries] != [place.path]:
        raise InvalidError(f"{place.path!r} in {found.name!r} is a folder.", hint="Use type uri_folder.")
    return Location(**place.model_dump(), fingerprint=fingerprint_of(entries))
