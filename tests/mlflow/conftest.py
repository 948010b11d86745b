"""A workspace whose service speaks MLflow, a client that knows only the wire, and a job with a token of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_aml import command
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

_TELL = """
import json, os, pathlib, sys, time
told, go = map(pathlib.Path, sys.argv[1:])
told.with_suffix(".part").write_text(json.dumps(dict(os.environ)))
told.with_suffix(".part").rename(told)
while not go.exists():
    time.sleep(0.05)
"""


class Wire:
    """MLflow's protocol by hand: each call checks that the answer is the JSON MLflow's clients can read."""

    def __init__(self, uri: str, token: str | None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=uri, headers=headers, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, given: dict[str, Any] | None = None) -> httpx.Response:
        """Call an endpoint below ``/api/2.0/`` (``path`` may name another root)."""
        target = path if path.startswith("/") else f"/api/2.0/{path}"
        if method == "GET":
            answer = self.http.request(method, target, params=given)
        else:
            answer = self.http.request(method, target, json=given)
        if answer.headers["content-type"] == "application/json":
            json.loads(answer.text, parse_constant=_no_constant)
        return answer

    def __call__(self, method: str, path: str, **given: Any) -> Any:
        """As `ask`, for a call that succeeds; its JSON."""
        answer = self.ask(method, f"mlflow/{path}", given)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def refused(self, method: str, path: str, **given: Any) -> tuple[int, str, str]:
        """As `ask`, for a call that is refused: status, code, message."""
        answer = self.ask(method, f"mlflow/{path}", given)
        body = answer.json()
        assert answer.status_code >= 400 and set(body) == {"error_code", "message"}, answer.text
        assert "Traceback" not in body["message"]
        return answer.status_code, body["error_code"], body["message"]

    def experiment(self, name: str) -> str:
        """The id of a new experiment."""
        return str(self("POST", "experiments/create", name=name)["experiment_id"])

    def run(self, experiment: str = "0", **given: Any) -> str:
        """The id of a new run."""
        made = self("POST", "runs/create", experiment_id=experiment, **given)
        return str(made["run"]["info"]["run_id"])

    def artifacts(self, run: str) -> str:
        """The path of a run's files at the artifact proxy."""
        uri = self("GET", "runs/get", run_id=run)["run"]["info"]["artifact_uri"]
        return f"mlflow-artifacts/artifacts/{uri.removeprefix('mlflow-artifacts:/')}"

    def put(self, path: str, data: bytes) -> httpx.Response:
        """Send a file."""
        return self.http.put(f"/api/2.0/{path}", content=data)


def _no_constant(text: str) -> Any:
    raise AssertionError(f"{text} is no JSON; MLflow's clients raise on it")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for a module; at the end its store must be whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AML_WARM", "0")
        patch.chdir(tmp_path_factory.mktemp("cwd"))
        patch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
        found = Workspace.default()
        found.get_mlflow_tracking_uri()
        yield found
        problems = found.client.call("check_workspace")["problems"]
        stop_service(found)
        patch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    assert problems == []


@pytest.fixture(scope="module")
def uri(workspace: Workspace) -> str:
    """Where MLflow's clients find it."""
    return workspace.get_mlflow_tracking_uri()


@pytest.fixture(scope="module")
def wire(workspace: Workspace, uri: str) -> Iterator[Wire]:
    """The workspace's owner, as an MLflow client."""
    found = Wire(uri, os.environ["MLFLOW_TRACKING_TOKEN"])
    yield found
    found.http.close()


@dataclass
class Job:
    """A job that runs, what is in its environment, and a client with its token."""

    run: Run
    environment: dict[str, str]
    wire: Wire


@pytest.fixture(scope="module")
def job(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A job that lasts as long as the module."""
    folder = tmp_path_factory.mktemp("job")
    told, go = folder / "told.json", folder / "go"
    (folder / "code").mkdir()
    (folder / "code" / "tell.py").write_text(_TELL)
    spec = command(f"{sys.executable} tell.py {told} {go}", code=folder / "code")
    run = workspace.submit(spec, experiment="jobs")
    environment = json.loads(wait_for(told))
    wire = Wire(environment["MLFLOW_TRACKING_URI"], environment["MLFLOW_TRACKING_TOKEN"])
    yield Job(run, environment, wire)
    go.touch()
    run.wait_for_completion()
    assert (
        wire.ask("GET", "mlflow/runs/get", {"run_id": run.id}).status_code == 401
    )  # its token ended with it
    wire.http.close()


def wait_for(path: Path, seconds: float = 60.0) -> str:
    """What a file holds once it is there."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
    return path.read_text()
