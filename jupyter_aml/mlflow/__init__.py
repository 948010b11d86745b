"""MLflow's REST protocol over our tracking and models, for clients that know only MLflow.

The service mounts `app.MlflowApp` below ``/mlflow``; the Jupyter server fronts it at ``/aml/mlflow``.
MLflow's experiments and runs are ours and the other way round; nothing is kept twice. `routes` is the whole
protocol as one table, and what is not in it is answered with ``ENDPOINT_NOT_FOUND``.
"""

from __future__ import annotations

import hashlib

PREFIX = "/mlflow"


def tracking_token(owner_token: str) -> str:
    """The token that MLflow clients of the workspace's owner show: good for this protocol, for nothing else.

    MLflow sends ``MLFLOW_TRACKING_TOKEN`` to whatever server it is pointed at, so the owner's own token,
    which opens everything, never gets there.
    """
    return hashlib.sha256(b"jupyter_aml mlflow token\0" + owner_token.encode()).hexdigest()
