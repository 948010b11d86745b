"""A job's script that knows only MLflow: it finds its run in its environment, and touches no other (★ G05, G06)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml import command
from jupyter_aml.mlflow.routes import ROUTES
from jupyter_aml.workspace import Workspace
from tests.mlflow.conftest import Job, Wire

# What an MLflow client does with MLFLOW_RUN_ID set, without MLflow.
_SCRIPT = """
import json, os, urllib.request

def ask(method, path, **given):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path
    headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(given).encode(), headers, method=method)
    return json.load(urllib.request.urlopen(request, timeout=30))

run = os.environ["MLFLOW_RUN_ID"]
ask("POST", "runs/update", run_id=run, status="RUNNING")
ask("POST", "runs/log-metric", run_id=run, key="rmse", value=0.25, timestamp=1, step=7)
ask("POST", "runs/log-parameter", run_id=run, key="alpha", value="0.5")
child = ask("POST", "runs/create", experiment_id=os.environ["MLFLOW_EXPERIMENT_ID"], run_name="fold")["run"]["info"]["run_id"]
ask("POST", "runs/log-metric", run_id=child, key="rmse", value=0.5, timestamp=1)
ask("POST", "runs/update", run_id=child, status="FINISHED")
ask("POST", "runs/update", run_id=run, status="FINISHED")
"""


def test_a_job_finds_where_mlflow_tracks_it(job: Job, wire: Wire, uri: str) -> None:
    environment = job.environment
    assert environment["MLFLOW_TRACKING_URI"] == uri and environment["MLFLOW_RUN_ID"] == job.run.id
    assert (
        environment["MLFLOW_TRACKING_TOKEN"]
        == environment["AML_TOKEN"]
        != wire.http.headers["authorization"][7:]
    )
    found = wire("GET", "experiments/get", experiment_id=environment["MLFLOW_EXPERIMENT_ID"])["experiment"]
    assert found["name"] == environment["MLFLOW_EXPERIMENT_NAME"] == "jobs"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_what_it_logs_is_the_job_s_and_its_exit_does_not_end_the_run(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(_SCRIPT)
    run = workspace.submit(
        command(f"{sys.executable} train.py && exit 3", code=tmp_path), experiment="scripts"
    )
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Failed"  # the runner has the last word, whatever the script's client said
    assert run.metrics == {"rmse": 0.25} and run.params == {"alpha": "0.5"}, run.logs()
    (child,) = run.get_children()
    assert (child.display_name, child.status, child.experiment_name) == ("fold", "Completed", "scripts")


def test_a_job_that_tracks_elsewhere_keeps_its_own_variables(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "say.py").write_text(
        "import os; print(sorted((k, v) for k, v in os.environ.items() if k.startswith('MLFLOW_')))"
    )
    elsewhere = {"MLFLOW_TRACKING_URI": "http://tracking.example"}
    spec = command(f"{sys.executable} say.py", code=tmp_path, environment_variables=elsewhere)
    run = workspace.submit(spec)
    run.wait_for_completion(show_output=False)
    assert "[('MLFLOW_TRACKING_URI', 'http://tracking.example')]" in run.logs()


def about(wire: Wire, run: str) -> dict[str, Any]:
    found: dict[str, Any] = wire("GET", "runs/get", run_id=run)["run"]
    return found


def test_a_run_s_token_changes_no_other_run(job: Job, wire: Wire, workspace: Workspace) -> None:
    """★ Every endpoint that changes a run, and not one other: each is in the table, or the test fails."""
    number = wire.experiment("of another")
    other = wire.run(number)
    files = wire.artifacts(other)
    wire.put(f"{files}/model/MLmodel", b"flavors: {}\n")
    model = wire("POST", "logged-models", experiment_id=number, name="m", source_run_id=other)["model"][
        "info"
    ]
    wire("POST", "registered-models/create", name="theirs")
    before, models = about(wire, other), wire("GET", "registered-models/search")
    key = {"key": "k", "value": "v", "timestamp": 1}
    given: dict[str, dict[str, Any]] = {
        "runs/log-metric": {"key": "k", "value": 1, "timestamp": 1},
        "runs/log-model": {"model_json": '{"artifact_path": "m", "run_id": "x", "flavors": {}}'},
        "runs/log-inputs": {"models": [{"model_id": model["model_id"]}]},
        "runs/outputs": {"models": [{"model_id": model["model_id"], "step": 1}]},
        "logged-models": {"experiment_id": number, "source_run_id": other},
        "model-versions/create": {"name": "theirs", "source": f"runs:/{other}/model"},
    }
    open_to_all = {"runs/create", "registered-models/create"}  # these make something of the caller's own
    for route in ROUTES:
        path = (
            route.path.removeprefix("mlflow/")
            .replace("{model_id}", model["model_id"])
            .replace("{tag_key}", "k")
        )
        if route.rule.action == "read" or path in open_to_all:
            continue
        if ":path" in path:
            target = f"/api/2.0/{files}/model/MLmodel"
            answer = job.wire.http.request(route.method, target, content=b"changed" * (route.method == "PUT"))
        else:
            body = {"run_id": other, "experiment_id": number, "name": "theirs", "version": "1", "alias": "a",
                    "new_name": "x", "status": "FINISHED", "stage": "Production", "tags": [key], "params": [key],
                    **key, **given.get(path, {})}  # fmt: skip
            answer = job.wire.ask(route.method, f"mlflow/{path}", body)
        assert answer.status_code in (403, 404), (route, answer.text)
        assert answer.json()["error_code"] in ("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST"), answer.text
    assert about(wire, other) == before and wire("GET", "registered-models/search") == models
    assert wire.http.get(f"/api/2.0/{files}/model/MLmodel").content == b"flavors: {}\n"
    assert wire("GET", f"logged-models/{model['model_id']}")["model"]["info"] == model


def test_a_run_s_token_makes_runs_below_its_own_only(job: Job, wire: Wire) -> None:
    other = wire.run()
    status, code, _ = job.wire.refused(
        "POST", "runs/create", tags=[{"key": "mlflow.parentRunId", "value": other}]
    )
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    child = job.wire.run()
    assert {"key": "mlflow.parentRunId", "value": job.run.id} in about(wire, child)["data"]["tags"]
    job.wire("POST", "runs/set-tag", run_id=child, key="k", value="v")
    job.wire("POST", "runs/set-tag", run_id=child, key="mlflow.parentRunId", value=other)
    assert {"key": "mlflow.parentRunId", "value": job.run.id} in about(wire, child)["data"]["tags"]


def test_a_job_s_script_registers_what_it_made(job: Job, wire: Wire, workspace: Workspace) -> None:
    own = job.run.id
    model = job.wire("POST", "logged-models", experiment_id="0", name="net", source_run_id=own)["model"][
        "info"
    ]
    place = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert job.wire.put(f"mlflow-artifacts/artifacts/{place}/MLmodel", b"flavors: {}\n").status_code == 200
    job.wire("POST", "registered-models/create", name="net")
    made = job.wire("POST", "model-versions/create", name="net", source=f"models:/{model['model_id']}")
    assert made["model_version"]["run_id"] == own and made["model_version"]["version"] == "1"
    assert job.wire.refused("POST", "registered-models/set-tag", name="net", key="k", value="v")[0] == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_run_s_token_opens_nothing_else_on_the_port(job: Job, uri: str, method: str) -> None:
    for path in (
        "/api/v1/jobs",
        "/api/v1/service/stop",
        "/api/v1/handshake",
        "/mlflow/../api/v1/service/stop",
    ):
        answer = job.wire.http.request(method, uri.removesuffix("/mlflow") + path, json={})
        assert answer.status_code == 404, path
