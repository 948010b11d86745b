"""Which run a request is about: what decides whether a run's own token may make it."""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.errors import ConflictError, ForbiddenError, NotFoundError
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.paths import artifact_place
from jupyter_aml.mlflow.routes import About
from jupyter_aml.mlflow.sources import resolved_source
from jupyter_aml.mlflow.subjects import checked_run_id
from jupyter_aml.mlflow.tables import logged_models
from jupyter_aml.tracking.tables import runs


def run_of_call(about: About, call: Call) -> str | None:
    """The id of the run a request is about, as `routes` says; None where it is about none."""
    if about == "run":
        return checked_run_id(call.fields.run_id())
    if about == "source":
        found = call.fields.text("source_run_id")
        return checked_run_id(found) if found else None
    if about == "artifact":
        place = artifact_place(call.path["path"])
        if place.version:
            raise ConflictError("The files of a registered version cannot be changed.")
        return _run_of_model(call.store, place.owner) if place.is_model else place.owner
    if about == "registered":
        return _registered_run(call)
    if about == "model":
        return _run_of_model(call.store, call.path["model_id"])
    return None


def _run_of_model(store: Store, model_id: str) -> str:
    """The run that has a logged model's files; writing to the model is writing to it."""
    with store.database.read() as connection:
        found = connection.execute(
            sa.select(runs.c.id)
            .join(logged_models, logged_models.c.home == runs.c.number)
            .where(logged_models.c.id == model_id)
        ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"Logged model with ID '{ascii(model_id)[1:-1][:64]}' not found.")
    return str(found)


def _registered_run(call: Call) -> str:
    """The run whose files are to be registered."""
    with call.store.database.read() as connection:
        source = resolved_source(connection, call.fields.needed("source"), None)
    if source.run_id is None:
        raise ForbiddenError("A run's token registers the run's own files, and copies no version.")
    return source.run_id
