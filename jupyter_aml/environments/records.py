"""Finding the version of an environment that is meant, among the stored and the curated ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.environments.curated import CURATED, VERSION, substitution
from jupyter_aml.environments.folder import EnvironmentFolder
from jupyter_aml.environments.model import Definition, EnvironmentModel
from jupyter_aml.environments.pythons import own_python
from jupyter_aml.environments.references import Reference, parse_reference
from jupyter_aml.environments.tables import environments
from jupyter_aml.errors import NotFoundError, did_you_mean

ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Found:
    """One version of an environment.

    ``asked`` and ``note`` are set where something else was asked for, ``row`` for one that is stored.
    """

    name: str
    version: str
    definition: Definition
    row: sa.Row[Any] | None = None
    asked: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


def find(connection: sa.Connection, text: str, version: str | None = None, label: str | None = None) -> Found:
    """The version that a reference means; `NotFoundError` naming the nearest where there is none.

    Stored environments come before those that stand in for Azure's. Without a version the newest counts that
    is not archived; a version that is named may be archived.
    """
    wanted = parse_reference(text, version, label)
    if wanted.name in CURATED:
        return _curated(wanted)
    row = _row(connection, wanted)
    if row is not None:
        definition = Definition.model_validate(row.definition)
        return Found(row.name, row.version, definition, row=row, notes=definition.notes)
    substitute = None if _exists(connection, wanted.name) else substitution(wanted.name)
    if substitute is not None:
        curated = CURATED[substitute.name].definition
        return Found(substitute.name, VERSION, curated, asked=text, notes=[substitute.note])
    raise _missing(connection, wanted)


def _curated(wanted: Reference) -> Found:
    if wanted.version not in (None, VERSION):
        raise NotFoundError(
            f"The environment {wanted.name!r} has no version {wanted.version!r}.",
            hint=f"It comes with jupyter_aml and has version {VERSION} only.",
        )
    return Found(wanted.name, VERSION, CURATED[wanted.name].definition)


def _row(connection: sa.Connection, wanted: Reference) -> sa.Row[Any] | None:
    e = environments.c
    statement = sa.select(environments).where(e.name == wanted.name).order_by(e.number.desc()).limit(1)
    if wanted.version is not None:
        statement = statement.where(e.version == wanted.version)
    else:
        statement = statement.where(e.archived_at.is_(None))
    return connection.execute(statement).one_or_none()


def _exists(connection: sa.Connection, name: str) -> bool:
    found = sa.select(sa.literal(1)).where(environments.c.name == name).limit(1)
    return connection.execute(found).scalar_one_or_none() is not None


def _missing(connection: sa.Connection, wanted: Reference) -> NotFoundError:
    e = environments.c
    versions = connection.execute(
        sa.select(e.version).where(e.name == wanted.name, e.archived_at.is_(None)).order_by(e.number)
    ).scalars()
    if _exists(connection, wanted.name):
        known = ", ".join(versions)
        return NotFoundError(
            f"The environment {wanted.name!r} has no version {wanted.version!r}."
            if wanted.version
            else f"All versions of the environment {wanted.name!r} are archived.",
            hint=f"It has: {known}." if known else f"Restore it: aml environment restore -n {wanted.name}",
        )
    names = [*CURATED, *connection.execute(sa.select(e.name).distinct().limit(1000)).scalars()]
    return NotFoundError(
        f"There is no environment {wanted.name!r}.",
        hint=did_you_mean(wanted.name, names) or "List them with: aml environment list",
    )


def latest_versions(connection: sa.Connection, names: Iterable[str]) -> dict[str, str]:
    """The newest version of each of ``names`` that is not archived."""
    e = environments.c
    newest = (
        sa.select(sa.func.max(e.number))
        .where(e.name.in_(list(names)), e.archived_at.is_(None))
        .group_by(e.name)
    )
    rows = connection.execute(sa.select(e.name, e.version).where(e.number.in_(newest)))
    return {row.name: row.version for row in rows}


def model(store: Store, found: Found, latest: str | None) -> EnvironmentModel:
    """An environment as it is shown, with how it stands on this machine's disk."""
    folder = EnvironmentFolder(store.folder.environments)
    row, curated = found.row, found.row is None
    marker = None
    if found.definition.interpreter is None:
        file = folder.resolution_file(found.definition.resolution_digest(), own_python())
        resolution = folder.read_resolution(file)
        marker = folder.built(resolution.key).marker() if resolution else None
    existing = found.definition.interpreter is not None
    return EnvironmentModel(
        name=found.name,
        version=found.version,
        description=CURATED[found.name].description if row is None else row.description,
        tags={} if row is None else row.tags,
        user="" if row is None else row.user,
        created_at=None if row is None else row.created_at,
        archived=row is not None and row.archived_at is not None,
        curated=curated,
        is_latest=curated or latest == found.version,
        asked=found.asked,
        definition=found.definition,
        notes=found.notes,
        state="existing" if existing else "ready" if marker else "not built",
        built_python=marker.python if marker else None,
        size=marker.size if marker else None,
    )
