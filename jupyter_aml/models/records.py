"""Finding the model and the version that is meant, and showing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml.errors import NotFoundError, did_you_mean
from jupyter_aml.models.model import ModelVersion, RegisteredModel
from jupyter_aml.models.references import parse_reference
from jupyter_aml.models.tables import model_aliases, model_versions, models

_v, _m, _a = model_versions.c, models.c, model_aliases.c


def find_model(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """The row of a model; `NotFoundError` naming the nearest where there is none."""
    row = connection.execute(sa.select(models).where(_m.name == name)).one_or_none()
    if row is None:
        names = connection.execute(sa.select(_m.name).order_by(_m.number.desc()).limit(1000)).scalars()
        raise NotFoundError(
            f"There is no model {name!r}.",
            hint=did_you_mean(name, names) or "List them with: aml model list",
        )
    return row


def find_version(connection: sa.Connection, name: str, version: int) -> sa.Row[Any]:
    """The row of a version of a model."""
    model = find_model(connection, name)
    row = connection.execute(
        sa.select(model_versions).where(_v.model == model.number, _v.version == version)
    ).one_or_none()
    if row is None:
        known = connection.execute(
            sa.select(_v.version).where(_v.model == model.number).order_by(_v.version.desc()).limit(10)
        ).scalars()
        listed = ", ".join(map(str, known))
        raise NotFoundError(
            f"The model {name!r} has no version {version}.",
            hint=f"It has: {listed}." if listed else "It has no version yet.",
        )
    return row


def resolve(connection: sa.Connection, text: str) -> sa.Row[Any]:
    """The row of the version that a reference means; an archived one only where it is named by its number."""
    wanted = parse_reference(text)
    if wanted.version is not None:
        return find_version(connection, wanted.name, wanted.version)
    model = find_model(connection, wanted.name)
    if wanted.alias is not None:
        return _by_alias(connection, model, wanted.alias)
    newest = sa.select(model_versions).where(_v.model == model.number, _v.archived_at.is_(None))
    row = connection.execute(newest.order_by(_v.version.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"The model {wanted.name!r} has no version that is not archived.",
            hint=f"See: aml model list --name {wanted.name!r} --include-archived",
        )
    return row


def _by_alias(connection: sa.Connection, model: sa.Row[Any], alias: str) -> sa.Row[Any]:
    row = connection.execute(
        sa.select(model_versions)
        .join(model_aliases, _a.version == _v.number)
        .where(_a.model == model.number, _a.alias == alias)
    ).one_or_none()
    if row is None:
        known = list(connection.execute(sa.select(_a.alias).where(_a.model == model.number)).scalars())
        raise NotFoundError(
            f"The model {model.name!r} has no alias {alias!r}.",
            hint=did_you_mean(alias, known) or (f"It has: {', '.join(sorted(known))}." if known else None),
        )
    return row


def show_version(connection: sa.Connection, number: int) -> ModelVersion:
    """A version as it is shown, by the number of its row."""
    return show_versions(connection, [number])[0]


def show_versions(connection: sa.Connection, numbers: Sequence[int]) -> list[ModelVersion]:
    """Versions as they are shown, in the order of their rows' numbers given."""
    rows = connection.execute(
        sa.select(model_versions, _m.name)
        .join(models, _m.number == _v.model)
        .where(_v.number.in_(list(numbers)))
    ).all()
    by_number = {row.number: row for row in rows}
    aliases: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(
        sa.select(_a.version, _a.alias).where(_a.version.in_(list(numbers))).order_by(_a.alias)
    ):
        aliases[row.version].append(row.alias)
    latest = latest_versions(connection, {row.model for row in rows})
    return [
        _shown(by_number[number], aliases[number], latest.get(by_number[number].model)) for number in numbers
    ]


def _shown(row: sa.Row[Any], aliases: list[str], latest: int | None) -> ModelVersion:
    return ModelVersion.model_validate(
        {
            **row._mapping,
            "aliases": aliases,
            "archived": row.archived_at is not None,
            "is_latest": row.version == latest,
        }
    )


def latest_versions(connection: sa.Connection, numbers: Iterable[int]) -> dict[int, int]:
    """The newest version that is not archived, of each of the models with these numbers that has one."""
    rows = connection.execute(
        sa.select(_v.model, sa.func.max(_v.version).label("latest"))
        .where(_v.model.in_(list(numbers)), _v.archived_at.is_(None))
        .group_by(_v.model)
    )
    return {row.model: row.latest for row in rows}


def show_model(connection: sa.Connection, name: str) -> RegisteredModel:
    """A model as it is shown."""
    return show_models(connection, [find_model(connection, name)])[0]


def show_models(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[RegisteredModel]:
    """Models as they are shown, from their rows."""
    numbers = [row.number for row in rows]
    latest = latest_versions(connection, numbers)
    counted = _counts(connection, numbers)
    aliases: dict[int, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(
        sa.select(_a.model, _a.alias, _v.version)
        .join(model_versions, _v.number == _a.version)
        .where(_a.model.in_(numbers))
        .order_by(_a.alias)
    ):
        aliases[row.model][row.alias] = row.version
    stages: dict[int, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(
        sa.select(_v.model, _v.stage, sa.func.max(_v.version).label("newest"))
        .where(_v.model.in_(numbers), _v.stage != "None", _v.archived_at.is_(None))
        .group_by(_v.model, _v.stage)
    ):
        stages[row.model][row.stage] = row.newest
    return [
        RegisteredModel.model_validate(
            {
                **row._mapping,
                "archived": row.number not in latest and counted.get(row.number, 0) > 0,
                "version_count": counted.get(row.number, 0),
                "latest_version": latest.get(row.number),
                "aliases": aliases[row.number],
                "stages": stages[row.number],
            }
        )
        for row in rows
    ]


def _counts(connection: sa.Connection, numbers: list[int]) -> dict[int, int]:
    rows = connection.execute(
        sa.select(_v.model, sa.func.count()).where(_v.model.in_(numbers)).group_by(_v.model)
    )
    return {row[0]: row[1] for row in rows}
