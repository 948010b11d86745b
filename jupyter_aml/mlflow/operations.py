"""How a user's process learns where MLflow's clients find the workspace."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from jupyter_aml.core.loopback import HOST
from jupyter_aml.core.operation import Context, Operations, Store
from jupyter_aml.mlflow import PREFIX, tracking_token
from jupyter_aml.mlflow.subjects import experiment_id
from jupyter_aml.tracking.tables import experiments

operations = Operations()


class MlflowTracking(BaseModel):
    """What an MLflow client needs: the address, and the token to show there."""

    uri: str
    token: str


def tracking_uri(store: Store) -> str:
    """The address of this workspace for MLflow's clients on this machine; the port is opened for it."""
    return f"http://{HOST}:{store.loopback.port()}{PREFIX}"


@operations.add("POST", "/service/mlflow", action="execute", resource="aml.service")
def open_mlflow(context: Context) -> MlflowTracking:
    """Open the workspace to MLflow's clients on this machine."""
    store = context.store
    store.loopback.is_promised = True
    return MlflowTracking(uri=tracking_uri(store), token=tracking_token(store.folder.token.read_text()))


def tracking_variables(store: Store, run: sa.Row[Any]) -> dict[str, str]:
    """What the environment of a run's job says of where MLflow tracks, but for the run's own token."""
    with store.database.read() as connection:
        name = connection.execute(
            sa.select(experiments.c.name).where(experiments.c.number == run.experiment)
        ).scalar_one()
    return {
        "MLFLOW_TRACKING_URI": tracking_uri(store),
        "MLFLOW_EXPERIMENT_ID": experiment_id(run.experiment, name),
    }
