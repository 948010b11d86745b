"""The protocol as one table: each endpoint's method and path, who may call it, and what answers.

A path is served below each of `ROOTS` alike, by this table alone, so that no alias is guarded otherwise than
another. ``about`` tells which run a request is about, which decides whether a run's own token may make it:

* ``run``: the parameter ``run_id`` (``run_uuid``) names it, ``source``: ``source_run_id`` does if it is
  given;
* ``artifact``: the path of the artifact does;
* ``model``: the logged model's run;
* ``registered``: the run whose files are to be registered;
* ``none``: no run at all, or (creating one) the operation itself puts it below the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from jupyter_aml.core.access import Action, Resource, Rule

ROOTS = ("api/2.0/", "ajax-api/2.0/", "api/3.0/", "ajax-api/3.0/")
About = Literal["run", "source", "artifact", "model", "registered", "none"]
ARTIFACTS = "mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Route:
    """An endpoint. ``{name}`` in its path takes one segment, ``{name:path}`` the rest."""

    method: str
    path: str
    handler: str
    rule: Rule
    about: About = "none"


def _reads(method: str, path: str, handler: str, resource: Resource = "aml.runs") -> Route:
    return Route(method, path, handler, Rule("read", resource))


def _writes(
    method: str,
    path: str,
    handler: str,
    about: About = "none",
    resource: Resource = "aml.runs",
    action: Action = "write",
    *,
    own_run: bool = True,
) -> Route:
    return Route(method, path, handler, Rule(action, resource, own_run), about)


def _experiment(method: str, name: str, handler: str) -> Route:
    return _writes(method, f"mlflow/experiments/{name}", handler, resource="aml.experiments", own_run=False)


_EXPERIMENTS = (
    _experiment("POST", "create", "experiments.create"),
    _reads("GET", "mlflow/experiments/get", "experiments.get", "aml.experiments"),
    _reads("GET", "mlflow/experiments/get-by-name", "experiments.get_by_name", "aml.experiments"),
    _reads("POST", "mlflow/experiments/search", "experiments.search", "aml.experiments"),
    _reads("GET", "mlflow/experiments/search", "experiments.search", "aml.experiments"),
    _experiment("POST", "update", "experiments.update"),
    _experiment("POST", "delete", "experiments.delete"),
    _experiment("POST", "restore", "experiments.restore"),
    _experiment("POST", "set-experiment-tag", "experiments.set_tag"),
    _experiment("POST", "delete-experiment-tag", "experiments.delete_tag"),
)
_RUNS = (
    _writes("POST", "mlflow/runs/create", "runs.create"),
    _reads("GET", "mlflow/runs/get", "runs.get"),
    _writes("POST", "mlflow/runs/update", "runs.update", "run"),
    _writes("POST", "mlflow/runs/delete", "runs.delete", "run"),
    _writes("POST", "mlflow/runs/restore", "runs.restore", "run"),
    _reads("POST", "mlflow/runs/search", "runs.search"),
    _writes("POST", "mlflow/runs/log-metric", "logging.log_metric", "run"),
    _writes("POST", "mlflow/runs/log-parameter", "logging.log_parameter", "run"),
    _writes("POST", "mlflow/runs/log-batch", "logging.log_batch", "run"),
    _writes("POST", "mlflow/runs/set-tag", "logging.set_tag", "run"),
    _writes("POST", "mlflow/runs/delete-tag", "logging.delete_tag", "run"),
    _reads("GET", "mlflow/metrics/get-history", "logging.get_history"),
    _reads("GET", "mlflow/artifacts/list", "artifacts.list_of_run"),
)
_LOGGED = (
    _writes("POST", "mlflow/runs/log-inputs", "linked.log_inputs", "run"),
    _writes("POST", "mlflow/runs/outputs", "linked.log_outputs", "run"),
    _writes("POST", "mlflow/runs/log-model", "linked.log_model", "run"),
    _writes("POST", "mlflow/logged-models", "logged_models.create", "source"),
    _reads("POST", "mlflow/logged-models/search", "logged_models.search"),
    _reads("GET", "mlflow/logged-models/{model_id}", "logged_models.get"),
    _writes("PATCH", "mlflow/logged-models/{model_id}", "logged_models.finalize", "model"),
    _writes("DELETE", "mlflow/logged-models/{model_id}", "logged_models.delete", "model"),
    _writes("PATCH", "mlflow/logged-models/{model_id}/tags", "logged_models.set_tags", "model"),
    _writes("DELETE", "mlflow/logged-models/{model_id}/tags/{tag_key}", "logged_models.delete_tag", "model"),
    _writes("POST", "mlflow/logged-models/{model_id}/params", "logged_models.log_params", "model"),
)


def _model(method: str, path: str, handler: str) -> Route:
    return _writes(method, f"mlflow/{path}", f"registry.{handler}", resource="aml.models", own_run=False)


def _reads_model(method: str, path: str, handler: str) -> Route:
    return _reads(method, f"mlflow/{path}", f"registry.{handler}", "aml.models")


_REGISTRY = (
    # A job's script registers what it made: log_model(registered_model_name=...).
    _writes("POST", "mlflow/registered-models/create", "registry.create_model", resource="aml.models"),
    _reads_model("GET", "registered-models/get", "get_model"),
    _reads_model("GET", "registered-models/search", "search_models"),
    _model("POST", "registered-models/rename", "rename_model"),
    _model("PATCH", "registered-models/update", "update_model"),
    _model("DELETE", "registered-models/delete", "delete_model"),
    _reads_model("POST", "registered-models/get-latest-versions", "latest_versions"),
    _reads_model("GET", "registered-models/get-latest-versions", "latest_versions"),
    _model("POST", "registered-models/set-tag", "set_model_tag"),
    _model("DELETE", "registered-models/delete-tag", "delete_model_tag"),
    _model("POST", "registered-models/alias", "set_alias"),
    _reads_model("GET", "registered-models/alias", "get_by_alias"),
    _model("DELETE", "registered-models/alias", "delete_alias"),
    _writes("POST", "mlflow/model-versions/create", "registry.create_version", "registered", "aml.models"),
    _reads_model("GET", "model-versions/get", "get_version"),
    _reads_model("GET", "model-versions/search", "search_versions"),
    _reads_model("GET", "model-versions/get-download-uri", "version_uri"),
    _model("PATCH", "model-versions/update", "update_version"),
    _model("DELETE", "model-versions/delete", "delete_version"),
    _model("POST", "model-versions/transition-stage", "set_stage"),
    _model("POST", "model-versions/set-tag", "set_version_tag"),
    _model("DELETE", "model-versions/delete-tag", "delete_version_tag"),
)
_ARTIFACTS = (
    _reads("GET", ARTIFACTS, "artifacts.list_files"),
    _reads("GET", ARTIFACTS + "/{path:path}", "artifacts.download"),
    _writes("PUT", ARTIFACTS + "/{path:path}", "artifacts.upload", "artifact"),
    _writes("DELETE", ARTIFACTS + "/{path:path}", "artifacts.delete", "artifact"),
)
_AROUND = (_reads("GET", "mlflow/server-info", "around.server_info", "aml.workspace"),)

_HEALTH = _reads("GET", "health", "around.health", "aml.workspace")  # below no root

ROUTES: tuple[Route, ...] = (_HEALTH, *_EXPERIMENTS, *_RUNS, *_LOGGED, *_REGISTRY, *_ARTIFACTS, *_AROUND)
_STATIC = {
    (route.method, route.path): route for route in ROUTES if "{" not in route.path and route is not _HEALTH
}
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


def _pattern(path: str) -> re.Pattern[str]:
    form, at = "", 0
    for match in _PARAMETER.finditer(path):
        taken = ".+" if match[2] else "[^/]+"
        form += re.escape(path[at : match.start()]) + f"(?P<{match[1]}>{taken})"
        at = match.end()
    return re.compile(form + re.escape(path[at:]), re.DOTALL)


_PATTERNS = tuple((_pattern(route.path), route) for route in ROUTES if "{" in route.path)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint of a path below ``/mlflow/``, decoded once, and what its parameters took."""
    if (method, path) == (_HEALTH.method, _HEALTH.path):
        return _HEALTH, {}
    for inner in _below_root(path):
        if route := _STATIC.get((method, inner)):
            return route, {}
        for pattern, candidate in _PATTERNS:
            if candidate.method == method and (match := pattern.fullmatch(inner)):
                return candidate, match.groupdict()
    return None


def _below_root(path: str) -> Iterator[str]:
    for root in ROOTS:
        if path.startswith(root):
            yield path[len(root) :]
