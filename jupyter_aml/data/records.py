"""Finding the version of a data asset that is meant, and showing it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from jupyter_aml.data.definition import TableDefinition
from jupyter_aml.data.model import DataModel, Location
from jupyter_aml.data.references import Reference, parse_reference
from jupyter_aml.data.tables import data_versions
from jupyter_aml.errors import NotFoundError, did_you_mean


def find(
    connection: sa.Connection, text: str, version: str | None = None, label: str | None = None
) -> sa.Row[Any]:
    """The row of the version a reference means; `NotFoundError` naming the nearest where there is none.

    Without a version the newest counts that is not archived; a version that is named may be archived.
    """
    wanted = parse_reference(text, version, label)
    d = data_versions.c
    statement = sa.select(data_versions).where(d.name == wanted.name).order_by(d.number.desc()).limit(1)
    if wanted.version is not None:
        statement = statement.where(d.version == wanted.version)
    else:
        statement = statement.where(d.archived_at.is_(None))
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise _missing(connection, wanted)
    return row


def _missing(connection: sa.Connection, wanted: Reference) -> NotFoundError:
    d = data_versions.c
    rows = connection.execute(
        sa.select(d.version, d.archived_at).where(d.name == wanted.name).order_by(d.number)
    ).all()
    if rows:
        known = ", ".join(row.version for row in rows if row.archived_at is None)
        return NotFoundError(
            f"The data asset {wanted.name!r} has no version {wanted.version!r}."
            if wanted.version
            else f"All versions of the data asset {wanted.name!r} are archived.",
            hint=f"It has: {known}." if known else f"Restore it: aml data restore -n {wanted.name}",
        )
    names = connection.execute(sa.select(d.name).distinct().limit(1000)).scalars()
    return NotFoundError(
        f"There is no data asset {wanted.name!r}.",
        hint=did_you_mean(wanted.name, names) or "List them with: aml data list",
    )


def latest_versions(connection: sa.Connection, names: Iterable[str]) -> dict[str, str]:
    """The newest version of each of ``names`` that is not archived."""
    d = data_versions.c
    newest = (
        sa.select(sa.func.max(d.number))
        .where(d.name.in_(list(names)), d.archived_at.is_(None))
        .group_by(d.name)
    )
    rows = connection.execute(sa.select(d.name, d.version).where(d.number.in_(newest)))
    return {row.name: row.version for row in rows}


def model(row: sa.Row[Any], latest: str | None) -> DataModel:
    """A version as it is shown."""
    return DataModel(
        name=row.name,
        version=row.version,
        type=row.type,
        description=row.description,
        tags=row.tags,
        user=row.user,
        created_at=row.created_at,
        archived=row.archived_at is not None,
        is_latest=latest == row.version,
        digest=row.digest,
        size=row.size,
        file_count=row.file_count,
        location=None if row.location is None else Location.model_validate(row.location),
        definition=None if row.definition is None else TableDefinition.model_validate(row.definition),
    )


def shown(connection: sa.Connection, row: sa.Row[Any]) -> DataModel:
    """As `model`, for one version."""
    return model(row, latest_versions(connection, [row.name]).get(row.name))
