"""Which function answers which endpoint: the names in `routes` are module and function here."""

from __future__ import annotations

from jupyter_aml.mlflow import around, artifacts, experiments, linked, logged_models, logging, registry, runs
from jupyter_aml.mlflow.call import Handler
from jupyter_aml.mlflow.routes import ROUTES

_MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (around, artifacts, experiments, linked, logged_models, logging, registry, runs)
}


def _handler(name: str) -> Handler:
    module, _, function = name.partition(".")
    found: Handler = vars(_MODULES[module])[function]
    return found


HANDLERS: dict[str, Handler] = {route.handler: _handler(route.handler) for route in ROUTES}
