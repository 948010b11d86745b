"""The real MLflow clients, unmodified, each in an environment of its own without our package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.environments.uv_process import find_uv
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

pytestmark = pytest.mark.slow
VERSIONS = ("3.17.2", "2.22.5")
# All of a client but its server: what somebody's script imports.
_WITH = ("scikit-learn", "pandas", "pillow")
_SCRIPT = Path(__file__).with_name("client_script.py")
_JOB = """
import mlflow
mlflow.log_param("alpha", 0.5)
for step in range(3):
    mlflow.log_metric("rmse", 1 / (step + 1), step=step)
mlflow.log_text("made in the job", "notes/a.txt")
with mlflow.start_run(nested=True, run_name="fold"):
    mlflow.log_metric("rmse", 2.0)
"""


@pytest.fixture(scope="module", params=VERSIONS)
def client_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has an MLflow client and nothing of ours."""
    folder = tmp_path_factory.mktemp(f"mlflow-{request.param}") / "venv"
    python = folder / "bin" / "python"
    uv = find_uv()
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(python), f"mlflow-skinny=={request.param}", *_WITH],
    ):
        subprocess.run([uv, *arguments], check=True, timeout=300)
    return python


@pytest.fixture(scope="module")
def workspace(client_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A fresh workspace for each client; at the end its store must be whole."""
    found = Workspace.create("clients", path=tmp_path_factory.mktemp("clients") / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_WARM", "0")
        patch.setenv("MLFLOW_TRACKING_TOKEN", "")
        yield found
    problems = found.client.call("check_workspace")["problems"]
    stop_service(found)
    assert problems == []


@pytest.mark.timeout(300)
def test_everything_a_script_does(client_python: Path, workspace: Workspace, tmp_path: Path) -> None:
    """Tracking, files, autologging, models and the registry; the script asserts what it reads back."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": workspace.get_mlflow_tracking_uri(),
        "MLFLOW_TRACKING_TOKEN": os.environ["MLFLOW_TRACKING_TOKEN"],
    }  # fmt: skip
    done = subprocess.run(
        [client_python, _SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    ours = workspace.runs.get(said["track"])
    assert ours.display_name == "outer" and ours.params["depth"] == "3" and len(ours.get_children()) == 1
    assert "table.json" in ours.get_file_names()
    assert said["model_signature"] is True
    version = workspace.client.call("get_model_version", name="flowers", version=1)
    assert version["type"] == "mlflow_model" and version["aliases"] == ["champion"]


def test_a_job_that_knows_only_mlflow(client_python: Path, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(_JOB)
    spec = command(f"{client_python} train.py", code=tmp_path)
    run = workspace.submit(spec, experiment="only mlflow")
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Completed", run.logs()
    assert run.params == {"alpha": "0.5"} and run.metric_history("rmse")["steps"] == [0, 1, 2]
    assert "notes/a.txt" in run.get_file_names()
    (child,) = run.get_children()
    assert child.display_name == "fold" and child.metrics == {"rmse": 2.0}
