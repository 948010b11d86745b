"""Naming an environment from the notebook, the shell and a job file; what Tab offers for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_aml.commands.main import main
from jupyter_aml.workspace import Workspace
from tests.magics.conftest import notebook, served  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook

HERE = "import sys, six\nprint('in', sys.prefix.rsplit('/', 1)[-1], six.__version__)"


def test_a_notebook_a_shell_and_a_job_file_name_an_environment(
    workspace: Workspace,
    served: Notebook,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace.environments.create("tiny", ["six==1.17.0"])
    assert served.completions("%aml submit --environment ti") == ["tiny"]
    assert "sklearn" in served.completions("%%aml submit --environment skl")
    shown = served.run("%aml environment list")
    assert [item["name"] for item in shown][:2] == ["tiny", "minimal"]
    assert served.run("%aml environment show tiny")["requirements"] == ["six==1.17.0"]

    served.run(f"%%aml submit --environment tiny --as cell --wait\n{HERE}")
    cell = served.shell.user_ns["cell"]
    assert cell.status == "Completed" and "in environment 1.17.0" in cell.logs()

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(HERE)
    monkeypatch.chdir(tmp_path / "code")
    assert main(["submit", "--environment", "tiny@latest", "--wait", "train.py"]) == 0
    script = workspace.runs.list(limit=1)[0]
    assert "in environment 1.17.0" in script.logs()
    assert script.get_details()["spec"]["environment"] == "tiny:1"

    (tmp_path / "job.yml").write_text(
        "code: code\ncommand: python train.py\nenvironment:\n  image: mcr.example/x\n  conda_file: conda.yml\n"
    )
    (tmp_path / "conda.yml").write_text("dependencies: [pip, {pip: [six==1.17.0]}]")
    assert main(["job", "create", "--file", str(tmp_path / "job.yml"), "--stream"]) == 0
    assert "in environment 1.17.0" in workspace.runs.list(limit=1)[0].logs()
