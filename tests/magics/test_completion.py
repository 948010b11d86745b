"""Tab after ``%aml``: what fits there and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_aml.client import launch
from jupyter_aml.client.locate import default_attributes
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.core.workspace import create_workspace_folder
from jupyter_aml.workspace import Workspace

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%aml sub", ["submit"]),
        ("%aml st", ["status"]),
        ("%aml job s", ["show", "stream"]),
        ("run = %aml ru", ["runs"]),
        ("x = 1\n%aml wa", ["wait"]),
        ("%aml submit --co", ["--code", "--compute"]),
        ("%aml submit --code x --co", ["--compute"]),
        ("%aml submit -c ", ["local"]),
        ("%aml submit --compute l", ["local"]),
        ("%aml runs -o y", ["yaml"]),
        ("%aml submit tr", ["train.ipynb", "train.py"]),
        ("%aml submit sub", ["sub/"]),
        ("%aml submit train.py d", ["data.csv"]),
        ("%aml submit -p alpha $fact", ["$factor"]),
        ("%aml help jo", ["job"]),
        ("%aml help job stre", ["stream"]),
        ("%%aml tr", ["track"]),
        ("%%aml submit --re", ["--return"]),
        ("%%aml submit --in fact", ["factor"]),
        ("%%aml submit --in x,fact", ["x,factor"]),
        ("%aml nothing ", [""]),
        ("%aml status pri", ["pri"]),
        ("%aml submit 'op", ["'op"]),
    ],
)
def test_completion_without_a_service(
    notebook: Notebook, tmp_path: Path, typed: str, offered: list[str]
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("train.ipynb", "train.py", "data.csv"):
        (tmp_path / name).touch()
    notebook.run("factor = 3")
    assert notebook.completions(typed) == offered


def test_the_body_of_a_cell_is_pythons(notebook: Notebook) -> None:
    notebook.run("factor = 3")
    assert "factor" in notebook.completions("%%aml submit\nfact")


def test_runs_and_experiments_come_from_the_service(workspace: Workspace, notebook: Notebook) -> None:
    with workspace.experiments["iris"].start_run("quiet-fox-12") as run:
        pass
    notebook.run("%aml status -q")
    assert "quiet-fox-12" in notebook.completions("%aml show ")
    assert notebook.completions("%aml compare last quiet") == ["quiet-fox-12"]
    assert notebook.completions(f"%aml show {run.id[:9]}") == [run.id]
    assert notebook.completions("%aml runs -e ir") == ["iris"]
    assert notebook.completions("%aml experiment show ir") == ["iris"]


def test_completion_starts_no_service(notebook: Notebook, home: Path) -> None:
    assert notebook.completions("%aml show la") == ["la"]
    assert not home.exists(), "not even the default workspace is made"
    folder = home / "workspaces" / "default"
    create_workspace_folder(folder, default_attributes("default"), exist_ok=False)
    assert notebook.completions("%aml show la") == ["la"]
    assert notebook.completions("%aml status -w def") == ["default"]
    assert not launch.is_running(WorkspaceFolder(folder))
