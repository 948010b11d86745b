"""What can be done with experiments: the service's side."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml import limits
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import check_name, check_value
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, did_you_mean
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import CreateExperiment, ExperimentModel, Experiments, UpdateExperiment
from jupyter_aml.tracking.recorder import check_tag_name
from jupyter_aml.tracking.tables import experiments, runs

operations = Operations()
_COUNTED = (
    sa.select(
        experiments,
        sa.func.count(runs.c.number).label("run_count"),
        sa.func.max(runs.c.created_at).label("last_run_at"),
    )
    .outerjoin(runs, sa.and_(runs.c.experiment == experiments.c.number, runs.c.archived_at.is_(None)))
    .group_by(experiments.c.number)
)


def experiment_number(connection: sa.Connection, name: str, user: str) -> int:
    """The number of an experiment, which is made when it is new (as Azure ML does at a submit)."""
    check_name(name, "experiment")
    connection.execute(
        insert(experiments)
        .values(name=name, user=user, created_at=states.now(), tags={})
        .on_conflict_do_nothing(["name"])
    )
    number = connection.execute(
        sa.select(experiments.c.number).where(experiments.c.name == name)
    ).scalar_one()
    return int(number)


def _model(row: sa.Row[Any]) -> ExperimentModel:
    return ExperimentModel(
        id=str(row.number),
        name=row.name,
        description=row.description,
        tags=row.tags,
        user=row.user,
        created_at=row.created_at,
        archived=row.archived_at is not None,
        run_count=row.run_count,
        last_run_at=row.last_run_at,
    )


def _load(connection: sa.Connection, name: str) -> ExperimentModel:
    row = connection.execute(_COUNTED.where(experiments.c.name == name)).one_or_none()
    if row is None:
        known = connection.execute(sa.select(experiments.c.name).limit(1000)).scalars().all()
        raise NotFoundError(f"There is no experiment {name!r}.", hint=did_you_mean(name, known))
    return _model(row)


def _check_tags(tags: dict[str, Any]) -> None:
    if len(tags) > limits.TAGS_A_RUN:
        raise InvalidError(f"An experiment has at most {limits.TAGS_A_RUN:,} tags.")
    for name, value in tags.items():
        check_tag_name(name)
        if value is not None:
            check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)


@operations.add("POST", "/experiments", action="write", resource="aml.experiments", status=201)
def create_experiment(context: Context, body: CreateExperiment) -> ExperimentModel:
    """Create an experiment; with ``exist_ok`` an existing one is returned as it is."""
    check_name(body.name, "experiment")
    check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
    _check_tags(body.tags)

    def write(connection: sa.Connection) -> ExperimentModel:
        statement = insert(experiments).values(
            name=body.name,
            description=body.description,
            tags=body.tags,
            user=context.principal.user,
            created_at=states.now(),
        )
        made = connection.execute(statement.on_conflict_do_nothing(["name"]))
        if made.rowcount == 0 and not body.exist_ok:
            raise ConflictError(
                f"There is an experiment {body.name!r} already.", hint="Get it, or pass exist_ok=True."
            )
        return _load(connection, body.name)

    return context.database.write(write)


@operations.add("GET", "/experiments", action="read", resource="aml.experiments")
def list_experiments(
    context: Context,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT,
    page_token: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
    archived: bool = False,
) -> Experiments:
    """The experiments, newest first."""
    statement = _COUNTED.order_by(experiments.c.number.desc()).limit(limit + 1)
    if page_token is not None:
        statement = statement.where(experiments.c.number < int(page_token))
    if not archived:
        statement = statement.where(experiments.c.archived_at.is_(None))
    with context.database.read() as connection:
        items = [_model(row) for row in connection.execute(statement)]
    more = len(items) > limit
    return Experiments(items=items[:limit], next_page_token=items[limit - 1].id if more else None)


@operations.add("GET", "/experiments/{name}", action="read", resource="aml.experiments")
def get_experiment(context: Context, name: str) -> ExperimentModel:
    """An experiment by its name."""
    with context.database.read() as connection:
        return _load(connection, name)


@operations.add("PATCH", "/experiments/{name}", action="write", resource="aml.experiments")
def update_experiment(context: Context, name: str, body: UpdateExperiment) -> ExperimentModel:
    """Change an experiment's description or tags, archive it or bring it back."""
    _check_tags(body.tags or {})

    def write(connection: sa.Connection) -> ExperimentModel:
        before = _load(connection, name)
        values: dict[str, Any] = {}
        if body.description is not None:
            values["description"] = check_value(body.description, "description", limits.DESCRIPTION_LENGTH)
        if body.tags is not None:
            merged: dict[str, str | None] = {**before.tags, **body.tags}
            values["tags"] = {key: value for key, value in merged.items() if value is not None}
            _check_tags(values["tags"])  # in many small steps, too
        if body.archived is not None:
            values["archived_at"] = states.now() if body.archived else None
        if values:
            connection.execute(sa.update(experiments).where(experiments.c.name == name).values(values))
        return _load(connection, name)

    return context.database.write(write)


@operations.add("DELETE", "/experiments/{name}", action="write", resource="aml.experiments", status=204)
def delete_experiment(context: Context, name: str) -> None:
    """Delete an experiment that has no runs."""

    def write(connection: sa.Connection) -> None:
        _load(connection, name)
        number = sa.select(experiments.c.number).where(experiments.c.name == name).scalar_subquery()
        held = connection.execute(
            sa.select(sa.func.count()).select_from(runs).where(runs.c.experiment == number)
        ).scalar_one()
        if held:
            raise ConflictError(
                f"Experiment {name!r} has {held:,} runs.",
                hint="Archive it instead, or delete its runs first.",
            )
        connection.execute(sa.delete(experiments).where(experiments.c.name == name))

    context.database.write(write)
