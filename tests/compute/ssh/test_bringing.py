"""A machine that has only a Python: the package is brought there, once."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

import jupyter_aml
from jupyter_aml import command
from jupyter_aml.compute.engines.ssh.wheel import own_wheel
from jupyter_aml.errors import RunFailedError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import until
from tests.compute.ssh.conftest import Host, attach

WHERE = """
import os, sys, jupyter_aml
from jupyter_aml import Run
Run.get_context().log("answer", 42)
print(jupyter_aml.__file__, flush=True)
"""


@pytest.fixture
def plain_python(tmp_path: Path) -> str:
    """A Python with the standard library alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "plain")], check=True)
    return str(tmp_path / "plain" / "bin" / "python")


def test_the_wheel_is_one_that_pip_takes() -> None:
    wheel = own_wheel()
    assert own_wheel() == wheel
    with zipfile.ZipFile(BytesIO(wheel.data)) as archive:
        names = archive.namelist()
        described = archive.read(f"jupyter_aml-{jupyter_aml.__version__}.dist-info/METADATA").decode()
    assert "jupyter_aml/jobs/runner.py" in names and "jupyter_aml/compute/engines/ssh/bootstrap.py" in names
    assert not [name for name in names if "__pycache__" in name or "labextension" in name]
    assert "Requires-Dist: papermill" in described


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_package_is_brought_once(
    workspace: Workspace, host: Host, plain_python: str, tmp_path: Path
) -> None:
    attached = attach(workspace, host, python=plain_python)
    assert "with the first run" in str(attached.get_status()["details"])
    code = tmp_path / "code"
    code.mkdir()
    (code / "where.py").write_text(WHERE)
    for times in (1, 0):
        run = workspace.submit(command("python where.py", code=code), compute="gpu-box")
        until(lambda run=run: run.is_final, 240)
        assert run.status == "Completed", (run.error, run.logs("system_logs/ssh.txt"))
        assert run.logs().startswith(f"{host.aml}/runners/{jupyter_aml.__version__}-")
        assert run.metrics == {"answer": 42.0}
        assert run.logs("system_logs/ssh.txt").count("bringing") == times
    assert len([path for path in (host.aml / "runners").iterdir() if path.is_dir()]) == 1


def test_a_machine_that_finds_no_packages_is_a_finding(
    workspace: Workspace, host: Host, plain_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.stop()
    host.variables = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    host.start()
    attach(workspace, host, python=plain_python)
    run = workspace.submit(command("true"), compute="gpu-box")
    with pytest.raises(RunFailedError, match="could not be installed on gpu-box"):
        run.wait_for_completion(show_output=False)
    assert run.error is not None and "mirror" in "\n".join(run.error["log_tail"])
