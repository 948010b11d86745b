"""The protocol as a table of calls, against a real service: what each endpoint wants, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_aml.mlflow.routes import ROUTES
from tests.mlflow.conftest import Wire

ABSENT = "0" * 32
NOT_THERE = "RESOURCE_DOES_NOT_EXIST"
WRONG = "INVALID_PARAMETER_VALUE"

# Endpoint, what is left out, and the name the refusal must tell.
NEEDED = [
    ("POST", "experiments/create", {}, "name"),
    ("GET", "experiments/get", {}, "experiment_id"),
    ("GET", "experiments/get-by-name", {}, "experiment_name"),
    ("POST", "experiments/update", {"new_name": "x"}, "experiment_id"),
    ("POST", "experiments/delete", {}, "experiment_id"),
    ("POST", "experiments/restore", {}, "experiment_id"),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "0", "value": "v"}, "key"),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "0", "key": "k"}, "value"),
    ("GET", "runs/get", {}, "run_id"),
    ("POST", "runs/update", {"status": "FINISHED"}, "run_id"),
    ("POST", "runs/delete", {}, "run_id"),
    ("POST", "runs/restore", {}, "run_id"),
    ("POST", "runs/log-metric", {"key": "k", "value": 1, "timestamp": 1}, "run_id"),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "value": 1, "timestamp": 1}, "key"),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "key": "k", "timestamp": 1}, "value"),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "key": "k", "value": 1}, "timestamp"),
    ("POST", "runs/log-parameter", {"run_id": ABSENT, "value": "v"}, "key"),
    ("POST", "runs/log-batch", {"run_id": ABSENT, "metrics": [{"value": 1, "timestamp": 1}]}, "metrics[0].key"),
    ("POST", "runs/log-batch", {"run_id": ABSENT, "params": [{"value": "v"}]}, "params[0].key"),
    ("POST", "runs/set-tag", {"run_id": ABSENT, "value": "v"}, "key"),
    ("POST", "runs/delete-tag", {"run_id": ABSENT}, "key"),
    ("GET", "metrics/get-history", {"run_id": ABSENT}, "metric_key"),
    ("POST", "runs/log-inputs", {"run_id": ABSENT, "datasets": [{"tags": []}]}, "datasets[0].dataset"),
    ("POST", "runs/log-model", {"run_id": ABSENT}, "model_json"),
    ("POST", "logged-models", {"name": "m"}, "experiment_id"),
    ("POST", "registered-models/create", {}, "name"),
    ("GET", "registered-models/get", {}, "name"),
    ("POST", "model-versions/create", {"name": "x"}, "source"),
    ("GET", "model-versions/get", {"name": "x"}, "version"),
    ("GET", "mlflow-artifacts/artifacts", {}, "path"),
]  # fmt: skip
WRONG_TYPES = [
    ("POST", "experiments/create", {"name": 7}, "7", "name"),
    ("POST", "runs/search", {"max_results": "many"}, '"many"', "max_results"),
    ("POST", "runs/search", {"max_results": 50_001}, "50001", "max_results"),
    ("POST", "runs/search", {"experiment_ids": [1]}, "[1]", "experiment_ids"),
    ("POST", "runs/search", {"run_view_type": "SOME"}, '"SOME"', "run_view_type"),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "key": "k", "value": "1_0", "timestamp": 1}, '"1_0"', "value"),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "key": "k", "value": 1, "timestamp": 2**63},
     "9223372036854775808", "timestamp"),
    ("POST", "runs/log-batch", {"run_id": ABSENT, "metrics": {}}, "{}", "metrics"),
    ("POST", "runs/update", {"run_id": ABSENT, "status": "DONE"}, '"DONE"', "status"),
]  # fmt: skip
NOT_FOUND = [
    ("GET", "experiments/get", {"experiment_id": "987654"}),
    ("GET", "experiments/get-by-name", {"experiment_name": "none of this name"}),
    ("GET", "runs/get", {"run_id": ABSENT}),
    ("GET", "runs/get", {"run_uuid": "no id at all"}),
    ("POST", "runs/log-metric", {"run_id": ABSENT, "key": "k", "value": 1, "timestamp": 1}),
    ("POST", "runs/delete-tag", {"run_id": ABSENT, "key": "k"}),
    ("GET", f"logged-models/m-{ABSENT}", {}),
    ("GET", "registered-models/get", {"name": "nobody"}),
    ("GET", "model-versions/get", {"name": "nobody", "version": "1"}),
    ("POST", "logged-models", {"experiment_id": "0", "source_run_id": ABSENT}),
]


def below(path: str) -> str:
    return path if path.startswith("mlflow-artifacts") else f"mlflow/{path}"


@pytest.mark.parametrize(("method", "path", "given", "name"), NEEDED)
def test_what_is_missing_is_named(
    wire: Wire, method: str, path: str, given: dict[str, Any], name: str
) -> None:
    answer = wire.ask(method, below(path), given)
    assert answer.status_code == 400 and answer.json()["error_code"] == WRONG
    assert answer.json()["message"].startswith(f"Missing value for required parameter '{name}'.")


@pytest.mark.parametrize(("method", "path", "given", "shown", "name"), WRONG_TYPES)
def test_what_is_of_another_type_is_shown(
    wire: Wire, method: str, path: str, given: dict[str, Any], shown: str, name: str
) -> None:
    status, code, message = wire.refused(method, path, **given)
    assert (status, code) == (400, WRONG)
    assert message.startswith(f"Invalid value {shown} for parameter '{name}' supplied")


@pytest.mark.parametrize(("method", "path", "given"), NOT_FOUND)
def test_what_is_not_there_is_not_found(wire: Wire, method: str, path: str, given: dict[str, Any]) -> None:
    status, code, _ = wire.refused(method, path, **given)
    assert (status, code) == (404, NOT_THERE)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/3.0/mlflow/traces"), ("POST", "/api/2.0/mlflow/traces"), ("GET", "/version"),
        ("POST", "/v1/traces"), ("GET", "/graphql"), ("GET", "/api/2.0/mlflow/runs/nothing"),
        ("DELETE", "/api/2.0/mlflow/runs/get"), ("GET", "/"), ("GET", "/api/2.0/mlflow/users/get"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/x"),
    ],
)  # fmt: skip
def test_an_endpoint_that_is_not_served_says_so_in_mlflow_s_form(wire: Wire, method: str, path: str) -> None:
    answer = wire.ask(method, path, {})
    assert answer.status_code == 404 and answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_each_root_serves_the_same_table(wire: Wire) -> None:
    run = wire.run()
    for root in ("api/2.0", "ajax-api/2.0", "api/3.0", "ajax-api/3.0"):
        assert wire.ask("GET", f"/{root}/mlflow/runs/get", {"run_id": run}).status_code == 200
    assert wire.http.get("/health").text == "OK"
    assert wire.ask("GET", "/api/3.0/mlflow/server-info").json()["multipart_uploads_enabled"] is False


def test_every_endpoint_names_who_may_call_it() -> None:
    """What a run's token may change is what its run holds: every such endpoint says which run it is about."""
    without = {route.path for route in ROUTES if route.rule.own_run and route.about == "none"}
    assert without == {"mlflow/runs/create", "mlflow/registered-models/create"}
    assert all(
        route.rule.own_run or route.rule.resource in ("aml.experiments", "aml.models")
        for route in ROUTES
        if route.rule.action != "read"
    )
